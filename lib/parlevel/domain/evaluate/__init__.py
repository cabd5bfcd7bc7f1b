"""Accuracy of forecasts and worth of plans."""
