"""Items that share resources: column generation with a Lagrangian bound, then whole plans, ever better ones.

GLOP prices what is shared; the dynamic programme answers with each item's cheapest plan at those prices: a new column,
and a lower bound for every plan of the group; the loop stops at the gap asked for. What the relaxation mixes is rounded
and repaired; while it is not close, `fill` makes plans that fit a capacity, items take turns (`respond`), whole order
schedules are tried (`schedules`), and in small groups an integer program picks among all plans there are.
Source: Gilmore & Gomory (1961); Farley (1990) for the bound on the way; Wentges (1997) for duals between two.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.batch import Batch, StepPlans, StepPrices
from parlevel.domain.replenish.constraints.attainable import attainable
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row
from parlevel.domain.replenish.solvers.binding import binding
from parlevel.domain.replenish.solvers.fill import fill, opened
from parlevel.domain.replenish.solvers.linear import WORK, solve_integer, solve_linear
from parlevel.domain.replenish.solvers.master import Columns, Master, make_columns
from parlevel.domain.replenish.solvers.outcome import SAID, Effort, GroupPlan
from parlevel.domain.replenish.solvers.pricing import item_charges, seeds, step_prices
from parlevel.domain.replenish.solvers.repair import cheapest_of, repair
from parlevel.domain.replenish.solvers.respond import Turns
from parlevel.domain.replenish.solvers.schedules import Schedules, opened_steps
from parlevel.errors import SolverError

MORE_ROWS = 5  # times that rows broken by an integer plan are added and the program is solved again
# Items x gates beyond which an integer program is not asked: it took 6 times as long, for plans that cost more.
LARGE = 30
FAR = 0.1  # gap from which schedules are searched with all effort, cost from which models are built about the plan
REFERENCES = 2  # times that models are built about the plan that was found, and it is sought again

Point = tuple[Floats, Floats]
"""Duals: (price of every row, link of every gate and item); see `Master.split_duals`."""


def solve_group(batch: Batch, rows: list[Row], effort: Effort, start: Floats | None = None) -> GroupPlan:
    """Plan a group.

    Models count the sales lost by the items' own best plans once, and further ones as if they were still to be served.
    So where limits make plans cost much more, models are built about the plan found, until they agree on its cost.

    Args:
        batch: its items; built `with_stock` where a row counts stock. Its models may be about the plan afterwards.
        rows: shared resources; those that no order can touch are ignored; rows with a price are charged, and the
            bound is then of plans that use no more of them than the plan found.
        effort: limits.
        start: (n, h) units of a plan that is known; none that costs more is given back while it keeps the rows.
    """
    alone = batch.solve()
    own, cost = alone.units[0], float(alone.cost.sum())
    plan = _solved(batch, rows, effort, own, start)
    for _ in range(REFERENCES):
        said = float(batch.appraise(plan.units[None]).sum())
        if said - cost <= FAR * abs(cost):
            break
        models = batch.models
        batch.refer(plan.units, opened_steps(rows, plan.units))
        if abs(float(batch.appraise(plan.units[None]).sum()) - said) <= FAR * abs(said):
            batch.use(models)
            break
        plan = _solved(batch, rows, effort, own, plan.units)
    return plan


def _solved(batch: Batch, rows: list[Row], effort: Effort, alone: Floats, start: Floats | None) -> GroupPlan:
    """The plan by the batch's models as they are; `alone` (n, h) is what items would order by themselves."""
    active, relaxed = attainable(batch, [row for row in rows if row.price is None])
    return _Group(batch, active, [row for row in rows if row.price is not None], effort).plan(relaxed, alone, start)


