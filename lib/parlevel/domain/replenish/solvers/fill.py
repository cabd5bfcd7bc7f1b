"""Plans made to fit what the others leave of a capacity.

The relaxation mixes plans, and what it mixes may not add up to whole ones: an item whose plans are all too large for
what is left would order nothing. So each item's best plans are cut to the room that the others' leave, what was cut
waits for the next step with room, and an item takes such a plan where that lowers the cost; then the room is another.
Cuts must not leave orders below a supplier's minimum: what is too little for it waits as well.

No item alone may be able to reach a supplier's minimum at a step that the others leave closed. So choices are also
made from none, with the steps open that the relaxation opens: items take turns, those that use most of a capacity
first, each with its best plan that fits the room and orders at open steps alone; repair then closes the steps that
stayed too small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import CAPACITIES, order_step, weights
from parlevel.domain.replenish.rounding import SLACK, least
from parlevel.domain.replenish.solvers.master import Columns, Master, make_columns
from parlevel.domain.replenish.solvers.repair import cheapest_of, improve, repair, without_orders

ROUNDS = 12
PLANS = 4  # an item's cheapest plans, each cut to the room
SWAPS = 2000
FIRST = 30  # items that choose one after another, before all others

Charges = Callable[[Floats, Floats | None], Floats]
"""What plans (..., n, h) with stock (..., n, T) pay at outside prices: (..., n)."""


def fill(
    master: Master,
    columns: Columns,
    chosen: Ints,
    batch: Batch,
    charges: Charges,
    with_stock: bool,
    opened: Sequence[Bools] = (),
) -> Ints:
    """A choice that costs no more, with plans that use the room which is left; adds them to the columns.

    Args:
        master: all rows of the group.
        columns: its plans so far.
        chosen: (n,) column of each item; keeps every row.
        batch: the items.
        charges: outside prices.
        with_stock: whether a row or price counts stock.
        opened: (h,) each: steps at which orders are placed, for choices made from none.
    """
    work = _Filling(master, columns, batch, batch.allowed(), charges, with_stock)
    found = [work.settle(chosen)]
    for steps in opened:
        placed, turns = without_orders(columns, chosen), _by_use(master, columns, batch.n)
        for who in (*turns[:FIRST, None], turns[FIRST:]):
            placed = work.place(placed, who, steps) if len(who) else placed
        found.append(work.settle(repair(master, columns, placed)))
    return min(found, key=lambda each: master.value(columns, each))


@dataclass(frozen=True)
class _Filling:
    """What all choices of a group are filled with; see `fill`. Plans that are made are added to the columns."""

    master: Master
    columns: Columns
    batch: Batch
    allowed: Bools
    charges: Charges
    with_stock: bool

    def settle(self, chosen: Ints) -> Ints:
        """(n,) a choice that costs no more, once no plan cut to the room that it leaves lowers its cost."""
        for _ in range(ROUNDS):
            self._cut(*_room(self.master, self.columns, chosen, self.batch), self.allowed)
            better = improve(self.master, self.columns, chosen, SWAPS)
            if np.array_equal(better, chosen):
                break
            chosen = better
        return chosen

    def place(self, chosen: Ints, who: Ints, steps: Bools) -> Ints:
        """(n,) the choice in which items `who` take their best plan that fits the room and orders at `steps` alone."""
        room = _room(self.master, self.columns, chosen, self.batch)[0]
        self._cut(room, np.zeros_like(room), self.allowed & steps, who)
        fits = (self.columns.units <= np.where(steps, room, 0.0)[self.columns.item] + SLACK).all(axis=1)
        return cheapest_of(self.columns, fits & np.isin(self.columns.item, who), chosen)

    def _cut(self, room: Floats, lowest: Floats, may: Bools, who: Ints | None = None) -> None:
        """Add the cheapest plans of all items, or of `who` alone, cut as `fitted` does."""
        units = fitted(_cheapest(self.columns, self.batch.n), room, lowest, may, self.batch.terms)
        stock = self.batch.expected_stock(units) if self.with_stock else None
        cost = self.batch.appraise(units) + self.charges(units, stock)
        made = make_columns(self.master.rows, self.batch.terms, units, cost, stock)
        self.columns.add(made if who is None else made.take(np.isin(made.item, who)))


def opened(master: Master, gates: Floats, thresholds: Sequence[float], horizon: int) -> list[Bools]:
    """(h,) each: the steps that a relaxation's gates (g,) open, rounded up from several shares on, without repeats."""
    found: dict[bytes, Bools] = {}
    for threshold in thresholds:
        steps = np.ones(horizon, bool)
        for k, on in zip(master.gates, np.ceil(gates - threshold) > 0, strict=False):
            steps[master.rows[k].step] &= on
        found.setdefault(steps.tobytes(), steps)
    return list(found.values())


