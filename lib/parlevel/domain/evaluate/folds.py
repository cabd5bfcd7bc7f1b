"""Rolling origins: the past cutoffs at which models are judged, and the scales that errors are divided by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.panel import Panel
from parlevel.domain.periods import SEASON

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """One rolling origin: `fold` 0 is the oldest; `cutoff` is a period index."""

    fold: int
    cutoff: int


def cuts(panel: Panel, horizon: int, folds: int, step: int, min_history: int | None = None) -> list[Cut]:
    """Past cutoffs, oldest first; the newest ends where the panel ends.

    A fold is left out where fewer than `min_history` periods lie before it, or nothing was available
    before it or after it.

    Args:
        panel: the histories.
        horizon: periods that each fold forecasts.
        folds: how many to make at most.
        step: periods between cutoffs.
        min_history: default: see `least_history`.
    """
    needed = least_history(panel.period, horizon) if min_history is None else min_history
    seen = np.asarray((panel.available & ~np.isnan(panel.demand)).any(axis=0))
    found = []
    for back in range(folds):
        cutoff = panel.cutoff - horizon - back * step
        kept = panel.n_periods - (panel.cutoff - cutoff)
        if kept >= needed and seen[:kept].any() and seen[kept : kept + horizon].any():
            found.append(cutoff)
    return [Cut(fold, cutoff) for fold, cutoff in enumerate(reversed(found))]


def least_history(period: str, horizon: int) -> int:
    """Periods that must lie before a fold's cutoff: two seasons, but not more than the horizon, and at least 8."""
    return max(8, min(2 * SEASON[period], horizon))


def naive_errors(panel: Panel) -> tuple[Floats, Floats]:
    """In-sample errors of naive forecasts, per series, over available periods from the first sale on.

    Returns: (n_series,) mean absolute error of the seasonal naive (MASE's denominator) and mean squared
        error of the one-step naive (RMSSE's denominator), units and units^2; 0 where there is no pair.
        Source: Hyndman, Koehler (2006), International Journal of Forecasting 22; the M5 guide.
    """
    observed = panel.observed().astype(np.float64)
    sold = np.nan_to_num(observed) > 0
    began = np.where(sold.any(axis=1), sold.argmax(axis=1), panel.n_periods)
    observed[np.arange(panel.n_periods)[None, :] < began[:, None]] = np.nan
    season = SEASON[panel.period]
    seasonal, one = _lagged(observed, season), _lagged(observed, 1)
    return _row_mean(np.abs(seasonal)), _row_mean(one**2)


def _lagged(observed: Floats, lag: int) -> Floats:
    """Differences at a lag, (n, max(0, T - lag))."""
    width = observed.shape[1] - lag
    return observed[:, lag:] - observed[:, :width] if width > 0 else np.empty((observed.shape[0], 0))


def _row_mean(values: Floats) -> Floats:
    """Mean of the known values of each row; 0 where there are none."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
