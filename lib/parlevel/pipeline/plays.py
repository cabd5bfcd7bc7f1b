"""Play policies over held-back folds: the rows, the plays, sums and ratios by policy, setting and segment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.evaluate import inventory
from parlevel.domain.evaluate.simulate import play, start_state
from parlevel.domain.periods import PER_YEAR, SEASON
from parlevel.domain.replenish.base import Floats, Forecast, Ints, Policy
from parlevel.domain.replenish.packed import PACKED, Items, unpack
from parlevel.domain.replenish.pathbook import with_book
from parlevel.domain.replenish.registry import AUTO, OPTIMAL, policy
from parlevel.errors import DataError
from parlevel.pipeline.features_groups import BEFORE
from parlevel.pipeline.replenish_rows import HISTORY, season_steps
from parlevel.schemas import Column, arrow_schema
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import DAYS, period_index
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum

CHOSEN = "chosen"  # model name of the forecasts that the pipeline itself would have used
PERFECT = "perfect_forecast"  # `optimal` told the demand that came, whatever the policy in use
SERVICE = "safety_stock_csl"
MEASURES = {SERVICE: "cycle_service_level", "safety_stock_fill_rate": "fill_rate"}
"""Policy that is asked for service -> what it is asked for."""
SERIES_SUMS: tuple[Column, ...] = (
    Column("policy", "string", "registry name, or perfect_forecast"),
    Column("setting", "string", "what is varied; empty for what every series is played with"),
    Column("segment", "string", "all, or kind:value"),
    Column("cutoff", "date", "held-back cutoff"),
    *(Column(name, "double", "of domain.evaluate.inventory.SUMS") for name in inventory.SUMS),
)


@dataclass(frozen=True)
class Setting:
    """A policy as it is played.

    Attributes:
        entry: registry name.
        parameters: of the policy.
        asked: cycle service level asked for, None where orders weigh costs or where each series has its own.
        share: of the series, drawn by content, that it is played on.
    """

    entry: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    asked: float | None = None
    share: float = 1.0


Plays = Mapping[tuple[str, str], Setting]
"""(name in the tables, setting; empty for what everything is played with) -> the policy."""


def simulation_rows(
    backtest: DataFrame, profile: DataFrame, terms: DataFrame, panel: DataFrame, *, cfg: Config, past: bool = False
) -> DataFrame:
    """One row a series: its newest held-back forecast, what came, its terms and its history up to that cutoff.

    Args:
        backtest, profile, terms, panel: contracts; `terms` is supply_terms.
        cfg: the configuration.
        past: the older folds instead, one row a series and fold; decisions may learn from them.

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
    wanted = F.col("fold") < newest if past else F.col("fold") == newest
    fold = chosen.where(wanted & made_it).select(
        "series_id", "cutoff", "actual", "available", F.col("mean").cast("array<double>").alias("mean"), "levels",
        F.col("quantiles").cast("array<double>").alias("quantiles"), "path_correlation",
    )  # fmt: skip
    if cfg.evaluate.max_series:
        keys = profile.select("series_id", F.xxhash64(F.lit(cfg.seed), "content_key").alias("_draw"), "content_key")
        drawn = keys.orderBy("_draw", "content_key", "series_id").limit(cfg.evaluate.max_series)
        fold = fold.join(drawn.select("series_id"), "series_id", "left_semi")
    ends = panel.select("series_id", F.col("demand").alias("_demand"), F.col("cutoff").alias("_end"))
    known = as_known_before(profile).select(
        "series_id", "product_id", "location_id", "content_key", "pattern", "velocity", "category"
    )
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
    return joined.select(*packed, "actual", "available", "cutoff", *segments, segment(cfg).alias("choice"))


def as_known_before(profile: DataFrame) -> DataFrame:
    """`series_profile` with the velocity and pattern that were known before any period that folds judge.

    Classes made at the cutoff gather in class C what happened to sell little in the very periods that are played.
    """
    return profile.withColumns({name: F.col(BEFORE[name]) for name in ("velocity", "pattern")})


def segment(cfg: Config) -> SparkColumn:
    """What policies are chosen by, of columns of series_profile."""
    return F.concat_ws("|", *(F.coalesce(F.col(name), F.lit("unknown")) for name in cfg.replenish.choose_by))


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
        "asked": F.lit(None).cast("double"),
        "policy": F.lit(None).cast("string"),
    }


def simulate(rows: DataFrame, plays: Plays, kinds: Sequence[str], *, cfg: Config) -> list[dict[str, Any]]:
    """Play policies: a row a policy, setting, segment and cutoff, with sums and ratios.

    Args:
        rows: from `simulation_rows`.
        plays: what is played.
        kinds: columns of the rows whose values are segments.
        cfg: the configuration.
    """
    parts = 4 * cores(rows.sparkSession)
    fn = partial(_play, plays=plays, season=season_of(cfg), kinds=tuple(kinds))
    played = map_packed(rows, fn, SERIES_SUMS, partitions=parts)
    keys = ["policy", "setting", "segment", "cutoff"]
    totals = played.groupBy(*keys).agg(*(exact_sum(name).alias(name) for name in inventory.SUMS))
    found = totals.orderBy(*keys).collect()  # bounded: policies, settings, segments and folds
    return [_kpi(row.asDict(), cfg) for row in found]


