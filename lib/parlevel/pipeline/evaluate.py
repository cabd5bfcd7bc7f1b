"""Stage evaluate: how good the forecasts were on held-back folds, and what the plans would have been worth."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.evaluate import accuracy, inventory
from parlevel.domain.evaluate.simulate import play, start_state
from parlevel.domain.periods import PER_YEAR, SEASON
from parlevel.domain.replenish.base import Floats, Forecast
from parlevel.domain.replenish.packed import PACKED, Items, unpack
from parlevel.domain.replenish.registry import policy
from parlevel.errors import DataError
from parlevel.pipeline import evaluate_frontier
from parlevel.pipeline.evaluate_frontier import Setting
from parlevel.pipeline.replenish_baskets import basket_terms
from parlevel.pipeline.replenish_rows import HISTORY, season_steps
from parlevel.schemas import Column, contract
from parlevel.spark.grouped import apply_groups, map_packed
from parlevel.spark.periods import period_index
from parlevel.spark.session import cores
from parlevel.spark.tables import Tables, spark_schema

log = logging.getLogger(__name__)

CHOSEN = "chosen"  # model name of the forecasts that the pipeline itself would have used
PERFECT = "perfect_forecast"  # the policy in use, told the demand that came: what better forecasts could still save
DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}
EXACT = "decimal(32,6)"  # sums of it do not depend on the order of the rows
SERIES_SUMS: tuple[Column, ...] = (
    Column("policy", "string", "registry name, or perfect_forecast"),
    Column("setting", "string", "what the frontier varies; empty for what every series is played with"),
    Column("segment", "string", "all, or kind:value"),
    Column("cutoff", "date", "the newest held-back cutoff"),
    *(Column(name, "double", "of domain.evaluate.inventory.SUMS") for name in inventory.SUMS),
)


def run(tables: Tables, cfg: Config) -> str:
    """Measure; write accuracy, inventory_kpi and frontier.

    Raises:
        DataError: there is no backtest of the chosen forecasts to simulate on.
    """
    backtest, profile = tables.read("backtest"), tables.read("series_profile")
    tables.write("accuracy", forecast_accuracy(backtest, profile), files=1)
    rows = simulation_rows(backtest, profile, basket_terms(tables, cfg), tables.read("panel"), cfg=cfg)
    share = min(1.0, cfg.evaluate.frontier_series / max(profile.count(), 1))
    found = simulate(rows, share, cfg=cfg)
    tables.write("inventory_kpi", _frame(rows, "inventory_kpi", _kpi_rows(found)), files=1)
    if cfg.evaluate.frontier_series:
        varied = evaluate_frontier.settings(cfg, _season(cfg))
        curves = evaluate_frontier.rows([row for row in found if row["setting"]], varied)
        tables.write("frontier", _frame(rows, "frontier", curves), files=1)
    return _report(tables, cfg)


def forecast_accuracy(backtest: DataFrame, profile: DataFrame) -> DataFrame:
    """Contract `accuracy`: the newest fold, which neither chose nor calibrated a model; segment `fold` has them all."""
    newest = backtest.agg(F.max("fold")).head(1)[0][0]
    labels = profile.select("series_id", "pattern", "velocity")
    rows = backtest.join(labels, "series_id", "left").fillna("unknown", ["pattern", "velocity"])
    held = ["all", "group", "step", "pattern", "velocity"]
    sums = map_packed(
        rows.where(F.col("fold") == newest), partial(accuracy.partial_sums, segments=held), accuracy.SUMS
    ).unionByName(map_packed(rows, partial(accuracy.partial_sums, segments=["fold"]), accuracy.SUMS))
    keys = ["model", "segment", "statistic"]
    totals = sums.groupBy(*keys).agg(F.sum("high").alias("high"), F.sum("low").alias("low"))
    columns = contract("accuracy").data_columns
    return apply_groups(totals, ["model", "segment"], accuracy.finish, columns, partitions=2)


def simulation_rows(
    backtest: DataFrame, profile: DataFrame, terms: DataFrame, panel: DataFrame, *, cfg: Config
) -> DataFrame:
    """One row a series: its newest held-back forecast, what came, its terms and its history up to that cutoff.

    Returns: columns `PACKED`, `actual`, `available`, `cutoff` and the segments of the configuration.

    Raises:
        DataError: no forecast of the chosen model is there.
    """
    period = cfg.calendar.period
    chosen = backtest.where(F.col("model") == CHOSEN)
    newest = chosen.agg(F.max("fold")).head(1)[0][0]
    if newest is None:
        raise DataError(
            f"backtest must hold the forecasts of model {CHOSEN!r} to simulate on. Got none. Run stage train again."
        )
    made_it = ~F.exists("mean", lambda value: F.isnan(value))  # a series that no model could forecast has no plan
    fold = chosen.where((F.col("fold") == newest) & made_it).select(
        "series_id", "cutoff", "actual", "available", F.col("mean").cast("array<double>").alias("mean"), "levels",
        F.col("quantiles").cast("array<double>").alias("quantiles"), "path_correlation",
    )  # fmt: skip
    if cfg.evaluate.max_series:
        keys = profile.select("series_id", F.xxhash64(F.lit(cfg.seed), "content_key").alias("_draw"), "content_key")
        drawn = keys.orderBy("_draw", "content_key", "series_id").limit(cfg.evaluate.max_series)
        fold = fold.join(drawn.select("series_id"), "series_id", "left_semi")
    ends = panel.select("series_id", F.col("demand").alias("_demand"), F.col("cutoff").alias("_end"))
    known = profile.select("series_id", "product_id", "location_id", "content_key", "pattern", "velocity", "category")
    back = (period_index(F.col("_end"), period) - period_index(F.col("cutoff"), period)).cast("int")
    joined = (
        fold.join(known, "series_id")
        .join(terms, "series_id")
        .join(ends, "series_id")
        .withColumn("_length", F.greatest(F.size("_demand") - back, F.lit(0)))
        .withColumn("_from", F.greatest(F.col("_length") - HISTORY, F.lit(0)) + 1)
    )
    made = _unstocked(period)
    segments = [F.coalesce(F.col(name), F.lit("unknown")).alias(name) for name in cfg.evaluate.segments]
    packed = [made[c.name].alias(c.name) if c.name in made else F.col(c.name) for c in PACKED]
    return joined.select(*packed, "actual", "available", "cutoff", *segments)


def _unstocked(period: str) -> dict[str, SparkColumn]:
    """Columns of `PACKED` that a past cutoff has by rule: no group, no stock yet, nothing on order."""
    return {
        "solve_group": F.lit(""),
        "missing": F.lit(None).cast("string"),
        "cutoff_index": period_index(F.col("cutoff"), period),
        "history": F.expr("slice(_demand, _from, greatest(_length - _from + 1, 0))"),
        "drivers": F.lit(None).cast("array<string>"),
        "on_hand": F.lit(0.0),
        "backorders": F.lit(0.0),
        "due_steps": F.array().cast("array<int>"),
        "due_qty": F.array().cast("array<double>"),
        "season_steps": season_steps(period_index(F.col("cutoff"), period), period),
    }


def inventory_kpi(rows: DataFrame, *, cfg: Config) -> DataFrame:
    """Contract `inventory_kpi`: the policy in use, the baseline and perfect forecasts over the same periods."""
    return _frame(rows, "inventory_kpi", _kpi_rows(simulate(rows, 0.0, cfg=cfg)))


def simulate(rows: DataFrame, share: float, *, cfg: Config) -> list[dict[str, Any]]:
    """Play every policy: a row a policy, setting and segment, with sums and ratios.

    Args:
        rows: from `simulation_rows`.
        share: of the series, drawn by content, that the settings of the frontier are played on.
        cfg: the configuration.
    """
    parts = 4 * cores(rows.sparkSession)
    fn = partial(_play, plays=_plays(cfg, share), season=_season(cfg), kinds=tuple(cfg.evaluate.segments), share=share)
    played = map_packed(rows, fn, SERIES_SUMS, partitions=parts)
    totals = played.groupBy("policy", "setting", "segment", "cutoff").agg(
        *(F.sum(F.col(name).cast(EXACT)).cast("double").alias(name) for name in inventory.SUMS)
    )
    found = totals.orderBy("policy", "setting", "segment").collect()  # bounded: policies, settings and segments
    return [_kpi(row.asDict(), cfg) for row in found]


def _kpi_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    names = [column.name for column in contract("inventory_kpi").data_columns]
    return [tuple(row[name] for name in names) for row in found if not row["setting"]]


def _frame(rows: DataFrame, table: str, values: list[tuple[Any, ...]]) -> DataFrame:
    return rows.sparkSession.createDataFrame(values, spark_schema(contract(table)))


def _kpi(row: dict[str, Any], cfg: Config) -> dict[str, Any]:
    """One row of the contract from its sums."""
    period, n_periods = cfg.calendar.period, cfg.calendar.horizon
    found = inventory.ratios(row, n_periods, PER_YEAR[period], DAYS[period])
    return {
        **row, **found, "n_series": round(row["n_series"]), "n_periods": n_periods, "orders": round(row["orders"]),
    }  # fmt: skip


def _season(cfg: Config) -> int:
    return SEASON[cfg.calendar.period]


def _plays(cfg: Config, share: float) -> dict[tuple[str, str], Setting]:
    """(name in the table, setting; empty for what everything is played with) -> the policy."""
    own: dict[str, Any] = dict(cfg.replenish.parameters)
    if cfg.replenish.policy == "optimal":
        own = {
            "season": _season(cfg), "n_paths": cfg.replenish.n_paths, "seed": cfg.seed,
            "shortage_weight": cfg.replenish.shortage_weight, **own,
        }  # fmt: skip
    sure = {"season": _season(cfg), "n_paths": 8, "passes": 2}
    found = {
        (cfg.replenish.policy, ""): Setting(cfg.replenish.policy, own),
        (cfg.evaluate.baseline, ""): Setting(cfg.evaluate.baseline, cfg.evaluate.baseline_parameters),
        (PERFECT, ""): Setting("optimal", sure),
    }
    varied = evaluate_frontier.settings(cfg, _season(cfg)) if share > 0 else {}
    return {**found, **{(each.entry, name): each for name, each in varied.items()}}


def _play(
    table: pa.Table, *, plays: Mapping[tuple[str, str], Setting], season: int, kinds: tuple[str, ...], share: float
) -> pa.Table:
    """Play every policy over a batch of series: sums per series and policy, once for each of its segments."""
    table = table.sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    parts: list[pa.Table] = []
    drawn = np.array([_draw(key) < share for key in table["content_key"].to_pylist()], bool)
    for sampled, some in ((False, table), (True, table.filter(pa.array(drawn)))):
        chosen = {key: each for key, each in plays.items() if each.sampled == sampled}
        parts += _play_some(some, chosen, season, kinds) if some.num_rows else []
    return pa.concat_tables(parts)


def _draw(key: str) -> float:
    """A number in [0, 1) that depends on a series' content alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32


