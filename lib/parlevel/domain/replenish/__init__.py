"""Replenishment: what to order, when and how much."""
