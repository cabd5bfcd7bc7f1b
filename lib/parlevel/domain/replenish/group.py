"""One supplier-location group from packed rows to the rows of its tables."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from parlevel.domain.replenish.base import Floats, Terms
from parlevel.domain.replenish.batch import Batch, StepPrices
from parlevel.domain.replenish.constraints.resource import SHARE, Row, expand, order_step
from parlevel.domain.replenish.constraints.season import closing
from parlevel.domain.replenish.explain import explain
from parlevel.domain.replenish.job import Job, shared_rows
from parlevel.domain.replenish.output import GroupTables, tables
from parlevel.domain.replenish.packed import Items, unpack
from parlevel.domain.replenish.registry import AUTO, OPTIMAL, policy
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.master import Master, make_columns
from parlevel.domain.replenish.solvers.outcome import GroupPlan
from parlevel.domain.replenish.solvers.pricing import total_usage
from parlevel.domain.replenish.text import number
from parlevel.errors import SolverError

WITHIN = "within its part of what all groups share"
"""What a plan's reason says besides where the group may use a part of a shared limit."""


def plan_group(rows: pa.Table, job: Job) -> GroupTables:
    """Plan one group by itself.

    Args:
        rows: columns `PACKED` of all its series, plus `resources` and `grants` (JSON lists, the same in every row).
        job: what all groups share.
    """
    started = time.monotonic()
    group = Group(rows, job)
    return group.tables(group.plan(), time.monotonic() - started)


