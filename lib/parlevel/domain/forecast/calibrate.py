"""Conformal calibration: move each quantile by what past folds say it missed.

For each level and bucket of steps the offset is the quantile, at that level, of
(actual - forecast quantile) / spread over the series and periods of earlier folds, so that the share of
actuals at or below the moved quantile is the level. Lower and upper levels move apart (asymmetric), as
counts need. Source: Romano, Patterson, Candes (2019), "Conformalized quantile regression".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.panel import Panel

Floats = NDArray[np.floating]

PRIOR_SERIES = 10.0
"""Series-folds at which an offset is halved: few series say little about a tail."""

RECENT: dict[str, int] = {"day": 91, "week": 26, "month": 12}
"""Available periods that the spread of a series is measured on."""


@dataclass(frozen=True)
class Fold:
    """Forecasts of one past cutoff beside what came.

    Attributes:
        quantiles: (n, horizon, n_levels) units, uncalibrated; NaN rows are left out.
        actual: (n, horizon) units.
        available: (n, horizon) bool; False = not scored.
        spread: (n,) units; see `spread`.
    """

    quantiles: Floats
    actual: Floats
    available: NDArray[np.bool_]
    spread: Floats


@dataclass(frozen=True)
class Calibration:
    """Offsets per bucket of steps and level, in units of the series' spread.

    Attributes:
        levels: (n_levels,) the levels it was made for.
        bounds: (n_buckets,) last step of each bucket; later steps use the last bucket.
        offsets: (n_buckets, n_levels).
    """

    levels: tuple[float, ...]
    bounds: tuple[int, ...]
    offsets: NDArray[np.float64]

    def apply(self, quantiles: Floats, spread: Floats) -> Floats:
        """Calibrated quantiles, non-decreasing and never negative.

        Args:
            quantiles: (n, horizon, n_levels) units.
            spread: (n,) units.
        """
        bucket = _buckets(quantiles.shape[1], self.bounds)
        moved = quantiles + self.offsets[bucket][None, :, :] * np.asarray(spread, np.float64)[:, None, None]
        return enforce(moved)

    def to_json(self) -> str:
        """Levels, bounds and offsets as JSON."""
        return json.dumps(
            {"levels": list(self.levels), "bounds": list(self.bounds), "offsets": np.round(self.offsets, 6).tolist()}
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The calibration that `to_json` wrote."""
        content = json.loads(text)
        offsets = np.asarray(content["offsets"], np.float64).reshape(len(content["bounds"]), len(content["levels"]))
        return cls(tuple(content["levels"]), tuple(content["bounds"]), offsets)

    @classmethod
    def none(cls, levels: Sequence[float], horizon: int) -> Self:
        """A calibration that changes nothing."""
        return cls(tuple(levels), (horizon,), np.zeros((1, len(levels))))


def calibrate(folds: Sequence[Fold], levels: Sequence[float], bounds: Sequence[int] | None = None) -> Calibration:
    """Offsets from past folds; the caller leaves out the fold that is to be judged.

    Args:
        folds: past folds of one model or blend; none: nothing changes.
        levels: (n_levels,).
        bounds: last step of each bucket; default: a quarter, a half and all of the horizon.
    """
    if not folds:
        return Calibration.none(levels, 1)
    horizon = folds[0].quantiles.shape[1]
    edges = tuple(bounds) if bounds else tuple(sorted({-(-horizon // 4), -(-horizon // 2), horizon}))
    bucket = _buckets(horizon, edges)
    scores, counted = _scores(folds)
    offsets = np.zeros((len(edges), len(levels)))
    for b in range(len(edges)):
        inside = scores[:, bucket == b, :].reshape(-1, len(levels))
        inside = inside[~np.isnan(inside[:, 0])]
        if len(inside):
            columns = [np.quantile(inside[:, k], level, method="hazen") for k, level in enumerate(levels)]
            offsets[b] = columns
    return Calibration(tuple(levels), edges, offsets * (counted / (counted + PRIOR_SERIES)))


def spread(panel: Panel) -> NDArray[np.float64]:
    """How far a series' demand wanders at the cutoff: sd of its recent available periods, at least counting noise.

    Returns: (n_series,) units; 0 where nothing was sold or seen.
    """
    observed = panel.observed()[:, -RECENT[panel.period] :].astype(np.float64)
    known = ~np.isnan(observed)
    n = np.maximum(known.sum(axis=1), 1)
    values = np.where(known, observed, 0.0)
    mean = values.sum(axis=1) / n
    variance = np.maximum((values**2).sum(axis=1) / n - mean**2, 0.0)
    return np.sqrt(np.maximum(variance, np.maximum(mean, 0.0)))


def _scores(folds: Sequence[Fold]) -> tuple[Floats, int]:
    """(rows, horizon, n_levels) distance of actual from each quantile in spreads, NaN where not scored; rows used."""
    parts, counted = [], 0
    for fold in folds:
        use = (fold.spread > 0) & ~np.isnan(fold.quantiles).any(axis=(1, 2)) & fold.available.any(axis=1)
        away = (fold.actual[use][:, :, None] - fold.quantiles[use]) / fold.spread[use][:, None, None]
        parts.append(np.where(fold.available[use][:, :, None], away, np.nan))
        counted += int(use.sum())
    return np.concatenate(parts), counted


def _buckets(horizon: int, bounds: Sequence[int]) -> NDArray[np.int64]:
    """(horizon,) bucket of each step 1..horizon."""
    return np.minimum(np.searchsorted(np.asarray(bounds), np.arange(1, horizon + 1)), len(bounds) - 1)
