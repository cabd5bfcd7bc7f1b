"""One supplier-location group from packed rows to the rows of its tables."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa

from parlevel.domain.replenish.base import Floats, Terms
from parlevel.domain.replenish.batch import Batch, StepPrices
from parlevel.domain.replenish.constraints.resource import Row, expand, order_step
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


def plan_group(rows: pa.Table, job: Job) -> GroupTables:
    """Plan one group.

    Args:
        rows: columns `PACKED` of all its series, plus `resources` and `grants` (JSON lists, the same in every row).
        job: what all groups share.
    """
    started = time.monotonic()
    items = unpack(rows, job.settings.horizon)
    items = in_season(replace(items, terms=items.for_policies()), job)
    limits = group_rows(rows, items, job)
    known = np.flatnonzero(items.known)
    if not len(known):
        plan = GroupPlan(np.zeros((0, job.settings.horizon)), np.zeros((0, job.settings.horizon)), "failed",
                         0.0, 0.0, 0, reason="no series of the group has a forecast")  # fmt: skip
        return tables(rows, items, plan, None, None, limits, job, time.monotonic() - started, [])
    shared = shared_rows(items, job)
    stocked = any(row.basis == "stock" for row in (*limits, *shared))
    batch = Batch(
        items.state.take(known), items.forecast.take(known), items.terms.take(known), job.settings, with_stock=stocked
    )
    plan = _solve(batch, limits, job, [items.policies[k] for k in known])
    used = _shared_use(rows, batch, plan, shared)
    known_facts, found = explain(batch, plan.units)
    return tables(rows, items, plan, known_facts, found, limits, job, time.monotonic() - started, used)


def in_season(items: Items, job: Job) -> Items:
    """Items whose maximum stock is what they can still sell before their season ends."""
    if not len(items.forecast.ends):
        return items
    terms = closing(items.state, items.forecast, items.terms, job.settings.season, job.settings.seed)
    held = np.nan_to_num(terms.max_stock, nan=np.inf) < np.nan_to_num(items.terms.max_stock, nan=np.inf)
    return replace(items, terms=terms, closing=held)


def _shared_use(rows: pa.Table, batch: Batch, plan: GroupPlan, shared: list[Row]) -> list[dict[str, object]]:
    """Rows of `USE`: what the plan uses, and what it would cost the group to go without."""
    if not shared:
        return []
    stock = batch.expected_stock(plan.units[None])[0] if any(r.basis == "stock" for r in shared) else None
    used = total_usage(shared, batch.terms, plan.units, stock)
    barred = np.zeros((len(shared), batch.n, batch.horizon))
    for k, row in enumerate(shared):
        at = order_step(row, batch.terms, batch.horizon) if row.basis != "stock" else np.full(batch.n, row.step)
        items = np.flatnonzero(at >= 0)
        barred[k, items, at[items]] = np.inf
    needed = np.flatnonzero(used > 0)
    loss = np.zeros(len(shared))
    if len(needed):
        empty = np.zeros((len(needed), batch.n, batch.horizon))
        priced = np.zeros((len(needed), batch.n, batch.periods)) if stock is not None else None
        without = batch.solve(StepPrices(empty, barred[needed], priced)).cost.sum(axis=1)
        loss[needed] = np.maximum(without - batch.appraise(plan.units[None]).sum(), 0.0)
    charged = sum(plan.prices.get(row.label, 0.0) * use for row, use in zip(shared, used, strict=True))
    common = {
        "solve_group": rows["solve_group"][0].as_py(),
        "n_items": rows.num_rows,
        "weight": float(used.sum()),
        "content_key": min(rows["content_key"].to_pylist()),
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
        for at, (row, use, lost) in enumerate(zip(shared, used, loss, strict=True))
    ]


def group_rows(rows: pa.Table, items: Items, job: Job) -> list[Row]:
    """The group's own limits, what it was granted of shared ones, and shared prices."""
    horizon = job.settings.horizon
    own = json.loads(rows["resources"][0].as_py() or "[]")
    granted = json.loads(rows["grants"][0].as_py() or "[]")
    limits = expand(own, horizon) + expand(granted, horizon)
    return limits + [
        Row(row.name, row.kind, row.measure, row.step, row.amount, 0.0, float(job.prices[row.label]))
        for row in shared_rows(items, job)
        if job.prices.get(row.label)
    ]


def _solve(batch: Batch, limits: list[Row], job: Job, own: list[str]) -> GroupPlan:
    """The group's plan by the policy asked for, which may be each item's own."""
    names = set(own) if job.policy == AUTO else {job.policy}
    if names == {OPTIMAL}:
        return _together(batch, limits, job)
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
    planned = _together(part, left(limits, batch.terms, units), job)
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


def _together(batch: Batch, limits: list[Row], job: Job) -> GroupPlan:
    """All items with the group's limits; a solver that fails leaves the items' own plans and its words."""
    try:
        return solve_group(batch, limits, job.effort)
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
