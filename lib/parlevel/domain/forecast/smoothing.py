"""Exponential smoothing of many ragged series at once.

Series are rows, left-aligned: `values` (n, width) with NaN (or anything) behind the first `lengths` (n,).
Every function steps over columns, never over series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

GOLDEN_STEPS = 30
"""Halvings (by the golden ratio) of the interval in which the smoothing constant is sought."""


def compress(observed: Floats, memory: int) -> tuple[Floats, Ints]:
    """Known values of each row without the gaps, the last `memory` of them, left-aligned.

    Args:
        observed: (n, width), NaN = unknown.
        memory: values kept at most.

    Returns: values (n, longest) float64, NaN behind each row's end; lengths (n,).

    >>> compress(np.array([[np.nan, 1.0, np.nan, 2.0]]), 9)[0].tolist()
    [[1.0, 2.0]]
    """
    known = ~np.isnan(observed)
    rank = known[:, ::-1].cumsum(axis=1)[:, ::-1]
    kept = known & (rank <= memory)
    lengths = kept.sum(axis=1)
    out = np.full((len(observed), int(lengths.max(initial=0))), np.nan)
    rows, columns = np.nonzero(kept)
    place = (kept.cumsum(axis=1) - 1)[rows, columns]
    out[rows, place] = observed[rows, columns]
    return out, lengths.astype(np.int64)


def ses(values: Floats, lengths: Ints, alpha: float | Floats) -> Floats:
    """One-step forecast of simple exponential smoothing started at the first value, (n,); 0 for empty rows."""
    return _ses(values, lengths, np.broadcast_to(np.asarray(alpha, np.float64), (len(values),)))[0]


def best_ses(values: Floats, lengths: Ints, low: float, high: float) -> Floats:
    """The same with each row's own constant in [low, high]: the least squared one-step errors, by golden section."""
    n = len(values)
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    a, b = np.full(n, low), np.full(n, high)
    for _ in range(GOLDEN_STEPS):
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        left = _ses(values, lengths, c)[1] < _ses(values, lengths, d)[1]
        a, b = np.where(left, a, c), np.where(left, d, b)
    return ses(values, lengths, (a + b) / 2.0)


def croston_rates(values: Floats, lengths: Ints, alpha: float) -> tuple[Floats, Floats]:
    """Smoothed size and smoothed interval of positive demand, each (n,).

    The first interval counts from the beginning. Both are updated only when something is sold.
    """
    n, width = values.shape
    size, interval = np.zeros(n), np.zeros(n)
    since, seen = np.zeros(n), np.zeros(n, bool)
    for t in range(width):
        inside = t < lengths
        since += inside
        sold = inside & (values[:, t] > 0)
        rate = np.where(seen, alpha, 1.0)[sold]
        size[sold] += rate * (values[sold, t] - size[sold])
        interval[sold] += rate * (since[sold] - interval[sold])
        seen |= sold
        since[sold] = 0.0
    return size, interval


def adida(values: Floats, lengths: Ints) -> Floats:
    """Mean per period by smoothing non-overlapping sums over the mean interval between sales, (n,)."""
    out = np.zeros(len(values))
    level = mean_interval(values, lengths)
    for size in np.unique(level[level > 0]):
        rows = level == size
        out[rows] = _at_level(values[rows], lengths[rows], int(size))
    return out


def imapa(values: Floats, lengths: Ints) -> Floats:
    """Mean of the forecasts at every aggregation level from 1 to the mean interval, (n,)."""
    level = mean_interval(values, lengths)
    total = np.zeros(len(values))
    for size in range(1, int(level.max(initial=0)) + 1):
        rows = level >= size
        total[rows] += _at_level(values[rows], lengths[rows], size)
    return total / np.maximum(level, 1)


def mean_interval(values: Floats, lengths: Ints) -> Ints:
    """Rounded mean of the intervals between sales, the first from the beginning, (n,); 0 where nothing sold."""
    inside = np.arange(values.shape[1])[None, :] < lengths[:, None]
    sold = inside & (values > 0)
    count = sold.sum(axis=1)
    last = np.where(count > 0, values.shape[1] - sold[:, ::-1].argmax(axis=1) if values.shape[1] else 0, 0)
    # the intervals up to the last sale add up to its position
    return np.where(count > 0, np.rint(last / np.maximum(count, 1)), 0).astype(np.int64)


def _at_level(values: Floats, lengths: Ints, size: int) -> Floats:
    """Forecast per period from sums over blocks of `size` that end at the last period."""
    blocks = lengths // size
    width = int(blocks.max(initial=0))
    index = (lengths % size)[:, None] + np.arange(width * size)[None, :]
    inside = index < lengths[:, None]
    taken = np.take_along_axis(values, np.minimum(index, values.shape[1] - 1), axis=1)
    sums = np.where(inside, taken, 0.0).reshape(len(values), width, size).sum(axis=2)
    return best_ses(sums, blocks, 0.1, 0.3) / size


def _ses(values: Floats, lengths: Ints, alpha: Floats) -> tuple[Floats, Floats]:
    """Forecast and sum of squared one-step errors, each (n,)."""
    n, width = values.shape
    level, loss = np.zeros(n), np.zeros(n)
    if width:
        level = np.where(lengths > 0, values[:, 0], 0.0)
    for t in range(1, width):
        error = np.where(t < lengths, values[:, t] - level, 0.0)
        loss += error**2
        level = level + alpha * error
    return level, loss
