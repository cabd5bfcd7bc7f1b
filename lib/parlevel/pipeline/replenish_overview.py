"""What is known of all series before they are planned, from one pass of which a row a group reaches the driver."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.spark.balance import Assignment, longest_first
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum

# A Python task costs about as much as the plans of a hundred items; a few a core even out what sizes do not tell.
TASKS_A_CORE = 4


@dataclass(frozen=True)
class Overview:
    """What is known of all series before they are planned.

    Attributes:
        n: series.
        cutoff: period index of the last observed period.
        bought: expected purchases of all series over the horizon, money.
        work: solve_group -> what its plan takes, in any unit.
        cores: tasks that run at once.
    """

    n: int
    cutoff: int
    bought: float
    work: Mapping[str, float]
    cores: int

    def tasks(self, groups: Collection[str] | None = None) -> Assignment:
        """A task for each group, or for some, heaviest first."""
        work = [(group, self.work[group]) for group in (self.work if groups is None else groups)]
        return longest_first(work, TASKS_A_CORE * self.cores)


def overview(rows: DataFrame) -> Overview:
    """Look at all series once.

    Args:
        rows: from `with_limits`.
    """
    wanted = F.coalesce(F.aggregate("mean", F.lit(0.0), lambda a, x: a + x), F.lit(0.0)) * F.col("unit_cost")
    groups = (
        rows.select("solve_group", "cutoff_index", F.col("resources").isNotNull().alias("limited"), wanted.alias("w"))
        .groupBy("solve_group")
        .agg(
            F.count("*").alias("n"),
            F.count_if("limited").alias("limited"),
            F.max("cutoff_index").alias("cutoff"),
            exact_sum("w").alias("bought"),
        )
        .collect()
    )  # bounded: one row a group
    # shared limits cost a group about as much again as its items
    work = {row["solve_group"]: 10.0 + row["n"] + 2.0 * row["limited"] for row in groups}
    return Overview(
        sum(row["n"] for row in groups),
        max((int(row["cutoff"]) for row in groups), default=0),
        math.fsum(row["bought"] for row in groups),
        work,
        cores(rows.sparkSession),
    )