class _Group:
    """The loop of one group; keeps the columns, the rows that matter and the best bound.

    Rows that no plan so far breaks are not watched: without them the program is smaller and its bound still holds.
    """

    def __init__(self, batch: Batch, rows: list[Row], tolls: list[Row], effort: Effort) -> None:
        self.batch, self.rows, self.tolls, self.effort = batch, rows, tolls, effort
        self.started, self.with_stock = time.monotonic(), any(row.basis == "stock" for row in (*rows, *tolls))
        charge = np.array([[row.price or 0.0 for row in tolls]])
        self.base = step_prices(batch, tolls, charge, self.with_stock)
        self.columns, self.free = self._solve([self.base])
        self.whole = Master(batch.n, rows)
        self.watched: list[int] = []
        self.master = Master(batch.n, [])
        self.bound = float(self.free.priced.sum())
        self.rounds, self.note = 0, ""
        self.share = self.gates = np.zeros(0)
        self.schedules = Schedules(
            self.whole, self.columns, self._answer, self._made, Turns(self.whole, batch, self.base),
            lambda: self.left() - 0.3 * effort.time_limit,
        )  # fmt: skip
        self._watch(self._broken(np.arange(batch.n)) | set(self.whole.truck))

    def left(self) -> float:
        """Seconds left."""
        return self.effort.time_limit - (time.monotonic() - self.started)

    def plan(self, relaxed: list[str], alone: Floats, start: Floats | None = None) -> GroupPlan:
        """Find plans, say how good they are."""
        if self.watched:
            chosen, status = self._search(start)
        else:
            chosen, status = np.arange(self.batch.n), "alone"
            self.note = "nothing shared binds" if self.rows else "nothing is shared"
        units = self.columns.units[chosen]
        stock = self.batch.expected_stock(units[None])[0] if self.with_stock else None
        # What is paid at outside prices is no cost of the group.
        paid = self._charges(units, stock).sum()
        objective = self._value(chosen) - float(paid)
        bound = min(self.bound - paid, objective)
        gap = (objective - bound) / max(abs(bound), 1e-9)
        status = "optimal" if gap <= self.effort.max_gap else "heuristic" if status == "heuristic" else "feasible"
        rows = [*self.master.rows, *self.tolls]
        paid_at = [*self.prices[0], *(row.price or 0.0 for row in self.tolls)]
        prices = {row.label: float(p) for row, p in zip(self.master.rows, self.prices[0], strict=True) if p != 0}
        prices |= {row.label: row.price for row in self.tolls if row.price}
        return GroupPlan(
            units, alone, "relaxed" if relaxed and status != "heuristic" else status, objective, bound, self.rounds,
            relaxed, self._words(status, gap), prices, binding(self.batch, rows, paid_at, units, alone),
        )  # fmt: skip

    def _search(self, start: Floats | None) -> tuple[Ints, str]:
        """(n,) the column of each item and how it was found: columns, plans rounded from their mix, better plans."""
        self.columns.add(self._solve(seeds(self.batch, self.base, self.rows))[0])
        for _ in range(MORE_ROWS):
            self._generate()
            if not (broken := self._broken(self._largest()) - set(self.watched)):
                break
            self._watch(broken)
        best = repair(self.whole, self.columns, self._largest())
        best = best if start is None else self._better(self._made(start), best)
        for better in (self._fill, self._settle, self._reschedule, self._pick):
            if not self._close(best):
                best = better(best)
        return best, "heuristic" if self.note or self._broken(best) else "found"

    def _charges(self, units: Floats, stock: Floats | None) -> Floats:
        """(..., n) what plans (..., n, h) pay at outside prices."""
        return item_charges(self.tolls, [row.price or 0.0 for row in self.tolls], self.batch.terms, units, stock)

    def _words(self, status: str, gap: float) -> str:
        said = SAID[status].format(gap=100 * self.effort.max_gap, found=100 * gap)
        return self.note if not self.watched else f"{said}; {self.note}" if self.note else said

    def _broken(self, chosen: Ints) -> set[int]:
        """Rows that a choice of columns breaks."""
        return set(np.flatnonzero(self.whole.violation(self.columns.use[chosen].sum(axis=0))).tolist())

    def _watch(self, more: set[int]) -> None:
        """Take rows into the program, capacities in all their periods; the best duals start again from none."""
        names = {self.rows[k].name for k in more if self.rows[k].kind in CAPACITIES}
        moved = {k for k, row in enumerate(self.rows) if row.name in names}  # what leaves one period enters another
        self.watched, self.share = sorted({*self.watched, *more, *moved}), np.zeros(0)
        self.master = Master(self.batch.n, [self.rows[k] for k in self.watched])
        self.gates = np.zeros(len(self.master.gates))
        self.best: Point | None = None
        self.prices: Point = (np.zeros(len(self.watched)), np.zeros((len(self.master.gates), self.batch.n)))

    def _generate(self) -> None:
        """Rounds of pricing until the bound is close, nothing new is found, or time or rounds are over."""
        for _ in range(self.effort.rounds):
            if self.left() < 0.2 * self.effort.time_limit:
                return
            try:
                relaxation = solve_linear(self.master.program(self.columns.of(self.watched)), self.left(), dual=True)
            except SolverError as error:
                self.note = str(error)
                return
            self.rounds += 1
            self.share = relaxation.x[: len(self.columns.item)]
            self.gates = relaxation.x[len(self.columns.item) :]
            points = [self.master.split_duals(relaxation.duals)]
            if self.best is not None:
                points.append(((points[0][0] + self.best[0]) / 2, (points[0][1] + self.best[1]) / 2))
            new = self._price(points)
            if new == 0 or relaxation.value - self.bound <= 0.1 * self.effort.max_gap * max(abs(self.bound), 1e-9):
                return

    def _largest(self) -> Ints:
        """(n,) each item's column with the largest share in the relaxation."""
        share = np.zeros(len(self.columns.item))
        share[: len(self.share)] = self.share
        order = np.lexsort((self.columns.cost, -share, self.columns.item))
        return order[np.searchsorted(self.columns.item[order], np.arange(self.batch.n))]

    def _better(self, found: Ints, chosen: Ints) -> Ints:
        """The choice found where it keeps every row and costs less, else the one there was."""
        return chosen if self._broken(found) or self._value(found) >= self._value(chosen) else found

    def _settle(self, chosen: Ints) -> Ints:
        """(n,) a choice that costs no more, once no item alone can better its plan."""
        return self._better(self._made(self.schedules.turns.settle(self.columns.units[chosen])), chosen)

    def _fill(self, chosen: Ints) -> Ints:
        """(n,) a choice that costs no more, with plans cut to the room that a capacity leaves."""
        if not any(row.kind in CAPACITIES for row in self.whole.rows):
            return chosen
        steps = opened(self.master, self.gates, (0.0, 0.5, 0.2, 0.8), self.batch.horizon)
        found = fill(self.whole, self.columns, chosen, self.batch, self._charges, self.with_stock, steps)
        return self._better(found, chosen)

    def _pick(self, chosen: Ints) -> Ints:
        """(n,) a choice that costs no more, by an integer program over the columns; larger groups keep theirs."""
        if self.batch.n * max(1, len(self.master.gates)) > LARGE:
            return chosen
        columns, c = self.columns.of(self.watched), len(self.columns.item)
        seconds, gap = max(self.left(), 0.1 * self.effort.time_limit), 0.25 * self.effort.max_gap
        try:
            program = self.master.program(columns)
            found = solve_integer(program, self.effort.solver, gap, seconds, extra=WORK[self.effort.solver])
        except SolverError as error:
            self.note = str(error)
            return chosen
        picked, taken = np.flatnonzero(found.x[:c] > 0.5), chosen.copy()
        taken[columns.item[picked]] = picked
        return self._better(repair(self.whole, self.columns, taken), chosen)

    def _schedule(self, gates: Floats) -> Floats:
        """(g,) how often every gate opens, from those watched; the others where items by themselves order."""
        wanted = self.columns.use[self.columns.cheapest(self.batch.n)].sum(axis=0)
        often = (wanted > 0).astype(float)  # no plan so far breaks them
        often[[self.watched[k] for k in self.master.gates]] = gates
        return often[self.whole.gates]

    def _reschedule(self, chosen: Ints) -> Ints:
        """(n,) a choice that costs no more, at the steps of the best schedule found around it and the relaxation."""
        total, size = self.columns.use[chosen].sum(axis=0), self.whole.trucks[0]
        own = np.where(size > 0, np.ceil(total / np.maximum(size, 1e-9) - 1e-9), total > 0)[self.whole.gates]
        starts = [own, *self.schedules.rounded(self._schedule(self.gates))]
        try:
            gap = (self._value(chosen) - self.bound) / max(abs(self.bound), 1e-9)
            self.schedules.search(starts, self.effort.tries * min(1.0, gap / FAR))
            for found in self.schedules.picks(self._value(chosen)):
                chosen = self._better(found, chosen)
        except SolverError as error:
            self.note = str(error)
        return self._settle(chosen)

    def _answer(self, prices: Sequence[Floats], closed: list[int]) -> int:
        """Add every item's best plan at prices of all rows, with nothing ordered at some steps."""
        links = np.zeros((len(self.whole.gates), self.batch.n))
        parts = [self._priced(self.whole, price, links) for price in prices]
        for part in parts:
            part.fixed[:, :, closed] = np.inf
        return self.columns.add(self._solve(parts)[0])

    def _made(self, units: Floats) -> Ints:
        """(n,) the columns of plans (n, h), added where they are new."""
        stock = self.batch.expected_stock(units[None]) if self.with_stock else None
        cost = self.batch.appraise(units[None]) + self._charges(units[None], stock)
        self.columns.add(make_columns(self.rows, self.batch.terms, units[None], cost, stock))
        same = (self.columns.units == units[self.columns.item]).all(axis=1)
        return cheapest_of(self.columns, same, np.arange(self.batch.n))

    def _value(self, chosen: Ints) -> float:
        """Cost of a choice of columns with its trucks and outside prices, money."""
        return self.whole.value(self.columns, chosen)

    def _close(self, chosen: Ints) -> bool:
        """Whether a choice is within the gap asked for."""
        return self._value(chosen) - self.bound <= self.effort.max_gap * max(abs(self.bound), 1e-9)

    def _solve(self, parts: list[StepPrices]) -> tuple[Columns, StepPlans]:
        """Every item's best plan at several price vectors."""
        stock = [part.stock for part in parts if part.stock is not None]
        prices = StepPrices(
            np.concatenate([part.unit for part in parts]),
            np.concatenate([part.fixed for part in parts]),
            np.concatenate(stock) if stock else None,
        )
        plans = self.batch.solve(prices)
        cost = plans.cost + self._charges(plans.units, plans.stock)
        return make_columns(self.rows, self.batch.terms, plans.units, cost, plans.stock), plans

    def _price(self, points: list[Point]) -> int:
        """Add columns at several duals; keeps the best bound and the duals that gave it. Returns how many were new."""
        found, plans = self._solve([self._priced(self.master, *point) for point in points])
        for at, point in enumerate(points):
            bound = float(plans.priced[at].sum()) + self.master.constant(*point)
            if bound > self.bound or self.best is None:
                self.best = point
            if bound > self.bound:
                self.bound, self.prices = bound, point
        return self.columns.add(found)

    def _priced(self, master: Master, price: Floats, link: Floats) -> StepPrices:
        """Prices of a program's rows and links as prices of items and steps, on top of those from outside."""
        own = step_prices(self.batch, master.rows, price[None], self.with_stock)
        fixed = self.base.fixed.copy()
        for order, k in enumerate(master.gates):
            fixed[0, :, master.rows[k].step] += link[order]
        stock = None if own.stock is None or self.base.stock is None else own.stock + self.base.stock
        return StepPrices(own.unit + self.base.unit, fixed, stock)
