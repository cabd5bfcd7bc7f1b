"""Stocks at several places that supply each other: where to hold safety stock, who gets scarce stock, what to move."""
