"""The expected sales of any period from the periods around it: a smooth level times a season."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from parlevel.domain.clean.grid import Bools, Floats, total
from parlevel.domain.features.history import ratio, strided
from parlevel.domain.periods import SEASON, Period

HALFLIFE: dict[str, float] = {"day": 14.0, "week": 4.0, "month": 2.0}
"""Periods after which a neighbour counts half in the level."""

SHRINK = 4.0
"""Observations of an average period that are added to each place of the season."""


def row_mean(values: Floats, known: Bools) -> Floats:
    """(n, 1) mean of the known cells of each row; NaN where there are none."""
    return ratio(total(np.where(known, values, 0.0)), total(known))


def season_sums(values: Floats, season: int) -> Floats:
    """(n, t) sum over all cells in the same place of the season as each cell."""
    width = values.shape[1]
    sums = strided(values, season)
    last = sums[:, max(0, width - season) :]
    back = np.arange(width - 1, -1, -1) % season
    return np.asarray(last[:, last.shape[1] - 1 - np.minimum(back, last.shape[1] - 1)])


def season_index(values: Floats, known: Bools, period: Period) -> Floats:
    """(n, t) mean of each cell's place in the season over the row's mean, shrunk towards 1."""
    season = SEASON[period]
    mean = np.nan_to_num(row_mean(values, known))
    sums = season_sums(np.where(known, values, 0.0), season) + SHRINK * mean
    counts = season_sums(known.astype(np.float64), season) + SHRINK
    return np.where(mean > 0, ratio(sums / counts, np.broadcast_to(mean, values.shape)), 1.0)


def expected(values: Floats, known: Bools, period: Period) -> Floats:
    """Expected value of every cell, also of unknown ones, from the known cells of its row.

    The level is an exponentially weighted mean over both sides (the steady-state smoother of a
    local-level model), estimated as weighted sales over weighted season, so that seasons near zero
    do not blow it up.

    Args:
        values: (n_series, n_periods) units.
        known: (n_series, n_periods) which cells to learn from.

    Returns: (n_series, n_periods) units; NaN in rows without a known cell.

    Source: Harvey (1989), Forecasting, Structural Time Series Models, section 4.1.2.
    """
    index = season_index(values, known, period)
    decay = 0.5 ** (1.0 / HALFLIFE[period])
    filled = np.where(known, values, 0.0)
    weight = np.where(known, index, 0.0)
    level = ratio(_both_sides(filled, decay), _both_sides(weight, decay))
    mean = row_mean(values, known)
    return np.where(np.isnan(level), mean, level) * np.where(np.isnan(mean), np.nan, index)


def _both_sides(values: Floats, decay: float) -> Floats:
    """Sum over all cells of the row, each weighted by decay to the power of its distance."""
    kernel = [1.0], [1.0, -decay]
    past = lfilter(*kernel, values, axis=1)
    future = lfilter(*kernel, values[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(past + future - values)