class Group:
    """A group that is ready to be planned, once or several times.

    Args:
        rows: as for `plan_group`.
        job: what all groups share.

    Attributes:
        name: supplier @ location.
        content_key: orders groups without looking at names.
        items: its n series.
        own: its own limits and what it was granted of shared ones.
        shared: (r,) rows of what all groups share that count its orders.
        batch: the items that have a forecast; None where none has.
    """

    def __init__(self, rows: pa.Table, job: Job) -> None:
        self.name, self.content_key = str(rows["solve_group"][0]), min(rows["content_key"].to_pylist())
        self._rows, self._job = rows, job
        items = unpack(rows, job.settings.horizon)
        self.items = in_season(replace(items, terms=items.for_policies()), job)
        self.own = [limit for name in ("resources", "grants") for limit in self._given(name)]
        self.shared = shared_rows(self.items, job)
        self._known = known = np.flatnonzero(self.items.known)
        self._stored = any(row.basis == "stock" for row in self.shared)
        stocked = self._stored or any(row.basis == "stock" for row in self.own)
        self.batch = None
        if len(known):
            some = self.items.state.take(known), self.items.forecast.take(known), self.items.terms.take(known)
            self.batch = Batch(*some, job.settings, with_stock=stocked)
        self._first = self.batch.models if self.batch else []
        self._limits = self.own

    def _given(self, name: str) -> list[Row]:
        return expand(json.loads(self._rows[name][0].as_py() or "[]"), self._job.settings.horizon)

    def plan(
        self, rest: Mapping[str, float] | None = None, priced: bool = True, start: Floats | None = None
    ) -> GroupPlan:
        """The group's plan by the policy asked for; `use` and `tables` are of the last one.

        Args:
            rest: label of a shared row -> what other groups leave of it; None: shared rows are no limits.
            priced: charge the prices of shared rows.
            start: (n, h) units of a plan that is known.
        """
        left = [
            replace(row, name=row.name + SHARE, amount=rest[row.label], cost=0.0)
            for row in self.shared
            if rest is not None and row.label in rest
        ]
        tolls = [
            Row(row.name, row.kind, row.measure, row.step, row.amount, 0.0, float(self._job.prices[row.label]))
            for row in self.shared
            if priced and self._job.prices.get(row.label)
        ]
        self._limits = [*self.own, *left, *tolls]
        if self.batch is None:
            nothing = np.zeros((0, self._job.settings.horizon))
            reason = "no series of the group has a forecast"
            return GroupPlan(nothing, nothing, "failed", 0.0, 0.0, 0, reason=reason)
        self.batch.use(self._first)
        plan = _solve(self.batch, self._limits, self._job, [self.items.policies[k] for k in self._known], start)
        within = any(row.name.endswith(SHARE) for row in self._limits)
        return replace(plan, reason=f"{plan.reason}, {WITHIN}") if within else plan

    def use(self, plan: GroupPlan) -> Floats:
        """(r,) what a plan uses of the shared rows."""
        if self.batch is None:
            return np.zeros(len(self.shared))
        stock = self.batch.expected_stock(plan.units[None])[0] if self._stored else None
        return total_usage(self.shared, self.batch.terms, plan.units, stock)

    def tables(self, plan: GroupPlan, seconds: float) -> GroupTables:
        """Rows of the tables of the last plan, which took so many seconds."""
        known = found = None
        if self.batch is not None:
            known, found = explain(self.batch, plan.units)
        return tables(
            self._rows, self.items, plan, known, found, self._limits, self._job, seconds, self._use_rows(plan)
        )

    def _use_rows(self, plan: GroupPlan) -> list[dict[str, object]]:
        """Rows of `USE`: what the plan uses, and what it would cost the group to go without."""
        if not self.shared or self.batch is None:
            return []
        used = self.use(plan)
        charged = sum(plan.prices.get(row.label, 0.0) * use for row, use in zip(self.shared, used, strict=True))
        common = {
            "solve_group": self.name,
            "n_items": self._rows.num_rows,
            "weight": float(used.sum()),
            "content_key": self.content_key,
            "objective": plan.objective,
            "priced": plan.bound + float(charged),
        }
        return [
            {
                **common,
                "first": at == 0,
                "label": row.label,
                "resource_kind": row.kind,
                "measure": row.measure,
                "amount": row.amount,
                "used": float(use),
                "urgency": float(lost / use) if use > 0 else 0.0,
            }
            for at, (row, use, lost) in enumerate(zip(self.shared, used, self._losses(plan, used), strict=True))
        ]

    def _losses(self, plan: GroupPlan, used: Floats) -> Floats:
        """(r,) money that the group loses if it may not order for a row."""
        batch, loss = self.batch, np.zeros(len(self.shared))
        needed = np.flatnonzero(used > 0)
        if batch is None or not len(needed):
            return loss
        barred = np.zeros((len(self.shared), batch.n, batch.horizon))
        for k, row in enumerate(self.shared):
            at = order_step(row, batch.terms, batch.horizon) if row.basis != "stock" else np.full(batch.n, row.step)
            items = np.flatnonzero(at >= 0)
            barred[k, items, at[items]] = np.inf
        empty = np.zeros((len(needed), batch.n, batch.horizon))
        priced = np.zeros((len(needed), batch.n, batch.periods)) if self._stored else None
        without = batch.solve(StepPrices(empty, barred[needed], priced)).cost.sum(axis=1)
        loss[needed] = np.maximum(without - batch.appraise(plan.units[None]).sum(), 0.0)
        return loss


def in_season(items: Items, job: Job) -> Items:
    """Items whose maximum stock is what they can still sell before their season ends."""
    if not len(items.forecast.ends):
        return items
    terms = closing(items.state, items.forecast, items.terms, job.settings.season, job.settings.seed)
    held = np.nan_to_num(terms.max_stock, nan=np.inf) < np.nan_to_num(items.terms.max_stock, nan=np.inf)
    return replace(items, terms=terms, closing=held)


