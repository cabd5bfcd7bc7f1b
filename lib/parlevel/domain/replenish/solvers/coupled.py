"""Items that share resources: column generation with a Lagrangian bound, an integer master, a repair.

GLOP prices what is shared; the dynamic programme answers with each item's cheapest plan at those prices, which gives
both a new column and a lower bound that holds for every plan of the group; the loop stops at the gap asked for. An
integer program then picks one plan per item. Source: Gilmore & Gomory (1961); Farley (1990) for the bound on the way;
Wentges (1997) for pricing at a point between the best and the newest duals.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.batch import Batch, StepPlans, StepPrices
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row, order_step, usage, weights
from parlevel.domain.replenish.solvers.linear import Solution, solve_integer, solve_linear
from parlevel.domain.replenish.solvers.master import Columns, Master, make_columns
from parlevel.domain.replenish.solvers.repair import repair
from parlevel.errors import SolverError

Point = tuple[Floats, Floats]
"""Duals: (price of every row, link of every supplier minimum and item); see `Master.split_duals`."""


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        solver: SCIP, HIGHS or CP_SAT.
        time_limit: seconds for the whole group.
        max_gap: relative gap at which to stop.
        rounds: pricing rounds at most.
    """

    solver: str = "SCIP"
    time_limit: float = 20.0
    max_gap: float = 0.01
    rounds: int = 8


@dataclass(frozen=True)
class GroupPlan:
    """A group's plan with its certificate.

    Attributes:
        units: (n, h) units ordered at each step.
        alone: (n, h) what items would order without anything shared.
        status: optimal (within the gap), feasible, relaxed, heuristic.
        objective: expected cost, with trucks, money.
        bound: no plan of the group costs less, money.
        rounds: pricing rounds.
        relaxed: limits that no plan can keep, with the amount by which they were raised.
        reason: in words.
        prices: label of a row -> money per unit of its measure.
        binding: (n,) label of the row that moved the item's first order, or "".
    """

    units: Floats
    alone: Floats
    status: str
    objective: float
    bound: float
    rounds: int
    relaxed: list[str] = field(default_factory=list)
    reason: str = ""
    prices: dict[str, float] = field(default_factory=dict)
    binding: list[str] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """(objective - bound) / |bound|, at least 0."""
        return max(self.objective - self.bound, 0.0) / max(abs(self.bound), 1e-9)


def solve_group(batch: Batch, rows: list[Row], effort: Effort) -> GroupPlan:
    """Plan a group.

    Args:
        batch: its items; built `with_stock` where a row counts stock.
        rows: shared resources; those that no order can touch are ignored.
        effort: limits.
    """
    free = batch.solve()
    active, relaxed = _active(batch, rows)
    plans = make_columns(active, batch.terms, free.units, free.cost, free.stock)
    master = Master(batch.n, active)
    total = plans.use.sum(axis=0)
    objective = float(free.cost.sum())
    costly = any(active[k].cost > 0 for k in master.truck)
    if not costly and not master.violation(total).any():
        status, words = ("relaxed", "nothing shared binds once the limits are raised") if relaxed else ("optimal", "")
        reason = words or ("nothing shared binds" if rows else "nothing is shared")
        return GroupPlan(free.units[0], free.units[0], status, objective, objective, 0, relaxed, reason,
                         binding=[""] * batch.n)  # fmt: skip
    return _Group(batch, master, effort, free).plan(plans, relaxed)


