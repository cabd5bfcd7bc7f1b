"""The design matrix: what a pooled model knows at an origin about a period `step` later.

One row is (series, origin, step). Levels are divided by the row's own scale, so that fast and slow
series teach one model the same shapes. docs/features.md explains every column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.events import SHIFTS, lifts
from parlevel.domain.features.history import Floats, History, Ints, look_up, ratio
from parlevel.domain.panel import Panel
from parlevel.domain.periods import Period, to_date
from parlevel.errors import DataError

SHORT: dict[str, int] = {"day": 28, "week": 13, "month": 6}
"""Periods of the recent level: the scale, and the windows that promotions and availability use."""

LONG: dict[str, int] = {"day": 182, "week": 52, "month": 24}
"""Periods of the longer level that the scale shrinks to."""

SAME: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "day": ("weekday", 7, (4, 8, 13)),
    "week": ("week", 52, (2,)),
    "month": ("month", 12, (2, 3)),
}
"""Season-aligned means: what they are called, the season in periods, how many seasons back."""

YEAR: dict[str, tuple[int, int]] = {"day": (364, 3), "week": (52, 1), "month": (12, 0)}
"""A year in periods (whole weeks), and how many periods either side of the year-ago target count."""

Column = tuple[str, NDArray[np.floating]]


class Design:
    """Turns (series, origin, step) into rows of features; the same parameters give the same columns."""

    def __init__(
        self,
        *,
        lags: Sequence[int],
        windows: Sequence[int],
        halflives: Sequence[float],
        horizon: int,
        period: Period,
    ) -> None:
        self.lags = tuple(int(lag) for lag in lags)
        self.windows = tuple(int(window) for window in windows)
        self.halflives = tuple(float(halflife) for halflife in halflives)
        self.horizon = int(horizon)
        self.period: Period = period
        self._cached: tuple[Panel, History] | None = None

    def parameters(self) -> dict[str, Any]:
        """JSON-able keyword arguments that rebuild this design."""
        return {
            "lags": list(self.lags),
            "windows": list(self.windows),
            "halflives": list(self.halflives),
            "horizon": self.horizon,
            "period": self.period,
        }

    def names(self, panel: Panel) -> list[str]:
        """Column names of `rows`, in order; they depend on the parameters and the panel's channels and statics."""
        nothing = np.empty(0, np.int64)
        empty = panel.take(nothing)
        return [name for name, _ in self._columns(empty, History(empty), nothing, nothing, nothing)]

    def rows(self, panel: Panel, series: Ints, origins: Ints, steps: Ints) -> NDArray[np.float32]:
        """Features known at each origin about the period `step` after it.

        Args:
            panel: the histories.
            series: (m,) row of the panel.
            origins: (m,) column of the last period that may be seen.
            steps: (m,) 1..horizon.

        Returns: (m, n_features) float32, NaN where unknown.

        Raises:
            DataError: an origin lies outside the panel or a step outside 1..horizon.
        """
        series, origins, steps = (np.asarray(each, np.int64) for each in (series, origins, steps))
        self._check(panel, origins, steps)
        names = self.names(panel)
        out = np.empty((len(series), len(names)), np.float32)
        for k, (_, values) in enumerate(self._columns(panel, self._history(panel), series, origins, steps)):
            out[:, k] = values
        return out

    def scale(self, panel: Panel, series: Ints, origins: Ints) -> NDArray[np.float32]:
        """The series' own level at each origin, > 0, by which the target and all levels are divided.

        Mean of the last 28 days (13 weeks, 6 months) available, shrunk to the mean of the last 182 days
        (52 weeks, 24 months), itself shrunk to the mean of everything before; 1 where nothing was ever sold.

        Args:
            series: (m,) row of the panel.
            origins: (m,) column of the last period that may be seen.

        Returns: (m,) units per period.
        """
        series, origins = np.asarray(series, np.int64), np.asarray(origins, np.int64)
        return self._scale(self._history(panel), series, origins).astype(np.float32)

    def _scale(self, past: History, series: Ints, origins: Ints) -> Floats:
        stop = origins + 1
        level = np.nan_to_num(past.mean(series, stop, stop))
        for window in (LONG[self.period], SHORT[self.period]):
            n = past.n_seen(series, stop, window)
            prior = window / 4
            level = (np.nan_to_num(past.mean(series, stop, window)) * n + level * prior) / (n + prior)
        return np.where(level > 0, level, 1.0)

    def _history(self, panel: Panel) -> History:
        # a fit asks for many slices of one panel: its prefix sums are made once
        if self._cached is None or self._cached[0] is not panel:
            self._cached = (panel, History(panel))
        return self._cached[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def _check(self, panel: Panel, origins: Ints, steps: Ints) -> None:
        if len(origins) and not (origins.min() >= 0 and origins.max() < panel.n_periods):
            raise DataError(
                f"origins must be columns 0..{panel.n_periods - 1} of the panel. Got {origins.min()}..{origins.max()}."
            )
        if len(steps) and not (steps.min() >= 1 and steps.max() <= self.horizon):
            raise DataError(f"steps must lie in 1..{self.horizon}. Got {steps.min()}..{steps.max()}.")

    def _columns(self, panel: Panel, past: History, series: Ints, origins: Ints, steps: Ints) -> Iterator[Column]:
        scale = self._scale(past, series, origins)
        yield "step", steps.astype(np.float64)
        yield "log_scale", np.log(scale)
        yield from self._recent(past, series, origins, scale)
        yield from self._season(past, series, origins, steps, scale)
        yield from self._covariates(panel, series, origins, steps)
        yield from self._events(panel, past, series, origins, origins + steps)
        yield from self._promotions(panel, past, series, origins, scale)
        yield from self._calendar(panel, origins + steps)
        for name, values in panel.statics.items():
            yield name, values[series].astype(np.float64)

    def _recent(self, past: History, series: Ints, origins: Ints, scale: Floats) -> Iterator[Column]:
        """Lags, rolling and exponential statistics as of the origin."""
        stop, short = origins + 1, SHORT[self.period]
        for lag in self.lags:
            yield f"lag_{lag}", past.value(series, stop - lag) / scale
        for window in self.windows:
            yield f"mean_{window}", past.mean(series, stop, window) / scale
            yield f"sd_{window}", past.sd(series, stop, window) / scale
            yield f"zero_share_{window}", past.zero_share(series, stop, window)
        for halflife in self.halflives:
            yield f"exponential_{halflife:g}", past.exponential(series, origins, halflife) / scale
        yield f"max_{short}", past.maximum(series, origins, short) / scale
        yield f"available_share_{short}", past.n_seen(series, stop, short) / past.span(series, stop, short)
        yield "since_sale", np.log1p(past.since_sale(series, origins))
        yield "age", np.log1p(past.age(series, origins))

    def _season(self, past: History, series: Ints, origins: Ints, steps: Ints, scale: Floats) -> Iterator[Column]:
        """Means over earlier periods in the target's place of the week or year."""
        word, season, counts = SAME[self.period]
        column = origins + steps - season * -(-steps // season)
        yield f"same_{word}_lag_1", past.seasonal_mean(series, column, season, 1) / scale
        for n in counts:
            yield f"same_{word}_mean_{n}", past.seasonal_mean(series, column, season, n) / scale
        year, around = YEAR[self.period]
        back = year * -(-steps // year)
        # the year-ago neighbourhood may not reach past the origin
        stop = np.minimum(origins + steps - back + around + 1, origins + 1)
        width = stop - (origins + steps - back - around)
        mean = np.where(stop > 0, past.mean(series, stop, width), np.nan)
        level = past.mean(series, origins + 1 - back, SHORT[self.period])
        yield "year_ago_mean", mean / scale
        yield "year_ago_ratio", ratio(mean, level)

    def _covariates(self, panel: Panel, series: Ints, origins: Ints, steps: Ints) -> Iterator[Column]:
        """Channels at the target period where they are known ahead, else NaN."""
        for name, values in panel.channels.items():
            if name == "event_code":  # the number of a name: what it did is told by `_events`
                continue
            known = name in panel.known_future
            yield name, look_up(values, series, origins + steps) if known else np.full(len(series), np.nan)
        if "price_ratio" in panel.channels:
            prices = panel.channels["price_ratio"]
            known = "price_ratio" in panel.known_future
            now = look_up(prices, series, origins)
            then = look_up(prices, series, origins + steps) if known else np.full(len(series), np.nan)
            yield "price_now", now
            yield "price_change", ratio(then, now) - 1.0

    def _events(self, panel: Panel, past: History, series: Ints, origins: Ints, target: Ints) -> Iterator[Column]:
        """What the target's event, tomorrow's and yesterday's did to this series so far."""
        if "event_code" in panel.known_future and self.period == "day":
            for name, shift in SHIFTS.items():
                yield name, lifts(past, panel.channels["event_code"], series, origins, target, shift)

    def _promotions(self, panel: Panel, past: History, series: Ints, origins: Ints, scale: Floats) -> Iterator[Column]:
        """What promotions did to this series so far."""
        if "promo" not in panel.channels:
            return
        short = SHORT[self.period]
        share, with_promotion, without = past.promotions(series, origins + 1, short)
        yield f"promo_share_{short}", share
        yield "promo_mean", with_promotion / scale
        yield "regular_mean", without / scale

    def _calendar(self, panel: Panel, target: Ints) -> Iterator[Column]:
        """Where the target period lies in week and year."""
        index = target + (panel.cutoff - panel.n_periods + 1)
        date = to_date(index, self.period)
        month = date.astype("datetime64[M]").astype(np.int64) % 12
        yield "month", month + 1.0
        if self.period == "month":
            return
        day_of_year = (date - date.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
        yield "week_of_year", (day_of_year // 7 + 1).astype(np.float64)
        yield "day_of_month", (date - date.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1.0
        if self.period == "day":
            yield "dow", ((index + 3) % 7).astype(np.float64)
