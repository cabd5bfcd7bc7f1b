"""Rules that decide an order; one file each."""
