"""Items that share resources: column generation with a Lagrangian bound, an integer master, a repair.

GLOP prices what is shared; the dynamic programme answers with each item's cheapest plan at those prices: a new column,
and a lower bound for every plan of the group; the loop stops at the gap asked for. Plans are then priced for whole
trucks and repaired; `fill` makes such as fit a capacity; in small groups an integer program picks them. Source: Gilmore
& Gomory (1961); Farley (1990) for the bound on the way; Wentges (1997) for duals between the best and the newest.
"""

from __future__ import annotations

import time

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
from parlevel.domain.replenish.solvers.repair import repair
from parlevel.errors import Infeasible, SolverError

MORE_ROWS = 5  # times that rows broken by an integer plan are added and the program is solved again
# Rounds of columns for the steps and trucks of an integer plan.
DEEPER = 3
# Items x gates beyond which an integer program is not asked: it took 6 times as long, for plans that cost more.
LARGE = 30
# Shares from which a gate of the relaxation is rounded up, tried in turn.
THRESHOLDS = (0.5, 0.2, 0.8)

Point = tuple[Floats, Floats]
"""Duals: (price of every row, link of every gate and item); see `Master.split_duals`."""


def solve_group(batch: Batch, rows: list[Row], effort: Effort) -> GroupPlan:
    """Plan a group.

    Args:
        batch: its items; built `with_stock` where a row counts stock.
        rows: shared resources; those that no order can touch are ignored; rows with a price are charged, and the
            bound is then of plans that use no more of them than the plan found.
        effort: limits.
    """
    alone = batch.solve()
    active, relaxed = attainable(batch, [row for row in rows if row.price is None])
    group = _Group(batch, active, [row for row in rows if row.price is not None], effort)
    return group.plan(relaxed, alone.units[0])


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
        self.rounds = 0
        self.share = self.gates = np.zeros(0)
        self.note = ""
        self._watch(self._broken(np.arange(batch.n)) | {k for k in self.whole.truck if rows[k].cost > 0})

    def left(self) -> float:
        """Seconds left."""
        return self.effort.time_limit - (time.monotonic() - self.started)

    def plan(self, relaxed: list[str], alone: Floats) -> GroupPlan:
        """Find plans, say how good they are."""
        if self.watched:
            chosen, status = self._search()
        else:
            chosen, status = np.arange(self.batch.n), "alone"
            self.note = "nothing shared binds" if self.rows else "nothing is shared"
        units = self.columns.units[chosen]
        stock = self.batch.expected_stock(units[None])[0] if self.with_stock else None
        # What is paid at outside prices is no cost of the group.
        paid = self._charges(units, stock).sum()
        objective = self._value(chosen) - float(paid)
        bound = min(self.bound - paid, objective)
        close = objective - bound <= self.effort.max_gap * max(abs(bound), 1e-9)
        status = "optimal" if close else "heuristic" if status == "heuristic" else "feasible"
        rows, moved = [*self.master.rows, *self.tolls], np.abs(units[:, 0] - alone[:, 0]) > 1e-9
        paid_at = [*self.prices[0], *(row.price or 0.0 for row in self.tolls)]
        prices = {row.label: float(p) for row, p in zip(self.master.rows, self.prices[0], strict=True) if p != 0}
        prices |= {row.label: row.price for row in self.tolls if row.price}
        return GroupPlan(
            units, alone, "relaxed" if relaxed and status != "heuristic" else status, objective, bound, self.rounds,
            relaxed, self._words(status), prices, binding(self.batch, rows, paid_at, moved),
        )  # fmt: skip

    def _search(self) -> tuple[Ints, str]:
        """(n,) the column of each item: generate columns, pick plans, watch what they break, again."""
        self.columns.add(self._solve(seeds(self.batch, self.base, self.rows))[0])
        for _ in range(MORE_ROWS):
            self._generate()
            chosen, status = self._choose()
            broken = self._broken(chosen)
            if not broken or status == "heuristic":
                break
            self._watch(broken)
        # Swaps of single plans mend what is still broken, and what an integer program left when its time was over.
        swapped = repair(self.whole, self.columns, chosen)
        if broken:
            self.note = self.note or "limits were still broken after the last round"
            return swapped, "heuristic"
        best = swapped if self._value(swapped) < self._value(chosen) else chosen
        if not self._close(best):
            steps = opened(self.master, self.gates, (0.0, *THRESHOLDS), self.batch.horizon)
            best = fill(self.whole, self.columns, best, self.batch, self._charges, self.with_stock, steps)
            picked, _, found = (best, None, "") if self._large() else self._pick(best)  # several may gain together
            kept = found == "integer" and not self._broken(picked)  # the program knows watched rows alone
            best = picked if kept and self._value(picked) < self._value(best) else best
        return best, status

    def _charges(self, units: Floats, stock: Floats | None) -> Floats:
        """(..., n) what plans (..., n, h) pay at outside prices."""
        return item_charges(self.tolls, [row.price or 0.0 for row in self.tolls], self.batch.terms, units, stock)

    def _large(self) -> bool:
        return self.batch.n * max(1, len(self.master.gates)) > LARGE

    def _words(self, status: str) -> str:
        said = SAID[status].format(gap=100 * self.effort.max_gap)
        return self.note if not self.watched else f"{said}; {self.note}" if self.note else said

    def _broken(self, chosen: Ints) -> set[int]:
        """Rows that a choice of columns breaks."""
        return set(np.flatnonzero(self.whole.violation(self.columns.use[chosen].sum(axis=0))).tolist())

    def _watch(self, more: set[int]) -> None:
        """Take rows into the program, capacities in all their periods; the best duals start again from none."""
        names = {self.rows[k].name for k in more if self.rows[k].kind in CAPACITIES}
        moved = {k for k, row in enumerate(self.rows) if row.name in names}  # what leaves one period enters another
        self.watched, self.share, self.gates = sorted({*self.watched, *more, *moved}), np.zeros(0), np.zeros(0)
        self.master = Master(self.batch.n, [self.rows[k] for k in self.watched])
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

    def _choose(self) -> tuple[Ints, str]:
        """(n,) the column of each item, and how it was found.

        Where trucks or minimums leave a gap, columns are made for whole gates, which the relaxation has no use for.
        """
        rounded = repair(self.whole, self.columns, self._largest())
        if self._value(rounded) - self.bound <= 0.5 * self.effort.max_gap * max(abs(self.bound), 1e-9):
            return rounded, "rounded"
        rounded, found = self._dive(rounded)
        if found == "rounded" and (self._large() or self._close(rounded)):
            return rounded, found
        chosen, gates, status = self._pick(rounded)
        if self._value(rounded) < self._value(chosen) and found == "rounded":
            chosen = rounded
        if status != "integer" or not len(gates) or self._close(chosen):
            return chosen, status
        if self._deepen(gates):
            again, _, status = self._pick(chosen)
            if status == "integer" and self._value(again) < self._value(chosen):
                return again, status
        return chosen, "integer"

    def _dive(self, start: Ints) -> tuple[Ints, str]:
        """(n,) the column of each item, and how it was found: gates rounded at several thresholds, then repaired."""
        best, status = start, "rounded" if not self._broken(start) else "heuristic"
        relaxed = self.gates
        if not len(relaxed):
            return best, status
        for threshold in THRESHOLDS:
            if self.left() < 0.3 * self.effort.time_limit:
                break
            self._deepen(np.ceil(relaxed - threshold))
            found = repair(self.whole, self.columns, self._largest())
            if not self._broken(found) and (status == "heuristic" or self._value(found) < self._value(best)):
                best, status = found, "rounded"
            if self._close(best):
                break
        return best, status

    def _largest(self) -> Ints:
        """(n,) each item's column with the largest share in the relaxation."""
        share = np.zeros(len(self.columns.item))
        share[: len(self.share)] = self.share
        order = np.lexsort((self.columns.cost, -share, self.columns.item))
        return order[np.searchsorted(self.columns.item[order], np.arange(self.batch.n))]

    def _pick(self, start: Ints) -> tuple[Ints, Floats, str]:
        """One integer program: (column of each item, how often each gate opens, how it was found)."""
        columns, c = self.columns.of(self.watched), len(self.columns.item)
        program, work = self.master.program(columns), WORK[self.effort.solver]
        cheapest, nothing = self.columns.cheapest(self.batch.n), np.zeros(0)
        try:
            seconds, gap = max(self.left(), 0.1 * self.effort.time_limit), 0.25 * self.effort.max_gap
            found = solve_integer(program, self.effort.solver, gap, seconds, extra=work)
        except SolverError as error:
            self.note = str(error)
            return start, nothing, "heuristic"
        picked = np.flatnonzero(found.x[:c] > 0.5)
        chosen = cheapest
        chosen[columns.item[picked]] = picked
        if self.master.violation(columns.use[chosen].sum(axis=0)).any():
            return repair(self.whole, self.columns, chosen), nothing, "heuristic"
        return chosen, found.x[c:], "integer"

    def _deepen(self, gates: Floats) -> int:
        """Add columns that suit the gates of an integer plan; returns how many were new."""
        closed = [self.master.rows[k].step for k, on in zip(self.master.gates, gates, strict=True) if on < 0.5]
        total = 0
        for _ in range(DEEPER):
            if self.left() < 0.3 * self.effort.time_limit:
                break
            program, kept = self.master.with_gates(self.columns.of(self.watched), gates)
            try:
                relaxation = solve_linear(program, self.left(), dual=True)
            except Infeasible:
                break  # no mix of plans fills these gates: other gates are tried
            except SolverError as error:
                self.note = str(error)
                break
            self.share = np.zeros(len(self.columns.item))
            self.share[kept] = relaxation.x
            prices = self._prices(self.master.raw_prices(relaxation.duals), np.zeros((len(gates), self.batch.n)))
            fixed = prices.fixed.copy()
            fixed[:, :, closed] = np.inf
            new = self.columns.add(self._solve([StepPrices(prices.unit, fixed, prices.stock)])[0])
            if not new:
                break
            total += new
        return total

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
        found, plans = self._solve([self._prices(*point) for point in points])
        for at, point in enumerate(points):
            bound = float(plans.priced[at].sum()) + self.master.constant(*point)
            if bound > self.bound or self.best is None:
                self.best = point
            if bound > self.bound:
                self.bound, self.prices = bound, point
        return self.columns.add(found)

    def _prices(self, price: Floats, link: Floats) -> StepPrices:
        """Row prices and links as prices of items and steps, on top of those from outside."""
        own = step_prices(self.batch, self.master.rows, price[None], self.with_stock)
        fixed = self.base.fixed.copy()
        for order, k in enumerate(self.master.gates):
            fixed[0, :, self.master.rows[k].step] += link[order]
        stock = None if own.stock is None or self.base.stock is None else own.stock + self.base.stock
        return StepPrices(own.unit + self.base.unit, fixed, stock)
