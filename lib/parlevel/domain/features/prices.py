"""Price channels: today's price against the series' own past, never against its future."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from parlevel.domain.features.history import prefix, ratio
from parlevel.domain.periods import Period

Floats = NDArray[np.float64]

YEAR: dict[str, int] = {"day": 364, "week": 52, "month": 12}
USUAL: dict[str, int] = {"day": 56, "week": 8, "month": 3}
"""Periods whose mean price is the usual one, for `discount`."""


def price_ratio(price: Floats, period: Period) -> Floats:
    """Price over the highest price of the last year, itself included.

    Args:
        price: (n_series, n) money / unit; NaN = unknown.

    Returns: (n_series, n) in (0, 1]; NaN where unknown.
    """
    width = YEAR[period]
    filled = np.where(np.isnan(price), -np.inf, price)
    # origin shifts the centred window so that it ends at the period itself
    top = maximum_filter1d(filled, width, axis=1, mode="constant", cval=-np.inf, origin=(width - 1) // 2)
    return ratio(price, np.where(np.isneginf(top), np.nan, top))


def discount(price: Floats, period: Period) -> Floats:
    """How far the price lies below the mean of the 8 weeks (3 months) before.

    Args:
        price: (n_series, n) money / unit; NaN = unknown.

    Returns: (n_series, n) 0 (usual or dearer) to 1; 0 where nothing came before, NaN where unknown.
    """
    known = ~np.isnan(price)
    sums, counts = prefix(np.where(known, price, 0.0)), prefix(known)
    end = np.arange(price.shape[1])
    begin = np.maximum(end - USUAL[period], 0)
    usual = ratio(sums[:, end] - sums[:, begin], counts[:, end] - counts[:, begin])
    below = np.maximum(1.0 - ratio(price, usual), 0.0)
    # sums leave a rounding error where nothing changed
    return np.where(known, np.nan_to_num(np.where(below < 1e-6, 0.0, below)), np.nan)