def parameters_of(name: str, cfg: Config) -> dict[str, Any]:
    """Parameters of a policy as the configuration plays it; those given are for `replenish.policy` alone.

    Those of the policy auto: name -> parameters of each policy that it chooses from.
    """
    if name == AUTO:
        return {each: parameters_of(each, cfg) for each in cfg.replenish.choose_from}
    given = dict(cfg.replenish.parameters) if name == cfg.replenish.policy else {}
    if name != OPTIMAL:
        return given
    replenish = cfg.replenish
    return {
        "season": season_of(cfg), "n_paths": replenish.n_paths, "seed": cfg.seed,
        "shortage_weight": replenish.shortage_weight, **given,
    }  # fmt: skip


def season_of(cfg: Config) -> int:
    """Periods that a forecast repeats beyond its horizon."""
    return SEASON[cfg.calendar.period]


def _kpi(row: dict[str, Any], cfg: Config) -> dict[str, Any]:
    """One row of the contract from its sums."""
    period, n_periods = cfg.calendar.period, cfg.calendar.horizon
    found = inventory.ratios(row, n_periods, PER_YEAR[period], DAYS[period])
    return {
        **row, **found, "n_series": round(row["n_series"]), "n_periods": n_periods, "orders": round(row["orders"]),
    }  # fmt: skip


def _play(table: pa.Table, *, plays: Plays, season: int, kinds: tuple[str, ...]) -> pa.Table:
    """Play every policy over a batch of series: sums per series and policy, once for each of its segments."""
    table = table.sort_by([("content_key", "ascending"), ("series_id", "ascending"), ("cutoff", "ascending")])
    draw = np.array([_draw(key) for key in table["content_key"].to_pylist()])
    parts = [pa.Table.from_pylist([], arrow_schema(SERIES_SUMS))]
    for share in sorted({each.share for each in plays.values()}):
        some = table.filter(pa.array(draw < share))
        chosen = {key: each for key, each in plays.items() if each.share == share}
        parts += _play_some(some, chosen, season, kinds) if some.num_rows else []
    return pa.concat_tables(parts, promote_options="permissive")


def _draw(key: str) -> float:
    """A number in [0, 1) that depends on a series' content alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32


def _play_some(table: pa.Table, plays: Plays, season: int, kinds: tuple[str, ...]) -> list[pa.Table]:
    """The same for the plays that these rows are for."""
    horizon = len(table["actual"][0])
    items = unpack(table.select([column.name for column in PACKED]), horizon)
    actual = _matrix(table["actual"], horizon)
    known = (_matrix(table["available"], horizon) > 0.5) & ~np.isnan(actual)
    demand = np.where(known, np.maximum(actual, 0.0), np.nan)
    known_then, parts = with_book(items.forecast, season), []
    for (name, setting), each in sorted(plays.items()):
        forecast = with_book(_perfect(items, demand), season) if name == PERFECT else known_then
        sums = _sums(items, forecast, demand, each, season, ahead=not setting)
        for kind in ("all", *kinds):
            labels = ["all"] * items.n if kind == "all" else [f"{kind}:{value}" for value in table[kind].to_pylist()]
            named = {"policy": [name] * items.n, "setting": [setting] * items.n, "segment": labels}
            parts.append(pa.table({**named, "cutoff": table["cutoff"], **sums}))
    return parts


def _sums(
    items: Items, forecast: Forecast, demand: Floats, each: Setting, season: int, *, ahead: bool
) -> dict[str, Floats]:
    """Name of `inventory.SUMS` -> (n,) for one play; with the policy auto each item by its own policy."""
    if each.entry != AUTO:
        rule = policy(each.entry, **each.parameters)
        return _play_items(items, forecast, np.arange(items.n), demand, rule, season, ahead=ahead)
    found = {name: np.zeros(items.n) for name in inventory.SUMS}
    for own in sorted(set(items.policies)):
        rows = np.flatnonzero(np.array(items.policies) == own)
        rule = policy(own, **each.parameters[own])
        for name, values in _play_items(items, forecast, rows, demand, rule, season, ahead=ahead).items():
            found[name][rows] = values
    return found


def _play_items(
    items: Items, forecast: Forecast, rows: Ints, demand: Floats, rule: Policy, season: int, *, ahead: bool
) -> dict[str, Floats]:
    """The same for some items and one policy."""
    horizon, some, asked = demand.shape[1], forecast.take(rows), items.for_policies().take(rows)

    def foresee(t: int) -> Forecast:
        """The forecast made at the cutoff, seen from period t: always as long, the last season repeated."""
        return some.extend(t + horizon, season).after(t)

    played = play(rule, start_state(some.history, asked), demand[rows], foresee, asked, season, ahead=ahead)
    return inventory.sums(played, items.terms.take(rows), (~np.isnan(demand[rows])).astype(np.float64))


def _perfect(items: Items, demand: Floats) -> Forecast:
    """A forecast that knows what came; the mean of it stands for what lies beyond."""
    sure = np.where(np.isnan(demand), 0.0, demand)
    quantiles = np.repeat(sure[:, :, None], len(items.forecast.levels), axis=2)
    return replace(items.forecast, mean=sure, quantiles=quantiles)


def _matrix(column: pa.ChunkedArray, width: int) -> Floats:
    """(n, width) of a list column whose lists are all that long."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float64).reshape(-1, width)