def _solve(batch: Batch, limits: list[Row], job: Job, own: list[str], start: Floats | None) -> GroupPlan:
    """The group's plan by the policy asked for, which may be each item's own."""
    names = set(own) if job.policy == AUTO else {job.policy}
    if names == {OPTIMAL}:
        return _together(batch, limits, job, start)
    asked = np.array(own if job.policy == AUTO else [job.policy] * batch.n)
    units = np.zeros((batch.n, batch.horizon))
    today = batch.terms.open(np.zeros((batch.n, 1), np.int64))[:, 0]
    for name in sorted(names - {OPTIMAL}):
        rows = np.flatnonzero(asked == name)
        rule = policy(name, **job.parameters_of(name))
        state, forecast, terms = batch.state.take(rows), batch.forecast.take(rows), batch.terms.take(rows)
        units[rows, 0] = np.where(today[rows], rule.order(state, forecast, terms), 0.0)
    rest = np.flatnonzero(asked == OPTIMAL)
    if not len(rest):
        return _by_rules(batch, limits, units, f"{_who(asked)} item by item")
    part = Batch(batch.state.take(rest), batch.forecast.take(rest), batch.terms.take(rest), batch.settings,
                 with_stock=any(row.basis == "stock" for row in limits))  # fmt: skip
    planned = _together(part, left(limits, batch.terms, units), job, None if start is None else start[rest])
    units[rest] = planned.units
    made = _by_rules(batch, limits, units, f"{_who(asked)}, chosen by cost at past cutoffs")
    alone, binding = units.copy(), [""] * batch.n
    alone[rest] = planned.alone
    for k, label in zip(rest.tolist(), planned.binding, strict=True):
        binding[k] = label
    return replace(made, alone=alone, binding=binding, prices=planned.prices, relaxed=planned.relaxed)


def _who(asked: np.ndarray) -> str:
    """How many items each policy decides."""
    names, counts = np.unique(asked, return_counts=True)
    if len(names) == 1:
        return f"policy {names[0]} decides"
    return ", ".join(f"{n} by {name}" for name, n in zip(names.tolist(), counts.tolist(), strict=True))


def _together(batch: Batch, limits: list[Row], job: Job, start: Floats | None) -> GroupPlan:
    """All items with the group's limits; a solver that fails leaves the items' own plans and its words."""
    try:
        return solve_group(batch, limits, job.effort, start)
    except SolverError as error:
        alone = batch.solve()
        cost = float(alone.cost.sum())
        words = f"each item by itself, shared limits not kept: {error}"
        empty = [""] * batch.n
        return GroupPlan(alone.units[0], alone.units[0], "failed", cost, cost, 0, reason=words, binding=empty)


def left(limits: list[Row], terms: Terms, units: Floats) -> list[Row]:
    """Limits less what items that decide by themselves use of them; stock and trucks are left as they are.

    Args:
        limits: of the group.
        terms: of its n items.
        units: (n, h) what is ordered already at each step.
    """
    counted = [row.price is None and row.basis != "stock" and row.kind != "truck" for row in limits]
    used = total_usage([row for row, own in zip(limits, counted, strict=True) if own], terms, units, None)
    rest = iter(used.tolist())
    return [
        replace(row, amount=max(row.amount - next(rest), 0.0)) if own else row
        for row, own in zip(limits, counted, strict=True)
    ]


def _by_rules(batch: Batch, limits: list[Row], units: Floats, reason: str) -> GroupPlan:
    """The plan of today's orders by rules, with the shared limits that it breaks named."""
    alone = batch.solve()
    caps = [row for row in limits if row.price is None and row.basis != "stock"]
    use = make_columns(caps, batch.terms, units[None], np.zeros((1, batch.n)), None).use.sum(axis=0)
    over = Master(batch.n, caps).violation(use)
    broken = [f"{row.label} by {number(v)} {row.measure}" for row, v in zip(caps, over, strict=True) if v > 0]
    if broken:
        reason += "; shared limits not kept: " + ", ".join(broken)
    cost, bound = float(batch.appraise(units[None]).sum()), float(alone.priced.sum())
    return GroupPlan(units, units, "heuristic", cost, min(bound, cost), 0, reason=reason, binding=[""] * batch.n)
