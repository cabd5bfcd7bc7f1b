"""What a buyer makes, by hand, of orders that each item asked for by itself, so that a supplier and a budget take them.

Rules that decide item by item know no supplier's minimum. To see what they cost where one holds, somebody must do what
buyers do: strike cases off what lasts longest until it fits, add cases of what runs out first until it is enough.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Forecast, State, Terms
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row, order_step, weights
from parlevel.domain.replenish.rounding import SLACK, least, room

WORTH_FILLING = 0.5
"""Share of a minimum from which an order is filled up to it; a smaller one waits for the next review."""


def accepted(wanted: Floats, state: State, forecast: Forecast, terms: Terms, limits: Sequence[Row]) -> Floats:
    """(n,) units that are ordered today of what items want.

    Capacities come first: cases are struck, of the item with the longest cover, until what is ordered fits; what falls
    below an item's smallest order is struck whole. Storage counts the inventory position after the order. Then come
    minimums: cases are added, of the item with the shortest cover, if at least half of the minimum is wanted; no
    maximum stock or shelf life is passed for it. An order that is worth less, or cannot be filled up, waits. Trucks
    stop no order.

    Args:
        wanted: (n,) units, whole cases; 0: no order.
        state, forecast, terms: of the n items, now.
        limits: of their supplier and place; today's are kept, prices are no limits.
    """
    cart = _Cart(wanted.copy(), state.inventory_position, forecast.mean.mean(axis=1), terms)
    today = [row for row in limits if row.price is None]
    caps = [_capacity(row, state, terms) for row in today if row.kind in CAPACITIES]
    for count, amount in caps:
        cart.strike(count, amount)
    for row in today:
        if row.kind == "supplier_min" and row.step == 0:
            cart.fill(weights(terms, row.measure), row.amount, caps)
    return cart.units


def truck_costs(limits: Sequence[Row], terms: Terms, ordered: Floats) -> Floats:
    """(n,) money that trucks cost each item: what a period's trucks cost is shared by what they carry.

    Args:
        limits: rows of the group; a truck's row of step 0 stands for every period.
        terms: of the n items.
        ordered: (n, P) units ordered in each period.
    """
    total = np.zeros(len(ordered))
    for row in limits:
        if row.kind != "truck" or row.step or row.amount <= 0:
            continue
        load = ordered * weights(terms, row.measure)[:, None]
        carried = load.sum(axis=0)
        cost = np.ceil(carried / row.amount - SLACK) * row.cost
        total += (load * np.divide(cost, carried, out=np.zeros_like(cost), where=carried > 0)).sum(axis=1)
    return total


@dataclass
class _Cart:
    """Today's orders of n items.

    Attributes:
        units: (n,) ordered.
        position: (n,) inventory position before them, units.
        rate: (n,) expected demand a period, units.
        terms: of the items.
    """

    units: Floats
    position: Floats
    rate: Floats
    terms: Terms

    def strike(self, count: Floats, amount: float) -> None:
        """Take cases out until what is ordered counts at most `amount`; `count` (n,) is what a unit counts."""
        over = float(self.units @ count) - amount
        if over <= SLACK:
            return
        smallest = least(self.terms) * self.terms.case_pack
        heap = self._heap((self.units > 0) & (count > 0), self.units, sign=-1.0)
        while over > SLACK and heap:
            k = heapq.heappop(heap)[1]
            left = self.units[k] - self.terms.case_pack[k]
            left = left if left >= smallest[k] - SLACK else 0.0
            over -= (self.units[k] - left) * count[k]
            self.units[k] = left
            if left > 0:
                heapq.heappush(heap, (-self._cover(k, left), k))

    def fill(self, count: Floats, amount: float, caps: Sequence[tuple[Floats, float]]) -> None:
        """Add cases until what is ordered counts at least `amount`, or order none of what counts."""
        used = float(self.units @ count)
        if used <= SLACK or used >= amount - SLACK:
            return
        full = self._filled(count, amount) if used >= WORTH_FILLING * amount else None
        if full is None or any(full @ each > most + SLACK for each, most in caps):
            self.units = np.where(count > 0, 0.0, self.units)
        else:
            self.units = full

    def _filled(self, count: Floats, amount: float) -> Floats | None:
        units, used, pack = self.units.copy(), float(self.units @ count), self.terms.case_pack
        smallest, most = least(self.terms) * pack, room(self.position, self.terms) * pack
        fresh = np.where(self.terms.shelf_life > 0, self.terms.shelf_life * self.rate - self.position, np.inf)
        most = np.minimum(most, fresh)
        heap = self._heap(count > 0, units, sign=1.0)
        while used < amount - SLACK:
            if not heap:
                return None
            k = heapq.heappop(heap)[1]
            more = units[k] + pack[k] if units[k] > 0 else smallest[k]
            if more > most[k] + SLACK:
                continue
            used += (more - units[k]) * count[k]
            units[k] = more
            heapq.heappush(heap, (self._cover(k, more), k))
        return units

    def _heap(self, some: Bools, units: Floats, sign: float) -> list[tuple[float, int]]:
        heap = [(sign * self._cover(k, units[k]), k) for k in np.flatnonzero(some).tolist()]
        heapq.heapify(heap)
        return heap

    def _cover(self, k: int, units: float) -> float:
        """Periods that the position lasts with an order; what sells nothing lasts longest."""
        return float((self.position[k] + units) / max(self.rate[k], 1e-9))


def _capacity(row: Row, state: State, terms: Terms) -> tuple[Floats, float]:
    """((n,) what a unit ordered today counts, how much today's orders may count)."""
    each = weights(terms, row.measure)
    if row.basis == "stock":
        counted = each if row.step == 0 else np.zeros_like(each)
        return counted, row.amount - float(state.inventory_position @ counted)
    counted = np.where(order_step(row, terms, row.step + 1) == 0, each, 0.0)
    due = state.receipts[:, row.step] if row.basis == "receipt" and row.step < state.receipts.shape[1] else None
    return counted, row.amount - (float(due @ each) if due is not None else 0.0)
