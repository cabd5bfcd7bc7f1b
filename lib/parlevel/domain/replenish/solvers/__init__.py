"""Dynamic programming for items, OR-Tools for what couples them."""
