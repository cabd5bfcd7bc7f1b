"""Capacitated lot sizing with setup times: what to make or order when, with one shared capacity per period."""
