"""Outliers: isolated spikes that neither a promotion nor an event explains."""

from __future__ import annotations

import numpy as np

from parlevel.domain.clean.grid import Bools, Floats, total
from parlevel.domain.clean.missing import row_median
from parlevel.domain.features.history import prefix, ratio
from parlevel.domain.periods import Period

MIN_POSITIVE = 8
"""Periods with sales that a series must have before a spike can be told."""

AROUND: dict[str, int] = {"day": 14, "week": 4, "month": 3}
"""Periods either side that a spike is compared with: a level shift or a season is not a spike."""

ISOLATED = 3.0
"""A spike is at least this many times the mean of its neighbours."""


def upper_bounds(sales: Floats, known: Bools, z: float) -> Floats:
    """(n, 1) value above which sales are suspicious: median + z robust sd of the non-zero periods.

    The robust sd is 1.4826 MAD, at least the Poisson sd of the median: counts of 1 and 2 have MAD 0.

    Args:
        sales: (n_series, n_periods) units.
        known: cells to learn from.
        z: robust standard deviations.

    Returns: (n_series, 1) units; infinite below MIN_POSITIVE non-zero periods.

    Source: Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers.
    """
    positive = known & (sales > 0)
    middle = row_median(sales, positive)
    mad = row_median(np.abs(sales - middle), positive)
    spread = np.maximum(1.4826 * mad, np.sqrt(middle))
    enough = total(positive) >= MIN_POSITIVE
    return np.where(enough, middle + z * spread, np.inf)


def spikes(sales: Floats, known: Bools, explained: Bools, z: float, period: Period) -> tuple[Bools, Floats]:
    """Which periods are outliers, and the value that each is capped at.

    Args:
        sales: (n_series, n_periods) units.
        known: cells with a usable value.
        explained: cells with a promotion or an event: never outliers.
        z: robust standard deviations.

    Returns: (n_series, n_periods) bool; (n_series, n_periods) units.
    """
    usual = known & ~explained
    bound = upper_bounds(sales, usual, z)
    high = usual & (sales > bound)
    if not high.any():
        return high, np.broadcast_to(bound, sales.shape)
    filled = np.where(known, sales, 0.0)
    sums, counts = prefix(filled), prefix(known)
    columns, reach = np.arange(sales.shape[1]), AROUND[period]
    begin, end = np.maximum(columns - reach, 0), np.minimum(columns + reach + 1, sales.shape[1])
    around = ratio(sums[:, end] - sums[:, begin] - filled, counts[:, end] - counts[:, begin] - known)
    isolated = sales > ISOLATED * np.nan_to_num(around)
    return high & isolated, np.broadcast_to(bound, sales.shape)
