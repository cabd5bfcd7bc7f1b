"""Base forecasts of nodes: their members' histories are added up, trained on and forecast as one more group."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.forecast.apply import Stored, forecast_group
from parlevel.domain.forecast.crossval import CHOSEN, Spec, train_group
from parlevel.domain.forecast.reconcile import Nodes
from parlevel.domain.forecast.registry import SHARED
from parlevel.domain.panel import Panel, ragged_to_right
from parlevel.domain.periods import Period, to_date, to_index
from parlevel.pipeline.train import spec
from parlevel.schemas import Column
from parlevel.spark.grouped import apply_groups, map_packed
from parlevel.spark.tables import Tables

NODE = "node"
PARTIAL = (Column("at", "int", "node"), Column("cutoff", "date", ""), Column("values", "array<double>", "units"))
FOUND = (
    Column("at", "int", "node"),
    Column("cutoff", "date", "of the fold; null for the forecast"),
    Column("values", "array<double>", "mean or errors per step, units"),
)


def node_forecasts(
    member: DataFrame, index: dict[str, int], tables: Tables, errors: DataFrame, cfg: Config
) -> tuple[Nodes, list[object]]:
    """Base forecasts and past errors of the nodes, and the cutoffs of these errors, oldest first.

    Args:
        member: series_id, level, node.
        index: position of each node that is forecast.
        tables: for features.
        errors: of series; their cutoffs are the folds that the nodes are judged on.
        cfg: candidates, horizon, folds: as for the series.
    """
    names = member.sparkSession.createDataFrame(list(index.items()), f"{NODE} string, at int")
    places = member.join(F.broadcast(names), NODE).groupBy("series_id").agg(F.collect_list("at").alias("nodes"))
    packed = tables.read("features").select("series_id", "cutoff", "demand").join(places, "series_id")
    partials = map_packed(packed.select("cutoff", "demand", "nodes"), add_up, PARTIAL)
    fn = partial(_forecast, settings=own_models(spec(cfg)), period=cfg.calendar.period)
    together = partials.withColumn("all", F.lit(1))
    rows = apply_groups(
        together, ["all"], lambda table: fn(table.drop_columns(["all"])), FOUND
    ).collect()  # bounded: nodes x folds
    past = [row["cutoff"] for row in errors.select("cutoff").distinct().collect()]  # bounded: one row a fold
    cutoffs = sorted({row["cutoff"] for row in rows if row["cutoff"]} & set(past))
    horizon = cfg.calendar.horizon
    mean, made = np.zeros((len(index), horizon)), np.zeros((len(index), horizon * len(cutoffs)))
    for row in rows:
        if row["cutoff"] is None:
            mean[row["at"]] = row["values"]
        elif row["cutoff"] in cutoffs:
            begin = cutoffs.index(row["cutoff"]) * horizon
            made[row["at"], begin : begin + horizon] = row["values"]
    return Nodes(mean, made), list(cutoffs)


def own_models(settings: Spec) -> Spec:
    """The same candidates, each learned from the nodes alone: what all groups taught is of series, not of sums."""
    return replace(settings, candidates=tuple({n.removeprefix(SHARED): p for n, p in settings.candidates}.items()))


def add_up(table: pa.Table) -> pa.Table:
    """Sums of a batch's histories by node, right-aligned; unknown demand adds nothing."""
    lists = table["demand"].combine_chunks()
    lengths = np.array([len(each) for each in lists.to_pylist()], np.int64)
    width = int(lengths.max())
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    demand = np.nan_to_num(ragged_to_right(flat, lengths, width, np.nan).astype(np.float64))
    nodes = table["nodes"].to_pylist()
    found = sorted({at for each in nodes for at in each})
    position = {at: k for k, at in enumerate(found)}
    sums = np.zeros((len(found), width))
    rows = np.repeat(np.arange(len(nodes)), [len(each) for each in nodes])
    np.add.at(sums, [position[at] for each in nodes for at in each], demand[rows])
    cutoff = [table["cutoff"][0].as_py()] * len(found)
    return pa.table(
        {"at": pa.array(found, pa.int32()), "cutoff": pa.array(cutoff, pa.date32()), "values": sums.tolist()}
    )


def _forecast(table: pa.Table, *, settings: Spec, period: Period) -> pa.Table:
    """Partial sums of all nodes in, mean forecasts and errors of past folds out."""
    panel = node_panel(table, period)
    result = train_group(panel, settings)
    stored = [
        Stored(m.model, m.chosen, m.weight, m.artifact, m.calibration, m.path_correlation, m.note or "")
        for m in result.models
    ]
    made = forecast_group(result.panel, stored, settings.horizon, np.asarray(settings.levels), settings.floor)
    at = [int(name) for name in result.panel.series_id]
    parts: list[tuple[list[int], object, np.ndarray]] = [(at, None, np.nan_to_num(made.mean).astype(np.float64))]
    for row in result.backtest:
        if row.model == CHOSEN:
            each = row.result
            error = np.where(each.available, each.actual - each.mean, 0.0)
            date = to_date(np.array([each.cutoff]), period)[0].item()
            parts.append((at, date, np.nan_to_num(error).astype(np.float64)))
    tables = [
        pa.table(
            {
                "at": pa.array(which, pa.int32()),
                "cutoff": pa.array([date] * len(which), pa.date32()),
                "values": pa.array(values.tolist(), pa.list_(pa.float64())),
            }
        )
        for which, date, values in parts
    ]
    return pa.concat_tables(tables)


def node_panel(table: pa.Table, period: Period) -> Panel:
    """The nodes as a panel: a node's history begins with its first sale."""
    sums: dict[int, np.ndarray] = {}
    for at, values in zip(table["at"].to_pylist(), table["values"].to_pylist(), strict=True):
        own = np.asarray(values)
        known = sums.get(at, np.zeros(0))
        width = max(len(own), len(known))
        sums[at] = np.pad(known, (width - len(known), 0)) + np.pad(own, (width - len(own), 0))
    names = sorted(sums)
    width = max(len(values) for values in sums.values())
    # rounded, so that the order in which batches arrive cannot show
    demand = np.stack([np.round(np.pad(sums[at], (width - len(sums[at]), 0)), 4) for at in names]).astype(np.float32)
    begun = np.maximum.accumulate(demand > 0, axis=1)
    cutoff = int(to_index(np.array([table["cutoff"][0].as_py()], "datetime64[D]"), period)[0])
    return Panel(
        np.array([str(at) for at in names], object), np.where(begun, demand, np.float32(np.nan)), begun, cutoff, period
    )
