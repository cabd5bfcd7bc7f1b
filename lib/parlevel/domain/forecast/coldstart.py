"""Forecasts of series with next to no history: what similar items sell, moved towards what was seen.

Similar means equal attributes and a price near by. The forecast is the mixture of the similar items'
forecasts, so that not knowing the level widens the interval. Each periods of its own pull the items' levels to
the series' own mean by credibility: n / (n + variance within series / variance between levels).
Source: Buhlmann (1967), "Experience rating and credibility", ASTIN Bulletin 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.teaching import LEAST
from parlevel.domain.forecast.calibrate import spread
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.panel import Panel

Floats = NDArray[np.floating]

SIMILAR_ITEMS = "similar_items"
"""Name of the forecast made here."""

DONORS = 40
"""Similar items that a forecast is mixed from at most; below FEW there is none."""

FEW = 5

MISMATCH = 1.5
"""Log weight that a different attribute costs; a price e times as high costs 1."""

PRICE = "log_price"


@dataclass(frozen=True)
class Donors:
    """Series with a history and a forecast of their own.

    Attributes:
        panel: their histories.
        mean: (m, horizon) units.
        quantiles: (m, horizon, n_levels) units.
    """

    panel: Panel
    mean: Floats
    quantiles: Floats


@dataclass(frozen=True)
class Cold:
    """Forecasts of cold series; NaN rows where there are too few similar items.

    Attributes:
        mean: (n, horizon) units.
        quantiles: (n, horizon, n_levels) units.
        correlation: (n,) dependence between steps: the unknown level is shared by all of them.
        seen: (n,) known periods of their own.
    """

    mean: Floats
    quantiles: Floats
    correlation: Floats
    seen: NDArray[np.int64]


def is_cold(panel: Panel) -> NDArray[np.bool_]:
    """(n_series,) True where there are known periods, but fewer than a forecast of its own takes."""
    n = known_periods(panel)
    return (n > 0) & (n < LEAST[panel.period])


def known_periods(panel: Panel) -> NDArray[np.int64]:
    """(n_series,) available periods with known demand."""
    return np.asarray((~np.isnan(panel.observed())).sum(axis=1))


def cold_start(panel: Panel, donors: Donors, levels: NDArray[np.float64], correlation: float) -> Cold:
    """Forecast cold series from similar items.

    Args:
        panel: the cold series; the same statics as the donors'.
        donors: series to borrow from; rows whose forecast is all zero or unknown lend nothing.
        levels: (n_levels,) of the quantiles.
        correlation: dependence between steps of the donors' forecasts.
    """
    n, horizon = panel.n_series, donors.mean.shape[1]
    out = Cold(
        np.full((n, horizon), np.nan, np.float32),
        np.full((n, horizon, len(levels)), np.nan, np.float32),
        np.zeros(n),
        known_periods(panel),
    )
    level = donors.mean.astype(np.float64).mean(axis=1)
    able = np.flatnonzero(np.isfinite(level) & (level > 0) & np.isfinite(donors.quantiles).all(axis=(1, 2)))
    if len(able) < FEW:
        return out
    lent = Donors(donors.panel.take(able), donors.mean[able], donors.quantiles[able])
    level, within = level[able], spread(lent.panel) ** 2
    away = distances(panel, lent.panel)
    observed = panel.observed().astype(np.float64)
    for k in range(n):
        near = np.argsort(away[k], kind="stable")[:DONORS]
        weight = np.exp(-(away[k][near] - away[k][near[0]]))
        weight /= weight.sum()
        prior = float(weight @ level[near])
        between = float(weight @ (level[near] - prior) ** 2)
        noise = float(weight @ within[near])
        own = np.nanmean(observed[k]) if out.seen[k] else 0.0
        trust = out.seen[k] * between / (out.seen[k] * between + noise) if out.seen[k] and between > 0 else 0.0
        scale = ((1 - trust) * level[near] + trust * own) / level[near]
        out.mean[k] = weight @ (lent.mean[near] * scale[:, None])
        out.quantiles[k] = mixture(lent.quantiles[near] * scale[:, None, None], weight, levels)
        unsure = (1 - trust) ** 2 * between
        out.correlation[k] = (unsure + correlation * noise) / (unsure + noise) if unsure + noise > 0 else correlation
    return out


def distances(panel: Panel, donors: Panel) -> Floats:
    """(n, m) how unlike each series and each donor are: attributes that differ, and the distance of log prices."""
    away = np.zeros((panel.n_series, donors.n_series))
    for name, values in panel.statics.items():
        other = donors.statics[name]
        if name == PRICE:
            gap = np.abs(values[:, None].astype(np.float64) - other[None, :])
            away += np.where(np.isnan(gap), MISMATCH, gap)
        elif name.endswith("_code"):
            same = (values[:, None] == other[None, :]) | (np.isnan(values)[:, None] & np.isnan(other)[None, :])
            away += MISMATCH * ~same
    return away


def mixture(quantiles: Floats, weight: Floats, levels: NDArray[np.float64]) -> Floats:
    """Quantiles of the weighted mixture of distributions that are given by quantiles.

    Args:
        quantiles: (m, horizon, n_levels) units.
        weight: (m,) adding to 1.
        levels: (n_levels,) of the parts and of the result.

    Returns: (horizon, n_levels) units.

    >>> parts = np.array([[[1.0, 2.0, 3.0]], [[5.0, 6.0, 7.0]]])
    >>> mixture(parts, np.array([0.5, 0.5]), np.array([0.25, 0.5, 0.75])).tolist()
    [[2.0, 4.0, 6.0]]
    """
    _, horizon, n_levels = quantiles.shape
    # each level stands for the probability between the midpoints to its neighbours
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    mass = (weight[:, None] * np.diff(edges)[None, :]).reshape(-1)
    out = np.empty((horizon, n_levels))
    for step in range(horizon):
        values = quantiles[:, step, :].reshape(-1)
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(mass[order])
        out[step] = np.interp(levels, reached - mass[order] / 2, values[order])
    return enforce(out)
