"""Forecast accuracy that adds up: per-cell statistics -> partial sums -> ratios at the end.

The evaluate stage wires it in three steps, all on rows of the contract `backtest`, joined with the
segment columns it wants (`pattern`, `velocity`, `category` from `series_profile`):

1. `map_packed(rows, partial(partial_sums, segments=[...]), SUMS)` on the workers;
2. `groupBy("model", "segment", "statistic").agg(sum("high") as high, sum("low") as low)` in Spark;
3. `apply_groups(sums, ["model", "segment"], finish, contract("accuracy").data_columns)`.

Sums are exact, so neither the number of partitions nor the order of rows can show in a metric: each
series' contribution is split into a multiple of 1,024 (`high`) and a multiple of 2**-20 (`low`), and
doubles add such numbers without rounding as long as a total stays below 2**63.

Source: metric = statistic, aggregation, ratio after GluonTS `ev`; MASE and RMSSE: Hyndman & Koehler
(2006) and the M5 guide; scaled pinball: M5 uncertainty guide; WQL and sCRPS: GluonTS, Chronos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from parlevel.errors import DataError
from parlevel.schemas import Column, arrow_schema, contract

Floats = NDArray[np.float64]

SUMS: tuple[Column, ...] = (
    Column("model", "string", "registry name of the forecaster", nullable=False),
    Column("segment", "string", "all, or kind:value", nullable=False),
    Column("statistic", "string", "what was added up", nullable=False),
    Column("high", "double", "multiples of 1,024 of the sum", nullable=False),
    Column("low", "double", "the rest of the sum, multiples of 2**-20", nullable=False),
)
"""Columns of `partial_sums`."""

INTERVALS: tuple[int, ...] = (50, 80, 90, 95)
"""Central intervals, per cent, whose coverage is measured where both levels were forecast."""

_COLUMN = {"group": "group_id"}  # segment kind -> column, where the names differ
_RATIOS = ("mase", "rmsse", "scrps", "scaled_pinball")  # per series, then averaged over series


def partial_sums(rows: pa.Table, segments: Sequence[str] = ("all", "group", "step", "fold")) -> pa.Table:
    """Add up the statistics of a batch of backtest rows.

    Args:
        rows: columns of the contract `backtest` plus one string column per further segment kind; the packed
            arrays of all rows share one horizon and one list of levels.
        segments: kinds to cut by: "all", "group", "step" (a forecast step), "fold", or a column's name.

    Returns: one row per model x segment x statistic, columns `SUMS`.

    Raises:
        DataError: rows differ in horizon or levels, or a segment column is missing.
    """
    if rows.num_rows == 0:
        return arrow_schema(SUMS).empty_table()
    rows = rows.combine_chunks()
    _check_segments(rows, segments)
    levels, cells = _cells(rows)
    scale = (_column(rows, "naive_mae"), _column(rows, "naive_mse"))
    models = np.asarray(rows["model"].to_pylist(), dtype=object)
    pooled = _with_ratios({name: values.sum(axis=1) for name, values in cells.items()}, *scale)
    parts = [_add_up(models, _labels(rows, kind), pooled) for kind in segments if kind not in ("all", "step")]
    if "all" in segments:
        everything = np.full(len(models), "all", dtype=object)
        below = {f"below_{level:g}": hit.sum(axis=1) for level, hit in _below(rows, levels).items()}
        parts.append(_add_up(models, everything, {**pooled, **below}))
    if "step" in segments:
        horizon = cells["n"].shape[1]
        flat = {name: values.reshape(-1) for name, values in cells.items()}
        by_cell = _with_ratios(flat, *(np.repeat(values, horizon) for values in scale))
        steps = np.tile(np.array([f"step:{k}" for k in range(1, horizon + 1)], dtype=object), len(models))
        parts.append(_add_up(np.repeat(models, horizon), steps, by_cell))
    return pa.concat_tables(parts)


def finish(sums: pa.Table | pd.DataFrame) -> pa.Table:
    """Turn summed statistics into metrics.

    Args:
        sums: columns `SUMS`, one row per model x segment x statistic, added up over all batches.

    Returns: rows of the contract `accuracy` (without run_id), sorted by model, segment and metric; a metric whose
        denominator is zero is null, one that was not measured (an interval without its levels) has no row.
    """
    frame = sums.to_pandas() if isinstance(sums, pa.Table) else sums
    schema = arrow_schema(contract("accuracy").data_columns)
    if frame.empty:
        return schema.empty_table()
    frame = frame.assign(value=frame["high"] + frame["low"])
    wide = frame.pivot_table(index=["model", "segment"], columns="statistic", values="value", aggfunc="sum")
    metrics = pd.DataFrame(_metrics(wide), index=wide.index).reset_index()
    out = metrics.melt(id_vars=["model", "segment"], var_name="metric", value_name="value")
    cells = wide["n"].rename("n").reset_index()
    out = out.merge(cells, on=["model", "segment"], how="inner").sort_values(["model", "segment", "metric"])
    out["value"] = out["value"].where(np.isfinite(out["value"]), None).astype("Float64")
    out["n"] = out["n"].round().astype("int64")
    return pa.Table.from_pandas(out[schema.names], schema=schema, preserve_index=False)


def _metrics(wide: pd.DataFrame) -> dict[str, pd.Series]:
    """Metric name -> value per model and segment, from summed statistics."""
    n, actual = wide["n"], wide["abs_actual"]
    mse = _ratio(wide["sq_error"], n)
    out = {
        "mae": _ratio(wide["abs_error"], n),
        "mse": mse,
        "rmse": np.sqrt(mse),
        "wape": _ratio(wide["abs_error"], actual),
        "bias": _ratio(wide["error"], n),
        "bias_share": _ratio(wide["error"], actual),
        "pinball_loss": _ratio(wide["pinball"], n),
        "wql": _ratio(2.0 * wide["pinball"], actual),
    }
    out |= {name: _ratio(wide[name], wide[f"{name}_n"]) for name in _RATIOS}
    out |= {f"coverage_{k}": _ratio(wide[f"inside_{k}"], n) for k in INTERVALS if f"inside_{k}" in wide}
    below = [name for name in wide.columns if str(name).startswith("below_")]
    out |= {f"quantile_coverage_{str(name)[6:]}": _ratio(wide[name], n) for name in below}
    return out


def _ratio(top: pd.Series, bottom: pd.Series) -> pd.Series:
    """top / bottom, NaN where bottom is 0."""
    return top / bottom.where(bottom != 0)


def _cells(rows: pa.Table) -> tuple[Floats, dict[str, Floats]]:
    """Quantile levels, and statistic -> (n_rows, horizon) per-cell values, 0 where a cell is not scored."""
    actual, mean = _matrix(rows, "actual"), _matrix(rows, "mean")
    levels, quantiles = _quantiles(rows, actual.shape[1])
    scored = _scored(rows, quantiles)
    error = np.where(scored, mean - actual, 0.0)
    truth = np.where(scored, actual, 0.0)
    shortfall = np.where(scored[:, :, None], actual[:, :, None] - quantiles, 0.0)
    pinball = np.maximum(levels * shortfall, (levels - 1.0) * shortfall).mean(axis=2)
    cells = {
        "n": scored.astype(float),
        "error": error,
        "abs_error": np.abs(error),
        "sq_error": error**2,
        "abs_actual": np.abs(truth),
        "pinball": pinball,
    }
    for percent in INTERVALS:
        edges = [_position(levels, 0.5 + sign * percent / 200.0) for sign in (-1, 1)]
        if None not in edges:
            low, high = (quantiles[:, :, edge] for edge in edges)
            cells[f"inside_{percent}"] = (scored & (low <= actual) & (actual <= high)).astype(float)
    return levels, cells


def _below(rows: pa.Table, levels: Floats) -> dict[float, Floats]:
    """Level -> (n_rows, horizon) 1 where the actual is at most the forecast quantile."""
    actual = _matrix(rows, "actual")
    _, quantiles = _quantiles(rows, actual.shape[1])
    scored = _scored(rows, quantiles)
    return {float(level): (scored & (actual <= quantiles[:, :, k])).astype(float) for k, level in enumerate(levels)}


def _scored(rows: pa.Table, quantiles: Floats) -> NDArray[np.bool_]:
    """(n_rows, horizon) True where the actual is known and sellable and the model gave a forecast."""
    known = np.isfinite(_matrix(rows, "actual")) & np.isfinite(_matrix(rows, "mean"))
    return known & np.isfinite(quantiles).all(axis=2) & (_matrix(rows, "available") > 0.5)


def _with_ratios(sums: Mapping[str, Floats], naive_mae: Floats, naive_mse: Floats) -> dict[str, Floats]:
    """The sums of each row (n,), with the per-series ratios and how many series have one."""
    n = sums["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {
            "mase": sums["abs_error"] / n / naive_mae,
            "rmsse": np.sqrt(sums["sq_error"] / n / naive_mse),
            "scrps": 2.0 * sums["pinball"] / sums["abs_actual"],
            "scaled_pinball": sums["pinball"] / n / naive_mae,
        }
    out = dict(sums)
    for name, values in ratios.items():
        good = np.isfinite(values)
        out[name] = np.where(good, values, 0.0)
        out[f"{name}_n"] = good.astype(float)
    return out


def _add_up(models: NDArray[np.object_], labels: NDArray[np.object_], statistics: Mapping[str, Floats]) -> pa.Table:
    """Exact sums of (n,) statistics by (model, label), as rows of `SUMS`."""
    frame = pd.DataFrame({"model": models, "segment": labels})
    codes = frame.groupby(["model", "segment"], sort=True).ngroup().to_numpy()
    groups = frame.drop_duplicates().sort_values(["model", "segment"])
    names = list(statistics)
    high, low = [], []
    for values in statistics.values():
        coarse = np.round(values / 1024.0) * 1024.0
        fine = np.round((values - coarse) * 2.0**20) / 2.0**20
        high.append(np.bincount(codes, weights=coarse, minlength=len(groups)))
        low.append(np.bincount(codes, weights=fine, minlength=len(groups)))
    columns = {
        "model": np.tile(groups["model"].to_numpy(dtype=object), len(names)),
        "segment": np.tile(groups["segment"].to_numpy(dtype=object), len(names)),
        "statistic": np.repeat(np.array(names, dtype=object), len(groups)),
        "high": np.concatenate(high),
        "low": np.concatenate(low),
    }
    schema = arrow_schema(SUMS)
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()}, schema)


def _labels(rows: pa.Table, kind: str) -> NDArray[np.object_]:
    """(n_rows,) segment names such as "pattern:lumpy"; an unknown value reads "unknown"."""
    values = rows[_COLUMN.get(kind, kind)].to_pylist()
    return np.array([f"{kind}:{'unknown' if value is None else value}" for value in values], dtype=object)


def _check_segments(rows: pa.Table, segments: Sequence[str]) -> None:
    missing = [k for k in segments if k not in ("all", "step") and _COLUMN.get(k, k) not in rows.column_names]
    if missing:
        raise DataError(
            f"every segment must be all, step or a column of the rows. Got {missing} beside the columns "
            f"{rows.column_names}. Join the series profile first."
        )


def _quantiles(rows: pa.Table, horizon: int) -> tuple[Floats, Floats]:
    """(n_levels,) levels and (n_rows, horizon, n_levels) quantiles."""
    levels = _matrix(rows, "levels")
    if not (levels == levels[0]).all():
        raise DataError(
            f"rows of a batch must share their quantile levels. Got {len(np.unique(levels, axis=0))} lists."
        )
    quantiles = _matrix(rows, "quantiles")
    if quantiles.shape[1] != horizon * levels.shape[1]:
        raise DataError(
            f"quantiles must hold horizon x levels = {horizon} x {levels.shape[1]} values. Got {quantiles.shape[1]}."
        )
    return levels[0], quantiles.reshape(len(quantiles), horizon, levels.shape[1])


def _matrix(rows: pa.Table, name: str) -> Floats:
    """A packed column whose lists share one length, as (n_rows, length); null elements become NaN."""
    values = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in rows[name].chunks])
    counts = [chunk.value_lengths().to_numpy(zero_copy_only=False) for chunk in rows[name].chunks]
    lengths = np.unique(np.concatenate(counts))
    if len(lengths) != 1:
        raise DataError(f"{name} must have one length in all rows of a batch. Got lengths {lengths[:3].tolist()}.")
    return values.astype(float).reshape(rows.num_rows, int(lengths[0]))


def _column(rows: pa.Table, name: str) -> Floats:
    """A number column as (n_rows,), null as NaN."""
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=float)


def _position(levels: Floats, level: float) -> int | None:
    """Where a level is among the levels, None where it was not forecast."""
    found = np.flatnonzero(np.isclose(levels, level, atol=1e-9))
    return int(found[0]) if len(found) else None
