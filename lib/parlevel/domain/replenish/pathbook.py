"""Demand paths that several decisions read: drawn once, each decision looks at its own part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.paths import sample_paths
from parlevel.domain.replenish.base import Forecast, Ints, Rows

# Series a call of the path sampler: its work arrays then stay in the processor's cache.
PATH_CHUNK = 32

HORIZONS = 3
"""Horizons that a book covers: decisions over one, each of which looks up to two ahead."""

LONGEST = 200
"""Periods of a book at most: 50 MB for 500 items of 128 paths."""


@dataclass(frozen=True)
class PathBook:
    """Paths of n items from period `begin` on, among those of a forecast of N items.

    Steps of a path share one common factor and are independent given it (`sample_paths`), so the rest of a path from a
    later period on is a path of what the forecast says from there. A simulation that decides at 28 reviews draws once.

    Attributes:
        source: of N items, extended to the length of the book.
        season: periods by which it was extended.
        rows: (n,) the items.
        begin: first period, 0 = the first of the source.
        drawn: (n_paths, seed) -> (N, n_paths, length) float32; all views of a book share it.
    """

    source: Forecast
    season: int
    rows: Ints
    begin: int = 0
    drawn: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)

    def take(self, rows: Rows) -> Self:
        """The book of some items, by position or mask."""
        return replace(self, rows=self.rows[rows])

    def after(self, steps: int) -> Self:
        """The book from `steps` periods later on."""
        return replace(self, begin=self.begin + steps)

    def read(self, periods: int, season: int, n_paths: int, seed: int) -> NDArray[np.float32] | None:
        """(n, n_paths, periods) paths; None where the book ends before, or was extended by another season."""
        end = self.begin + periods
        if end > self.source.horizon or season != self.season:
            return None
        if (n_paths, seed) not in self.drawn:
            self.drawn[n_paths, seed] = draw(self.source, n_paths, seed)
        return self.drawn[n_paths, seed][self.rows, :, self.begin : end]


def with_book(forecast: Forecast, season: int) -> Forecast:
    """The forecast with a book of its paths; the decisions that are made from it then draw none of their own.

    The length does not depend on the items, so neither do an item's paths on its neighbours. A forecast too long for a
    book stays as it is.
    """
    n, horizon = forecast.mean.shape
    if HORIZONS * horizon > LONGEST:
        return forecast
    source = replace(forecast.extend(HORIZONS * horizon, season), book=None)
    return replace(forecast, book=PathBook(source, season, np.arange(n)))


def draw(forecast: Forecast, n_paths: int, seed: int) -> NDArray[np.float32]:
    """(n, n_paths, horizon) demand paths; an item's paths depend on its own forecast and the seed alone."""
    return np.concatenate([
        sample_paths(forecast.quantiles[rows], forecast.levels, n_paths, forecast.path_correlation[rows], seed)
        for rows in (slice(k, k + PATH_CHUNK) for k in range(0, len(forecast.mean), PATH_CHUNK))
    ])  # fmt: skip
