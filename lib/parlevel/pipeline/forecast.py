"""Stage forecast: features and trained models -> demand distributions over the horizon.

Every series ends in exactly one of `forecast` (with model, fallback and reason) or `failures`.
"""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.apply import GroupForecast, Stored, forecast_group
from parlevel.domain.forecast.crossval import in_content_order
from parlevel.domain.panel import Panel, rows_to_lists
from parlevel.domain.periods import Period, to_date
from parlevel.errors import DataError
from parlevel.pipeline.train_groups import assignment, grouped, pick, union_columns, union_rows
from parlevel.schemas import contract
from parlevel.spark.grouped import apply_groups
from parlevel.spark.tables import Tables

log = logging.getLogger(__name__)

KINDS = ("forecast", "forecast_status", "failures")
OUTPUT = union_columns(*(contract(name).data_columns for name in KINDS))
MODEL_COLUMNS = ("model", "chosen", "weight", "artifact", "calibration", "path_correlation", "note")
STAGE = "forecast"


def run(tables: Tables, cfg: Config) -> str:
    """Forecast every series; write forecast, forecast_status and failures.

    Raises:
        DataError: a series is in none or in both, or more than `max_failed_share` failed.
    """
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg).persist()
    try:
        n_series = rows.count()
        made = transform(rows, tables.read("models"), cfg=cfg).persist(StorageLevel.DISK_ONLY)
        try:
            counts = {
                name: tables.write(name, pick(made, name, contract(name).data_columns), files=8) for name in KINDS
            }
        finally:
            made.unpersist()
    finally:
        rows.unpersist()
    _check_counts(n_series, counts, cfg)
    _check_failures(tables.read("failures"), n_series, counts["failures"], cfg)
    return _report(tables.read("forecast_status"), n_series, counts["failures"], cfg)


def transform(rows: DataFrame, models: DataFrame, *, cfg: Config) -> DataFrame:
    """Forecast every group: rows of all three tables, with the table's name in `kind`.

    A group's models travel once beside its series, as further rows of the group.

    Args:
        rows: from `train_groups.grouped`.
        models: contract `models`.
        cfg: the configuration.
    """
    useful = models.where(F.col("chosen") | (F.col("model") == cfg.train.floor))
    useful = useful.select("group_id", *MODEL_COLUMNS).withColumn("is_model", F.lit(True))
    series = rows.withColumn("is_model", F.lit(False))
    fn = partial(
        _forecast,
        horizon=cfg.calendar.horizon,
        levels=np.asarray(cfg.forecast.levels, np.float64),
        floor=cfg.train.floor,
        period=cfg.calendar.period,
    )
    together = series.unionByName(
        useful.join(F.broadcast(rows.select("group_id").distinct()), "group_id", "left_semi"), allowMissingColumns=True
    )
    return apply_groups(together, ["group_id"], fn, OUTPUT, assignment=assignment(rows))


def _forecast(
    table: pa.Table,
    *,
    horizon: int,
    levels: np.ndarray,
    floor: str,
    period: Period,
) -> pa.Table:
    """One group's series and models in, rows of all three tables out; whatever goes wrong has its rows."""
    group = table["group_id"][0].as_py()
    series = table.filter(pc.invert(table["is_model"]))
    stored = [
        Stored(**{**row, "note": row["note"] or ""})
        for row in table.filter(table["is_model"]).select(MODEL_COLUMNS).to_pylist()
    ]
    try:
        panel = in_content_order(with_known_future(Panel.from_arrow(series, period)))
        made = forecast_group(panel, sorted(stored, key=lambda each: each.model), horizon, levels, floor)
    except Exception as error:  # a group whose rows cannot even be laid out fails as rows, not as a job
        log.warning("group %s could not be forecast: %s", group, error)
        reasons = [f"{type(error).__name__}: {error}"] * series.num_rows
        return union_rows({"failures": _failures(series["series_id"].to_pylist(), group, reasons)}, OUTPUT)
    if made.fallback.any():
        log.warning("group %s: %d of %d series on a fallback", group, int(made.fallback.sum()), panel.n_series)
    failed = made.failed
    parts = {
        "forecast": _rows(panel, made, np.flatnonzero(~failed), levels),
        "forecast_status": _status(panel, made, np.flatnonzero(~failed), group),
        "failures": _failures(panel.series_id[failed].tolist(), group, made.reason[failed].tolist()),
    }
    return union_rows(parts, OUTPUT)


