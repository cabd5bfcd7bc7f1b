"""A group's training as rows of the tables models, cv_scores, backtest and group_work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from parlevel.domain.forecast.build import libraries
from parlevel.domain.forecast.crossval import BacktestRow, GroupResult, ModelRow, Spec
from parlevel.domain.forecast.memory import Use
from parlevel.domain.panel import Panel, rows_to_lists
from parlevel.domain.periods import to_date


def models(rows: list[ModelRow], group: str, panel: Panel, key: str) -> pa.Table:
    """Rows of the contract `models`."""
    cutoff = _date(panel, panel.cutoff)
    return pa.table(
        {
            "group_id": [group] * len(rows),
            "model": [row.model for row in rows],
            "cutoff": [cutoff] * len(rows),
            "chosen": [row.chosen for row in rows],
            "weight": [row.weight for row in rows],
            "format": [row.format for row in rows],
            "artifact": pa.array([row.artifact for row in rows], pa.binary()),
            "size_bytes": pa.array([len(row.artifact) for row in rows], pa.int64()),
            "n_series": [panel.n_series] * len(rows),
            "fit_seconds": [row.fit_seconds for row in rows],
            "features": pa.array([row.features for row in rows], pa.list_(pa.string())),
            "importances": _map([row.importances for row in rows], pa.float64()),
            "hyperparameters": [json.dumps(row.hyperparameters, sort_keys=True) for row in rows],
            "metrics": _map([row.metrics for row in rows], pa.float64()),
            "calibration": [row.calibration for row in rows],
            "path_correlation": [row.path_correlation for row in rows],
            "data_key": [key] * len(rows),
            "libraries": _map([libraries(row.format) for row in rows], pa.string()),
            "note": pa.array([row.note for row in rows], pa.string()),
        }
    )


def scores(result: GroupResult, group: str) -> pa.Table:
    """Rows of the contract `cv_scores`."""
    rows = result.scores
    n_series = [int((each.available & ~np.isnan(each.mean)).any(axis=1).sum()) for _, each, _ in rows]
    return pa.table(
        {
            "group_id": [group] * len(rows),
            "model": pa.array([name for name, _, _ in rows], pa.string()),
            "fold": pa.array([each.fold for _, each, _ in rows], pa.int32()),
            "cutoff": pa.array([_date(result.panel, each.cutoff) for _, each, _ in rows], pa.date32()),
            "n_series": pa.array(n_series, pa.int32()),
            "metrics": _map([found for _, _, found in rows], pa.float64()),
            "seconds": pa.array([each.seconds for _, each, _ in rows], pa.float64()),
        }
    )


def backtest(row: BacktestRow, panel: Panel, group: str, spec: Spec) -> pa.Table:
    """Rows of the contract `backtest`: the group's series that the model forecast at one past cutoff."""
    each = row.result
    keep = np.flatnonzero(~np.isnan(each.mean).any(axis=1) & ~np.isnan(each.quantiles).any(axis=(1, 2)))
    n = len(keep)
    levels = np.tile(np.asarray(spec.levels, np.float64), (n, 1))
    return pa.table(
        {
            "series_id": pa.array(panel.series_id[keep], pa.string()),
            "group_id": pa.array([group] * n, pa.string()),
            "model": pa.array([row.model] * n, pa.string()),
            "cutoff": pa.array([_date(panel, each.cutoff)] * n, pa.date32()),
            "fold": pa.array([each.fold] * n, pa.int32()),
            "actual": _lists(each.actual[keep]),
            "available": _lists(each.available[keep]),
            "mean": _lists(each.mean[keep]),
            "levels": rows_to_lists(levels, pa.float64()),
            "quantiles": _lists(each.quantiles[keep].reshape(n, spec.horizon * len(spec.levels))),
            "naive_mae": pa.array(each.naive_mae[keep], pa.float64()),
            "naive_mse": pa.array(each.naive_mse[keep], pa.float64()),
            "path_correlation": pa.array([row.path_correlation] * n, pa.float64()),
        }
    )


def work(group: str, n_series: int, use: Use) -> pa.Table:
    """The row of the contract `group_work`, without what was predicted."""
    return pa.table(
        {
            "group_id": [group],
            "n_series": pa.array([n_series], pa.int32()),
            "seconds": [use.seconds],
            "peak_bytes": pa.array([use.peak_bytes], pa.int64()),
        }
    )


def _lists(matrix: np.ndarray) -> pa.Array:
    return rows_to_lists(matrix.astype(np.float32), pa.float32())


def _map(rows: Sequence[Mapping[str, object]], kind: pa.DataType) -> pa.Array:
    return pa.array([sorted(row.items()) for row in rows], pa.map_(pa.string(), kind))


def _date(panel: Panel, cutoff: int) -> object:
    return to_date(np.array([cutoff]), panel.period)[0].item()