def _by_use(master: Master, columns: Columns, n: int) -> Ints:
    """Items by the share of a capacity that their cheapest plans use, the largest first."""
    caps = [k for k, row in enumerate(master.rows) if row.kind in CAPACITIES]
    amount = np.array([max(master.rows[k].amount, 1e-9) for k in caps])
    share = (columns.use[columns.cheapest(n)][:, caps] / amount).max(axis=1, initial=0.0)
    return np.argsort(-share, kind="stable")


def fitted(wanted: Floats, room: Floats, lowest: Floats, allowed: Bools, terms: Terms) -> Floats:
    """(p, n, h) plans cut to the room of each step, in whole cases; what is cut is ordered at the next step with room.

    Args:
        wanted: (p, n, h) units.
        room: (n, h) units that each item may order at a step.
        lowest: (n, h) units below which it must order nothing at a step.
        allowed: (n, h) whether it may order there at all.
        terms: of the items.
    """
    pack, smallest = terms.case_pack, np.maximum(lowest, (least(terms) * terms.case_pack)[:, None])
    out, waiting = np.zeros_like(wanted), np.zeros(wanted.shape[:2])
    for t in range(wanted.shape[2]):
        asked = wanted[:, :, t] + waiting
        fits = np.floor(np.minimum(asked, room[:, t]) / pack + SLACK) * pack
        out[:, :, t] = np.where(allowed[:, t] & (fits >= smallest[:, t] - SLACK), np.maximum(fits, 0.0), 0.0)
        waiting = asked - out[:, :, t]
    return out


def _room(master: Master, columns: Columns, chosen: Ints, batch: Batch) -> tuple[Floats, Floats]:
    """(n, h) units at most and at least of an order in place of an item's own at each step, the others' as they are."""
    own = columns.use[chosen]
    free = np.array([row.amount for row in master.rows]) - own.sum(axis=0) + own
    room, lowest = batch.largest(), np.zeros((batch.n, batch.horizon))
    for k, row in enumerate(master.rows):
        limits = row.kind in CAPACITIES and row.basis != "stock"
        if not limits and row.kind != "supplier_min":
            continue
        at, each = order_step(row, batch.terms, batch.horizon), weights(batch.terms, row.measure)
        item = np.flatnonzero((at >= 0) & (each > 0))
        here, left = (item, at[item]), np.maximum(free[item, k], 0.0) / each[item]
        if limits:
            room[here] = np.minimum(room[here], left)
        else:
            lowest[here] = np.maximum(lowest[here], left)
    return room, lowest


def _cheapest(columns: Columns, n: int) -> Floats:
    """(p, n, h) the cheapest plans of each item, whatever they use; where it has fewer, its cheapest again."""
    order = np.lexsort((columns.cost, columns.item))
    first = np.searchsorted(columns.item[order], np.arange(n))
    count = np.bincount(columns.item, minlength=n)
    return np.stack([columns.units[order[first + np.minimum(k, count - 1)]] for k in range(PLANS)])
