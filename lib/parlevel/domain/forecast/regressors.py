"""Columns of a dynamic regression: what moves demand by a factor, each with how far it may move it.

A column's prior is the standard deviation of its coefficient, in logarithms of demand: .1 lets a day of the week, say,
lie some 10 % from the others. Columns come multiplied by it, so that one unit penalty fits all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.drivers import DRIVERS, LEVEL, driver_of
from parlevel.domain.panel import Panel
from parlevel.domain.periods import PER_YEAR

Floats = NDArray[np.float64]

PER_DAY: dict[str, float] = {"day": 1.0, "week": 7.0, "month": 30.4}
"""Days in a period: a level that moves by itself moves with the square root of time."""

KNOTS: dict[str, tuple[int, int, int]] = {"day": (14, 28, 182), "week": (2, 4, 26), "month": (1, 3, 12)}
"""Periods between the steps of the level: of late, before that, and how long of late is."""

YEAR_WAVES = tuple(0.15 / k**1.5 for k in range(1, 9))
"""Prior of each wave of the year: the shorter it is, the likelier it is weather that will not come back."""

WEEK_WAVES = (0.03, 0.02)
"""Prior of what each wave of the year does to the days of the week."""

SEASONS_SEEN = 1.25
"""Years of history from which on a year's season is told from the level's wanderings."""

CHANNELS: dict[str, float] = {
    "promo": 0.5, "price_ratio": 1.0, "discount": 1.0, "holiday": 0.1, "event": 0.05, "benefit": 0.05, "open": 0.5,
}  # fmt: skip
"""Covariates read where they are known ahead, and the prior of each."""

USUAL: dict[str, float] = {"price_ratio": 1.0, "open": 1.0}
"""Value of a channel that changes nothing; others: 0."""

BENEFIT_DAYS = 0.05
"""Prior of what a benefit does on one day of the week beside what it does on all."""

NAMED, EVE = 0.15, 0.12
"""Priors of one event's own effect on its day and on the day before."""

APPROACH, APPROACH_DAYS = 0.03, range(2, 8)
"""Prior of its effect on each day of the week before, all alike: what is bought for Easter is missed after it."""

WAKE, WAKE_DAYS = 0.05, range(1, 3)
"""Prior of its effect on the days after it, all alike: what was bought for it is not bought again."""

AROUND, AROUND_DAYS = 0.25, range(-6, 11)
"""Prior of how much of the usual week a holiday takes away (-1: all of it) or adds, from ten days before it to six
after it: the days before Christmas sell like Saturdays, whichever they are."""

PROFILE_YEARS = 2
"""Years that the usual week is read from."""

LEAST_EVENTS = 2
"""Times that an event must have been seen to have an effect of its own."""


@dataclass(frozen=True)
class Columns:
    """Columns over past and future.

    Attributes:
        values: (n_periods + horizon, k), each times its prior.
        driver: (k,) position in DRIVERS.
    """

    values: Floats
    driver: NDArray[np.int64]


def calendar_columns(panel: Panel, horizon: int, speed: float) -> Columns:
    """What all series of a panel have in common: level, trend, week, year and month.

    Args:
        panel: for its time axis.
        horizon: periods ahead.
        speed: how fast a level moves by itself, logarithms per square root of a day.
    """
    dates = panel.dates(horizon)
    blocks = [("", _level(panel, horizon, speed)), ("year_", _year(dates, panel))]
    if panel.period == "day":
        week = _week(panel, horizon)
        day = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
        blocks += [("dow", 0.3 * week), ("day_of_month", 0.05 * (day[:, None] == np.arange(31)))]
        if panel.n_periods >= SEASONS_SEEN * PER_YEAR["day"]:
            waves = _waves(dates, len(WEEK_WAVES)) * np.repeat(WEEK_WAVES, 2)
            blocks += [("dow", (week - 1 / 7) * wave[:, None]) for wave in waves.T]
    values = np.concatenate([block for _, block in blocks], axis=1)
    names = [name for name, block in blocks for _ in range(block.shape[1])]
    driver = [DRIVERS.index(driver_of(name) if name else LEVEL) for name in names]
    return Columns(values, np.array(driver, np.int64))


