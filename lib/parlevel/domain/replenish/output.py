"""The tables of a group's plan: orders and what explains them, the solve's report, the stock it leads to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from parlevel.domain.panel import rows_to_lists
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
    """Rows of the tables of the replenish stage, without run_id, and what the plan uses of shared rows.

    Attributes:
        lines: columns `LINE`.
        without: rows of order_plan of series that have no forecast; no line explains them.
        plan_report, projection: of those tables.
        shared_use: columns `USE`.
    """

    lines: pa.Table
    without: pa.Table
    plan_report: pa.Table
    projection: pa.Table
    shared_use: pa.Table

    @property
    def order_plan(self) -> pa.Table:
        """Rows of order_plan."""
        return pa.concat_tables([self.lines.select(self.without.column_names), self.without])

    @property
    def order_ledger(self) -> pa.Table:
        """Rows of order_ledger."""
        return self.lines.select(_schema("order_ledger").names)


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
    return GroupTables(
        *order_tables(items, plan, known, found, limits, job),
        pa.Table.from_pylist([report], schema=_schema("plan_report")),
        _projection(items, at, known, job),
        pa.Table.from_pylist(used, schema=arrow_schema(USE)),
    )


def _schema(name: str) -> pa.Schema:
    return arrow_schema(contract(name).data_columns)


def _projection(items: Items, at: Ints, known: Facts | None, job: Job) -> pa.Table:
    schema = _schema("projection")
    if known is None:
        return schema.empty_table()
    start = to_date(np.array([job.cutoff + 1]), job.period)
    names = pa.array(items.names["series_id"], pa.string()).take(pa.array(at))
    found = {"series_id": names, "start_date": pa.array(np.repeat(start, len(at)), pa.date32())}
    for name in ("receipts", "stock_mean", "stock_low", "stock_high", "lost_mean"):
        found[name] = rows_to_lists(getattr(known, name).astype(np.float32), pa.float32())
    return pa.Table.from_arrays([found[f.name].cast(f.type) for f in schema], schema=schema)
