"""Load balance: which task works on which group, from sizes predicted before any shuffle."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

TASK = "_task"

ROWS_A_PIECE = 2_000_000
"""Long rows (a date and a few numbers) that one task sorts and groups within a few hundred MiB."""


@dataclass(frozen=True)
class Assignment:
    """Groups assigned to tasks.

    Attributes:
        task: group -> task number, 0..n_tasks-1.
        n_tasks: tasks used.
        skew: heaviest task / mean task; 1.0 is perfect.
    """

    task: dict[str, int]
    n_tasks: int
    skew: float


def longest_first(work: Sequence[tuple[str, float]], n_tasks: int) -> Assignment:
    """Assign groups to tasks, heaviest first, each to the task with the least work so far.

    Args:
        work: (group, predicted work) pairs; work in any unit, >= 0.
        n_tasks: tasks to fill; fewer are used when there are fewer groups.

    Source: Graham (1969), longest processing time first: at most 4/3 of the best makespan.

    >>> longest_first([("a", 5), ("b", 3), ("c", 3)], 2).task
    {'a': 0, 'b': 1, 'c': 1}
    """
    n_tasks = max(1, min(n_tasks, len(work)))
    heap = [(0.0, task) for task in range(n_tasks)]
    tasks: dict[str, int] = {}
    for group, load in sorted(work, key=lambda pair: (-pair[1], pair[0])):
        total, task = heapq.heappop(heap)
        tasks[group] = task
        heapq.heappush(heap, (total + load, task))
    loads = [total for total, _ in heap]
    mean = sum(loads) / n_tasks
    return Assignment(tasks, n_tasks, max(loads) / mean if mean else 1.0)


def pieces(spark: SparkSession, rows: int) -> int:
    """Partitions to shuffle so many long rows into: the session's own number, more where tasks would not fit memory."""
    own = int(spark.conf.get("spark.sql.shuffle.partitions") or 1)
    return max(own, -(-rows // ROWS_A_PIECE))


def assign(df: DataFrame, key: str, assignment: Assignment) -> DataFrame:
    """`df` with the task of its group in column `TASK`; only groups, never series, pass the driver.

    Args:
        df: rows with column `key`.
        assignment: from `longest_first`; rows of a group it does not name are an error at run time.
    """
    small = df.sparkSession.createDataFrame(list(assignment.task.items()), f"`{key}` string, `{TASK}` int")
    return df.join(F.broadcast(small), key, "left")
