"""Sample paths of future demand: marginals from the quantile forecast, dependence from one number.

Orders need the distribution of demand summed over the protection interval. Steps err together (a level
that is guessed too high is too high every day), so independent steps make the sum too narrow. A
one-factor Gaussian copula carries that: z_step = sqrt(r) z_common + sqrt(1 - r) z_own.
Source: Li (2000), "On default correlation", for the one-factor form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.compiled import plain
from parlevel.domain.forecast import draws
from parlevel.domain.forecast.quantiles import tail_slopes

Floats = NDArray[np.floating]
Keys = NDArray[np.uint64]


def sample_paths(
    quantiles: Floats,
    levels: Floats,
    n_paths: int,
    correlation: float | Floats,
    seed: int = 0,
    keys: Keys | None = None,
) -> NDArray[np.float32]:
    """Draw demand paths; the same content and seed give the same paths, whatever the order of series.

    Args:
        quantiles: (n_series, horizon, n_levels) units per period, non-decreasing.
        levels: (n_levels,) increasing.
        n_paths: paths per series; each step's values are stratified over them.
        correlation: dependence between steps, 0 to 1; one number or (n_series,).
        seed: of the draw.
        keys: (n_series,) what makes a series' draw its own; default: a hash of its quantiles.

    Returns: (n_series, n_paths, horizon) units, float32.
    """
    own = content_keys(quantiles) if keys is None else np.asarray(keys, np.uint64)
    normal = _normals(own, n_paths, quantiles.shape[1], seed)
    share = np.broadcast_to(np.asarray(correlation, np.float64), (len(quantiles),))
    return _read(normal, share, quantiles, levels)


def interval_sums(paths: Floats, begin: NDArray[np.int64], length: NDArray[np.int64]) -> Floats:
    """Demand of each path summed over an interval of steps.

    Args:
        paths: (n_series, n_paths, horizon) units.
        begin: (n_series,) first step of the interval, 0 = the first period after the cutoff.
        length: (n_series,) steps; the interval is cut off at the horizon.

    Returns: (n_series, n_paths) units.
    """
    step = np.arange(paths.shape[2])
    inside = (step >= np.asarray(begin)[:, None]) & (step < (np.asarray(begin) + np.asarray(length))[:, None])
    return np.einsum("nph,nh->np", paths.astype(np.float64), inside.astype(np.float64))


def sum_quantiles(sums: Floats, levels: Sequence[float] | Floats) -> Floats:
    """Quantiles of simulated sums: (n_series, n_paths) -> (n_series, n_levels)."""
    return np.quantile(sums, np.asarray(levels), axis=1, method="median_unbiased").T


def content_keys(values: Floats) -> Keys:
    """(n_rows,) 64-bit hash of each row's float32 content."""
    n_rows = values.shape[0]
    words = np.ascontiguousarray(values, np.float32).reshape(n_rows, -1).view(np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        position = _mix(np.arange(1, words.shape[1] + 1, dtype=np.uint64) * draws.GOLDEN)
        return _mix(np.bitwise_xor.reduce(_mix(words + position), axis=1) + np.uint64(words.shape[1]))


def estimate_correlation(
    quantiles: Floats,
    levels: Floats,
    actual: Floats,
    available: NDArray[np.bool_],
    seed: int = 0,
    prior: float = 0.0,
    max_rows: int = 192,
    n_paths: int = 48,
) -> float:
    """The correlation at which sums over the horizon and its parts cover what they promise.

    Coverage of central intervals of the sum grows with the correlation, so the point where it equals the
    nominal, on average over all nominals, is found by bisection on simulated sums.

    Args:
        quantiles: (n, horizon, n_levels) calibrated forecasts of past folds, one row per series and fold.
        levels: (n_levels,).
        actual: (n, horizon) what came.
        available: (n, horizon) False = leave the period out of both sums.
        seed, max_rows, n_paths: of the simulation; rows are drawn by content.
        prior: what to expect; it weighs as much as 16 rows, and stands alone below 8 rows.

    Returns: 0 to 1.
    """
    usable = available.any(axis=1) & ~np.isnan(quantiles).any(axis=(1, 2)) & (quantiles[:, :, -1].max(axis=1) > 0)
    rows = np.flatnonzero(usable)
    horizon = quantiles.shape[1]
    if len(rows) < 8 or horizon < 2:
        return prior
    keys = content_keys(quantiles[rows])
    rows, keys = rows[np.argsort(keys, kind="stable")], np.sort(keys)
    rows, keys = rows[:max_rows], keys[:max_rows]
    normal = _normals(keys, n_paths, horizon, seed)
    shape, mask = quantiles[rows], available[rows]
    truth = np.where(mask, actual[rows], 0.0)
    low, high = 0.0, 1.0
    for _ in range(6):
        middle = (low + high) / 2
        paths = _read(normal, np.full(len(rows), middle), shape, levels).astype(np.float64)
        excess = _coverage_excess(paths * mask[:, None, :], truth)
        low, high = (low, middle) if excess > 0 else (middle, high)
    found = (low + high) / 2 if low > 0 else 0.0
    return float((len(rows) * found + 16 * prior) / (len(rows) + 16))


def _coverage_excess(paths: Floats, truth: Floats) -> float:
    """How much wider than needed sums over a quarter, half and all steps are: coverage - nominal of central
    intervals, averaged over every nominal from 0 to 1.
    """
    horizon, excess = truth.shape[1], []
    for stop in sorted({max(2, horizon // 4), max(2, horizon // 2), horizon}):
        sums, came = paths[:, :, :stop].sum(axis=2), truth[:, :stop].sum(axis=1)
        # rank of what came among the simulated sums, ties shared, is uniform when the spread is right
        rank = ((sums < came[:, None]).mean(axis=1) + (sums <= came[:, None]).mean(axis=1)) / 2
        excess.append(0.5 - 2 * float(np.abs(rank - 0.5).mean()))
    return float(np.mean(excess))


def _read(normal: NDArray[np.float64], share: Floats, quantiles: Floats, levels: Floats) -> NDArray[np.float32]:
    """(n, n_paths, horizon) units where normals (n, n_paths, horizon + 1) fall on the forecasts' quantiles."""
    if len(levels) == 1:  # a forecast without a spread: every path is its one value
        return np.repeat(quantiles[None, :, :, 0].swapaxes(0, 1), normal.shape[1], axis=1).astype(np.float32)
    own, at = plain(quantiles), plain(levels)
    lower, upper = tail_slopes(own, at)
    return draws.values(normal, plain(share), own, at, plain(lower), plain(upper))


def _normals(keys: Keys, n_paths: int, horizon: int, seed: int) -> NDArray[np.float64]:
    """(n, n_paths, horizon + 1) standard normals, stratified over paths: one in common, then one a step."""
    with np.errstate(over="ignore"):
        base = _mix(keys + _mix(np.array([seed + 1], np.uint64) * draws.GOLDEN))
    return draws.normals(base, _by_rank(draws.orders(base, n_paths, horizon + 1)))


def _by_rank(words: Keys) -> NDArray[np.int64]:
    """Positions along the last axis in the order of the upper 53 bits of random words, ties in order.

    The lower bits take the place of each word, so that sorting the words themselves says where each one was: that
    takes a fraction of the time of an indirect sort.
    """
    count = words.shape[-1]
    if count > 2**11:
        return np.argsort(words >> np.uint64(11), axis=-1, kind="stable")
    low = np.uint64(2**11 - 1)
    return (np.sort((words & ~low) | np.arange(count, dtype=np.uint64), axis=-1) & low).astype(np.int64)


def _mix(words: Keys) -> Keys:
    """`draws.mixed` of arrays."""
    words = (words ^ (words >> np.uint64(30))) * draws.MIX[0]
    words = (words ^ (words >> np.uint64(27))) * draws.MIX[1]
    return words ^ (words >> np.uint64(31))
