"""At which steps a group orders: whole schedules of its minimums and trucks, held and tried one after another.

A relaxation opens a third of a minimum every day where a whole one every third day is meant; each day rounded by
itself, all of them open or none. So shares are rounded such that their running sums stay close, single openings are
moved, dropped and added while that makes the schedule cheaper, and a dive picks one plan an item.
With its gates held a schedule's program has neither gate variables nor links. What a minimum is short of is paid
for, so that its price makes items order more where they ordered too little.
Source: systematic sampling for the rounding, Madow & Madow (1944); a search over set-ups with the rest of the
program solved for each, Kuik & Salomon (1990); diving with further columns, Sadykov et al. (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints
from parlevel.domain.replenish.constraints.resource import GATES, Row
from parlevel.domain.replenish.solvers.linear import Solution, solve_linear
from parlevel.domain.replenish.solvers.master import Columns, Master
from parlevel.domain.replenish.solvers.repair import repair
from parlevel.domain.replenish.solvers.respond import Turns

ROUNDS = 3  # of columns for a schedule
OFFSETS = (0.5, 0.25, 0.75, 0.0)  # where running sums of shares begin to be counted
MOVES = 1200  # items x schedules tried at most
SETTLED = 6  # share of the items, one in so many, that are settled at a time
WHOLE = 0.999  # share from which a plan is no longer mixed
PICKS = 600  # items x schedules that whole plans are made for, the cheapest two to eight
SLIGHT = 1e-6  # share of a schedule's cost that another must save


@dataclass
class Schedules:
    """Schedules of a group and what they cost.

    Attributes:
        master: all rows of the group.
        columns: its plans so far, with one without orders for every item; more are added.
        answer: adds every item's best plan at each of some prices (r,) of the rows, with no order at the steps given;
            returns how many were new.
        made: adds plans (n, h) and returns their columns (n,).
        turns: of the items.
        left: seconds left.
        known: schedule -> its cost with plans mixed, money.
    """

    master: Master
    columns: Columns
    answer: Callable[[Sequence[Floats], list[int]], int]
    made: Callable[[Floats], Ints]
    turns: Turns
    left: Callable[[], float]
    known: dict[tuple[float, ...], float] = field(default_factory=dict)

    def cost(self, gates: Floats) -> float:
        """What a schedule costs with plans mixed, money.

        Args:
            gates: (g,) how often each gate opens.

        Raises:
            SolverError: its program was not solved in the time left.
        """
        key = tuple(gates.tolist())
        if key not in self.known:
            everyone, closed = np.ones(self.master.n, bool), self._closed(gates)
            for _ in range(ROUNDS):
                solved, _ = self._mix(gates, everyone, np.zeros(self.master.n, np.int64))
                self.known[key] = solved.value + self.master.trucks_cost(gates)
                if not self.answer([self.master.raw_prices(solved.duals)], closed):
                    break
        return self.known[key]

    def rounded(self, shares: Floats) -> Iterator[Floats]:
        """(g,) each: schedules whose running sums follow those of the relaxation's gates (g,), without repeats."""
        seen, names = set(), np.array([self.master.rows[k].name for k in self.master.gates])
        for offset in OFFSETS:
            gates = np.zeros(len(shares))
            for name in np.unique(names):
                at = np.flatnonzero(names == name)
                gates[at] = np.diff(np.floor(np.cumsum(shares[at]) + offset + SLIGHT), prepend=np.floor(offset))
            if gates.tobytes() not in seen:
                seen.add(gates.tobytes())
                yield gates

    def search(self, starts: Sequence[Floats], effort: float) -> None:
        """Look at some schedules (g,), and around the cheapest: single openings dropped, moved or added.

        Args:
            starts: schedules.
            effort: share of the tries that are made at most.

        Raises:
            SolverError: as `cost`.
        """
        found = min(starts, key=self.cost)
        most = len(self.known) + int(effort * MOVES / self.master.n)
        better = True
        while better:
            better = False
            for at in range(len(found)):
                for moved in self._moves(found, at):
                    if len(self.known) >= most or self.left() <= 0:
                        return
                    if self.cost(moved) < self.cost(found) * (1 - SLIGHT):
                        found, better = moved, True

    def picks(self, below: float) -> Iterator[Ints]:
        """(n,) each: plans that keep one of the cheapest schedules looked at, of those that may cost less than that.

        Raises:
            SolverError: as `cost`.
        """
        order = sorted((cost, key) for key, cost in self.known.items())
        for cost, key in order[: min(max(PICKS // self.master.n, 2), 8)]:
            if cost < below and self.left() > 0:
                found = self.pick(np.array(key))
                below = min(below, self.master.value(self.columns, found))
                yield found

    def pick(self, gates: Floats) -> Ints:
        """(n,) a plan for each item that keeps a schedule.

        Items are settled a few at a time, those first whose plans are mixed least, and the others are asked again at
        the prices that are left: what is still missing somewhere is then made up by plans that suit it.

        Raises:
            SolverError: as `cost`.
        """
        n, closed = self.master.n, self._closed(gates)
        chosen, open_ = self.columns.cheapest(n), np.ones(n, bool)
        while open_.any():
            solved, share = self._mix(gates, open_, chosen)
            price = self.master.raw_prices(solved.duals)
            if self.answer([price], closed):
                solved, share = self._mix(gates, open_, chosen)
            order = np.lexsort((self.columns.cost[: len(share)], -share, self.columns.item[: len(share)]))
            first = order[np.searchsorted(self.columns.item[order], np.arange(n))]
            sure = np.where(open_, share[first], -1.0)
            settled = np.argsort(-sure, kind="stable")[: max(1, n // SETTLED)]
            settled = np.union1d(settled[open_[settled]], np.flatnonzero(sure > WHOLE))
            chosen[settled], open_[settled] = first[settled], False
        units = self.turns.settle(self.columns.units[chosen], gates, self._all_orders())
        return repair(self.master, self.columns, self.made(units))

    def _mix(self, gates: Floats, open_: Bools, chosen: Ints) -> tuple[Solution, Floats]:
        """A schedule's program with the items that are settled, and the shares (c,) of the plans."""
        allowed = open_[self.columns.item]
        allowed[chosen[~open_]] = True
        program, kept = self.master.with_gates(self.columns, gates, self._all_orders(), allowed)
        solved = solve_linear(program, self.left(), dual=True)
        share = np.zeros(len(self.columns.item))
        share[kept] = solved.x[: len(kept)]
        return solved, share

    def _closed(self, gates: Floats) -> list[int]:
        """Steps at which a schedule allows no order."""
        return [self.master.rows[k].step for k, on in zip(self.master.gates, gates, strict=True) if on < 1]

    def _moves(self, gates: Floats, at: int) -> Iterator[Floats]:
        """Schedules with one opening less at a gate or moved to a neighbour; where it has none, with one more."""
        step = np.eye(len(gates))
        if gates[at] < 1:
            yield gates + step[at]
            return
        yield gates - step[at]
        rows = [self.master.rows[k].name for k in self.master.gates]
        for to in (at - 1, at + 1):
            if 0 <= to < len(rows) and rows[to] == rows[at]:
                yield gates - step[at] + step[to]

    def _all_orders(self) -> float:
        """Money that all orders together are worth: what it costs to leave a minimum empty."""
        idle = np.flatnonzero((self.columns.units <= 0).all(axis=1))
        without = np.zeros(self.master.n)
        without[self.columns.item[idle]] = self.columns.cost[idle]
        cheapest = self.columns.cost[self.columns.cheapest(self.master.n)]
        return float(np.maximum(without - cheapest, 0.0).sum())


def opened_steps(rows: Sequence[Row], units: Floats) -> Bools:
    """(h,) the steps at which plans (n, h) place orders, or might without opening a gate."""
    opened = np.ones(units.shape[1], bool)
    shut = [row.step for row in rows if row.kind in GATES and row.price is None]
    opened[shut] = units.sum(axis=0)[shut] > 0
    return opened
