"""Compiled loops over items, demand paths and periods: stock run down, tables of cost, plans, courses."""