def _rows(panel: Panel, made: GroupForecast, keep: np.ndarray, levels: np.ndarray) -> pa.Table:
    """Rows of the contract `forecast`, long by step."""
    horizon, n = made.mean.shape[1], len(keep)
    dates = to_date(panel.cutoff + np.arange(1, horizon + 1), panel.period)
    return pa.table(
        {
            "series_id": pa.array(np.repeat(panel.series_id[keep], horizon), pa.string()),
            "cutoff": pa.array(np.repeat(_cutoff(panel), n * horizon), pa.date32()),
            "step": pa.array(np.tile(np.arange(1, horizon + 1), n), pa.int32()),
            "date": pa.array(np.tile(dates, n), pa.date32()),
            "demand_mean": pa.array(made.mean[keep].reshape(-1).astype(np.float64), pa.float64()),
            "levels": rows_to_lists(np.tile(levels, (n * horizon, 1)), pa.float64()),
            "demand_quantiles": rows_to_lists(
                made.quantiles[keep].reshape(n * horizon, len(levels)).astype(np.float64), pa.float64()
            ),
        }
    )


def _status(panel: Panel, made: GroupForecast, keep: np.ndarray, group: str) -> pa.Table:
    """Rows of the contract `forecast_status`."""
    n = len(keep)
    return pa.table(
        {
            "series_id": pa.array(panel.series_id[keep], pa.string()),
            "cutoff": pa.array(np.repeat(_cutoff(panel), n), pa.date32()),
            "group_id": pa.array([group] * n, pa.string()),
            "model": pa.array(made.model[keep], pa.string()),
            "fallback": pa.array(made.fallback[keep], pa.bool_()),
            "reason": pa.array(made.reason[keep], pa.string()),
            "path_correlation": pa.array(made.path_correlation[keep], pa.float64()),
        }
    )


def _failures(series: list[str], group: str, reasons: list[str]) -> pa.Table:
    """Rows of the contract `failures`."""
    return pa.table(
        {
            "series_id": pa.array(series, pa.string()),
            "stage": pa.array([STAGE] * len(series), pa.string()),
            "group_id": pa.array([group] * len(series), pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
    )


def _cutoff(panel: Panel) -> np.ndarray:
    return to_date(np.array([panel.cutoff]), panel.period)


def _check_counts(n_series: int, counts: dict[str, int], cfg: Config) -> None:
    ended = counts["forecast_status"] + counts["failures"]
    if ended != n_series or counts["forecast"] != counts["forecast_status"] * cfg.calendar.horizon:
        raise DataError(
            f"every series must end in one forecast of {cfg.calendar.horizon} periods or in failures. "
            f"Got {n_series:,} series, {counts}. Run features, train and forecast again in one run."
        )


def _check_failures(failures: DataFrame, n_series: int, n_failed: int, cfg: Config) -> None:
    limit = cfg.forecast.max_failed_share
    if n_series == 0 or n_failed <= limit * n_series:
        return
    first = failures.orderBy("series_id").limit(20).collect()  # bounded: twenty
    named = [f"{row['series_id']}: {row['reason']}" for row in first]
    raise DataError(
        f"at most forecast.max_failed_share = {limit:.1%} of series may end without a forecast. Got {n_failed:,} of "
        f"{n_series:,} ({n_failed / n_series:.1%}), among them {named}. Look at table failures."
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