def _active(batch: Batch, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Rows that an order can touch, with limits raised to what is there already, and what was raised."""
    steps = np.unique(np.concatenate([m.time.step[m.time.step < batch.horizon] for m in batch.models]))
    kept, relaxed = [], []
    idle = batch.solve(_barred(batch)) if any(row.basis == "stock" for row in rows) else None
    for row in rows:
        if row.basis == "stock":
            least = float(usage(row, batch.terms, idle.units[0], _of(idle)).sum()) if idle else 0.0
        else:
            if not np.isin(order_step(row, batch.terms, batch.horizon), steps).any():
                continue
            least = 0.0
        limit = row.amount
        if row.basis == "receipt":
            due = batch.state.receipts[:, row.step] if row.step < batch.state.receipts.shape[1] else 0.0
            limit = row.amount - float(np.sum(due * weights(batch.terms, row.measure)))
        if row.kind in CAPACITIES and limit < least - 1e-9:
            relaxed.append(f"{row.label} by {least - limit:,.2f} {row.measure} (already on hand or on order)")
            limit = least
        kept.append(Row(row.name, row.kind, row.measure, row.step, limit, row.cost))
    return kept, relaxed


def _of(plans: StepPlans) -> Floats | None:
    return None if plans.stock is None else plans.stock[0]


def _barred(batch: Batch) -> StepPrices:
    """Prices under which nothing is ordered."""
    shape = (1, batch.n, batch.horizon)
    return StepPrices(np.zeros(shape), np.full(shape, np.inf))


class _Group:
    """The loop of one group; keeps the columns and the best bound."""

    def __init__(self, batch: Batch, master: Master, effort: Effort, free: StepPlans) -> None:
        self.batch, self.master, self.effort, self.free = batch, master, effort, free
        self.started = time.monotonic()
        self.bound = float(free.priced.sum())
        self.best: Point | None = None
        self.prices: Point = (np.zeros(len(master.rows)), np.zeros((len(master.minimum), batch.n)))
        self.rounds = 0
        self.note = ""

    def left(self) -> float:
        """Seconds left."""
        return self.effort.time_limit - (time.monotonic() - self.started)

    def plan(self, columns: Columns, relaxed: list[str]) -> GroupPlan:
        """Generate columns, pick plans, say how good they are."""
        columns.add(self._columns(self._seeds())[0])
        self._generate(columns)
        chosen, status = self._choose(columns)
        units, use = columns.units[chosen], columns.use[chosen].sum(axis=0)
        objective = float(columns.cost[chosen].sum()) + self.master.extra_cost(use)
        bound = min(self.bound, objective)
        close = objective - bound <= self.effort.max_gap * max(abs(bound), 1e-9)
        status = "heuristic" if status == "heuristic" else "optimal" if close else "feasible"
        prices = {row.label: float(p) for row, p in zip(self.master.rows, self.prices[0], strict=True) if p != 0}
        return GroupPlan(
            units, self.free.units[0], "relaxed" if relaxed and status != "heuristic" else status, objective, bound,
            self.rounds, relaxed, self._words(status), prices, self._binding(units),
        )  # fmt: skip

    def _words(self, status: str) -> str:
        said = {
            "optimal": f"within {100 * self.effort.max_gap:g} % of the bound",
            "feasible": "the bound is further away than the gap asked for",
            "heuristic": "plans of single items, repaired",
        }[status]
        return f"{said}; {self.note}" if self.note else said

    def _generate(self, columns: Columns) -> None:
        """Rounds of pricing until the bound is close, nothing new is found, or time or rounds are over."""
        while self.rounds < self.effort.rounds and self.left() > 0.2 * self.effort.time_limit:
            try:
                relaxation = solve_linear(self.master.program(columns), self.left())
            except SolverError as error:
                self.note = str(error)
                return
            self.rounds += 1
            price, link = self.master.split_duals(relaxation.duals)
            points = [(price, link)]
            if self.best is not None:
                points.append((0.5 * price + 0.5 * self.best[0], 0.5 * link + 0.5 * self.best[1]))
            new = columns.add(self._price(points))
            if new == 0 or relaxation.value - self.bound <= 0.25 * self.effort.max_gap * max(abs(self.bound), 1e-9):
                return

    def _choose(self, columns: Columns) -> tuple[Ints, str]:
        """(n,) the column of each item, and how it was found."""
        start = self._first_of(columns)
        try:
            found = self._integer(columns)
        except SolverError as error:
            self.note = str(error)
            return repair(self.master, columns, start), "heuristic"
        if not found.proved:
            self.note = f"{self.effort.solver} stopped at the time limit"
        picked = np.flatnonzero(found.x[: len(columns.item)] > 0.5)
        chosen = start.copy()
        chosen[columns.item[picked]] = picked
        if self.master.violation(columns.use[chosen].sum(axis=0)).any():
            return repair(self.master, columns, chosen), "heuristic"
        return chosen, "integer"

    def _integer(self, columns: Columns) -> Solution:
        seconds = max(self.left(), 0.1 * self.effort.time_limit)
        return solve_integer(self.master.program(columns), self.effort.solver, 0.25 * self.effort.max_gap, seconds)

    def _first_of(self, columns: Columns) -> Ints:
        """(n,) each item's cheapest column."""
        order = np.lexsort((columns.cost, columns.item))
        first = np.searchsorted(columns.item[order], np.arange(self.batch.n))
        return order[first]

    def _columns(self, parts: list[StepPrices]) -> tuple[Columns, StepPlans]:
        """Every item's best plan at several price vectors."""
        stock = [part.stock for part in parts if part.stock is not None]
        prices = StepPrices(
            np.concatenate([part.unit for part in parts]),
            np.concatenate([part.fixed for part in parts]),
            np.concatenate(stock) if stock else None,
        )
        plans = self.batch.solve(prices)
        return make_columns(self.master.rows, self.batch.terms, plans.units, plans.cost, plans.stock), plans

    def _price(self, points: list[Point]) -> Columns:
        """Columns at several duals; keeps the best bound and the duals that gave it."""
        columns, plans = self._columns([self._prices(*point) for point in points])
        for at, (price, link) in enumerate(points):
            bound = float(plans.priced[at].sum()) + self.master.constant(price, link)
            if bound > self.bound or self.best is None:
                self.best = (price, link)
            if bound > self.bound:
                self.bound, self.prices = bound, (price, link)
        return columns

    def _prices(self, price: Floats, link: Floats) -> StepPrices:
        """Row prices and links as prices of items and steps."""
        batch, terms, h = self.batch, self.batch.terms, self.batch.horizon
        unit, fixed = np.zeros((1, batch.n, h)), np.zeros((1, batch.n, h))
        counts = any(row.basis == "stock" for row in self.master.rows)
        stock = np.zeros((1, batch.n, batch.periods)) if counts else None
        items = np.arange(batch.n)
        for k, row in enumerate(self.master.rows):
            each = price[k] * weights(terms, row.measure)
            if stock is not None and row.basis == "stock":
                stock[0, :, row.step] += each
                continue
            at = order_step(row, terms, h)
            unit[0, items[at >= 0], at[at >= 0]] += each[at >= 0]
        for order, k in enumerate(self.master.minimum):
            fixed[0, :, self.master.rows[k].step] += link[order]
        return StepPrices(unit, fixed, stock)

    def _seeds(self) -> list[StepPrices]:
        """Prices whose plans a good group plan is likely to need: no orders, joint order steps, dearer units."""
        batch = self.batch
        zero = self._prices(np.zeros(len(self.master.rows)), np.zeros((len(self.master.minimum), batch.n)))
        steps = sorted({row.step for row in self.master.rows if row.basis == "order"})
        barred = [[*range(batch.horizon)]]
        if self.master.minimum or self.master.truck:
            for every in (2, 3, 4):
                barred += [[s for i, s in enumerate(steps) if i % every != first] for first in range(every)]
            barred += [[s] for s in steps[:6]]
        out = []
        for off in barred:
            fixed = zero.fixed.copy()
            fixed[0, :, off] = np.inf
            out.append(StepPrices(zero.unit, fixed, zero.stock))
        typical = batch.terms.holding_cost * batch.terms.review_period
        dearer = [zero.unit + factor * typical[None, :, None] for factor in (1.0, 4.0, 16.0)]
        return out + [StepPrices(unit, zero.fixed, zero.stock) for unit in dearer]

    def _binding(self, units: Floats) -> list[str]:
        """(n,) the row with the largest price effect on an item whose first order was moved."""
        rows, price = self.master.rows, self.prices[0]
        moved = units[:, 0] != self.free.units[0, :, 0]
        out = [""] * self.batch.n
        if not rows:
            return out
        effect = np.zeros((self.batch.n, len(rows)))
        for k, row in enumerate(rows):
            each = np.abs(price[k]) * weights(self.batch.terms, row.measure)
            # A minimum binds by its links even where its price is nil: the first step's row then names itself.
            near = 1e-9 / (1 + row.step)
            first = order_step(row, self.batch.terms, self.batch.horizon) == 0
            effect[:, k] = each + np.where(first | (row.basis == "stock"), near, 0.1 * near)
        for item in np.flatnonzero(moved):
            out[item] = rows[int(effect[item].argmax())].label
        return out
