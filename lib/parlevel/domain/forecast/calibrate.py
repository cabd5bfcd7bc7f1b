"""Conformal calibration: move each quantile by what past folds say it missed.

For each level and bucket of steps the offset is the quantile, at that level, of
(actual - forecast quantile) / spread over the series and periods of earlier folds, so that the share of
actuals at or below the moved quantile is the level. Lower and upper levels move apart (asymmetric), as
counts need; slow, usual and fast series of a group each have offsets of their own, drawn towards those of all.
Source: Romano, Patterson, Candes (2019), "Conformalized quantile regression".
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

SEGMENTS = 3
"""Parts of equal size, by spread, that a group's series are calibrated in."""

PRIOR_SEGMENT = 30.0
"""Series-folds of a segment at which its offsets stand halfway between its own and those of all."""

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
        offsets: (n_segments, n_buckets, n_levels).
        edges: (n_segments - 1,) spreads that part the segments, units.
    """

    levels: tuple[float, ...]
    bounds: tuple[int, ...]
    offsets: NDArray[np.float64]
    edges: tuple[float, ...] = ()

    def apply(self, quantiles: Floats, spread: Floats) -> Floats:
        """Calibrated quantiles, non-decreasing and never negative.

        Args:
            quantiles: (n, horizon, n_levels) units.
            spread: (n,) units.
        """
        bucket, segment = _buckets(quantiles.shape[1], self.bounds), _segments(spread, self.edges)
        moved = quantiles + self.offsets[segment][:, bucket] * np.asarray(spread, np.float64)[:, None, None]
        return enforce(moved)

    def to_json(self) -> str:
        """Levels, bounds, edges and offsets as JSON."""
        content = {"levels": list(self.levels), "bounds": list(self.bounds), "edges": list(self.edges)}
        return json.dumps({**content, "offsets": np.round(self.offsets, 6).tolist()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The calibration that `to_json` wrote."""
        content = json.loads(text)
        shape = (len(content["edges"]) + 1, len(content["bounds"]), len(content["levels"]))
        offsets = np.asarray(content["offsets"], np.float64).reshape(shape)
        return cls(tuple(content["levels"]), tuple(content["bounds"]), offsets, tuple(content["edges"]))

    @classmethod
    def none(cls, levels: Sequence[float], horizon: int) -> Self:
        """A calibration that changes nothing."""
        return cls(tuple(levels), (horizon,), np.zeros((1, 1, len(levels))))


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
    scores, spreads = _scores(folds)
    parts = tuple(np.quantile(spreads, np.arange(1, SEGMENTS) / SEGMENTS).tolist()) if len(spreads) else ()
    segment = _segments(spreads, parts)
    together = _offsets(scores, bucket, levels) * _trust(len(spreads), PRIOR_SERIES)
    offsets = np.stack([together] * (len(parts) + 1))
    for k in range(len(offsets)):
        own = scores[segment == k]
        trust = _trust(len(own), PRIOR_SEGMENT)
        offsets[k] = (1 - trust) * together + trust * _trust(len(own), PRIOR_SERIES) * _offsets(own, bucket, levels)
    return Calibration(tuple(levels), edges, offsets, parts)


def _offsets(scores: Floats, bucket: NDArray[np.int64], levels: Sequence[float]) -> NDArray[np.float64]:
    """(n_buckets, n_levels) quantiles of the distances; 0 where nothing was scored."""
    out = np.zeros((int(bucket.max()) + 1, len(levels)))
    for b in range(len(out)):
        inside = scores[:, bucket == b, :].reshape(-1, len(levels))
        inside = inside[~np.isnan(inside[:, 0])]
        if len(inside):
            out[b] = [np.quantile(inside[:, k], level, method="hazen") for k, level in enumerate(levels)]
    return out


def _trust(n: int, prior: float) -> float:
    """What n series-folds count beside a prior worth `prior` of them."""
    return n / (n + prior)


def spread(panel: Panel) -> NDArray[np.float64]:
    """How far a series' demand wanders at the cutoff: sd of its recent available periods, at least counting noise.

    A series that sold nothing of late may still do so: one usual sale in one more period than was seen is the least.

    Returns: (n_series,) units; 0 where nothing was ever sold or seen.
    """
    every = panel.observed()
    observed = every[:, -RECENT[panel.period] :].astype(np.float64)
    known = ~np.isnan(observed)
    n = np.maximum(known.sum(axis=1), 1)
    values = np.where(known, observed, 0.0)
    mean = values.sum(axis=1) / n
    variance = np.maximum((values**2).sum(axis=1) / n - mean**2, 0.0)
    sold = every > 0
    size = np.where(sold, every, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(sold.sum(axis=1), 1)
    return np.sqrt(np.maximum(np.maximum(variance, np.maximum(mean, 0.0)), size**2 / (n + 1.0)))


def _scores(folds: Sequence[Fold]) -> tuple[Floats, Floats]:
    """(rows, horizon, n_levels) distances of actuals from quantiles in spreads, NaN where not scored; the spreads."""
    parts, spreads = [], []
    for fold in folds:
        use = (fold.spread > 0) & ~np.isnan(fold.quantiles).any(axis=(1, 2)) & fold.available.any(axis=1)
        away = (fold.actual[use][:, :, None] - fold.quantiles[use]) / fold.spread[use][:, None, None]
        parts.append(np.where(fold.available[use][:, :, None], away, np.nan))
        spreads.append(fold.spread[use])
    return np.concatenate(parts), np.concatenate(spreads)


def _segments(spread: Floats, edges: Sequence[float]) -> NDArray[np.int64]:
    """(n,) segment of each series."""
    return np.searchsorted(np.asarray(edges), np.asarray(spread, np.float64), side="right")


def _buckets(horizon: int, bounds: Sequence[int]) -> NDArray[np.int64]:
    """(horizon,) bucket of each step 1..horizon."""
    return np.minimum(np.searchsorted(np.asarray(bounds), np.arange(1, horizon + 1)), len(bounds) - 1)
