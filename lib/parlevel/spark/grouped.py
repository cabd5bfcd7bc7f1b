"""Grouped and batched Arrow functions: many series a call, whole tables in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame

from parlevel.schemas import Column, arrow_schema
from parlevel.spark.balance import TASK, Assignment, assign

ArrowFunction = Callable[[pa.Table], pa.Table]


def ddl(columns: Sequence[Column]) -> str:
    """Spark DDL of contract columns."""
    return ", ".join(f"`{column.name}` {column.type}" for column in columns)


def map_packed(
    df: DataFrame, fn: ArrowFunction, columns: Sequence[Column], *, partitions: int | None = None
) -> DataFrame:
    """Apply `fn` to every Arrow batch of packed rows; rows of a batch are unrelated.

    Args:
        df: one row a series.
        fn: table in, table out; any number of rows. Called once per batch, in the worker.
        columns: what `fn` returns.
        partitions: spread the rows over this many tasks first.
    """
    schema = arrow_schema(columns)

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                yield from fit_schema(fn(pa.Table.from_batches([batch])), schema).to_batches()

    source = df.repartition(partitions) if partitions else df
    return source.mapInArrow(apply, ddl(columns))


def apply_groups(
    df: DataFrame,
    keys: Sequence[str],
    fn: ArrowFunction,
    columns: Sequence[Column],
    *,
    partitions: int | None = None,
    assignment: Assignment | None = None,
) -> DataFrame:
    """Apply `fn` to every whole group.

    Args:
        df: packed rows with the `keys`.
        keys: columns that define a group.
        fn: a group's rows in, any rows out. Row order is not defined: sort inside.
        columns: what `fn` returns.
        partitions: tasks to hash the groups over; default: the session's shuffle partitions.
        assignment: which task each group goes to (for a single key), instead of hashing: two
            heavy groups then never meet in one task while another idles.
    """
    schema = arrow_schema(columns)

    def apply(table: pa.Table) -> pa.Table:
        return fit_schema(fn(table.drop_columns([TASK]) if assignment else table), schema)

    if assignment:
        placed = assign(df, keys[0], assignment).repartitionById(assignment.n_tasks, TASK)
        return placed.groupBy(TASK, *keys).applyInArrow(apply, ddl(columns))
    source = df.repartition(partitions, *keys) if partitions else df.repartition(*keys)
    return source.groupBy(*keys).applyInArrow(apply, ddl(columns))


def fit_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with exactly the columns and types of `schema`; Spark itself casts nothing.

    Nullability is dropped: Spark's Python bridge compares types alone.
    """
    loose = pa.schema([pa.field(f.name, f.type) for f in schema])
    return table.select(loose.names).cast(loose)
