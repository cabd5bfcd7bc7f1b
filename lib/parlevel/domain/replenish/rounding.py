"""From the quantity that is wanted to one that may be ordered: case packs, minimum order, maximum stock."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Terms

# Units within this share of a case count as the case, so that 2.9999999 cases are three.
SLACK = 1e-9


def packs_up(units: Floats, case_pack: Floats) -> Floats:
    """Cases that hold at least `units`; never less than 0."""
    return np.maximum(np.ceil(units / case_pack - SLACK), 0.0)


def packs_down(units: Floats, case_pack: Floats) -> Floats:
    """Cases that fit into `units`; never less than 0."""
    return np.maximum(np.floor(units / case_pack + SLACK), 0.0)


def room(position: Floats, terms: Terms) -> Floats:
    """(n,) cases that may be ordered before the inventory position passes `max_stock`; inf without a maximum."""
    limit = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)
    free = np.maximum(limit - position, 0.0)
    cases = np.full_like(free, np.inf)
    np.floor(free / terms.case_pack + SLACK, out=cases, where=np.isfinite(free))
    return cases


def orderable(position: Floats, terms: Terms) -> Bools:
    """(n,) whether any order fits: the smallest one stays below the maximum."""
    return room(position, terms) >= least(terms)


def least(terms: Terms) -> Floats:
    """(n,) cases of the smallest order that is not zero."""
    return np.maximum(packs_up(terms.min_order_qty, terms.case_pack), 1.0)


def round_order(wanted: Floats, position: Floats, terms: Terms) -> Floats:
    """The order that comes closest to what is wanted and obeys the terms.

    Rounds up to cases and to the minimum order, then down to the maximum stock. It is zero only where nothing
    is wanted, or where not even the minimum order fits below the maximum.

    Args:
        wanted: (n,) units; <= 0 means no order.
        position: (n,) inventory position before the order, units.
        terms: of the n items.

    Returns: (n,) units.
    """
    cases = np.maximum(packs_up(wanted, terms.case_pack), least(terms))
    cases = np.minimum(cases, room(position, terms))
    fits = (wanted > 0) & (cases >= least(terms))
    return np.where(fits, cases, 0.0) * terms.case_pack
