"""The tables of a group's plan: orders and what explains them, the solve's report, the stock it leads to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from parlevel.domain.periods import to_date
from parlevel.domain.replenish.base import Ints
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.lines import Lines
from parlevel.domain.replenish.orders import order_tables
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.solvers.outcome import GroupPlan
from parlevel.schemas import Column, arrow_schema, contract

USE: tuple[Column, ...] = (
    Column("solve_group", "string", "supplier @ location"),
    Column("n_items", "int", "series in the group"),
    Column("first", "boolean", "true in one row of each group"),
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
    """Rows of the tables of the replenish stage, without run_id, and what the plan uses of shared rows."""

    order_plan: pa.Table
    order_ledger: pa.Table
    plan_report: pa.Table
    projection: pa.Table
    shared_use: pa.Table


def tables(
    rows: pa.Table,
    items: Items,
    plan: GroupPlan,
    known: Facts | None,
    found: Lines | None,
    limits: list[Row],
    job: Job,
    seconds: float,
    used: list[dict[str, object]],
) -> GroupTables:
    """Rows of the tables."""
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
    order_plan, order_ledger = order_tables(items, plan, known, found, limits, job)
    return GroupTables(
        order_plan,
        order_ledger,
        pa.Table.from_pylist([report], schema=_schema("plan_report")),
        pa.Table.from_pylist(_projection_rows(items, at, known, job), schema=_schema("projection")),
        pa.Table.from_pylist(used, schema=arrow_schema(USE)),
    )


def _schema(name: str) -> pa.Schema:
    return arrow_schema(contract(name).data_columns)


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
