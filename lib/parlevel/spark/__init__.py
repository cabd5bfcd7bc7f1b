"""Thin adapters between Spark and the rest: session, tables, grouped functions, load balance."""
