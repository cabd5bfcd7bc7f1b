"""Prefix sums over a panel's observed periods: any window's mean, sd or zero share in one subtraction.

Masked periods (not available) add neither to sums nor to counts, so that every mean skips them. Each
quantity at column t is computed from columns <= t only: nothing here can look ahead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

from parlevel.domain.panel import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class History:
    """The observed past of a panel, prepared for vectorised look-ups.

    In every method `series` is (m,) rows, `stop` is (m,) columns (exclusive), and the window is
    [stop - width, stop), cut off where the panel begins. Results are (m,).
    """

    def __init__(self, panel: Panel) -> None:
        observed = panel.observed().astype(np.float64)
        seen = ~np.isnan(observed)
        self.n_periods = panel.n_periods
        self.observed = observed
        self.filled = np.where(seen, observed, 0.0)
        self.seen = seen
        self.total = prefix(self.filled)
        self.square = prefix(self.filled**2)
        self.count = prefix(seen)
        self.zeros = prefix(seen & (observed <= 0))
        positive = seen & (observed > 0)
        columns = np.arange(self.n_periods)
        last = np.where(positive, columns, -1)
        self.last_sale = np.maximum.accumulate(last, axis=1) if last.size else last
        self.first_sale = np.where(positive.any(axis=1), positive.argmax(axis=1), self.n_periods)
        self.first_seen = np.where(seen.any(axis=1), seen.argmax(axis=1), self.n_periods)
        promo = panel.channels.get("promo")
        self.promo = (
            np.zeros_like(observed) if promo is None else np.nan_to_num(promo[:, : self.n_periods]).astype(np.float64)
        )
        self._exponential: dict[float, NDArray[np.float32]] = {}
        self._maximum: dict[int, NDArray[np.float32]] = {}
        self._seasonal: dict[int, tuple[Floats, Floats]] = {}
        self._promotion: tuple[Floats, ...] = ()

    def value(self, series: Ints, column: Ints) -> Floats:
        """Demand of one column; NaN where masked or outside the panel."""
        return look_up(self.observed, series, column)

    def mean(self, series: Ints, stop: Ints, width: Ints | int) -> Floats:
        """Mean of the window's observed periods; NaN where there are none."""
        begin, end = self._bounds(stop, width)
        return ratio(
            self.total[series, end] - self.total[series, begin], self.count[series, end] - self.count[series, begin]
        )

    def n_seen(self, series: Ints, stop: Ints, width: Ints | int) -> Floats:
        """Number of observed periods in the window."""
        begin, end = self._bounds(stop, width)
        return self.count[series, end] - self.count[series, begin]

    def zero_share(self, series: Ints, stop: Ints, width: Ints | int) -> Floats:
        """Share of the window's observed periods without demand; NaN where there are none."""
        begin, end = self._bounds(stop, width)
        return ratio(
            self.zeros[series, end] - self.zeros[series, begin], self.count[series, end] - self.count[series, begin]
        )

    def sd(self, series: Ints, stop: Ints, width: Ints | int) -> Floats:
        """Sample standard deviation of the window's observed periods; NaN below two of them."""
        begin, end = self._bounds(stop, width)
        n = self.count[series, end] - self.count[series, begin]
        total = self.total[series, end] - self.total[series, begin]
        square = self.square[series, end] - self.square[series, begin]
        spread = np.maximum(square - ratio(total, n) * total, 0.0)
        return np.sqrt(ratio(spread, n - 1))

    def exponential(self, series: Ints, column: Ints, halflife: float) -> Floats:
        """Exponentially weighted mean up to and with `column`; a masked period only ages the others."""
        if halflife not in self._exponential:
            decay = 0.5 ** (1.0 / halflife)
            weighted = lfilter([1.0], [1.0, -decay], self.filled, axis=1)
            weight = lfilter([1.0], [1.0, -decay], self.seen.astype(np.float64), axis=1)
            self._exponential[halflife] = ratio(weighted, weight).astype(np.float32)
        return look_up(self._exponential[halflife], series, column)

    def maximum(self, series: Ints, column: Ints, width: int) -> Floats:
        """Largest observed demand of the `width` periods up to and with `column`; NaN where none."""
        if width not in self._maximum:
            floor = np.where(self.seen, self.observed, -np.inf)
            # origin shifts the centred window so that it ends at the column itself
            tops = maximum_filter1d(floor, width, axis=1, mode="constant", cval=-np.inf, origin=(width - 1) // 2)
            self._maximum[width] = np.where(np.isneginf(tops), np.nan, tops).astype(np.float32)
        return look_up(self._maximum[width], series, column)

    def seasonal_mean(self, series: Ints, column: Ints, season: int, n: int) -> Floats:
        """Mean of the observed values at column, column - season, ... (`n` of them); NaN where none."""
        if season not in self._seasonal:
            self._seasonal[season] = (strided(self.filled, season), strided(self.seen.astype(np.float64), season))
        total, count = (
            np.nan_to_num(look_up(sums, series, column)) - np.nan_to_num(look_up(sums, series, column - n * season))
            for sums in self._seasonal[season]
        )
        return ratio(total, count)

    def since_sale(self, series: Ints, column: Ints) -> Floats:
        """Periods from the last demand > 0 to `column`; NaN where there was none."""
        last = self.last_sale[series, column]
        return np.where(last >= 0, column - last, np.nan).astype(np.float64)

    def age(self, series: Ints, column: Ints) -> Floats:
        """Periods from the first demand > 0 to `column`; NaN before it."""
        first = self.first_sale[series]
        return np.where(first <= column, column - first, np.nan).astype(np.float64)

    def span(self, series: Ints, stop: Ints, width: int) -> Floats:
        """Periods of the window since the series' first observation, at least 1."""
        return np.clip(stop - self.first_seen[series], 1, width).astype(np.float64)

    def promotions(self, series: Ints, stop: Ints, width: int) -> tuple[Floats, Floats, Floats]:
        """Mean intensity over the window; mean demand so far with and without a promotion."""
        if not self._promotion:
            on = self.promo > 0
            masks = (on, ~on)
            sums = [prefix(each) for mask in masks for each in (self.filled * mask, self.seen & mask)]
            self._promotion = (prefix(self.promo), *sums)
        begin, end = self._bounds(stop, width)
        share, units_on, n_on, units_off, n_off = self._promotion
        return (
            (share[series, end] - share[series, begin]) / self.span(series, stop, width),
            ratio(units_on[series, end], n_on[series, end]),
            ratio(units_off[series, end], n_off[series, end]),
        )

    def _bounds(self, stop: Ints, width: Ints | int) -> tuple[Ints, Ints]:
        end = np.clip(stop, 0, self.n_periods)
        return np.clip(stop - width, 0, end), end


def prefix(values: NDArray[np.generic]) -> Floats:
    """(n, t) -> (n, t + 1): sums of the first 0, 1, ..., t columns."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=out[:, 1:])
    return out


def strided(values: Floats, season: int) -> Floats:
    """(n, t) sums over a column and all columns whole seasons before it."""
    n, width = values.shape
    rows = -(-width // season)
    padded = np.zeros((n, rows * season))
    padded[:, :width] = values
    return np.asarray(padded.reshape(n, rows, season).cumsum(axis=1).reshape(n, rows * season)[:, :width])


def look_up(values: NDArray[np.floating], series: Ints, column: Ints) -> Floats:
    """values[series, column] as float64, NaN where the column lies outside."""
    width = values.shape[1]
    if width == 0:
        return np.full(len(series), np.nan)
    found = values[series, np.clip(column, 0, width - 1)].astype(np.float64)
    return np.where((column >= 0) & (column < width), found, np.nan)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is not positive."""
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))
