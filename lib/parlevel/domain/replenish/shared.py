"""What all groups share: what items would use of it at given prices, and good prices from a small sample."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.job import Job, shared_rows
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.price_search import PriceSearch
from parlevel.domain.replenish.solvers.pricing import step_prices, total_usage
from parlevel.schemas import Column, arrow_schema

ANSWER: tuple[Column, ...] = (
    Column("point", "int", "which price vector"),
    Column("label", "string", "shared row; empty: all together"),
    Column("used", "double", "of the row by the group's plans at the point"),
    Column("priced", "double", "the group's minimum of cost plus prices (rows without label)", "money"),
)
"""Columns of a group's answer to prices."""

FIRST_PRICES: tuple[Column, ...] = (
    Column("label", "string", "shared row"),
    Column("price", "double", "per unit of the row's measure", "money"),
)
"""Columns of what a small sample says of the prices."""

ROUNDS_ALONE = 40  # rounds of the search on a small sample: its items stay in memory


class Sample:
    """Items of a sample with their models, ready to be asked at prices with nothing else shared.

    Args:
        rows: packed rows; of any groups.
        job: what groups share.
        labels: (r,) shared rows.
    """

    def __init__(self, rows: pa.Table, job: Job, labels: list[str]) -> None:
        self._n_labels = len(labels)
        self._parts: list[tuple[Batch, list[Row], Ints, bool]] = []
        scoped = any(entry["supplier_id"] or entry["location_id"] for entry in job.shared)
        for group in pc.unique(rows["solve_group"]) if scoped else [None]:
            part = rows if group is None else rows.filter(pc.equal(rows["solve_group"], group))
            items = unpack(part, job.settings.horizon)
            known = np.flatnonzero(items.known)
            mine = [row for row in shared_rows(items, job) if row.label in labels]
            if not len(known) or not mine:
                continue
            stocked = any(row.basis == "stock" for row in mine)
            some = (items.state.take(known), items.forecast.take(known), items.terms.take(known))
            at = np.array([labels.index(row.label) for row in mine], np.int64)
            self._parts.append((Batch(*some, job.settings, stocked), mine, at, stocked))

    def ask(self, points: Floats) -> tuple[Floats, Floats]:
        """(used (p, r), priced (p,)) at p price vectors (p, r), money per unit of each row's measure."""
        used, priced = np.zeros((len(points), self._n_labels)), np.zeros(len(points))
        for batch, mine, at, stocked in self._parts:
            plans = batch.solve(step_prices(batch, mine, points[:, at], stocked))
            used[:, at] += total_usage(mine, batch.terms, plans.units, plans.stock)
            priced += plans.priced.sum(axis=1)
        return used, priced


def answer(rows: pa.Table, job: Job, labels: list[str], points: Floats) -> pa.Table:
    """What items do at each price vector, columns `ANSWER`.

    Args:
        rows: packed rows; of one supplier and location where a shared row names either.
        job: what groups share.
        labels: (r,) shared rows.
        points: (p, r) prices, money per unit of each row's measure.
    """
    used, priced = Sample(rows, job, labels).ask(points)
    out = [
        {"point": p, "label": label, "used": float(used[p, k]), "priced": 0.0}
        for p in range(len(points))
        for k, label in enumerate(labels)
    ]
    out += [{"point": p, "label": "", "used": 0.0, "priced": float(v)} for p, v in enumerate(priced)]
    return pa.Table.from_pylist(out, schema=arrow_schema(ANSWER))


def first_prices(rows: pa.Table, job: Job, labels: list[str], amount: Floats, scale: Floats) -> pa.Table:
    """Prices that are good for a sample, columns `FIRST_PRICES`; all zero where it needs none.

    Args:
        rows: packed rows of the sample.
        job: what groups share.
        labels: (r,) shared rows.
        amount: (r,) what there is of each for the sample.
        scale: (r,) prices at which hardly anybody orders.
    """
    sample, search = Sample(rows, job, labels), PriceSearch(labels, amount, scale, 0.1 * job.effort.max_gap)
    for _ in range(ROUNDS_ALONE):
        points = search.points()
        search.update(points, *sample.ask(points))
        if search.fits or search.settled:
            break
    price = np.zeros(len(labels)) if search.fits else search.price
    return pa.table({"label": labels, "price": price}, schema=arrow_schema(FIRST_PRICES))
