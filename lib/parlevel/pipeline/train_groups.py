"""Which group each series is trained in, and how groups are laid over tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.schemas import Column, arrow_schema
from parlevel.spark.balance import Assignment, longest_first

HIGH_VOLUME = "high_volume"
"""Name of the group (or the first part of its parts' names) that high-volume series are trained in."""

IS_MODEL = "is_model"
"""Marks the rows of a group that are models, see `beside`."""

MAX_TASKS = 1000
"""Tasks of a grouped stage at most; more groups than that share tasks."""

FIXED_ROWS = 3_000
"""What a group costs whatever its size (loading, folds, calibration), in training rows."""

CAPPED_ROWS = 9_000
"""Training rows after which a fit costs no more: see `max_rows` of the pooled models."""

DEEP_ROWS = 150_000
"""What the deep model costs beside the others, in training rows."""

SECONDS_A_ROW = 2.5e-4
"""Seconds of a training row with the default candidates; other machines and candidates keep the proportions."""


def has_deep(cfg: Config) -> bool:
    """Whether some candidate is offered to high-volume series only."""
    return any(candidate.only == HIGH_VOLUME for candidate in cfg.train.candidates)


def grouped(features: DataFrame, profile: DataFrame, *, cfg: Config, terms: DataFrame | None = None) -> DataFrame:
    """Features with the group that each series is trained and forecast in.

    High-volume series form a group of their own where a deep model is offered, so that one network learns
    from all of them; it is split by content where it exceeds the memory budget.

    Args:
        features: contract `features`.
        profile: contract `series_profile`.
        cfg: the configuration.
        terms: `series_id` and what is at stake in each series' orders, where training counts it.

    Returns: the columns of `features`, `group_id`, `high_volume`, `left_out`, `predicted_bytes`, those of `terms`.
    """
    slim = profile.select("series_id", "group_id", "high_volume", "left_out", "predicted_bytes", "content_key")
    if not has_deep(cfg):
        placed = slim.withColumn("high_volume", F.lit(False))
    else:
        row = slim.where("high_volume AND left_out IS NULL").agg(F.sum("predicted_bytes").alias("bytes")).first()
        total = int(row["bytes"] or 0) if row else 0
        parts = max(1, -(-total // int(cfg.train.max_group_mb * 2**20)))
        part = F.pmod(F.xxhash64("content_key"), F.lit(parts)) + 1
        name = F.lit(HIGH_VOLUME) if parts == 1 else F.concat_ws("_", F.lit(HIGH_VOLUME), part.cast("string"))
        placed = slim.withColumn("group_id", F.when(F.col("high_volume"), name).otherwise(F.col("group_id")))
    placed = placed.drop("content_key")
    if terms is not None:
        placed = placed.join(terms, "series_id", "left")  # not to the histories: those are shuffled once
    return features.join(placed, "series_id", "inner")


def teachers(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """A group's rows that it learns from, and the others; all of them teach where none would.

    Args:
        rows: of one group, from `grouped`.
    """
    teaches = pc.is_null(rows["left_out"])
    if not pc.any(teaches).as_py():
        return rows, rows.slice(0, 0)
    return rows.filter(teaches), rows.filter(pc.invert(teaches))


@dataclass(frozen=True)
class GroupSize:
    """A group as it is predicted: series, their observed periods, whether it gets the deep models, memory in bytes."""

    group_id: str
    n_series: int
    cells: int
    deep: bool
    predicted_bytes: int = 0

    @property
    def work(self) -> float:
        """What training it takes, in training rows."""
        return FIXED_ROWS + min(self.cells, CAPPED_ROWS) + self.cells / 50 + DEEP_ROWS * self.deep


def group_sizes(rows: DataFrame) -> list[GroupSize]:
    """The size of every group, in one pass.

    Args:
        rows: columns group_id, high_volume, n_past, predicted_bytes; one row a series.
    """
    totals = rows.groupBy("group_id").agg(
        F.count("*").alias("n_series"),
        F.sum("n_past").alias("cells"),
        F.max("high_volume").alias("deep"),
        F.sum("predicted_bytes").alias("predicted_bytes"),
    )
    return [GroupSize(**row.asDict()) for row in totals.collect()]  # bounded: one row a group


def predictions(spark: SparkSession, sizes: Sequence[GroupSize]) -> DataFrame:
    """What groups are predicted to take: a row each, columns of the contract `group_work`."""
    rows = [(size.group_id, size.cells, size.work * SECONDS_A_ROW, size.predicted_bytes) for size in sizes]
    kinds = "group_id string, n_cells bigint, predicted_seconds double, predicted_bytes bigint"
    return spark.createDataFrame(rows, kinds)


def assignment(sizes: Sequence[GroupSize]) -> Assignment:
    """A task for each group, heaviest groups first, so that the last tasks to start are the shortest."""
    # one task a group keeps every core busy until the end
    return longest_first([(size.group_id, size.work) for size in sizes], MAX_TASKS)


def union_columns(*tables: Sequence[Column]) -> tuple[Column, ...]:
    """Columns of several tables in one, each name once, after `kind`: what one grouped function returns.

    One function that returns several tables' rows is evaluated once; several would each run the training.
    """
    found: dict[str, Column] = {"kind": Column("kind", "string", "the table that the row belongs to", nullable=False)}
    for columns in tables:
        for column in columns:
            known = found.setdefault(column.name, column)
            if known.type != column.type:
                raise TypeError(f"column {column.name} must have one type. Got {known.type} and {column.type}.")
    return tuple(found.values())


def union_rows(parts: dict[str, pa.Table], columns: Sequence[Column]) -> pa.Table:
    """Arrow tables by kind as one table of `union_columns`, nulls where a kind lacks a column."""
    schema = pa.schema([pa.field(f.name, f.type) for f in arrow_schema(columns)])
    known, out = set(schema.names), [schema.empty_table()]
    for kind, table in parts.items():
        names = [name for name in table.column_names if name in known and name != "kind"]
        own = pa.schema([schema.field(name) for name in names])
        named = pa.repeat(pa.scalar(kind, schema.field("kind").type), table.num_rows)
        out.append(table.select(names).cast(own).append_column("kind", named))
    return pa.concat_tables(out, promote_options="default")  # nulls where a kind lacks a column


def pick(rows: DataFrame, kind: str, columns: Sequence[Column]) -> DataFrame:
    """The rows of one kind with that table's columns."""
    return rows.where(F.col("kind") == kind).select(*(column.name for column in columns))


def beside(rows: DataFrame, models: DataFrame) -> DataFrame:
    """Each group's series with its models as further rows, so that both come to one worker, once.

    Args:
        rows: from `grouped`.
        models: `group_id` and what the worker needs of a model, in columns that series do not have.
    """
    further = models.withColumn(IS_MODEL, F.lit(True))
    return rows.withColumn(IS_MODEL, F.lit(False)).unionByName(further, allowMissingColumns=True)


def apart(table: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, list[dict[str, Any]]]:
    """A group's series, and the models that came beside them.

    Args:
        table: a group's rows from `beside`.
        columns: of the models.
    """
    is_model = table[IS_MODEL]
    return table.filter(pc.invert(is_model)).drop_columns([IS_MODEL, *columns]), (
        table.filter(is_model).select(list(columns)).to_pylist()
    )
