"""Which dates of sales are meant: the last one becomes the cutoff, so one slip of the keyboard must not decide it.

Spark reads the dates once, in `sold_on`: from 1970 to 2199 there are no more than 84,000, however many rows bear them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.domain.periods import Period, to_date, to_index
from parlevel.errors import DataError
from parlevel.spark.periods import period_index

FAR: dict[str, int] = {"day": 60, "week": 26, "month": 12}
"""Periods without any sales before the last date that make it doubtful: an error, or a shop that opens again."""
STRAY: dict[str, int] = {"day": 731, "week": 105, "month": 24}
"""Periods without any sales, two years, that a handful of dates beyond them cannot explain but by an error."""
FEW = 3  # periods that may stray at either end; more of them are no slip of the keyboard
AT_MOST = 0.1  # of all periods with sales: of five dates no two are strays
LOOK = 60  # periods at the end that are looked at for a gap

Dates = NDArray[np.datetime64]
"""Days, each once, in order."""


@dataclass(frozen=True)
class Span:
    """The periods that sales are of.

    Attributes:
        first, last: period indices; what lies outside strays.
    """

    first: int
    last: int


def plausible(date: str) -> Column:
    """Whether a date is one at all: from 1970 to 2199."""
    return F.col(date).between(F.lit("1970-01-01").cast("date"), F.lit("2199-12-31").cast("date"))


def sold_on(sales: DataFrame) -> Dates:
    """The days that rows of sales bear, (n,) in order; dates that are none are left out.

    Args:
        sales: contract `sales`.

    Raises:
        DataError: no row has a date.
    """
    days = sales.where(plausible("date")).select(F.unix_date("date").alias("day")).distinct()
    found = [row["day"] for row in days.collect()]  # bounded: days from 1970 to 2199
    if not found:
        raise DataError("sales must have dates. Not one row has one: check the date column and its format.")
    return np.sort(np.array(found, "datetime64[D]"))


def find_span(dates: Dates, period: Period) -> Span:
    """Where the sales lie, without the few dates that lie years away from all others.

    Args:
        dates: from `sold_on`.
        period: of the run.
    """
    held = np.unique(to_index(dates, period))
    most = min(FEW, int(AT_MOST * len(held)))
    ends = []
    for found in (held[: FEW + 1], held[::-1][: FEW + 1]):
        breaks = [k for k in range(1, len(found)) if abs(found[k] - found[k - 1]) > STRAY[period] and k <= most]
        ends.append(int(found[breaks[-1]] if breaks else found[0]))
    return Span(min(ends), max(ends))


def inside(dates: Dates, span: Span, period: Period) -> Dates:
    """The days without those that stray."""
    index = to_index(dates, period)
    return dates[(index >= span.first) & (index <= span.last)]


def within(sales: DataFrame, span: Span, period: Period) -> DataFrame:
    """Sales without the dates that stray, and without those that are none."""
    index = period_index(F.col("date"), period)
    return sales.where(plausible("date") & index.between(span.first, span.last))


def check_last(sales: DataFrame, dates: Dates, span: Span, period: Period) -> None:
    """The last date becomes the cutoff, so it must not be doubtful.

    Raises:
        DataError: it, alone or with a few others, lies far after all others; names it, and a row that bears it.
    """
    newest = [int(index) for index in np.unique(to_index(inside(dates, span, period), period))[::-1][:LOOK]]
    far = [k for k in range(1, len(newest)) if newest[k - 1] - newest[k] > (FAR if k == 1 else STRAY)[period]]
    if not far:
        return
    k = far[-1]
    row = sales.where(period_index(F.col("date"), period) == newest[k - 1]).orderBy("series_id").limit(1).collect()[0]
    first, second = (str(day) for day in to_date(np.array([newest[k - 1], newest[k]]), period))
    alone = "it must not lie alone" if k == 1 else f"its last {k} {period}s with sales must not lie alone"
    last = str(to_date(np.array([span.last]), period)[0])
    raise DataError(
        f"the last date in sales becomes the cutoff, and {alone}. Got {first}, {newest[k - 1] - newest[k]} "
        f"{period}s after the one before ({second}), e.g. series {row['series_id']!r} with sales {row['sales']}. "
        f"Set calendar.cutoff={last} if it is right, calendar.cutoff={second} to leave it out, or mend the dates."
    )
