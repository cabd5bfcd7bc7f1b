"""Forecasts of stores, departments, categories and their sums over time, and series that agree with them.

Only sums over the members of nodes travel: a series is moved by its own numbers and the nodes' multipliers,
see `parlevel.domain.forecast.reconcile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.forecast.reconcile import Multipliers, Nodes, Sums, adjusted, factor, multipliers
from parlevel.errors import DataError
from parlevel.pipeline.forecast_nodes import NODE, node_forecasts
from parlevel.schemas import Column, contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.scratch import Scratch
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables

LEVELS: dict[str, tuple[str, ...]] = {
    "total": (),
    "location": ("location_id",),
    "department": ("department",),
    "category": ("category",),
    "location+department": ("location_id", "department"),
    "location+category": ("location_id", "category"),
    "product": ("product_id",),
}
"""Levels by the columns of `series_profile` whose values make a node."""

MAX_NODES = 1000
"""A level with more nodes is the sum of its series and has no say: the nodes' system is dense."""

MOVED = (Column("series_id", "string", "", nullable=False), Column("moved", "array<double>", "units per step"))


@dataclass(frozen=True)
class Hierarchy:
    """The nodes above the series of a run.

    Attributes:
        member: series_id, level, node: one row per series and node.
        index: node -> position, of the nodes that have a say; the total first.
    """

    member: DataFrame
    index: dict[str, int]


def run(forecast: DataFrame, tables: Tables, scratch: Scratch, cfg: Config) -> DataFrame:
    """Reconcile the forecast, write forecast_levels, and return the contract `forecast` that agrees with it.

    Args:
        forecast: base forecasts of series.
        tables: for series_profile, features and backtest.
        scratch: where the reconciled forecast is kept.
        cfg: says how to reconcile.

    Raises:
        DataError: the levels do not add up.
    """
    profile = tables.read("series_profile").join(forecast.select("series_id").distinct(), "series_id", "left_semi")
    above = hierarchy(profile)
    errors = series_errors(tables.read("backtest"))
    moved = scratch.keep(reconciled(forecast, above, errors, tables, cfg))
    n_rows = moved.count()
    tables.write("forecast_levels", levels(moved, above.member, errors, cfg), files=1)
    check(n_rows, tables.read("forecast_levels"))
    return moved


def reconciled(forecast: DataFrame, above: Hierarchy, errors: DataFrame, tables: Tables, cfg: Config) -> DataFrame:
    """The contract `forecast`, moved by what is known of the nodes.

    Args:
        forecast: base forecasts of series.
        above: from `hierarchy`.
        errors: from `series_errors`.
        tables: for features.
        cfg: says how to reconcile.
    """
    if cfg.forecast.reconcile == "bottom_up":
        return forecast
    nodes, cutoffs = node_forecasts(above.member, above.index, tables, errors, cfg)
    if cfg.forecast.reconcile == "mint_shrink":
        return _minimum_trace(forecast, above, errors, nodes, cutoffs, cfg)
    wanted = factor(_node_sums(forecast, above, cfg)[0], nodes.mean[0]).tolist()
    by_step = F.element_at(F.array(*(F.lit(each) for each in wanted)), F.col("step"))
    return _with_mean(forecast, F.col("demand_mean") * by_step)


def hierarchy(profile: DataFrame) -> Hierarchy:
    """Nodes of every level of LEVELS that some series has a value for."""
    named = [
        F.struct(
            F.lit(level).alias("level"), F.concat_ws("/", F.lit(level), *(_value(name) for name in names)).alias("node")
        )
        for level, names in LEVELS.items()
    ]
    member = profile.select("series_id", F.explode(F.array(*named)).alias("n")).select("series_id", "n.*")
    counts = member.groupBy("level").agg(F.count_distinct("node").alias("n"))
    few = [row["level"] for row in counts.collect() if row["n"] <= MAX_NODES]  # bounded: one row a level
    nodes = member.where(F.col("level").isin(few)).select("level", "node").distinct()
    found = nodes.collect()  # bounded: MAX_NODES a level
    ordered = sorted(found, key=lambda row: (list(LEVELS).index(row["level"]), row["node"]))
    return Hierarchy(member, {row["node"]: k for k, row in enumerate(ordered)})


