"""Which dates of sales are meant: the last one becomes the cutoff, so one slip of the keyboard must not decide it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.domain.periods import Period, to_date
from parlevel.errors import DataError
from parlevel.spark.periods import period_index

FAR: dict[str, int] = {"day": 60, "week": 26, "month": 12}
"""Periods without any sales before the last date that make it doubtful: an error, or a shop that opens again."""
STRAY: dict[str, int] = {"day": 731, "week": 105, "month": 24}
"""Periods without any sales, two years, that a handful of dates beyond them cannot explain but by an error."""
FEW = 3  # periods that may stray at either end; more of them are no slip of the keyboard
AT_MOST = 0.1  # of all periods with sales: of five dates no two are strays
LOOK = 60  # periods at either end that are looked at for a gap


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


def find_span(sales: DataFrame, period: Period) -> Span:
    """Where the sales lie, without the few dates that lie years away from all others.

    Args:
        sales: contract `sales`.
        period: of the run.

    Raises:
        DataError: no row has a date.
    """
    dated = sales.where(plausible("date")).select(period_index(F.col("date"), period).alias("i")).distinct()
    most = min(FEW, int(AT_MOST * dated.count()))
    ends = []
    for order in (F.asc("i"), F.desc("i")):
        few = dated.orderBy(order).limit(FEW + 1).collect()  # bounded: FEW + 1 rows
        found = [int(row["i"]) for row in few]
        if not found:
            raise DataError("sales must have dates. Not one row has one: check the date column and its format.")
        breaks = [k for k in range(1, len(found)) if abs(found[k] - found[k - 1]) > STRAY[period] and k <= most]
        ends.append(found[breaks[-1]] if breaks else found[0])
    return Span(min(ends), max(ends))


def within(sales: DataFrame, span: Span, period: Period) -> DataFrame:
    """Sales without the dates that stray, and without those that are none."""
    index = period_index(F.col("date"), period)
    return sales.where(plausible("date") & index.between(span.first, span.last))


def check_last(sales: DataFrame, span: Span, period: Period) -> None:
    """The last date becomes the cutoff, so it must not be doubtful.

    Raises:
        DataError: it, alone or with a few others, lies far after all others; names it, and a row that bears it.
    """
    index = period_index(F.col("date"), period)
    dated = within(sales, span, period).select(index.alias("i")).distinct()
    newest = [int(row["i"]) for row in dated.orderBy(F.desc("i")).limit(LOOK).collect()]  # bounded: LOOK rows
    far = [k for k in range(1, len(newest)) if newest[k - 1] - newest[k] > (FAR if k == 1 else STRAY)[period]]
    if not far:
        return
    k = far[-1]
    row = sales.where(index == newest[k - 1]).orderBy("series_id").limit(1).collect()[0]
    first, second = (str(day) for day in to_date(np.array([newest[k - 1], newest[k]]), period))
    alone = "it must not lie alone" if k == 1 else f"its last {k} {period}s with sales must not lie alone"
    last = str(to_date(np.array([span.last]), period)[0])
    raise DataError(
        f"the last date in sales becomes the cutoff, and {alone}. Got {first}, {newest[k - 1] - newest[k]} "
        f"{period}s after the one before ({second}), e.g. series {row['series_id']!r} with sales {row['sales']}. "
        f"Set calendar.cutoff={last} if it is right, calendar.cutoff={second} to leave it out, or mend the dates."
    )