def _play_some(
    table: pa.Table, plays: Mapping[tuple[str, str], Setting], season: int, kinds: tuple[str, ...]
) -> list[pa.Table]:
    """The same for the plays that these rows are for."""
    horizon = len(table["actual"][0])
    items = unpack(table.select([column.name for column in PACKED]), horizon)
    actual = _matrix(table["actual"], horizon)
    known = (_matrix(table["available"], horizon) > 0.5) & ~np.isnan(actual)
    demand = np.where(known, np.maximum(actual, 0.0), np.nan)
    start = start_state(items.forecast.history, items.terms)
    parts = []
    for (name, setting), each in sorted(plays.items()):
        forecast = _perfect(items, demand) if name == PERFECT else items.forecast
        foresee = partial(_ahead, forecast, horizon=horizon, season=season)
        rule = policy(each.entry, **each.parameters)
        played = play(rule, start, demand, foresee, items.terms, season, ahead=not setting)
        sums = inventory.sums(played, items.terms, known.astype(np.float64))
        for kind in ("all", *kinds):
            labels = ["all"] * items.n if kind == "all" else [f"{kind}:{value}" for value in table[kind].to_pylist()]
            named = {"policy": [name] * items.n, "setting": [setting] * items.n, "segment": labels}
            parts.append(pa.table({**named, "cutoff": table["cutoff"], **sums}))
    return parts


