"""A distribution around the mean of a pooled model, learned from errors on rows it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from parlevel.domain.forecast.quantiles import enforce

Floats = NDArray[np.floating]

GRID = np.concatenate([[0.002, 0.005, 0.01, 0.025], np.arange(2, 39) / 40, [0.975, 0.99, 0.995, 0.998]])
"""Levels at which standardised errors are kept; beyond them the quantile stays where it is."""

BIN_ROWS = 1_500
"""Errors that a bin of means needs at least, so that its tails are seen."""

MAX_BINS = 12


@dataclass(frozen=True)
class Spread:
    """Standard deviation as a function of the mean, and the shape of standardised errors by size of the mean.

    The variance is a sum of counting noise, overdispersion, drift over the steps and the series' own
    earlier variance, each with a coefficient >= 0. Small means have skewed, lumpy errors, so that the
    quantiles of (demand - mean) / sd are kept per bin of the mean and read between bins.

    Attributes:
        variance: (4,) coefficients; see `_terms`.
        centre: (n_bins,) log mean of each bin, increasing.
        shape: (n_bins, len(GRID)) quantiles of the standardised errors.
    """

    variance: Floats
    centre: Floats
    shape: Floats

    @classmethod
    def fit(cls, mean: Floats, actual: Floats, own_sd: Floats, share: Floats) -> Self:
        """Learn from errors out of sample.

        Args:
            mean: (m,) forecasts, units.
            actual: (m,) what came, units.
            own_sd: (m,) sd of the series before the origin, units; NaN = unknown.
            share: (m,) step / horizon.
        """
        mean = np.maximum(np.asarray(mean, np.float64), FLOOR)
        error = np.asarray(actual, np.float64) - mean
        terms = _terms(mean, own_sd, share)
        variance = np.array([1.0, 0.1, 0.0, 0.0])
        for _ in range(3):
            # squared errors scatter in proportion to the variance itself
            weight = 1.0 / (terms @ variance)
            found, _ = nnls(terms * weight[:, None], np.minimum(error**2 * weight, 25.0))
            variance = found + np.array([1e-3, 0.0, 0.0, 0.0])
        scaled = error / np.sqrt(terms @ variance)
        order = np.lexsort((scaled, mean))
        n_bins = int(np.clip(len(mean) // BIN_ROWS, 1, MAX_BINS))
        bins = np.array_split(order, n_bins)
        centre = np.array([np.log(mean[rows]).mean() for rows in bins])
        shape = np.stack([np.quantile(scaled[rows], GRID, method="hazen") for rows in bins])
        # rounded here and not when stored: a loaded model must not differ
        return cls(np.round(variance, 8), np.round(centre, 8), np.round(shape, 6))

    def quantiles(self, mean: Floats, own_sd: Floats, share: Floats, levels: NDArray[np.float64]) -> Floats:
        """Quantiles of demand, (m, n_levels) units, non-decreasing and never negative.

        Args:
            mean: (m,) forecasts, units; a mean of zero has all quantiles zero.
            own_sd: (m,) units; NaN = unknown.
            share: (m,) step / horizon.
            levels: (n_levels,).
        """
        safe = np.maximum(np.asarray(mean, np.float64), FLOOR)
        sd = np.sqrt(_terms(safe, own_sd, share) @ self.variance)
        table = np.stack([np.interp(levels, GRID, row) for row in self.shape])
        position = np.interp(np.log(safe), self.centre, np.arange(len(self.centre)))
        low = np.floor(position).astype(np.int64)
        part = (position - low)[:, None]
        shape = table[low] * (1.0 - part) + table[np.minimum(low + 1, len(table) - 1)] * part
        return enforce(np.where(safe[:, None] > FLOOR, safe[:, None] + sd[:, None] * shape, 0.0))

    def facts(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "variance": self.variance.tolist(),
            "centre": self.centre.tolist(),
            "shape": self.shape.tolist(),
        }

    @classmethod
    def load(cls, facts: dict[str, Any]) -> Self:
        """The inverse of `facts`."""
        return cls(*(np.asarray(facts[name], np.float64) for name in ("variance", "centre", "shape")))


FLOOR = 1e-6
"""Means below this, in units, count as zero."""


def _terms(mean: Floats, own_sd: Floats, share: Floats) -> Floats:
    """(m, 4): counting noise, overdispersion, overdispersion that grows with the step, own earlier variance."""
    own = np.where(np.isnan(own_sd), np.sqrt(mean), own_sd)
    return np.stack([mean, mean**2, mean**2 * share, np.asarray(own, np.float64) ** 2], axis=1)
