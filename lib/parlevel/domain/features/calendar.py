"""Holidays, events and opening days on a time axis; public holidays come from the library `holidays`."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.periods import Period, to_date, to_index
from parlevel.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CLOSED, HOLIDAY, BENEFIT, EVENT = 1, 2, 4, 8
"""Bits of a calendar day: closed; event_kind holiday; benefit (pay or SNAP day); any other event."""

CODE_SHIFT, CODE_MASK = 4, 2**20 - 1
"""Above the bits of a calendar day lies the code of its event's name, `event_code`."""

REACH: dict[str, int] = {"day": 28, "week": 8, "month": 3}
"""Periods at which `holiday_next` and `holiday_since` stop counting."""


def event_code(name: str) -> int:
    """A number of an event's name, the same everywhere: CRC-32, cut to what 32-bit floats hold exactly.

    >>> event_code("Christmas") == event_code("Christmas") != event_code("Easter")
    True
    """
    return zlib.crc32(name.encode()) & CODE_MASK


@lru_cache(maxsize=512)
def _named_holidays(country: str, subdivision: str | None, year: int) -> tuple[tuple[int, int], ...]:
    """(day, code of its name) of a year's public holidays."""
    import holidays

    days = holidays.country_holidays(country, subdiv=subdivision, years=year)
    return tuple(
        sorted((int(np.datetime64(day, "D").astype(np.int64)), event_code(name)) for day, name in days.items())
    )


def _holidays_of_year(country: str, subdivision: str | None, year: int) -> tuple[int, ...]:
    return tuple(day for day, _ in _named_holidays(country, subdivision, year))


def check_country(country: str, subdivision: str | None) -> None:
    """Refuse a place that the library does not know.

    Raises:
        DataError: unknown country or subdivision.
    """
    try:
        _holidays_of_year(country, subdivision, 2020)
    except NotImplementedError as error:
        raise DataError(
            f"locations.country and subdivision must be ISO 3166 codes that the library holidays knows. Got "
            f"{country!r}, {subdivision!r}: {error} Mend the table, or set calendar.holidays=false."
        ) from error


def holidays_between(country: str | None, subdivision: str | None, first: int, last: int) -> Ints:
    """Public holidays of a place.

    Args:
        country: ISO 3166 code; none: no holidays.
        subdivision: part of ISO 3166-2 after the dash, if any.
        first: first day, days since 1970-01-01.
        last: last day, inclusive.

    Returns: (n,) days since 1970-01-01, ascending.
    """
    if not country:
        return np.empty(0, np.int64)
    years = range(1970 + first // 366, 1971 + last // 365)
    days = np.array([day for year in years for day in _holidays_of_year(country, subdivision, year)], np.int64)
    return days[(days >= first) & (days <= last)]


def share_of_days(days: Ints, first: int, n_periods: int, period: Period) -> Floats:
    """Share of each period's days that are listed.

    Args:
        days: (n,) days since 1970-01-01; repeats count once.
        first: period index of the first period.
        n_periods: periods.

    Returns: (n_periods,) 0 to 1.
    """
    edges = to_date(np.arange(first, first + n_periods + 1), period).astype(np.int64)
    index = to_index(np.unique(days).astype("datetime64[D]"), period) - first
    inside = index[(index >= 0) & (index < n_periods)]
    return np.bincount(inside, minlength=n_periods) / np.diff(edges)


def distances(marked: NDArray[np.bool_], reach: int) -> tuple[Floats, Floats]:
    """Periods to the next and since the last marked one, 0 on it, each as a share of `reach`, at most 1.

    >>> [part.tolist() for part in distances(np.array([False, True, False]), 2)]
    [[0.5, 0.0, 1.0], [1.0, 0.0, 0.5]]
    """
    n = len(marked)
    columns = np.arange(n)
    last = np.maximum.accumulate(np.where(marked, columns, -reach))
    following = np.minimum.accumulate(np.where(marked, columns, n + reach)[::-1])[::-1]
    return np.minimum(following - columns, reach) / reach, np.minimum(columns - last, reach) / reach


def channels(
    days: Ints, bits: Ints, place: tuple[str | None, str | None], first: int, n_periods: int, period: Period
) -> dict[str, Floats]:
    """Calendar channels of one location.

    Args:
        days: (n,) days of its calendar, days since 1970-01-01.
        bits: (n,) what is known of each.
        place: country and subdivision, for public holidays.
        first: period index of the first period.
        n_periods: periods, past and future.

    Returns: name -> (n_periods,): holiday, event, benefit, open as shares of the period's days, the
        distances to holidays, and for days the code of each one's event.
    """
    reach = REACH[period]
    begin, count = first - reach, n_periods + 2 * reach
    edges = to_date(np.array([begin, begin + count]), period).astype(np.int64)
    public = holidays_between(*place, int(edges[0]), int(edges[1]) - 1)
    holiday = share_of_days(np.concatenate([public, days[bits & HOLIDAY > 0]]), begin, count, period)
    following, since = distances(holiday > 0, reach)
    inner = slice(reach, reach + n_periods)
    return {
        "holiday": holiday[inner],
        "holiday_next": following[inner],
        "holiday_since": since[inner],
        "event": share_of_days(days[bits & EVENT > 0], first, n_periods, period),
        "benefit": share_of_days(days[bits & BENEFIT > 0], first, n_periods, period),
        "open": 1.0 - share_of_days(days[bits & CLOSED > 0], first, n_periods, period),
        **({"event_code": _codes(days, bits, place, first, n_periods)} if period == "day" else {}),
    }


def _codes(days: Ints, bits: Ints, place: tuple[str | None, str | None], first: int, n_days: int) -> Floats:
    """(n_days,) code of each day's event or public holiday, 0 where there is none; the table's names come first."""
    out = np.zeros(n_days)
    if place[0]:
        for year in range(1970 + first // 366, 1971 + (first + n_days) // 365):
            for day, code in _named_holidays(place[0], place[1], year):
                if first <= day < first + n_days:
                    out[day - first] = code
    codes = bits >> CODE_SHIFT
    told = (codes > 0) & (days >= first) & (days < first + n_days)
    out[days[told] - first] = codes[told]
    return out
