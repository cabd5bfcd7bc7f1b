"""Rows of order_plan, plan_report and projection from a group's plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from parlevel.domain.periods import to_date
from parlevel.domain.replenish.base import Ints
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.solvers.outcome import GroupPlan
from parlevel.domain.replenish.text import Wording, first_order, later_order, number
from parlevel.schemas import Column, arrow_schema, contract

USE: tuple[Column, ...] = (
    Column("solve_group", "string", "supplier @ location"),
    Column("n_items", "int", "series in the group"),
    Column("label", "string", "shared row: resource_id@period"),
    Column("resource_kind", "string", "kind of the shared row"),
    Column("measure", "string", "what it counts"),
    Column("amount", "double", "its limit over all groups"),
    Column("used", "double", "by this group's plan"),
    Column("urgency", "double", "money lost per unit of the measure if the group may not order for it"),
    Column("weight", "double", "the group's use over all shared rows"),
    Column("content_key", "string", "orders groups without looking at names"),
    Column("objective", "double", "expected cost of the group's plan", "money"),
    Column("priced", "double", "its bound before use is charged back", "money"),
)
"""Columns of what a group uses of shared rows."""


@dataclass(frozen=True)
class GroupTables:
    """Rows of the three tables of the replenish stage, without run_id, and what the plan uses of shared rows."""

    order_plan: pa.Table
    plan_report: pa.Table
    projection: pa.Table
    shared_use: pa.Table


def tables(
    rows: pa.Table,
    items: Items,
    plan: GroupPlan,
    known: Facts | None,
    limits: list[Row],
    job: Job,
    seconds: float,
    used: list[dict[str, object]],
) -> GroupTables:
    """Rows of the three tables."""
    at = np.flatnonzero(items.known)
    value = float((plan.units * items.terms.unit_cost[at, None]).sum())
    solved = len(at) > 0
    report = {
        "solve_group": rows["solve_group"][0].as_py(),
        "supplier_id": items.names["supplier_id"][0],
        "location_id": items.names["location_id"][0],
        "n_items": items.n,
        "status": plan.status,
        "objective": plan.objective if solved else None,
        "bound": plan.bound if solved else None,
        "gap": plan.gap if solved else None,
        "rounds": plan.rounds,
        "seconds": seconds,
        "relaxed": plan.relaxed,
        "reason": plan.reason,
        "order_value": value,
        "prices": list(plan.prices.items()),
    }
    return GroupTables(
        pa.Table.from_pylist(_order_rows(items, plan, known, limits, job), schema=_schema("order_plan")),
        pa.Table.from_pylist([report], schema=_schema("plan_report")),
        pa.Table.from_pylist(_projection_rows(items, at, known, job), schema=_schema("projection")),
        pa.Table.from_pylist(used, schema=arrow_schema(USE)),
    )


def _schema(name: str) -> pa.Schema:
    return arrow_schema(contract(name).data_columns)


def _order_rows(
    items: Items, plan: GroupPlan, known: Facts | None, limits: list[Row], job: Job
) -> list[dict[str, object]]:
    """Rows of order_plan: tomorrow's decision of every series, later orders that are foreseen."""
    out: list[dict[str, object]] = []
    at = np.flatnonzero(items.known)
    if known is not None:
        said = _said(plan, limits)
        words = Wording(known, items.terms.take(at), plan.alone[:, 0], said, job.period)
        for k, item in enumerate(at):
            for step in [0, *(np.flatnonzero(plan.units[k, 1:] > 0) + 1).tolist()]:
                quantity = float(plan.units[k, step])
                reason = first_order(words, k, quantity) if step == 0 else later_order(words, k, step, quantity)
                out.append(_order_row(items, int(item), step, quantity, reason, job, _levels(known, k, step, quantity)))
    for item in np.flatnonzero(~items.known):
        position = float(items.state.inventory_position[item])
        nothing = {"inventory_position": position, "order_up_to_level": position, "safety_stock": position,
                   "protection_demand": 0.0, "stockout_probability": 0.0}  # fmt: skip
        reason = f"No order: there is no forecast ({items.missing[item]})."
        out.append(_order_row(items, int(item), 0, 0.0, reason, job, nothing))
    return out


def _levels(known: Facts, k: int, step: int, quantity: float) -> dict[str, float]:
    position, demand = float(known.position[k, step]), float(known.protection_demand[k, step])
    level = position + quantity if quantity > 0 else float(known.target[k, step])
    return {
        "inventory_position": position,
        "order_up_to_level": level,
        "safety_stock": level - demand,
        "protection_demand": demand,
        "stockout_probability": float(known.risk[k, step]),
    }


def _order_row(
    items: Items, item: int, step: int, quantity: float, reason: str, job: Job, levels: dict[str, float]
) -> dict[str, object]:
    lead = int(items.terms.lead_time[item])
    dates = to_date(np.array([job.cutoff + 1 + step, job.cutoff + 1 + step + lead]), job.period)
    return {
        **{name: values[item] for name, values in items.names.items()},
        "order_date": dates[0].item(),
        "order_qty": quantity,
        "order_value": quantity * float(items.terms.unit_cost[item]),
        "receipt_date": dates[1].item(),
        **levels,
        "reason": reason,
        "policy": job.policy,
        "assumed": bool(items.assumed[item]),
    }


def _said(plan: GroupPlan, limits: list[Row]) -> list[str]:
    """(n,) the shared row that moved an item's first order, in words."""
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


_NAMES = {"budget": "budget", "inbound": "inbound capacity", "storage": "storage capacity"}


def _projection_rows(items: Items, at: Ints, known: Facts | None, job: Job) -> list[dict[str, object]]:
    if known is None:
        return []
    start = to_date(np.array([job.cutoff + 1]), job.period)[0].item()
    columns = ("receipts", "stock_mean", "stock_low", "stock_high", "lost_mean")
    return [
        {
            "series_id": items.names["series_id"][item],
            "start_date": start,
            **{name: getattr(known, name)[k].astype(np.float32) for name in columns},
        }
        for k, item in enumerate(at)
    ]
