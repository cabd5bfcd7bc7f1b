"""What all groups share: what items would use of it at given prices, and good prices from a small sample."""

from __future__ import annotations

import math

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
    Column("scale", "double", "the price at which hardly anybody orders", "money"),
    Column("used", "double", "by the sample at the price, as a share of its part of the limit"),
    Column("rounds", "int", "asked"),
    Column("fits", "boolean", "nothing has to be priced"),
)
"""Columns of what a sample in memory says of the prices."""

ROUNDS_ALONE = 40  # rounds of the search on the few series that it begins on
SETTLED = 0.1  # share of the gap asked for that is left to the search


class Sample:
    """Items of a sample with their models, ready to be asked at prices with nothing else shared.

    Args:
        rows: packed rows; of any groups.
        job: what groups share.
        labels: (r,) shared rows.
    """

    def __init__(self, rows: pa.Table, job: Job, labels: list[str]) -> None:
        self._n_labels = len(labels)
        rows = rows.sort_by([("content_key", "ascending"), ("series_id", "ascending")])  # sums are then the same ones
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
            batch = Batch(*some, job.settings, stocked)
            batch.forget_paths()
            self._parts.append((batch, mine, at, stocked))

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


def first_prices(
    rows: pa.Table, job: Job, measures: dict[str, str], amount: Floats, bought: float, few: int, rounds: int
) -> pa.Table:
    """Prices that are good for a sample, columns `FIRST_PRICES`; all zero where it needs none.

    Args:
        rows: packed rows of the sample, and in `_drawn` a number by which smaller samples are drawn.
        job: what groups share.
        measures: (r,) label of each shared row -> its measure.
        amount: (r,) what there is of each for all series.
        bought: what all series are expected to buy, money.
        few: the search begins on the rows drawn below it, which takes next to no time.
        rounds: to correct on all rows what the few say.
    """
    labels, scale, start = list(measures), _scales(rows, measures), None
    begin = rows.filter(pc.less(rows["_drawn"], few))
    for some, most in ((begin, ROUNDS_ALONE), (rows, rounds)):
        if some is begin and not 0 < begin.num_rows < rows.num_rows:
            continue
        sample, part = Sample(some, job, labels), purchases(some)
        # nothing sells in a sample: every limit counts for it as it is
        there = amount * (part / bought if part > 0 and bought > 0 else 1.0)
        search = PriceSearch(labels, there, scale, SETTLED * job.effort.max_gap, start)
        for _ in range(most):
            points = search.points()
            search.update(points, *sample.ask(points))
            if search.fits or search.settled:
                break
        start = search.price if search.price.any() and not search.fits else None
    price = np.zeros(len(labels)) if search.fits else search.price
    used = np.divide(search.used, there, out=np.zeros(len(labels)), where=there > 0)
    n = len(labels)
    found = {"label": labels, "price": price, "scale": scale, "used": used, "rounds": [search.rounds] * n}
    return pa.table({**found, "fits": [search.fits] * n}, schema=arrow_schema(FIRST_PRICES))


def purchases(rows: pa.Table) -> float:
    """What packed rows are expected to buy over the horizon, money; the same whatever their order."""
    lists, cost = rows["mean"].combine_chunks(), np.asarray(rows["unit_cost"], np.float64)
    lengths = np.asarray(lists.value_lengths().fill_null(0), np.int64)
    each = np.asarray(lists.flatten(), np.float64) * np.repeat(cost, lengths)
    return math.fsum(each.tolist())


def _scales(rows: pa.Table, measures: dict[str, str]) -> Floats:
    """(r,) the price at which hardly anybody orders: mean cost of a shortage per unit of each row's measure."""
    each = {"value": "unit_cost", "units": None, "weight": "unit_weight", "volume": "unit_volume"}
    means = {}
    for measure in set(measures.values()) | {"shortage_cost"}:
        name = each.get(measure, measure)
        means[measure] = math.fsum(rows[name].to_pylist()) / rows.num_rows if name else 1.0
    return np.array([means["shortage_cost"] / max(means[measure], 1e-9) for measure in measures.values()])
