"""Grouped and batched Arrow functions, and period arithmetic, in a real session."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from parlevel.domain.periods import to_date, to_index
from parlevel.schemas import Column
from parlevel.spark.balance import longest_first
from parlevel.spark.grouped import apply_groups, map_packed
from parlevel.spark.periods import period_index, period_start

pytestmark = pytest.mark.spark

OUT = (Column("g", "int", ""), Column("total", "float", ""))


def test_every_group_arrives_whole(spark: SparkSession) -> None:
    frame = spark.range(0, 1000, 1, 7).select(
        (F.col("id") % 5).cast("int").alias("g"), F.col("id").cast("float").alias("x")
    )

    def total(table: pa.Table) -> pa.Table:
        groups = set(table["g"].to_pylist())
        assert len(groups) == 1
        return pa.table({"total": [float(np.sum(table["x"].to_numpy()))], "g": pa.array(list(groups), pa.int64())})

    rows = apply_groups(frame, ["g"], total, OUT, partitions=3).orderBy("g").collect()
    assert [(r.g, r.total) for r in rows] == [(g, float(sum(range(g, 1000, 5)))) for g in range(5)]


def test_map_packed_keeps_every_row_once(spark: SparkSession) -> None:
    frame = spark.range(0, 1203, 1, 4).select(F.col("id").cast("int").alias("g"))

    def twice(table: pa.Table) -> pa.Table:
        return pa.table({"g": table["g"], "total": pa.array(table["g"].to_numpy() * 2.0)})

    rows = map_packed(frame, twice, OUT, partitions=3).collect()
    assert sorted((r.g, r.total) for r in rows) == [(g, 2.0 * g) for g in range(1203)]


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_periods_equal_the_domain(spark: SparkSession, period: str) -> None:
    dates = np.arange("1968-12-25", "2031-03-02", 13, dtype="datetime64[D]")
    frame = spark.createDataFrame([(str(d),) for d in dates], "text string").select(
        F.col("text").cast("date").alias("d")
    )
    index = period_index(F.col("d"), period)
    rows = frame.select("d", index.alias("k"), period_start(index, period).alias("s")).orderBy("d").collect()
    expected = to_index(dates, period)
    assert [r.k for r in rows] == expected.tolist()
    assert [str(r.s) for r in rows] == [str(d) for d in to_date(expected, period)]


def test_assigned_groups_lie_in_their_task_after_one_shuffle(spark: SparkSession) -> None:
    frame = spark.range(0, 600, 1, 3).select(
        F.concat(F.lit("g"), (F.col("id") % 6).cast("string")).alias("name"), F.col("id").cast("float").alias("x")
    )
    plan = longest_first([(f"g{k}", 1.0 + k) for k in range(6)], 3)
    columns = (Column("name", "string", ""), Column("task", "int", ""), Column("n", "bigint", ""))

    def where(table: pa.Table) -> pa.Table:
        from pyspark import TaskContext

        assert table.column_names == ["name", "x"]
        return pa.table(
            {
                "name": [table["name"][0].as_py()],
                "task": pa.array([TaskContext.get().partitionId()], pa.int32()),
                "n": [table.num_rows],
            }
        )

    result = apply_groups(frame, ["name"], where, columns, assignment=plan)
    rows = result.collect()
    assert {r["name"]: r["task"] for r in rows} == plan.task
    assert all(r["n"] == 100 for r in rows)
    physical = result._jdf.queryExecution().executedPlan().toString().split("== Initial Plan ==")[0]
    assert physical.count("Exchange ") - physical.count("BroadcastExchange") == 1
