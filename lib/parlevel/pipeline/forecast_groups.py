"""One group of the forecast stage in its worker: series and models in, rows of all the stage's tables out."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.apply import GroupForecast, Stored, forecast_group, forecast_left_out
from parlevel.domain.forecast.crossval import in_content_order
from parlevel.domain.forecast.drivers import DRIVERS
from parlevel.domain.forecast.explain import explain_group
from parlevel.domain.panel import Panel, rows_to_lists
from parlevel.domain.periods import Period, to_date
from parlevel.pipeline.train_groups import apart, teachers, union_columns, union_rows
from parlevel.schemas import arrow_schema, contract

log = logging.getLogger(__name__)

KINDS = ("forecast", "forecast_status", "forecast_drivers", "failures")
OUTPUT = union_columns(*(contract(name).data_columns for name in KINDS))
MODEL_COLUMNS = ("model", "chosen", "weight", "artifact", "calibration", "path_correlation", "note")
STAGE = "forecast"


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of the configuration.

    Attributes:
        horizon: periods ahead.
        levels: quantile levels.
        floor: registry name of the fallback.
        period: length of a period.
        cold_start: forecast series with hardly any history from similar items.
        drivers: say what moved each forecast.
    """

    horizon: int
    levels: tuple[float, ...]
    floor: str
    period: Period
    cold_start: bool
    drivers: bool = True


@dataclass(frozen=True)
class Part:
    """Some series of a group with their forecast."""

    panel: Panel
    made: GroupForecast


def forecast_rows(table: pa.Table, *, task: Task) -> pa.Table:
    """One group's series and models in, rows of all tables out; whatever goes wrong has its rows."""
    group = table["group_id"][0].as_py()
    series, rows = apart(table, MODEL_COLUMNS)
    stored = sorted((Stored(**{**row, "note": row["note"] or ""}) for row in rows), key=lambda each: each.model)
    try:
        parts = _parts(series, stored, task)
    except Exception as error:  # a group whose rows cannot even be laid out fails as rows, not as a job
        log.warning("group %s could not be forecast: %s", group, error)
        reasons = [f"{type(error).__name__}: {error}"] * series.num_rows
        return union_rows({"failures": _failures(series["series_id"].to_pylist(), group, reasons)}, OUTPUT)
    out = []
    for part in parts:
        panel, made = part.panel, part.made
        if made.fallback.any():
            log.warning("group %s: %d of %d series on a fallback", group, int(made.fallback.sum()), panel.n_series)
        failed = made.failed
        kinds = {
            "forecast": _rows(panel, made, np.flatnonzero(~failed), np.asarray(task.levels)),
            "forecast_status": _status(panel, made, np.flatnonzero(~failed), group),
            "forecast_drivers": _drivers(panel, made, stored, task) if task.drivers else _none("forecast_drivers"),
            "failures": _failures(panel.series_id[failed].tolist(), group, made.reason[failed].tolist()),
        }
        out.append(union_rows(kinds, OUTPUT))
    return pa.concat_tables(out)


def _parts(series: pa.Table, stored: list[Stored], task: Task) -> list[Part]:
    """The series that the group learned from, then those left out: apart, so that these cannot touch those."""
    levels = np.asarray(task.levels, np.float64)
    taught, others = teachers(series)
    panel = in_content_order(with_known_future(Panel.from_arrow(taught, task.period)))
    made = forecast_group(panel, stored, task.horizon, levels, task.floor)
    parts = [Part(panel, made)]
    if others.num_rows:
        rest = in_content_order(with_known_future(Panel.from_arrow(others, task.period)))
        found = forecast_left_out(rest, stored, levels, task.floor, panel if task.cold_start else None, made)
        parts.append(Part(rest, found))
    why = dict(zip(series["series_id"].to_pylist(), series["left_out"].to_pylist(), strict=True))
    for part in parts:
        for k, name in enumerate(part.panel.series_id):
            if why[name] and not part.made.reason[k].startswith(why[name]):
                part.made.reason[k] += f"; its group does not learn from it: {why[name]}"
    return parts


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


def _drivers(panel: Panel, made: GroupForecast, stored: list[Stored], task: Task) -> pa.Table:
    """Rows of the contract `forecast_drivers`; an explanation that fails costs no forecast."""
    try:
        found = explain_group(panel, stored, made, task.floor)
    except Exception as error:
        log.warning("no drivers for %d series: %s: %s", panel.n_series, type(error).__name__, error)
        return _none("forecast_drivers")
    names = np.array(DRIVERS, object)
    return pa.table(
        {
            "series_id": pa.array(panel.series_id[found.series], pa.string()),
            "cutoff": pa.array(np.repeat(_cutoff(panel), len(found.series)), pa.date32()),
            "driver": pa.array(names[found.driver], pa.string()),
            "rank": pa.array(found.rank, pa.int32()),
            "effect": pa.array(found.effect, pa.float64()),
            "share": pa.array(found.share, pa.float64(), from_pandas=True),
            "model": pa.array(made.model[found.series], pa.string()),
        }
    )


def _none(name: str) -> pa.Table:
    """No rows of a contract."""
    return arrow_schema(contract(name).data_columns).empty_table()


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
