"""What a forecast costs where it is used: the order it leads to, against the demand that came.

At the start of each protection interval of the horizon a newsvendor orders up to the critical ratio's quantile of the
interval's demand; what is missing and what is left at its end is counted in money.
Source: Arrow, Harris & Marschak (1951), Econometrica 19; for judging forecasts by it, Kourentzes, Trapero & Barrow
(2020), International Journal of Production Economics 225.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.quantiles import read_at
from parlevel.domain.stakes import Stakes

Floats = NDArray[np.floating]

CORRELATION = 0.1
"""Dependence between the steps of an interval: typical of daily retail demand."""

CERTAIN = 0.9999
"""Highest critical ratio: no quantile forecast knows more."""


def decision_cost(
    mean: Floats, quantiles: Floats, actual: Floats, scored: NDArray[np.bool_], levels: Floats, stakes: Stakes
) -> float:
    """Money per series and scored period, over the protection intervals inside the horizon; NaN where none is scored.

    Periods that are not scored (closed days, stockouts) are left out of what an interval expects and of what came, so
    that a shop that closes on Sundays still has intervals of a week.

    The interval's demand is taken as its mean plus the steps' distances from their means to their quantiles, added
    like standard deviations that are correlated by `CORRELATION`; for an interval of one step that is its quantile.

    Args:
        mean: (n, horizon) units.
        quantiles: (n, horizon, n_levels) units.
        actual: (n, horizon) units.
        scored: (n, horizon) periods that count.
        levels: (n_levels,).
        stakes: of the n series; an interval longer than the horizon counts as one of the horizon's length.
    """
    horizon = mean.shape[1]
    interval = np.clip(stakes.interval, 1, horizon)
    ratio = np.clip(stakes.ratio, 1 - CERTAIN, CERTAIN)
    distance = read_at(quantiles.astype(np.float64), levels, ratio[:, None, None])[..., 0] - mean
    mean, distance, actual = (np.where(scored, each, 0.0) for each in (mean, distance, actual))
    money = periods = 0.0
    for length in np.unique(interval).tolist():
        rows = np.flatnonzero(interval == length)
        away = _windows(distance[rows], length)
        spread = (1 - CORRELATION) * (away**2).sum(axis=2) + CORRELATION * away.sum(axis=2) ** 2
        order = np.maximum(_windows(mean[rows], length).sum(axis=2) + np.sign(away.sum(axis=2)) * np.sqrt(spread), 0.0)
        gap = _windows(actual[rows], length).sum(axis=2) - order
        cost = stakes.short[rows, None] * np.maximum(gap, 0.0) + stakes.over[rows, None] * np.maximum(-gap, 0.0)
        counted = _windows(scored[rows], length).sum(axis=2)
        money += float(cost[counted > 0].sum())
        periods += float(counted.sum())
    return money / periods if periods else float("nan")


def _windows(values: NDArray[Any], length: int) -> NDArray[Any]:
    """(n, count, length) the whole windows that fit into (n, horizon) one after another."""
    count = values.shape[1] // length
    return values[:, : count * length].reshape(-1, count, length)
