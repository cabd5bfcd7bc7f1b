"""Plans made to fit what the others leave of a capacity.

The relaxation mixes plans, and what it mixes may not add up to whole ones: an item whose plans are all too large for
what is left would order nothing. So each item's best plans are cut to the room that the others' leave, what was cut
waits for the next step with room, and an item takes such a plan where that lowers the cost; then the room is another.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import CAPACITIES, order_step, weights
from parlevel.domain.replenish.rounding import SLACK, least
from parlevel.domain.replenish.solvers.master import Columns, Master, make_columns
from parlevel.domain.replenish.solvers.repair import improve

ROUNDS = 12
PLANS = 4  # an item's cheapest plans, each cut to the room
SWAPS = 2000

Charges = Callable[[Floats, Floats | None], Floats]
"""What plans (..., n, h) with stock (..., n, T) pay at outside prices: (..., n)."""


def fill(master: Master, columns: Columns, chosen: Ints, batch: Batch, charges: Charges, with_stock: bool) -> Ints:
    """A choice that costs no more, with plans that use the room which is left; adds them to the columns.

    Args:
        master: all rows of the group.
        columns: its plans so far.
        chosen: (n,) column of each item; keeps every row.
        batch: the items.
        charges: outside prices.
        with_stock: whether a row or price counts stock.
    """
    allowed = batch.allowed()
    for _ in range(ROUNDS):
        room = _room(master, columns, chosen, batch)
        units = fitted(_cheapest(columns, batch.n), room, allowed, batch.terms)
        stock = batch.expected_stock(units) if with_stock else None
        cost = batch.appraise(units) + charges(units, stock)
        columns.add(make_columns(master.rows, batch.terms, units, cost, stock))
        better = improve(master, columns, chosen, SWAPS)
        if np.array_equal(better, chosen):
            break
        chosen = better
    return chosen


def fitted(wanted: Floats, room: Floats, allowed: Bools, terms: Terms) -> Floats:
    """(p, n, h) plans cut to the room of each step, in whole cases; what is cut is ordered at the next step with room.

    Args:
        wanted: (p, n, h) units.
        room: (n, h) units that each item may order at a step.
        allowed: (n, h) whether it may order there at all.
        terms: of the items.
    """
    pack, smallest = terms.case_pack, least(terms) * terms.case_pack
    out, waiting = np.zeros_like(wanted), np.zeros(wanted.shape[:2])
    for t in range(wanted.shape[2]):
        asked = wanted[:, :, t] + waiting
        fits = np.floor(np.minimum(asked, room[:, t]) / pack + SLACK) * pack
        out[:, :, t] = np.where(allowed[:, t] & (fits >= smallest - SLACK), np.maximum(fits, 0.0), 0.0)
        waiting = asked - out[:, :, t]
    return out


def _room(master: Master, columns: Columns, chosen: Ints, batch: Batch) -> Floats:
    """(n, h) units that an item could order at each step in place of its own plan, the others' as they are."""
    items, own = np.arange(batch.n), columns.use[chosen]
    free = np.array([row.amount for row in master.rows]) - own.sum(axis=0) + own
    room = np.full((batch.n, batch.horizon), np.inf)
    for k, row in enumerate(master.rows):
        if row.kind not in CAPACITIES or row.basis == "stock":
            continue
        at, each = order_step(row, batch.terms, batch.horizon), weights(batch.terms, row.measure)
        counts = np.flatnonzero((at >= 0) & (each > 0))
        left = np.maximum(free[counts, k], 0.0) / each[counts]
        room[items[counts], at[counts]] = np.minimum(room[items[counts], at[counts]], left)
    return room


def _cheapest(columns: Columns, n: int) -> Floats:
    """(p, n, h) the cheapest plans of each item, whatever they use; where it has fewer, its cheapest again."""
    order = np.lexsort((columns.cost, columns.item))
    first = np.searchsorted(columns.item[order], np.arange(n))
    count = np.bincount(columns.item, minlength=n)
    return np.stack([columns.units[order[first + np.minimum(k, count - 1)]] for k in range(PLANS)])
