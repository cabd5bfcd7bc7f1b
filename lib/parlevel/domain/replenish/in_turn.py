"""Groups that take turns: each is planned beside what the others use of what all share.

Prices say what a unit of a shared limit is worth, but orders come in cases, minimums and trucks: with few groups their
plans at the prices pass the limit one day and leave half of it idle the next. So they are planned again one by one,
those that have most to lose first, within what the others leave; then once more without prices, in the other order,
within their own use and what nobody uses.
Source: block coordinate descent, Bertsekas (1999), Nonlinear Programming, ch. 2.7; its order after the regret rules of
insertion heuristics, Potvin & Rousseau (1993).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.group import Group
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.output import GroupTables
from parlevel.domain.replenish.solvers.outcome import GroupPlan

SWEEPS = 2  # over all groups, without prices
PATIENCE = 3.0  # time limits of a group after which no further turn of a sweep begins
SAVED = 1e-6  # share of its cost that a group's new plan must save
SLACK = 1e-6  # share of a limit that is no more than rounding


@dataclass
class _Member:
    """A group with the plan that it has.

    Attributes:
        group: ready to be planned.
        used: (r,) of the limits.
        objective: its plan costs, money.
        loss: what it would cost more to order nothing, money.
        units: (n, h) of its plan; None: as it came.
        made: its new plan's tables; None: as it came.
    """

    group: Group
    used: Floats
    objective: float
    loss: float
    units: Floats | None = None
    made: GroupTables | None = None


def take_turns(rows: pa.Table, job: Job, bound: float) -> list[GroupTables]:
    """New plans of the groups whose plans change.

    Args:
        rows: as for `plan_group`, of several groups; and in `turn`, the same in all rows of a group, a JSON object:
            `used`, label of a shared row -> what the group's plan at the prices uses of it; and its `objective`.
        job: what all groups share, with its prices.
        bound: no plans of all groups cost less together, money.
    """
    return _Circle(rows, job, bound).play()


class _Circle:
    """The groups that share something, and what each has of it."""

    def __init__(self, rows: pa.Table, job: Job, bound: float) -> None:
        self._started, self._job, self._bound = time.monotonic(), job, bound
        names = rows["solve_group"].to_pylist()
        written = dict(zip(names, rows["turn"].to_pylist(), strict=True))
        turns: dict[str, Any] = {name: json.loads(turn) for name, turn in written.items()}
        groups = [Group(rows.filter(pc.equal(rows["solve_group"], name)), job) for name in turns]
        amounts = {row.label: row.amount for group in groups for row in group.shared}
        self._labels, self._amount = list(amounts), np.array(list(amounts.values()))
        members = [self._member(group, turns[group.name]) for group in groups if group.batch is not None]
        # Ties are broken by content: names must not decide who comes first.
        self._members = sorted(members, key=lambda member: (-member.loss, member.group.content_key))

    def _member(self, group: Group, turn: dict[str, Any]) -> _Member:
        used = np.array([float(turn["used"].get(label, 0.0)) for label in self._labels])
        assert group.batch is not None
        nothing = np.zeros((1, group.batch.n, group.batch.horizon))
        loss = float(group.batch.appraise(nothing).sum()) - float(turn["objective"])
        return _Member(group, used, float(turn["objective"]), loss)

    def play(self) -> list[GroupTables]:
        """Turns at the prices until every limit is kept, then sweeps without prices."""
        left = self._amount.copy()
        for member in self._members:
            if np.any(member.used > left + SLACK * self._amount):
                self._turn(member, left, priced=True)
            left = left - member.used
        order = self._members
        for _ in range(SWEEPS):
            before, order = self._cost(), order[::-1]
            for member in order:
                if self._close() or time.monotonic() - self._started > PATIENCE * self._job.effort.time_limit:
                    break
                own = member.used
                self._turn(member, left + own, priced=False)
                left = left + own - member.used
            if before - self._cost() <= SAVED * abs(before):
                break
        return [member.made for member in self._members if member.made is not None]

    def _turn(self, member: _Member, left: Floats, priced: bool) -> None:
        """Plan a group within what is left; its old plan stays where that is kept and costs no more."""
        started = time.monotonic()
        # A hair less, so that parts that are used up do not add up to more than the limit.
        room = np.floor(np.maximum(left, 0.0) * (1 - 1e-9) * 1e6) / 1e6
        rest = dict(zip(self._labels, room.tolist(), strict=True))
        plan = member.group.plan(rest, priced, member.units)
        fits = bool(np.all(member.used <= left + SLACK * self._amount))
        if fits and plan.objective >= member.objective - SAVED * abs(member.objective):
            return
        member.used, member.objective, member.units = self._used(member.group, plan), plan.objective, plan.units
        member.made = member.group.tables(plan, time.monotonic() - started)

    def _used(self, group: Group, plan: GroupPlan) -> Floats:
        used = dict(zip((row.label for row in group.shared), group.use(plan).tolist(), strict=True))
        return np.array([used.get(label, 0.0) for label in self._labels])

    def _cost(self) -> float:
        return sum(member.objective for member in self._members)

    def _close(self) -> bool:
        return self._cost() - self._bound <= self._job.effort.max_gap * abs(self._bound)