def _ahead(forecast: Forecast, t: int, *, horizon: int, season: int) -> Forecast:
    """The forecast made at the cutoff, seen from period t: always `horizon` periods, the last season repeated."""
    return forecast.extend(t + horizon, season).after(t)


def _perfect(items: Items, demand: Floats) -> Forecast:
    """A forecast that knows what came; the mean of it stands for what lies beyond."""
    sure = np.where(np.isnan(demand), 0.0, demand)
    quantiles = np.repeat(sure[:, :, None], len(items.forecast.levels), axis=2)
    return replace(items.forecast, mean=sure, quantiles=quantiles)


def _matrix(column: pa.ChunkedArray, width: int) -> Floats:
    """(n, width) of a list column whose lists are all that long."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float64).reshape(-1, width)


def _report(tables: Tables, cfg: Config) -> str:
    """The plan against the baseline in one line."""
    rows = {
        row["policy"]: row
        for row in tables.read("inventory_kpi").where("segment = 'all'").collect()  # bounded: policies
    }
    wape = tables.read("accuracy").where(f"segment = 'all' and metric = 'wape' and model = '{CHOSEN}'").head(1)
    first = f"WAPE {wape[0]['value']:.1%} on the held-back fold; " if wape and wape[0]["value"] is not None else ""
    own, base = rows[cfg.replenish.policy], rows[cfg.evaluate.baseline]
    saved = 1.0 - own["total_cost"] / base["total_cost"] if base["total_cost"] else 0.0
    return (
        f"{first}{own['n_series']:,} series played over {own['n_periods']} periods: {cfg.replenish.policy} costs "
        f"{own['total_cost']:,.0f} (fill rate {own['fill_rate'] or 0:.1%}), {cfg.evaluate.baseline} "
        f"{base['total_cost']:,.0f} ({base['fill_rate'] or 0:.1%}): {saved:+.1%} saved"
    )
