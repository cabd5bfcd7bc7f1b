"""Quantile functions as arrays: keep them monotone, read between and beyond their levels, average them.

A forecast of one period is a row of quantiles at increasing levels. Between two levels the quantile
function is a straight line; beyond the outermost it is an exponential tail, whose slope is taken from
the outer quarter of the levels, so that a flat pair of counts does not end the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

COMPARED = 32
"""Levels up to which comparing with every one of them takes less time than a search for each probability."""

TAIL_RATIO = 4.0
"""The tail's slope is measured from the level whose outer probability is at least this many times larger."""


def enforce(values: Floats) -> Floats:
    """Quantiles made non-decreasing on the last axis and never negative; rows with a NaN become all NaN.

    Sorting is the rearrangement that never raises the pinball loss.
    Source: Chernozhukov, Fernandez-Val, Galichon (2010), Econometrica 78.
    """
    ordered = np.sort(np.maximum(values, 0.0), axis=-1)
    ordered[np.isnan(ordered).any(axis=-1)] = np.nan
    return ordered


def read_at(quantiles: Floats, levels: Floats, wanted: Floats) -> Floats:
    """Values of quantile functions at probabilities.

    Args:
        quantiles: (..., n_levels), non-decreasing, units.
        levels: (n_levels,) increasing, inside (0, 1).
        wanted: (..., k) probabilities inside (0, 1); leading axes as in `quantiles`, or broadcastable to them.

    Returns: (..., k) units, never negative.

    >>> read_at(np.array([[1.0, 3.0]]), np.array([0.25, 0.75]), np.array([[0.5]])).tolist()
    [[2.0]]
    """
    levels = np.asarray(levels, np.float64)
    if len(levels) == 1:
        return np.broadcast_to(quantiles, np.broadcast_shapes(quantiles.shape, np.shape(wanted))).copy()
    wanted = np.broadcast_to(wanted, (*quantiles.shape[:-1], np.shape(wanted)[-1]))
    right = _right(levels, wanted)
    low = np.take_along_axis(quantiles, right - 1, axis=-1)
    high = np.take_along_axis(quantiles, right, axis=-1)
    share = (wanted - levels[right - 1]) / (levels[right] - levels[right - 1])
    value = low + (high - low) * np.clip(share, 0.0, 1.0)
    lower, upper = tail_slopes(quantiles, levels)
    above, below = wanted > levels[-1], wanted < levels[0]
    value = value + np.where(above, upper[..., None] * np.log((1.0 - levels[-1]) / (1.0 - wanted)), 0.0)
    value = value - np.where(below, lower[..., None] * np.log(levels[0] / wanted), 0.0)
    return np.maximum(value, 0.0)


def _right(levels: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Of the two levels that probabilities lie between, or of the outermost two beyond them, the upper one."""
    inner = levels[1:-1]
    if len(inner) > COMPARED:
        return np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    right = np.ones(wanted.shape, np.int8)
    for level in inner:
        right += wanted > level
    return right.astype(np.int64)


def to_levels(quantiles: Floats, levels: Floats, wanted: Sequence[float] | Floats) -> Floats:
    """Quantile functions read at one common list of other levels: (..., n_wanted)."""
    target = np.asarray(wanted, np.float64)
    shape = (1,) * (quantiles.ndim - 1) + target.shape
    return read_at(quantiles, levels, target.reshape(shape))


def mean_of(quantiles: Floats, levels: Floats) -> Floats:
    """Mean of each distribution: the integral of its quantile function, tails included.

    Args:
        quantiles: (..., n_levels), non-decreasing, >= 0, units.
        levels: (n_levels,) increasing, inside (0, 1).

    Returns: (...,) units.
    """
    levels = np.asarray(levels, np.float64)
    inside = (np.diff(levels) * (quantiles[..., 1:] + quantiles[..., :-1]) / 2.0).sum(axis=-1)
    if len(levels) == 1:
        return quantiles[..., 0].astype(np.float64)
    lower, upper = tail_slopes(quantiles, levels)
    above = (1.0 - levels[-1]) * (quantiles[..., -1] + upper)
    # the lower tail is cut at zero: integral of max(0, q0 - s log(l0 / u)) over u in (0, l0)
    safe = np.where(lower > 0, lower, 1.0)
    cut = np.where(lower > 0, lower * (1.0 - np.exp(-quantiles[..., 0] / safe)), 0.0)
    below = levels[0] * (quantiles[..., 0] - cut)
    return inside + above + below


def tail_slopes(quantiles: Floats, levels: Floats) -> tuple[Floats, Floats]:
    """Slopes of the lower and upper exponential tails, units per unit of log probability, each (...,)."""
    inner_low = min(int(np.searchsorted(levels, levels[0] * TAIL_RATIO)), len(levels) - 1)
    outer = 1.0 - levels
    inner_high = max(int((outer >= outer[-1] * TAIL_RATIO * (1 - 1e-9)).sum()) - 1, 0)
    inner_low, inner_high = max(inner_low, 1), min(inner_high, len(levels) - 2)
    lower = (quantiles[..., inner_low] - quantiles[..., 0]) / np.log(levels[inner_low] / levels[0])
    upper = (quantiles[..., -1] - quantiles[..., inner_high]) / np.log(outer[inner_high] / outer[-1])
    return lower, upper


def blend(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Weighted mean of forecasts of equal shape, level by level; a part with NaN rows leaves its weight to the rest.

    Averaging quantile functions keeps the spread of the parts, where averaging densities would widen it.
    """
    total = np.zeros(parts[0].shape, np.float64)
    weight = np.zeros(parts[0].shape, np.float64)
    for part, share in zip(parts, weights, strict=True):
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0) * share
        weight += known * share
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
