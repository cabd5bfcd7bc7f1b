"""Period arithmetic as Spark columns; the same numbers as `parlevel.domain.periods`."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}
"""Mean days in a period."""


def period_index(date: Column, period: str) -> Column:
    """Period index (bigint) of a date column; period is "day", "week" (Monday) or "month"."""
    if period == "month":
        return ((F.year(date) - 1970) * 12 + F.month(date) - 1).cast("bigint")
    days = F.datediff(date, F.lit("1970-01-01").cast("date"))
    # 1970-01-01 was a Thursday; +3 days makes weeks start on Monday.
    return (days if period == "day" else F.floor((days + 3) / 7)).cast("bigint")


def period_start(index: Column, period: str) -> Column:
    """First day of a period index, the inverse of `period_index`."""
    epoch = F.lit("1970-01-01").cast("date")
    if period == "month":
        return F.add_months(epoch, index.cast("int"))
    days = index if period == "day" else index * 7 - 3
    return F.date_add(epoch, days.cast("int"))
