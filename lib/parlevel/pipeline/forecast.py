"""Stage forecast: features and trained models -> demand distributions over the horizon.

Every series ends in exactly one of `forecast` (with model, fallback and reason) or `failures`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import DataError
from parlevel.pipeline import forecast_levels
from parlevel.pipeline.forecast_groups import KINDS, MODEL_COLUMNS, OUTPUT, STAGE, Task, forecast_rows
from parlevel.pipeline.train_groups import GroupSize, assignment, beside, group_sizes, grouped, pick
from parlevel.schemas import contract
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables

log = logging.getLogger(__name__)


def run(tables: Tables, cfg: Config) -> str:
    """Forecast every series; write forecast, forecast_status and failures, and sums above them where asked for.

    Raises:
        DataError: a series is in none or in both, or more than `max_failed_share` failed.
    """
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg)
    sizes = group_sizes(rows)
    n_series = sum(size.n_series for size in sizes)
    with Scratch(tables.spark, cfg, STAGE) as scratch:
        made = scratch.keep(transform(rows, tables.read("models"), sizes, cfg=cfg))
        frames = {name: pick(made, name, contract(name).data_columns) for name in KINDS}
        if cfg.forecast.reconcile != "none":
            frames["forecast"] = forecast_levels.run(frames["forecast"], tables, scratch, cfg)
        counts = tables.write_all(frames, files=8, n_series=n_series)
    _check_counts(n_series, counts, cfg)
    _check_failures(tables.read("failures"), n_series, counts["failures"], cfg)
    return _report(tables.read("forecast_status"), n_series, counts["failures"], cfg)


def transform(rows: DataFrame, models: DataFrame, sizes: Sequence[GroupSize], *, cfg: Config) -> DataFrame:
    """Forecast every group: rows of all three tables, with the table's name in `kind`.

    Args:
        rows: from `train_groups.grouped`.
        models: contract `models`.
        sizes: of the rows' groups.
        cfg: the configuration.
    """
    useful = models.where(F.col("chosen") | (F.col("model") == cfg.train.floor))
    useful = useful.select("group_id", *MODEL_COLUMNS)
    task = Task(
        cfg.calendar.horizon,
        tuple(cfg.forecast.levels),
        cfg.train.floor,
        cfg.calendar.period,
        cfg.forecast.cold_start,
        cfg.forecast.drivers,
    )
    fn = partial(forecast_rows, task=task)
    groups = rows.sparkSession.createDataFrame([(size.group_id,) for size in sizes], "group_id string")
    together = beside(rows, useful.join(F.broadcast(groups), "group_id", "left_semi"))
    return apply_groups(together, ["group_id"], fn, OUTPUT, assignment=assignment(sizes))


def _check_counts(n_series: int, counts: dict[str, int], cfg: Config) -> None:
    ended = counts["forecast_status"] + counts["failures"]
    if ended != n_series or counts["forecast"] != counts["forecast_status"] * cfg.calendar.horizon:
        raise DataError(
            f"every series must end in one forecast of {cfg.calendar.horizon} periods or in failures. "
            f"Got {n_series:,} series, {counts}. Run features, train and forecast again in one run."
        )


def _check_failures(failures: DataFrame, n_series: int, n_failed: int, cfg: Config) -> None:
    limit = cfg.forecast.max_failed_share
    if n_failed <= math.ceil(limit * n_series):  # one series of a few dozen need not stop the others
        return
    first = failures.orderBy("series_id").limit(20).collect()  # bounded: twenty
    named = [f"{row['series_id']}: {row['reason']}" for row in first]
    raise DataError(
        f"at most forecast.max_failed_share = {limit:.1%} of series may end without a forecast. Got {n_failed:,} of "
        f"{n_series:,} ({n_failed / n_series:.1%}), among them {named}. "
        "Set forecast.max_failed_share higher to go on without them; "
        f'`parlevel sql "SELECT * FROM history.failures"` has them all.'
    )


def _report(status: DataFrame, n_series: int, n_failed: int, cfg: Config) -> str:
    """Say which models forecast how many series, and warn when too many fell back."""
    totals = status.groupBy("model").agg(
        F.count("*").alias("n"), F.sum(F.col("fallback").cast("int")).alias("fallback")
    )
    found = totals.collect()  # bounded: one row per combination of models
    words = ", ".join(
        f"{row['model']} for {row['n']:,}" for row in sorted(found, key=lambda row: (-row["n"], row["model"]))
    )
    fallback = sum(row["fallback"] for row in found)
    share = fallback / n_series if n_series else 0.0
    if share > cfg.forecast.max_fallback_share:
        log.warning("%.0f %% of series are on a fallback model: see reasons in forecast_status", 100 * share)
    return f"{n_series - n_failed:,} of {n_series:,} series forecast: {words}; {fallback:,} on a fallback"