def series_errors(backtest: DataFrame) -> DataFrame:
    """series_id, cutoff and errors (actual - forecast, 0 where it is not scored) of the groups' choices."""
    scored = "x.available > 0.5 AND NOT isnan(x.actual) AND NOT isnan(x.mean)"
    error = f"transform(arrays_zip(actual, mean, available), x -> IF({scored}, CAST(x.actual - x.mean AS DOUBLE), 0D))"
    chosen = backtest.where("model = 'chosen'")
    return chosen.select("series_id", "cutoff", F.expr(error).alias("errors"))


def levels(forecast: DataFrame, member: DataFrame, errors: DataFrame, cfg: Config) -> DataFrame:
    """The contract `forecast_levels`: nodes as sums of their members, over periods, weeks and the horizon."""
    quantiles = list(cfg.forecast.levels)
    sums = (
        errors.select("series_id", "cutoff", F.posexplode("errors").alias("at", "error"))
        .join(member, "series_id")
        .groupBy("node", "cutoff", "at")
        .agg(exact_sum("error").alias("error"))
    )
    around = sums.groupBy("node").agg(F.percentile("error", F.lit(quantiles)).alias("around"))
    rows = forecast.drop("levels", "demand_quantiles").join(member, "series_id")
    spans: dict[str, SparkColumn] = {"period": F.col("date"), "horizon": F.lit(None).cast("date")}
    if cfg.calendar.period == "day":
        spans["week"] = F.date_trunc("week", "date").cast("date")
    parts = [_over(rows, span, start) for span, start in spans.items()]
    together = parts[0]
    for part in parts[1:]:
        together = together.unionByName(part)
    moved = "transform(around, a -> greatest(0D, demand_mean + a))"
    single = F.col("span") == "period"
    return (
        together.join(around, "node", "left")
        .withColumn("levels", F.when(single & F.col("around").isNotNull(), F.lit(quantiles)))
        .withColumn("demand_quantiles", F.when(single, F.expr(moved)))
        .select(*(column.name for column in contract("forecast_levels").data_columns))
    )


def check(n_rows: int, rows: DataFrame) -> None:
    """Refuse levels that do not add up.

    Args:
        n_rows: rows of the contract `forecast`: one per series and step.
        rows: contract `forecast_levels` as written.

    Raises:
        DataError: a level holds other series than there are, or another total than the others.
    """
    single = rows.where("span = 'period'").groupBy("level")
    found = single.agg(F.sum("demand_mean").alias("units"), F.sum("n_series").alias("n")).collect()  # bounded: levels
    totals = {row["level"]: (row["units"], row["n"]) for row in found}
    units = totals["total"][0] if totals else 0.0
    off = {
        level: value
        for level, value in totals.items()
        if abs(value[0] - units) > 1e-4 * max(units, 1.0) or value[1] != n_rows
    }
    if off:
        raise DataError(
            f"every level must add up to {units:,.1f} units over {n_rows:,} forecasts of series and steps. "
            f"Got {off}. Run forecast again."
        )


def _minimum_trace(
    forecast: DataFrame, above: Hierarchy, errors: DataFrame, nodes: Nodes, cutoffs: list[object], cfg: Config
) -> DataFrame:
    horizon = cfg.calendar.horizon
    packed = errors.groupBy("series_id").agg(F.collect_list(F.struct("cutoff", "errors")).alias("e"))
    placed = [
        F.expr(f"aggregate(filter(e, x -> x.cutoff = DATE'{c}'), {_zeros(horizon)}, (a, x) -> x.errors)")
        for c in cutoffs
    ]
    flat = packed.select("series_id", (F.concat(*placed) if placed else F.expr(_zeros(0))).alias("errors"))
    mean = forecast.groupBy("series_id").agg(
        F.transform(F.sort_array(F.collect_list(F.struct("step", "demand_mean"))), lambda x: x["demand_mean"]).alias(
            "mean"
        )
    )
    index = forecast.sparkSession.createDataFrame(list(above.index.items()), "node string, at int")
    places = above.member.join(F.broadcast(index), "node").groupBy("series_id").agg(F.collect_list("at").alias("nodes"))
    n_errors = horizon * len(cutoffs)
    rows = mean.join(places, "series_id").join(flat, "series_id", "left")
    rows = rows.withColumn("errors", F.coalesce("errors", F.expr(_zeros(n_errors))))
    # an unjudged series is taken to err as counts do
    own = "aggregate(errors, 0D, (a, x) -> a + x * x) / greatest(size(errors), 1)"
    level = "aggregate(mean, 0D, (a, x) -> a + x) / size(mean)"
    rows = rows.withColumn("variance", F.greatest(F.expr(own), F.when(F.expr(own) == 0, F.expr(level)).otherwise(1e-9)))
    found = multipliers(_sums(forecast, rows, above, n_errors, cfg), nodes)
    moved = map_packed(rows, partial(_adjust, found=found), MOVED)
    joined = forecast.join(moved, "series_id")
    return _with_mean(joined, F.element_at("moved", F.col("step"))).drop("moved")


