"""Who gets what when a warehouse cannot send all that its stores ordered.

Fair: every store gets the same share of what it needs, weighted by priority, in whole cases. Stock that would make
shares unequal only by rounding goes to the stores that are furthest behind their share.
Source: proportional rationing and the largest-remainder method; Zipkin (2000), "Foundations of Inventory Management",
sec. 8.5, for why balanced stores cost least.
"""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.rounding import SLACK
from parlevel.errors import DataError


def allocate(
    available: float, wanted: Floats, case_pack: Floats, priority: Floats | None = None, must: Floats | None = None
) -> Floats:
    """Units for each of n stores.

    Args:
        available: units in the warehouse.
        wanted: (n,) units ordered, multiples of case_pack.
        case_pack: (n,) units.
        priority: (n,) weight > 0 of a store's need; default 1: shares of what is wanted are equal.
        must: (n,) units that are owed and come first (backorders, display stock), <= wanted; default 0.

    Returns: (n,) multiples of case_pack, <= wanted; the sum is <= available and leaves less than the smallest case
        that a store still wants.

    Raises:
        DataError: quantities below zero, or a priority that is not positive.
    """
    weight = np.ones_like(wanted) if priority is None else np.asarray(priority, np.float64)
    owed = np.zeros_like(wanted) if must is None else np.minimum(must, wanted)
    if available < 0 or (wanted < 0).any() or (weight <= 0).any() or (case_pack <= 0).any():
        raise DataError("available and wanted must be >= 0, case_pack and priority > 0. Got one that is not.")
    cases = np.floor(wanted / case_pack + SLACK)
    if (cases * case_pack).sum() <= available + SLACK:
        return cases * case_pack
    first = _share(available, np.minimum(np.ceil(owed / case_pack - SLACK), cases), case_pack, weight)
    left = available - float((first * case_pack).sum())
    return (first + _share(left, cases - first, case_pack, weight)) * case_pack


def _share(available: float, cases: Floats, case_pack: Floats, weight: Floats) -> Floats:
    """(n,) whole cases, in proportion to weight x wanted, none more than wanted."""
    wanted = cases * case_pack
    if wanted.sum() <= available + SLACK:
        return cases
    target = _fill(available, wanted, weight)
    given = np.floor(target / case_pack + SLACK)
    left = available - float((given * case_pack).sum())
    while True:
        able = (given < cases - SLACK) & (case_pack <= left + SLACK)
        if not able.any():
            return given
        # The store that is furthest behind its share, relative to what it wanted, takes the next case.
        behind = np.where(able, (target - given * case_pack) / np.maximum(weight * wanted, SLACK), -np.inf)
        row = int(behind.argmax())
        given[row] += 1
        left -= float(case_pack[row])


def _fill(available: float, wanted: Floats, weight: Floats) -> Floats:
    """(n,) min(wanted, level x weight x wanted) with the level at which the sum is `available`."""
    pace = weight * wanted
    full = np.zeros(len(wanted), bool)
    while True:
        rest = available - float(wanted[full].sum())
        level = rest / max(float(pace[~full].sum()), SLACK)
        newly = ~full & (level * pace >= wanted - SLACK) & (wanted > 0)
        if not newly.any():
            return np.where(full, wanted, level * pace)
        full |= newly
