"""Scores of `accuracy.py`: the same function for parlevel and for every peer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Quantile levels that are scored; every forecast has them."""

COVERAGE = {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}
SEASON = {"day": 7, "week": 52, "month": 12}


def quantile_column(level: float) -> str:
    """Name of a quantile's column.

    >>> quantile_column(0.05)
    'q0.05'
    """
    return f"q{level:g}"


def scales(history: pd.DataFrame, season: int) -> pd.DataFrame:
    """What errors are divided by, per series, from the history alone.

    Args:
        history: series_id, date, sales; sorted by date inside a series.
        season: periods of the seasonal naive.

    Returns: index series_id; naive_mse (one step, RMSSE's), naive_mae (one season, that of the scaled pinball loss;
        one step where the history is shorter than a season).
    """
    grouped = history.groupby("series_id")["sales"]
    one, seasonal = grouped.diff(), grouped.diff(season)
    found = pd.DataFrame({"series_id": history["series_id"], "one": one, "seasonal": seasonal.abs()})
    means = found.assign(one=found["one"] ** 2, short=found["one"].abs()).groupby("series_id").mean()
    return pd.DataFrame({"naive_mse": means["one"], "naive_mae": means["seasonal"].fillna(means["short"])})


def score(
    forecast: pd.DataFrame, actual: pd.DataFrame, scale: pd.DataFrame, weights: pd.DataFrame | None = None
) -> dict[str, float]:
    """Metrics of one window; periods without an actual are not scored.

    Args:
        forecast: series_id, date, demand_mean and a column per quantile.
        actual: series_id, level, date, sales.
        scale: from `scales`.
        weights: official M5 weights and scales; adds wrmsse, the mean over levels of the weighted RMSSE.

    Raises:
        ValueError: a series with actuals has no forecast.
    """
    both = actual.dropna(subset=["sales"]).merge(forecast, on=["series_id", "date"], how="left", suffixes=("", "_f"))
    if both["demand_mean"].isna().any():
        lost = both.loc[both["demand_mean"].isna(), "series_id"].unique()
        raise ValueError(f"every series needs a forecast for every period. Missing for {len(lost)}, e.g. {lost[:3]}.")
    truth, mean = both["sales"].to_numpy(float), both["demand_mean"].to_numpy(float)
    quantiles = both[[quantile_column(level) for level in LEVELS]].to_numpy(float)
    pinball = _pinball(truth, quantiles)
    units = np.abs(truth).sum()
    per_series = (
        pd.DataFrame({"series_id": both["series_id"], "square": (mean - truth) ** 2, "pinball": pinball})
        .groupby("series_id")
        .mean()
        .join(scale)
    )
    good = per_series[(per_series["naive_mse"] > 0) & (per_series["naive_mae"] > 0)]
    out = {
        "wape": np.abs(mean - truth).sum() / units,
        "rmsse": np.sqrt(good["square"] / good["naive_mse"]).mean(),
        "wql": 2 * pinball.sum() / units,
        "scaled_pinball": (good["pinball"] / good["naive_mae"]).mean(),
        **{f"cover_{width}": _inside(both, truth, ends) for width, ends in COVERAGE.items()},
        **_shared_ties(truth, quantiles),
        "bias": (mean - truth).sum() / units,
    }
    if weights is not None:
        out["wrmsse"] = _wrmsse(per_series, both, weights)
    return {name: float(value) for name, value in out.items()}


def mean_of(windows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over windows."""
    return {name: float(np.mean([each[name] for each in windows])) for name in windows[0]}


def _pinball(truth: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) mean pinball loss over the levels, units."""
    levels = np.asarray(LEVELS)
    away = truth[:, None] - quantiles
    return np.asarray(np.maximum(levels * away, (levels - 1) * away).mean(axis=1))


def _inside(both: pd.DataFrame, truth: NDArray[np.float64], ends: tuple[float, float]) -> float:
    low, high = (both[quantile_column(end)].to_numpy(float) for end in ends)
    # a hair of tolerance: a quantile of 0 that went through 32 bits must cover a demand of 0
    return float(((truth >= low - 1e-6) & (truth <= high + 1e-6)).mean())


def _shared_ties(truth: NDArray[np.float64], quantiles: NDArray[np.float64]) -> dict[str, float]:
    """Coverage that counts can meet: a demand's probability is spread over the levels that it stands for.

    Where three quarters of the periods sell nothing, any interval that holds 0 covers three quarters. So demand k is
    taken for the levels between the quantile function's k - 1/2 and k + 1/2 (from 0 for k = 0), and the share of
    them inside the interval is counted. Source: Czado, Gneiting, Held (2009), Predictive model assessment for
    count data, Biometrics 65: the nonrandomised probability integral transform.
    """
    low = np.where(truth > 0, _level_of(truth - 0.5, quantiles), 0.0)
    high = _level_of(truth + 0.5, quantiles)
    width = high - low
    out = {}
    for name, (begin, end) in COVERAGE.items():
        shared = np.clip(np.minimum(high, end) - np.maximum(low, begin), 0.0, None)
        whole = ((low >= begin) & (low <= end)).astype(float)
        share = np.where(width > 1e-9, shared / np.maximum(width, 1e-9), whole)
        out[f"pit_{name}"] = float(share.mean())
    return out


def _level_of(value: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) level of each value in its row's quantile function: lines between the levels, 0 below them, 1 above."""
    levels = np.asarray(LEVELS)
    passed = (quantiles <= value[:, None]).sum(axis=1)
    inside = np.clip(passed, 1, len(levels) - 1)
    row = np.arange(len(value))
    left, right = quantiles[row, inside - 1], quantiles[row, inside]
    share = np.clip((value - left) / np.maximum(right - left, 1e-12), 0.0, 1.0)
    found = levels[inside - 1] + share * (levels[inside] - levels[inside - 1])
    return np.where(passed == 0, 0.0, np.where(passed == len(levels), 1.0, found))


def _wrmsse(per_series: pd.DataFrame, both: pd.DataFrame, weights: pd.DataFrame) -> float:
    """Mean over levels of sum(weight x RMSSE), the competition's score on the levels that are there."""
    level = both.groupby("series_id")["level"].first()
    table = per_series.join(weights).join(level)
    mse = table["scale"].fillna(table["naive_mse"])
    weighted = table["weight"] * np.sqrt(table["square"] / mse)
    return float(weighted.groupby(table["level"]).sum().mean())
