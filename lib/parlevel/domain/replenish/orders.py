"""Rows of order_plan and order_ledger: what is ordered, and what explains it, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from parlevel.domain.panel import rows_to_lists
from parlevel.domain.periods import to_date
from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.lines import QUANTILES, Lines, binding
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.solvers.outcome import GroupPlan
from parlevel.domain.replenish.text import Wording, number, reasons, sentences
from parlevel.schemas import Column, arrow_schema, contract

_NAMES = {"budget": "budget", "inbound": "inbound capacity", "storage": "storage capacity"}
_OWN = {
    "max_stock": "its maximum stock",
    "season_end": "what it can still sell before its season ends",
    "min_order_qty": "its minimum order",
}


LINE: tuple[Column, ...] = tuple(
    {c.name: c for name in ("order_plan", "order_ledger") for c in contract(name).data_columns}.values()
)
"""Columns of an order line: a row of order_plan and a row of order_ledger in one."""


def order_tables(
    items: Items, plan: GroupPlan, facts: Facts | None, found: Lines | None, limits: list[Row], job: Job
) -> tuple[pa.Table, pa.Table]:
    """Every series' decision for tomorrow, later orders that are foreseen.

    Returns: columns `LINE` of series with a forecast, rows of order_plan of those without one.
    """
    lines, without = arrow_schema(LINE).empty_table(), arrow_schema(contract("order_plan").data_columns).empty_table()
    if facts is not None and found is not None:
        lines = _known(items, plan, facts, found, limits, job)
    unknown = np.flatnonzero(~items.known)
    return lines, _unknown(items, unknown, job) if len(unknown) else without


def _known(items: Items, plan: GroupPlan, facts: Facts, found: Lines, limits: list[Row], job: Job) -> pa.Table:
    at = np.flatnonzero(items.known)
    terms = items.terms.take(at)
    over = items.closing[at] if len(items.closing) else None
    words = Wording(facts, terms, plan.alone[:, 0], _said(plan, limits), job.period, over)
    item, step, quantity = found.item, found.step, found.quantity
    position, demand = facts.position[item, step], facts.protection_demand[item, step]
    level = np.where(quantity > 0, position + quantity, facts.target[item, step])
    label, price = binding(found, facts, terms, plan, limits)
    if len(items.closing):
        early = items.closing[at[item]].tolist()
        label = ["season_end" if x == "max_stock" and y else x for x, y in zip(label, early, strict=True)]
    by_label = {row.label: row for row in limits}
    named = {x: _OWN.get(x) or (_row_words(by_label[x]) if x in by_label else x) for x in set(label)}
    why = reasons(words, found)
    drivers = [items.drivers[k] for k in at[item].tolist()]
    made = {
        **_common(items, at[item], step, quantity, job),
        "inventory_position": position,
        "safety_stock": level - demand,
        "stockout_probability": facts.risk[item, step],
        "order_up_to_level": level,
        "protection_demand": demand,
        "reason": why,
        "levels": rows_to_lists(np.tile(QUANTILES, (len(item), 1)), pa.float64()),
        "protection_quantiles": rows_to_lists(found.demand, pa.float64()),
        "stockout_without": found.risk_without,
        "stockout_avoided": np.maximum(found.risk_without - found.risk, 0.0),
        "binding": [x or None for x in label],
        "shadow_price": pa.array(price, mask=np.isnan(price)),
        "cost_one_more": pa.array(found.more, mask=~found.can_more),
        "cost_one_less": pa.array(found.less, mask=~found.can_less),
        "drivers": drivers,
        "sentence": sentences(why, [named[x] for x in label], found, drivers),
    }
    return _table(arrow_schema(LINE), made)


def _unknown(items: Items, at: Ints, job: Job) -> pa.Table:
    """Series without a forecast: nothing is ordered, and the row says why."""
    position = items.state.inventory_position[at]
    zero = np.zeros(len(at))
    made = {
        **_common(items, at, np.zeros(len(at), np.int64), zero, job),
        "inventory_position": position,
        "order_up_to_level": position,
        "safety_stock": position,
        "protection_demand": zero,
        "stockout_probability": zero,
        "reason": [f"No order: there is no forecast ({items.missing[k]})." for k in at],
    }
    return _table(arrow_schema(contract("order_plan").data_columns), made)


def _common(items: Items, at: Ints, step: Ints, quantity: Floats, job: Job) -> dict[str, Any]:
    """Columns of lines of the items `at`: names, dates, quantities."""
    date, rows = job.cutoff + 1 + step, pa.array(at)
    policies = [name or job.policy for name in items.policies]
    return {
        **{name: pa.array(values, pa.string()).take(rows) for name, values in items.names.items()},
        "order_date": to_date(date, job.period),
        "order_qty": quantity,
        "order_value": quantity * items.terms.unit_cost[at],
        "receipt_date": to_date(date + items.terms.lead_time[at], job.period),
        "policy": pa.array(policies, pa.string()).take(rows),
        "assumed": items.assumed[at],
    }


def _table(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    made = {name: x if isinstance(x, pa.Array) else pa.array(x, schema.field(name).type) for name, x in columns.items()}
    return pa.Table.from_arrays([made[f.name].cast(f.type) for f in schema], schema=schema)


def _said(plan: GroupPlan, limits: list[Row]) -> list[str]:
    """(n,) the shared row that moved an item's first order, in words."""
    if plan.said:
        return plan.said
    by_label = {row.label: row for row in limits}
    out = []
    for moved, label in zip(np.abs(plan.units[:, 0] - plan.alone[:, 0]) > 1e-9, plan.binding, strict=True):
        row = by_label.get(label)
        out.append("" if not moved else _row_words(row) if row else "the joint plan of the supplier's items")
    return out


def _row_words(row: Row) -> str:
    period = "" if row.step == 0 else f" of period {row.step + 1}"
    if row.name.endswith(" (share)"):
        return f"its share of the {_NAMES[row.kind]}, {number(row.amount)} ({row.measure}){period}"
    if row.kind == "supplier_min":
        return f"the supplier's minimum of {number(row.amount)} ({row.measure}){period}"
    if row.kind == "truck":
        return f"trucks of {number(row.amount)} ({row.measure}) that cost {number(row.cost)} each{period}"
    if row.kind in CAPACITIES and row.price is not None:
        return f"the {_NAMES[row.kind]} that all suppliers share{period}"
    return f"the {_NAMES[row.kind]} of {number(row.amount)} ({row.measure}){period}"
