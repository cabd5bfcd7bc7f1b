"""A generated supply network of any size: items with terms, stock and a forecast, suppliers with limits, one budget.

Every block of items is drawn from the seed and its number alone, in the workers, so that a network of a million items
is the same whatever the partitions, and the driver holds none of it. Suppliers' limits follow the rules by which
parlevel assumes them elsewhere (docs/sources.md): a minimum of 40 % of a typical order, and for some of the
suppliers trucks that hold half of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.stats import nbinom

from parlevel.domain.replenish.packed import PACKED
from parlevel.schemas import Column, arrow_schema, contract
from parlevel.spark.grouped import ddl
from parlevel.spark.tables import spark_schema

BLOCK = 500
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
CASES = np.array([1.0, 4.0, 6.0, 12.0, 24.0, 48.0])
CASE_WEEKLY = np.array([1.5, 3.0, 7.0, 20.0, 80.0])  # units a week from which the next larger case is used
CUTOFF = 2831  # a Sunday's week
COLUMNS = (*PACKED, Column("resources", "string", ""), Column("grants", "string", ""))


def network(
    spark: SparkSession, items: int, suppliers: int, horizon: int, seed: int, tightness: float, trucks: float
) -> tuple[DataFrame, DataFrame]:
    """(packed rows without limits, contract `resources`).

    Args:
        spark: session.
        items: series.
        suppliers: of very different sizes.
        horizon: weeks forecast.
        seed: of everything drawn.
        tightness: the budget of a week / what all suppliers' typical orders of a week cost.
        trucks: share of suppliers that deliver by whole trucks.
    """
    make = partial(_blocks, items=items, suppliers=suppliers, horizon=horizon, seed=seed)
    blocks = spark.range(0, -(-items // BLOCK), 1, max(2, -(-items // 10_000)))
    rows = blocks.mapInArrow(make, ddl(PACKED))
    return rows, limits(rows, seed, tightness, trucks)


def limits(rows: DataFrame, seed: int, tightness: float, trucks: float) -> DataFrame:
    """Supplier minimums, trucks and one budget over all suppliers, in contract form."""
    weekly = F.element_at("mean", 1)
    each = rows.groupBy("supplier_id", "location_id").agg(
        F.round(F.sum(weekly * F.col("unit_cost") * F.col("review_period")), 2).alias("value"),
        F.round(F.sum(weekly * F.col("unit_weight") * F.col("review_period")), 2).alias("weight"),
        F.round(F.sum(weekly * F.col("unit_cost")), 2).alias("week"),
    )
    drawn = F.pmod(F.xxhash64(F.lit(seed), "supplier_id"), F.lit(1000)) / 1000.0
    own = F.col("value")
    kinds = F.array(
        F.struct(F.lit("supplier_min").alias("kind"), F.lit("value").alias("measure"),
                 (0.4 * own).alias("amount"), F.lit(0.0).alias("cost"), F.lit(True).alias("has")),
        F.struct(F.lit("truck").alias("kind"), F.lit("weight").alias("measure"),
                 (0.5 * F.col("weight")).alias("amount"), (0.03 * own).alias("cost"), (drawn < trucks).alias("has")),
    )  # fmt: skip
    listed = each.select("supplier_id", "location_id", F.explode(kinds).alias("r")).where("r.has")
    per_group = listed.select(
        F.concat_ws(":", "r.kind", "supplier_id").alias("resource_id"), F.lit(0).alias("period"), "r.kind",
        "supplier_id", "location_id", "r.measure", "r.amount", "r.cost", F.lit(True).alias("assumed"),
    )  # fmt: skip
    budget = each.agg(F.round(tightness * F.sum("week"), 2).alias("amount")).select(
        F.lit("budget").alias("resource_id"), F.lit(0).alias("period"), F.lit("budget").alias("kind"),
        F.lit(None).cast("string").alias("supplier_id"), F.lit(None).cast("string").alias("location_id"),
        F.lit("value").alias("measure"), "amount", F.lit(0.0).alias("cost"), F.lit(True).alias("assumed"),
    )  # fmt: skip
    names = [column.name for column in contract("resources").data_columns]
    both = per_group.select(names).unionByName(budget.select(names))
    return both.to(spark_schema(contract("resources")))


def _blocks(
    batches: Iterator[pa.RecordBatch], *, items: int, suppliers: int, horizon: int, seed: int
) -> Iterator[pa.RecordBatch]:
    """Rows of every block named in a batch."""
    for batch in batches:
        for number in batch.column(0).to_pylist():
            count = min(BLOCK, items - number * BLOCK)
            yield from block(number, count, suppliers, horizon, seed).to_batches()


def block(number: int, n: int, suppliers: int, horizon: int, seed: int) -> pa.Table:
    """`n` packed rows of block `number`."""
    rng = np.random.default_rng([seed, number])
    supplier, lead, late, review = _suppliers(rng.random(n), suppliers, seed)
    mean = np.minimum(rng.lognormal(1.5, 1.3, n), 400.0)  # units a week
    price = np.round(rng.lognormal(1.2, 0.7, n), 2) + 0.2
    cost = np.round(0.7 * price, 4)
    case = CASES[np.maximum((mean[:, None] >= CASE_WEEKLY).sum(axis=1) - (rng.random(n) < 0.25), 0)]
    least = np.where(rng.random(n) < 0.1, 2 * case, case)
    cover = mean * (lead + 2 * review) * 2.5
    most = np.where(rng.random(n) < 0.15, (np.ceil(cover / case) + 2) * case, np.nan)
    holding = np.round(cost * 0.25 / 52 + 0.004 * 7 * cost, 6)
    stock = np.where(rng.random(n) < 0.04, 0.0, np.ceil(mean * (lead + review) * (0.35 + 1.15 * rng.random(n))))
    curve, level = _forecast(rng, mean, horizon)
    coming = (rng.random(n) < 0.4) & (lead >= 1)
    due = np.where(coming, np.ceil(mean * review / case) * case, 0.0)
    number_of = number * BLOCK + np.arange(n)
    names = [f"i{k:07d}" for k in number_of]
    values = {
        "series_id": names, "product_id": names, "location_id": ["depot"] * n,
        "supplier_id": [f"s{k:04d}" for k in supplier], "solve_group": [f"s{k:04d} @ depot" for k in supplier],
        "content_key": names, "assumed": [True] * n, "cutoff_index": [CUTOFF] * n, "missing": [None] * n,
        "mean": _lists(level), "levels": _lists(np.tile(LEVELS, (n, 1))), "quantiles": _lists(curve.reshape(n, -1)),
        "path_correlation": np.full(n, 0.15), "history": _lists(np.repeat(mean[:, None], 4, 1).astype(np.float32)),
        "drivers": pa.nulls(n), "on_hand": stock,
        "backorders": np.zeros(n), "due_steps": _lists(np.ones((n, 1), np.int32)),
        "due_qty": _lists(due[:, None]), "lead_time_sd": late, "min_order_qty": least, "case_pack": case,
        "max_stock": pa.array(most, mask=np.isnan(most)), "min_stock": np.zeros(n), "unit_cost": cost,
        "unit_price": price, "holding_cost": holding,
        "shortage_cost": np.maximum(price - cost, 19 * holding), "backorder_cost": pa.nulls(n),
        "order_cost": np.round(0.05 + 0.02 * case * cost, 2), "target": np.full(n, 0.95),
        "unit_weight": np.round(rng.lognormal(-0.5, 0.6, n), 3), "unit_volume": np.ones(n), "lead_time": lead,
        "review_period": review, "shelf_life": pa.nulls(n), "frozen_periods": pa.nulls(n),
        "order_weekdays": pa.nulls(n), "season_steps": pa.nulls(n), "leftover_value": pa.nulls(n),
        "policy": pa.nulls(n), "asked": pa.nulls(n),
    }  # fmt: skip
    schema = arrow_schema(PACKED)
    arrays = [pa.array(values[f.name]).cast(f.type) for f in schema]
    return pa.Table.from_arrays(arrays, names=schema.names)


def _suppliers(u: np.ndarray, suppliers: int, seed: int) -> tuple[np.ndarray, ...]:
    """(supplier, lead time, its spread, review period) of items by draws `u`; large suppliers are ordered weekly."""
    rng = np.random.default_rng([seed, 2**31])
    share = rng.lognormal(0.0, 0.7, suppliers)
    lead = rng.integers(0, 4, suppliers)
    late = np.where((rng.random(suppliers) < 0.3) & (lead > 0), np.round(0.2 * lead, 2), 0.0)
    review = np.where(share < np.quantile(share, 0.4), 2, 1)
    edges = share.cumsum() / share.sum()
    at = np.minimum(np.searchsorted(edges, u), suppliers - 1)
    return at, lead[at], late[at], review[at]


def _forecast(rng: np.random.Generator, mean: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """(quantiles (n, h, levels), mean (n, h)): negative binomial demand around a seasonal level."""
    n = len(mean)
    phase, swing = rng.random(n), 0.3 * rng.random(n)
    season = 1 + swing[:, None] * np.sin(2 * np.pi * (np.arange(horizon) / 13 + phase[:, None]))
    level = mean[:, None] * season
    spread = (1.2 + 2.0 * rng.random(n))[:, None]  # variance / mean
    curve = nbinom.ppf(LEVELS, (level / (spread - 1))[..., None], (1 / spread)[..., None])
    return curve, level


def _lists(values: np.ndarray) -> pa.ListArray:
    """(n, k) as a list column."""
    n, k = values.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * k), pa.array(values.ravel()))