def _adjust(table: pa.Table, *, found: Multipliers) -> pa.Table:
    """Reconciled means of a batch of series; see `reconcile.adjusted`."""
    n = table.num_rows
    bottom = np.array(table["mean"].to_pylist(), np.float64)
    errors = np.array(table["errors"].to_pylist(), np.float64).reshape(n, len(found.error))
    above = np.stack([found.node[nodes].sum(axis=0) for nodes in table["nodes"].to_pylist()])
    out = adjusted(bottom, table["variance"].to_numpy(), errors, above, found)
    return pa.table({"series_id": table["series_id"], "moved": pa.array(out.tolist(), pa.list_(pa.float64()))})


def _sums(forecast: DataFrame, rows: DataFrame, above: Hierarchy, n_errors: int, cfg: Config) -> Sums:
    """The nodes' sums, brought together: what grows with the series stays where it is."""
    n = len(above.index)
    pairs = (
        rows.select("variance", F.explode("nodes").alias("i"), "nodes")
        .select("variance", "i", F.explode("nodes").alias("j"))
        .groupBy("i", "j")
        .agg(exact_sum("variance").alias("v"))
    )
    variance = np.zeros((n, n))
    for row in pairs.collect():  # bounded: pairs of nodes
        variance[row["i"], row["j"]] = row["v"]
    exploded = rows.select(F.explode("nodes").alias("i"), F.posexplode("errors").alias("k", "e"))
    errors = np.zeros((n, n_errors))
    for row in exploded.groupBy("i", "k").agg(exact_sum("e").alias("v")).collect():  # bounded: nodes x errors
        errors[row["i"], row["k"]] = row["v"]
    return Sums(_node_sums(forecast, above, cfg), variance, errors)


def _node_sums(forecast: DataFrame, above: Hierarchy, cfg: Config) -> np.ndarray:
    """(n_nodes, horizon) sums of the series' means."""
    total = np.zeros((len(above.index), cfg.calendar.horizon))
    names = forecast.sparkSession.createDataFrame(list(above.index.items()), f"{NODE} string, at int")
    rows = forecast.join(above.member, "series_id").join(F.broadcast(names), NODE).groupBy("at", "step")
    for row in rows.agg(exact_sum("demand_mean").alias("v")).collect():  # bounded: nodes x horizon
        total[row["at"], row["step"] - 1] = row["v"]
    return total


def _over(rows: DataFrame, span: str, start: SparkColumn) -> DataFrame:
    """Sums of nodes over one kind of span."""
    return (
        rows.withColumn("_start", start)
        .groupBy("level", "node", "cutoff", "_start")
        .agg(
            exact_sum("demand_mean").alias("demand_mean"),
            F.min("date").alias("date"),
            F.count_distinct("step").cast("int").alias("n_periods"),
            F.count_distinct("series_id").alias("n_series"),
        )
        .withColumn("span", F.lit(span))
        .drop("_start")
    )


def _with_mean(forecast: DataFrame, mean: SparkColumn) -> DataFrame:
    """Another mean, and quantiles scaled along with it."""
    ratio = F.when(F.col("demand_mean") > 0, F.col("_mean") / F.col("demand_mean")).otherwise(F.lit(1.0))
    return (
        forecast.withColumn("_mean", mean)
        .withColumn("_ratio", ratio)
        .withColumn("demand_quantiles", F.expr("transform(demand_quantiles, q -> q * _ratio)"))
        .withColumn("demand_mean", F.col("_mean"))
        .drop("_mean", "_ratio")
    )


def _zeros(n: int) -> str:
    return f"array_repeat(0D, {n})"


def _value(name: str) -> SparkColumn:
    return F.coalesce(F.nullif(F.trim(name), F.lit("")), F.lit("none"))