def own_columns(panel: Panel, row: int, horizon: int) -> Columns:
    """What a series' own covariates say: prices, promotions, closed days, and each event by its name.

    Args:
        panel: histories with channels.
        row: the series.
        horizon: periods ahead, at most those that the channels cover.
    """
    width = panel.n_periods + horizon
    parts, drivers = [], []
    for name, prior in CHANNELS.items():
        if name in panel.known_future:
            usual = USUAL.get(name, 0.0)
            values = np.nan_to_num(panel.channels[name][row, :width].astype(np.float64), nan=usual) - usual
            if np.ptp(values[: panel.n_periods]) > 0:
                parts.append(prior * values[:, None])
                drivers.append(DRIVERS.index(driver_of(name)))
    if panel.period == "day" and "benefit" in panel.known_future:
        paid = np.nan_to_num(panel.channels["benefit"][row, :width].astype(np.float64))
        if paid.any():
            parts.append(BENEFIT_DAYS * paid[:, None] * _week(panel, horizon))
            drivers += [DRIVERS.index(driver_of("benefit"))] * 7
    if "event_code" in panel.known_future:
        found = _events(panel, row, width)
        parts.append(found)
        drivers += [DRIVERS.index("holidays and events")] * found.shape[1]
    if not parts:
        return Columns(np.empty((width, 0)), np.empty(0, np.int64))
    return Columns(np.concatenate(parts, axis=1), np.array(drivers, np.int64))


def _events(panel: Panel, row: int, width: int) -> Floats:
    """(width, k) each event by its name: its day, eve, week before, days after, and the usual week around holidays."""
    code = np.nan_to_num(panel.channels["event_code"][row])  # also beyond the horizon: its eve may lie inside
    known, count = np.unique(code[: panel.n_periods], return_counts=True)
    on = (code[:, None] == known[(known > 0) & (count >= LEAST_EVENTS)]).astype(np.float64)
    week = np.sum([_earlier(on, days) for days in APPROACH_DAYS], axis=0)
    wake = np.sum([_later(on, days) for days in WAKE_DAYS], axis=0)
    found = [NAMED * on, EVE * _earlier(on, 1), APPROACH * week, WAKE * wake]
    if panel.period == "day" and "holiday" in panel.known_future:
        holiday = on[:, (on[panel.channels["holiday"][row] > 0] > 0).any(axis=0)]
        near = np.max([_earlier(holiday, days) if days > 0 else _later(holiday, -days) for days in AROUND_DAYS], axis=0)
        usual = _week(panel, len(code) - panel.n_periods) @ _profile(panel, row)
        found.append(AROUND * near * usual[:, None])
    return np.concatenate(found, axis=1)[:width]


def _profile(panel: Panel, row: int) -> Floats:
    """(7,) logarithm of what the days of the week sold of late over what all did; 0 for a day without a sale."""
    recent = panel.last(round(PROFILE_YEARS * PER_YEAR["day"]))
    sold = np.where(recent.available[row], recent.demand[row], 0.0).astype(np.float64)
    week = _week(recent, 0)
    mean = (sold @ week) / np.maximum(recent.available[row] @ week, 1.0)
    usual = mean[mean > 0].mean() if (mean > 0).any() else 1.0
    return np.clip(np.log(np.where(mean > 0, mean / usual, 1.0)), -1.0, 1.0)


def _week(panel: Panel, horizon: int) -> Floats:
    """(n_periods + horizon, 7) which day of the week each day is."""
    index = panel.cutoff - panel.n_periods + 1 + np.arange(panel.n_periods + horizon) + 3
    return np.asarray(index[:, None] % 7 == np.arange(7), np.float64)


def _earlier(on: Floats, days: int) -> Floats:
    """The same marks so many rows earlier; what lies beyond the last row is not known."""
    return np.concatenate([on[days:], np.zeros((min(days, len(on)), on.shape[1]))])


def _later(on: Floats, days: int) -> Floats:
    """The same marks so many rows later."""
    return np.concatenate([np.zeros((min(days, len(on)), on.shape[1])), on[: len(on) - days]]) if days else on


def _level(panel: Panel, horizon: int, speed: float) -> Floats:
    """A level that steps every few weeks, its value at the cutoff free, and a slope that is nearly none."""
    n, at = panel.n_periods, np.arange(panel.n_periods + horizon)
    fine, coarse, late = KNOTS[panel.period]
    columns = [np.ones(len(at)), 0.05 * (at - n + 1) / PER_YEAR[panel.period]]
    end = n
    while end > 0:
        size = fine if n - end < late else coarse
        # how much of this step still lies ahead: 1 before it, 0 after it
        ahead = np.clip((end - 1 - at) / size, 0.0, 1.0)
        columns.append(speed * np.sqrt(size * PER_DAY[panel.period]) * ahead)
        end -= size
    return np.stack(columns, axis=1)


def _year(dates: NDArray[np.datetime64], panel: Panel) -> Floats:
    if panel.n_periods < SEASONS_SEEN * PER_YEAR[panel.period]:
        return np.empty((len(dates), 0))
    return np.asarray(_waves(dates, len(YEAR_WAVES)) * np.repeat(YEAR_WAVES, 2))


def _waves(dates: NDArray[np.datetime64], n: int) -> Floats:
    """(len(dates), 2 n) sine and cosine of the day of the year."""
    day = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    angle = 2 * np.pi * np.outer(day / PER_YEAR["day"], np.repeat(np.arange(1, n + 1), 2))
    angle[:, 1::2] += np.pi / 2
    return np.asarray(np.sin(angle))
