"""Sums and means that do not depend on the order of the rows, and so not on partitions or workers.

Floating-point addition is not associative: the last digit of a sum of doubles changes with the shuffle. Values are
rounded to eight decimals first, as decimals their sum is exact, and the result is a double again.
"""

from __future__ import annotations

from pyspark.sql import Column, WindowSpec
from pyspark.sql import functions as F

EXACT = "decimal(28,8)"
"""Up to 10^20, the sum of ten thousand million such values without overflow."""


def exact_sum(value: Column | str, over: WindowSpec | None = None) -> Column:
    """The sum of a group, or over a window; double."""
    total = F.sum(_exact(value))
    return (total if over is None else total.over(over)).cast("double")


def exact_mean(value: Column | str) -> Column:
    """The mean of a group; double."""
    return F.avg(_exact(value)).cast("double")


def _exact(value: Column | str) -> Column:
    return (F.col(value) if isinstance(value, str) else value).cast(EXACT)
