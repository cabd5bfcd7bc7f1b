"""Period arithmetic: days, Monday weeks and months as consecutive integers.

A period index counts from 1970-01-01's period, so that date axes of different series line up by
subtraction. Spark computes the same numbers with the expressions in `parlevel.spark.periods`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Period = Literal["day", "week", "month"]

SEASON: dict[str, int] = {"day": 7, "week": 52, "month": 12}
"""Periods in the shortest strong season: what a seasonal naive repeats and MASE scales by."""

PER_YEAR: dict[str, float] = {"day": 365.25, "week": 52.18, "month": 12.0}

# 1970-01-01 was a Thursday; +3 days moves it to a week that starts on Monday.
_MONDAY_SHIFT = 3


def to_index(dates: NDArray[np.datetime64], period: Period) -> NDArray[np.int64]:
    """Period index of each date.

    Args:
        dates: any shape, datetime64.
        period: "day", "week" (starting Monday) or "month".

    >>> to_index(np.array(["1970-01-05", "1970-01-04"], "datetime64[D]"), "week").tolist()
    [1, 0]
    """
    if period == "month":
        return dates.astype("datetime64[M]").astype(np.int64)
    days = dates.astype("datetime64[D]").astype(np.int64)
    return days if period == "day" else (days + _MONDAY_SHIFT) // 7


def to_date(index: NDArray[np.int64], period: Period) -> NDArray[np.datetime64]:
    """First day of each period index, as datetime64[D]; the inverse of `to_index`.

    >>> str(to_date(np.array([1]), "week")[0])
    '1970-01-05'
    """
    index = np.asarray(index, dtype=np.int64)
    if period == "month":
        return index.astype("datetime64[M]").astype("datetime64[D]")
    days = index if period == "day" else index * 7 - _MONDAY_SHIFT
    return days.astype("datetime64[D]")
