"""Forecasters, their calibration, their choice, and the sample paths that orders are made from."""
