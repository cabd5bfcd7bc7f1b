"""Which dates of sales are meant: strays at the ends are known, and few dates are a history."""

from __future__ import annotations

import numpy as np

from parlevel.pipeline.dates import find_span, inside


def days(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[D]")


def test_few_dates_are_a_history_whatever_lies_between_them() -> None:
    dates = days("2010-01-01", "2010-01-02", "2010-01-03", "2016-01-01", "2016-01-02")
    span = find_span(dates, "day")
    assert (span.first, span.last) == tuple(dates[[0, -1]].astype(int))


def test_dates_years_away_from_many_others_stray() -> None:
    month = np.arange("2017-01-01", "2017-03-01", dtype="datetime64[D]")
    dates = np.concatenate([days("1977-01-04"), month, days("2035-03-09", "2107-01-01")])
    span = find_span(dates, "day")
    assert (span.first, span.last) == tuple(month[[0, -1]].astype(int))
    assert (inside(dates, span, "day") == month).all()


def test_a_gap_of_less_than_two_years_is_none() -> None:
    month = np.arange("2017-01-01", "2017-03-01", dtype="datetime64[D]")
    dates = np.concatenate([month, days("2019-02-01")])
    assert find_span(dates, "day").last == dates[-1].astype(int)
    assert find_span(np.concatenate([month, days("2019-03-02")]), "day").last == month[-1].astype(int)


def test_weeks_and_months_are_told_apart_from_days() -> None:
    weeks = np.arange("2015-01-05", "2017-01-02", 7, dtype="datetime64[D]")
    dates = np.concatenate([weeks, days("2031-05-05")])
    assert find_span(dates, "week").last == (weeks[-1].astype(int) + 3) // 7
    months = np.arange("2015-01", "2017-01", dtype="datetime64[M]").astype("datetime64[D]")
    assert find_span(np.concatenate([months, days("2031-05-01")]), "month").last == 46 * 12 + 11
