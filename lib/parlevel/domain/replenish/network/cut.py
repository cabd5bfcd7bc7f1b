"""Order lines of items that their warehouse cannot send all of: the same plan with what is sent in tomorrow's place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.explain import explain
from parlevel.domain.replenish.group import in_season
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.output import GroupTables, tables
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.solvers.outcome import GroupPlan
from parlevel.schemas import Column

CUT: tuple[Column, ...] = (
    Column("sent", "double", "units that arrive of tomorrow's order", "units"),
    Column("short", "string", "why not all of it, in words"),
)
"""What rows of items say when they get less than they ordered, beside `PACKED` and `LINES`."""


def cut_lines(rows: pa.Table, job: Job) -> GroupTables:
    """Rows of order_plan, order_ledger and projection of items that are sent less than they ordered.

    Later orders stay as planned; what explains a line is worked out again with what really arrives.

    Args:
        rows: of one solve group: columns `PACKED`, `LINES` and `CUT`; every item has a forecast.
        job: what all groups share.
    """
    rows = rows.combine_chunks().sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    items = unpack(rows, job.settings.horizon)
    items = in_season(replace(items, terms=items.for_policies()), job)
    planned = np.zeros((items.n, job.settings.horizon))
    for k, (steps, units) in enumerate(zip(rows["line_steps"].to_pylist(), rows["line_qty"].to_pylist(), strict=True)):
        planned[k, steps] = units
    units = planned.copy()
    units[:, 0] = np.asarray(rows["sent"].to_numpy())
    batch = Batch(items.state, items.forecast, items.terms, job.settings)
    facts, found = explain(batch, units)
    labels = [f"stock of {rows['product_id'][k].as_py()} at {rows['supplier_id'][k].as_py()}" for k in range(items.n)]
    today = np.flatnonzero(found.step == 0)
    worth = np.maximum(-found.more[today], 0.0) / items.terms.case_pack[found.item[today]]
    prices: dict[str, float] = {}
    for item, price in zip(found.item[today].tolist(), worth.tolist(), strict=True):
        # one more unit would go where it saves most
        prices[labels[item]] = max(prices.get(labels[item], 0.0), price)
    said = [text.rstrip(".") for text in rows["short"].to_pylist()]
    plan = GroupPlan(units, planned, "feasible", 0.0, 0.0, 0, prices=prices, binding=labels, said=said)
    return tables(rows, items, plan, facts, found, [], job, 0.0, [])
