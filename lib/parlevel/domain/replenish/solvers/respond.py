"""Items take turns: each plans anew, exactly, beside what the others order, until no plan changes.

What the others leave of a capacity bounds an item's orders; what a minimum is short of, or how full the last truck is,
sets a price on orders of each size. With such prices the dynamic programme looks at every pair of levels: a
millisecond an item, so it is for items one by one, after prices have brought their plans near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.batch import Batch, StepPrices, stock_tables
from parlevel.domain.replenish.constraints.resource import CAPACITIES, order_step, weights
from parlevel.domain.replenish.kernels.plans import add_tolls, answered
from parlevel.domain.replenish.solvers.master import Master

SWEEPS = 12
SAVED = 1e-9  # share of its cost that a new plan must save
KIND = {**dict.fromkeys(CAPACITIES, 0), "supplier_min": 1, "truck": 2}
"""Kinds of resources as the loops know them."""


@dataclass(frozen=True)
class _Own:
    """What an item's turns begin from: K opportunities, r rows.

    Attributes:
        steps: (K,) order step of each opportunity.
        unit, least: units in a level, levels of the smallest order.
        cap: (K,) highest level an order may reach; -1: none may be placed.
        cost: (K, levels) of an interval at a level, with outside prices of stock, money.
        toll: (K, levels) of an order of so many levels, with outside prices, money.
        at: (r,) opportunity whose orders count against a row; -1: none.
        stored: (row, interval, (levels,) use) of each storage at a level.
    """

    steps: Ints
    unit: float
    least: int
    cap: Ints
    cost: Floats
    toll: Floats
    at: Ints
    stored: list[tuple[int, int, Floats]]


class Turns:
    """Turns of the items of a group.

    Args:
        master: all rows of the group.
        batch: its items.
        base: prices from outside, one vector.
    """

    def __init__(self, master: Master, batch: Batch, base: StepPrices) -> None:
        self.master, self.batch, self.base = master, batch, base
        rows = master.rows
        self._each = np.array([weights(batch.terms, row.measure) for row in rows]).T.reshape(batch.n, -1).copy()
        self._stored = [k for k, row in enumerate(rows) if row.basis == "stock"]
        self._step = np.array([order_step(row, batch.terms, batch.horizon) for row in rows]).T.reshape(self._each.shape)
        self._step[:, self._stored] = -1
        self._kind = np.array([KIND[row.kind] for row in rows], np.int64)
        self._amount, self._cost = np.array([[row.amount, row.cost] for row in rows]).reshape(-1, 2).T.copy()
        self._known: list[_Own] = []

    def settle(self, units: Floats, held: Floats | None = None, missing: float = np.inf) -> Floats:
        """(n, h) plans that cost no more together, once no item alone can better its own.

        Args:
            units: (n, h) ordered at each step.
            held: (gates,) how often each gate opens; a closed one lets nothing through. Default: as the plans have it.
            missing: money for a minimum of which nothing is ordered, less than all of it costs that share; inf: what is
                ordered fills it.
        """
        if not self._known:
            self._known = self._all()
        opened = np.full(len(self.master.rows), -1.0)
        if held is not None:
            opened[self.master.gates] = held
        units = units.copy()
        use = self._use(units)
        total = use.sum(axis=0)
        for _ in range(SWEEPS):
            changed = False
            for item in range(self.batch.n):
                found = self._turn(item, units[item], total - use[item], opened, missing)
                if found is not None:
                    units[item], changed = found, True
                    use = self._use(units)
                    total = use.sum(axis=0)
            if not changed:
                break
        return units

    def _turn(self, item: int, units: Floats, others: Floats, opened: Floats, missing: float) -> Floats | None:
        """(h,) an item's plan beside the others' use (r,); None where its own (h,) is as good."""
        own = self._known[item]
        toll, cost = own.toll.copy(), self._within(own, others)
        add_tolls(
            toll, own.unit, own.at, self._kind, self._amount, self._cost, self._each[item], others, opened, missing
        )
        level = np.minimum(np.rint(units[own.steps].cumsum() / own.unit).astype(np.int64), cost.shape[1] - 1)
        k = np.arange(len(own.steps))
        now = cost[k, level].sum() + toll[k, np.diff(level, prepend=0)].sum()
        found, value = answered(cost, own.cap, own.least, toll)
        if not value < now - SAVED * max(abs(value), 1.0):
            return None
        out = np.zeros_like(units)
        out[own.steps] = np.diff(found, prepend=0) * own.unit
        return out

    def _within(self, own: _Own, others: Floats) -> Floats:
        """(K, levels) cost of an item's levels; inf where they would make a storage overflow."""
        if not own.stored:
            return own.cost
        cost, (amount, slack, *_) = own.cost.copy(), self.master.limits
        for row, interval, use in own.stored:
            full = others[row] + use > amount[row] + slack[row]
            full[0] = False  # what is there stays
            cost[interval, full] = np.inf
        return cost

    def _use(self, units: Floats) -> Floats:
        """(n, r) of every row by plans (n, h)."""
        use = np.take_along_axis(units, np.maximum(self._step, 0), axis=1) * (self._step >= 0) * self._each
        if self._stored:
            stock = self.batch.expected_stock(units[None])[0]
            for k in self._stored:
                use[:, k] = stock[:, self.master.rows[k].step] * self._each[:, k]
        return use

    def _all(self) -> list[_Own]:
        """What every item's turns begin from."""
        found: dict[int, _Own] = {}
        for number, (rows, model) in enumerate(zip(self.batch.rows, self.batch.models, strict=True)):
            prices, allowed = self.batch.prices(number, self.base), model.allowed
            tables = stock_tables(model) if self._stored else None
            for j, item in enumerate(rows.tolist()):
                n_k = int(model.time.count[j])
                cap = np.where(allowed[j], model.cap[j], -1)[:n_k]
                levels = min(max(int(cap.max()), 0) + 1, model.n_levels)
                cost = model.cost[j, :n_k, :levels]
                if prices.stock is not None:
                    cost = cost + prices.stock[0, j, :n_k, :levels]
                toll = prices.unit[0, j, :n_k, None] * (np.arange(levels) * model.unit[j])
                toll[model.most[j, :n_k, None] < np.arange(levels)] = np.inf
                toll[:, 1:] += (prices.fixed[0, j, :n_k] + model.terms.order_cost[j])[:, None]
                steps = model.time.step[j, :n_k]
                at = np.minimum(np.searchsorted(steps, self._step[item]), n_k - 1)
                stored = []
                for k in self._stored:
                    period = self.master.rows[k].step
                    interval = int((period - model.terms.lead_time[j]) // model.terms.review_period[j])
                    if tables is not None and 0 <= interval < n_k:
                        stored.append((k, interval, tables[j, period, :levels] * self._each[item, k]))
                found[item] = _Own(
                    steps, float(model.unit[j]), int(model.least[j]), plain(cap, np.int64), plain(cost), toll,
                    plain(np.where(steps[at] == self._step[item], at, -1), np.int64), stored,
                )  # fmt: skip
        return [found[item] for item in range(self.batch.n)]
