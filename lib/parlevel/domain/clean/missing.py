"""Missing values: one vectorised rule per name that the configuration can choose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parlevel.domain.clean.grid import Bools, Floats, forward_fill
from parlevel.domain.clean.level import expected, row_mean, season_sums
from parlevel.domain.features.history import ratio
from parlevel.domain.periods import SEASON, Period
from parlevel.errors import ConfigError

Rule = Callable[[Floats, Bools, Period], Floats]


def zero(values: Floats, known: Bools, period: Period) -> Floats:
    """Zero."""
    return np.zeros_like(values)


def mean(values: Floats, known: Bools, period: Period) -> Floats:
    """Mean of the row's known values."""
    return np.broadcast_to(row_mean(values, known), values.shape)


def median(values: Floats, known: Bools, period: Period) -> Floats:
    """Median of the row's known values."""
    return np.broadcast_to(row_median(values, known), values.shape)


def interpolate(values: Floats, known: Bools, period: Period) -> Floats:
    """Straight line between the known neighbours; beyond the first or last one, its value."""
    masked = np.where(known, values, np.nan)
    place = np.where(known, np.arange(values.shape[1], dtype=np.float64)[None, :], np.nan)
    left, right = forward_fill(masked), forward_fill(masked[:, ::-1])[:, ::-1]
    left_at, right_at = forward_fill(place), forward_fill(place[:, ::-1])[:, ::-1]
    share = np.nan_to_num(ratio(np.arange(values.shape[1])[None, :] - left_at, right_at - left_at))
    line = left + (right - left) * share
    return np.where(np.isnan(left), right, np.where(np.isnan(right), left, line))


def seasonal(values: Floats, known: Bools, period: Period) -> Floats:
    """Mean of the known values in the same place of the season; the row's mean where there are none."""
    season = SEASON[period]
    sums = season_sums(np.where(known, values, 0.0), season)
    same = ratio(sums, season_sums(known.astype(np.float64), season))
    return np.where(np.isnan(same), mean(values, known, period), same)


def model(values: Floats, known: Bools, period: Period) -> Floats:
    """Smoothed level times season: see `level.expected`."""
    return expected(values, known, period)


METHODS: dict[str, Rule] = {
    "zero": zero,
    "mean": mean,
    "median": median,
    "interpolate": interpolate,
    "seasonal": seasonal,
    "model": model,
}
"""Methods that put a number in place of a missing one; `keep` and `drop` do not."""


def fill(values: Floats, known: Bools, holes: Bools, method: str, period: Period) -> Floats:
    """`values` with its holes filled.

    Args:
        values: (n_series, n_periods).
        known: cells to learn from; never a hole.
        holes: cells to fill.
        method: a name in METHODS, or keep.

    Returns: (n_series, n_periods); a hole stays NaN where its row knows nothing.

    Raises:
        ConfigError: no such method.
    """
    emptied = np.where(holes, np.nan, values)
    if method in ("keep", "drop") or not holes.any():
        return emptied
    if method not in METHODS:
        raise ConfigError(f"clean.missing must be one of {['drop', 'keep', *METHODS]}. Got {method!r}.")
    return np.where(holes, METHODS[method](emptied, known, period), emptied)


def row_median(values: Floats, known: Bools) -> Floats:
    """(n, 1) median of the known cells of each row; NaN where there are none."""
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    n = known.sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, np.minimum(n // 2, values.shape[1] - 1), axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, (low + high) / 2, np.nan)
