"""Windows for sequence models: what came before an origin, what is known of each step after it, and the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.panel import Panel
from parlevel.domain.periods import PER_YEAR, SEASON
from parlevel.errors import DataError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CLIP = 5.0
"""Standardised features are cut off here, so that no single period can throw a network off."""

PROFILE: dict[str, str] = {"day": "same_weekday_mean_8", "week": "same_week_mean_2", "month": "same_month_mean_3"}
"""The season-aligned mean that a network's output is multiplied by."""


@dataclass(frozen=True)
class Windows:
    """Inputs and targets of m windows.

    Attributes:
        past: (m, length, n_channels) encoder inputs, oldest first.
        future: (m, horizon, n_features) what is known about each step at the origin, standardised.
        profile: (m, horizon, 1) seasonal forecast / scale, > 0.
        scale: (m,) units.
        target: (m, horizon, 2) demand / scale, and 1 where it counts.
    """

    past: Floats
    future: Floats
    profile: Floats
    scale: Floats
    target: Floats


@dataclass(frozen=True)
class Standard:
    """Means and standard deviations by which features are standardised."""

    mean: list[float]
    sd: list[float]

    @classmethod
    def of(cls, rows: Floats) -> Standard:
        """Of the known values of each column (m, n_features)."""
        known = np.isfinite(rows)
        n = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, rows, 0.0).sum(axis=0, dtype=np.float64) / n
        variance = (np.where(known, rows - mean, 0.0) ** 2).sum(axis=0) / n
        return cls(mean.tolist(), np.maximum(np.sqrt(variance), 1e-6).tolist())

    def apply(self, rows: Floats) -> Floats:
        """Standardised and clipped; unknown values become 0, the mean."""
        moved = (rows - np.asarray(self.mean, np.float32)) / np.asarray(self.sd, np.float32)
        return np.clip(np.nan_to_num(moved, nan=0.0, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP).astype(np.float32)


def draw_origins(panel: Panel, n_windows: int, horizon: int, halflife: float, seed: int) -> tuple[Ints, Ints]:
    """Series and origin column of training windows, recent origins more often.

    Args:
        panel: histories.
        n_windows: windows at most.
        horizon: steps; a window's last steps may lie beyond the panel, its first quarter may not.
        halflife: years after which an origin is drawn half as often.
        seed: of the draw.

    Raises:
        DataError: there are fewer than 32 windows.
    """
    seen = panel.available & ~np.isnan(panel.demand)
    before = seen.cumsum(axis=1)
    origin = np.zeros_like(seen)
    stop = panel.n_periods - max(1, horizon // 4)
    origin[:, :stop] = before[:, :stop] >= min(14, SEASON[panel.period])
    series, column = np.nonzero(origin)
    if len(series) < 32:
        raise DataError(f"a sequence model needs at least 32 windows to learn from. Got {len(series)}.")
    if len(series) > n_windows:
        rng = np.random.default_rng(seed)
        age = (panel.n_periods - 1 - column) / PER_YEAR[panel.period]
        race = rng.exponential(size=len(series)) * 2.0 ** (age / halflife)
        chosen = np.sort(np.argpartition(race, n_windows)[:n_windows])
        series, column = series[chosen], column[chosen]
    return series, column


def design_rows(panel: Panel, design: Design, series: Ints, origins: Ints, horizon: int) -> Floats:
    """(m * horizon, n_features) rows of every step of every window, window-major, NaN where unknown."""
    steps = np.tile(np.arange(1, horizon + 1), len(series))
    return design.rows(panel, np.repeat(series, horizon), np.repeat(origins, horizon), steps)


def windows(
    panel: Panel,
    design: Design,
    series: Ints,
    origins: Ints,
    *,
    horizon: int,
    length: int,
    rows: Floats,
    standard: Standard,
) -> Windows:
    """Lay out windows.

    Args:
        panel, design: histories and the features of steps.
        series, origins: (m,) row and column of each window's last known period.
        horizon, length: steps after and periods before the origin.
        rows: from `design_rows`.
        standard: of the rows.
    """
    m = len(series)
    scale = design.scale(panel, series, origins)
    at = rows[:, design.names(panel).index(PROFILE[panel.period])].reshape(m, horizon, 1)
    # shrunk to the level, so that a season without sales does not silence the network
    profile = (np.nan_to_num(np.clip(at, 0.0, 20.0), nan=1.0) * 4 + 1) / 5
    return Windows(
        past=_past(panel, series, origins, scale, length),
        future=standard.apply(rows).reshape(m, horizon, -1),
        profile=profile.astype(np.float32),
        scale=scale,
        target=_target(panel, series, origins, scale, horizon),
    )


def _past(panel: Panel, series: Ints, origins: Ints, scale: Floats, length: int) -> Floats:
    """Encoder inputs: log ratio, availability, channels, place in the season."""
    column = origins[:, None] + np.arange(1 - length, 1)[None, :]
    inside = column >= 0
    safe = np.maximum(column, 0)
    row = series[:, None]
    demand = panel.demand[row, safe]
    seen = inside & panel.available[row, safe] & ~np.isnan(demand)
    ratio = np.where(seen, np.log1p(np.maximum(demand, 0.0) / scale[:, None]), 0.0)
    phase = 2 * np.pi * (panel.periods[0] + column) / SEASON[panel.period]
    parts = [ratio, seen, np.sin(phase), np.cos(phase)]
    found = (np.clip(np.nan_to_num(values[row, safe]), -CLIP, CLIP) for values in panel.channels.values())
    parts += [np.where(inside, values, 0.0) for values in found]
    return np.stack(parts, axis=2).astype(np.float32)


def _target(panel: Panel, series: Ints, origins: Ints, scale: Floats, horizon: int) -> Floats:
    column = origins[:, None] + np.arange(1, horizon + 1)[None, :]
    safe = np.minimum(column, panel.n_periods - 1)
    demand = panel.demand[series[:, None], safe]
    counts = (column < panel.n_periods) & panel.available[series[:, None], safe] & ~np.isnan(demand)
    ratio = np.where(counts, demand / scale[:, None], 0.0)
    return np.stack([ratio, counts], axis=2).astype(np.float32)
