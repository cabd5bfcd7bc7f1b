"""Stockouts: sales of such periods are a lower bound of demand, which is estimated and masked."""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc

from parlevel.domain.clean.grid import Bools, Floats
from parlevel.domain.clean.level import expected
from parlevel.domain.periods import Period


def zero_runs(zero: Bools, at_least: int) -> Bools:
    """Cells of runs of `at_least` zeros in a row that end before the last column.

    A run that lasts to the cutoff may as well be a dead item; it is left alone.

    >>> zero_runs(np.array([[True, True, False, True, True]]), 2).astype(int).tolist()
    [[1, 1, 0, 0, 0]]
    """
    if at_least <= 0:
        return np.zeros_like(zero)
    width = zero.shape[1]
    columns = np.arange(width)[None, :]
    before = np.maximum.accumulate(np.where(zero, -1, columns), axis=1)
    after = np.minimum.accumulate(np.where(zero, width, columns)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(zero & (after - before - 1 >= at_least) & (after < width))


def conditional_mean(mean: Floats, sold: Floats) -> Floats:
    """E[D | D >= sold] for Poisson demand D: what was wanted, given that all there was has sold.

    P(D >= s) is the regularised lower incomplete gamma P(s, mean), which also carries fractions.

    Args:
        mean: expected demand without a stockout, units.
        sold: units sold before stock ran out.

    Returns: units, never below `sold` nor below `mean`.

    Source: Conrad (1976), Sales data and the estimation of demand.

    >>> conditional_mean(np.array([2.0]), np.array([0.0])).tolist()
    [2.0]
    """
    sold = np.maximum(np.nan_to_num(sold), 0.0)
    top = np.where(sold >= 1, gammainc(np.maximum(sold - 1, 1e-12), mean), 1.0)
    bottom = np.where(sold >= 1, gammainc(np.maximum(sold, 1e-12), mean), 1.0)
    lifted = mean * np.divide(top, bottom, out=np.ones_like(top), where=bottom > 1e-12)
    return np.fmax(np.fmax(lifted, mean), sold)


def estimate(sales: Floats, known: Bools, censored: Bools, period: Period) -> Floats:
    """Demand of the censored periods, from the level and season of the others.

    Args:
        sales: (n_series, n_periods) units.
        known: cells with uncensored values.
        censored: cells to estimate.

    Returns: (n_series, n_periods) units, at least the sales; `sales` outside the censored cells.
    """
    if not censored.any():
        return sales
    mean = expected(sales, known & ~censored, period)
    return np.where(censored, conditional_mean(mean, sales), sales)
