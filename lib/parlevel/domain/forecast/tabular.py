"""Rows for pooled models: which (series, origin, step) to learn from, and all rows of a forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.panel import Panel
from parlevel.domain.periods import PER_YEAR
from parlevel.errors import DataError

Floats = NDArray[np.float32]

UNKNOWN = -9.0
"""What stands for an unknown feature: below every real one, so that a tree can split it off."""

OVERDISPERSION = 0.15
"""Variance of demand / scale is taken as 1 / scale + this: counting noise plus what no model explains."""


@dataclass(frozen=True)
class Rows:
    """Training rows of a pooled model.

    Attributes:
        features: (m, n_features).
        target: (m,) demand divided by the row's scale.
        scale: (m,) units.
        weight: (m,) inverse of the target's expected variance, mean 1.
        names: feature names in order.
        series: (m,) row of the panel.
        column: (m,) column of the target.
    """

    features: Floats
    target: Floats
    scale: Floats
    weight: Floats
    names: list[str]
    series: NDArray[np.int64]
    column: NDArray[np.int64]


def training_rows(panel: Panel, design: Design, *, max_rows: int, years: float, halflife: float, seed: int) -> Rows:
    """Draw training rows: available targets, recent ones more often, each with a step of its own.

    The cost of a fit is bounded by `max_rows`, whatever the size of the group.

    Args:
        panel: histories; masked periods are never targets.
        design: makes the features.
        max_rows: rows drawn at most.
        years: only targets of so many years before the cutoff.
        halflife: years after which a target is drawn half as often.
        seed: of the draw.

    Raises:
        DataError: no target has an earlier available period to be forecast from.
    """
    series, target = _draw(panel, max_rows, years, halflife, seed)
    rng = np.random.default_rng(seed + 1)
    first = _first_seen(panel)
    # one step per row, spread evenly over 1..horizon, never from before the series began
    spread = (np.arange(len(series)) + rng.random()) / len(series) * design.horizon
    steps = 1 + rng.permutation(spread).astype(np.int64)
    steps = 1 + (steps - 1) % np.minimum(design.horizon, target - first[series])
    origins = target - steps
    features = clean(design.rows(panel, series, origins, steps))
    scale = design.scale(panel, series, origins)
    weight = 1.0 / (1.0 / scale + OVERDISPERSION)
    return Rows(
        features=features,
        target=panel.demand[series, target] / scale,
        scale=scale,
        weight=(weight / weight.mean()).astype(np.float32),
        names=design.names(panel),
        series=series,
        column=target,
    )


def forecast_rows(panel: Panel, design: Design, horizon: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Rows of every series and step from the panel's cutoff.

    Returns: features (n_series * horizon, n_features) and scale (n_series * horizon,), series-major; known
        (n_series,), False for series without one available period.
    """
    n = panel.n_series
    series = np.repeat(np.arange(n), horizon)
    steps = np.tile(np.arange(1, horizon + 1), n)
    last = np.full(n, panel.n_periods - 1)
    features = clean(design.rows(panel, series, last[series], steps))
    return features, design.scale(panel, series, last[series]), _first_seen(panel) < panel.n_periods


def step_rows(panel: Panel, design: Design, steps: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Rows of every series and some steps from the panel's cutoff, series-major.

    Returns: features (n_series * n_steps, n_features); scale (n_series * n_steps,); the series' level alone, likewise.
    """
    n = panel.n_series
    series = np.repeat(np.arange(n), len(steps))
    last = np.full(len(series), panel.n_periods - 1)
    ahead = np.tile(steps, n)
    features = clean(design.rows(panel, series, last, ahead))
    scale = design.scale(panel, series, last)
    return features, scale, scale


def clean(features: Floats) -> Floats:
    """Features without NaN or infinity."""
    features[np.isnan(features) | (features == -np.inf)] = UNKNOWN
    return np.minimum(features, np.float32(1e6))


def _draw(
    panel: Panel, max_rows: int, years: float, halflife: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(series, column) of the targets, without replacement."""
    year = PER_YEAR[panel.period]
    begin = max(0, panel.n_periods - round(years * year))
    usable = (panel.available & ~np.isnan(panel.demand))[:, begin:]
    usable = usable & (np.arange(begin, panel.n_periods)[None, :] > _first_seen(panel)[:, None])
    series, column = np.nonzero(usable)
    if len(series) == 0:
        raise DataError(
            f"a pooled model needs series with at least two available periods. Got none in {panel.n_series}."
        )
    if len(series) <= max_rows:
        return series, column + begin
    age = (usable.shape[1] - 1 - column) / year
    rng = np.random.default_rng(seed)
    # exponential races: the max_rows smallest are a draw without replacement, proportional to the weights
    race = rng.exponential(size=len(series)) * 2.0 ** (age / halflife)
    chosen = np.sort(np.argpartition(race, max_rows)[:max_rows])
    return series[chosen], column[chosen] + begin


def _first_seen(panel: Panel) -> NDArray[np.int64]:
    """(n_series,) first available column; n_periods where there is none."""
    seen = panel.available & ~np.isnan(panel.demand)
    return np.where(seen.any(axis=1), seen.argmax(axis=1), panel.n_periods)
