"""Rows that past decisions are played on: the held-back forecast of a series, what came, its terms and its history."""

from __future__ import annotations

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.packed import PACKED
from parlevel.errors import DataError
from parlevel.pipeline.features_groups import BEFORE
from parlevel.pipeline.replenish_rows import HISTORY, season_steps
from parlevel.spark.periods import period_index

CHOSEN = "chosen"  # model name of the forecasts that the pipeline itself would have used


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
    fold = newest_fold(backtest, past=past)
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


def newest_fold(backtest: DataFrame, *, past: bool = False) -> DataFrame:
    """What was forecast of each series at the newest held-back cutoff, or at the older ones, and what came.

    Raises:
        DataError: no forecast of the chosen model is there.
    """
    chosen = backtest.where(F.col("model") == CHOSEN)
    newest = chosen.agg(F.max("fold")).head(1)[0][0]
    if newest is None:
        raise DataError(
            f"backtest must hold the forecasts of model {CHOSEN!r} to simulate on. Got none. Run stage train again."
        )
    made_it = ~F.exists("mean", lambda value: F.isnan(value))  # a series that no model could forecast has no plan
    wanted = F.col("fold") < newest if past else F.col("fold") == newest
    return chosen.where(wanted & made_it).select(
        "series_id", "cutoff", "actual", "available", F.col("mean").cast("array<double>").alias("mean"), "levels",
        F.col("quantiles").cast("array<double>").alias("quantiles"), "path_correlation",
    )  # fmt: skip


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
