"""What Spark wrote is what delta-rs, DuckDB and Polars read, row by row."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from parlevel.config import Config
from parlevel.pipeline.runner import RunResult
from parlevel.schemas import TABLES, contract
from parlevel.spark.tables import location

pytestmark = pytest.mark.spark

Run = tuple[Config, RunResult]
# Features of the Delta protocol that at least one of the readers does not know, or reads as silent nulls.
UNREADABLE = {"deletionVectors", "columnMapping", "typeWidening", "variantType", "v2Checkpoint"}


def plain(value: Any) -> Any:
    """A value as all readers would give it: NaN equal to itself, maps as sorted pairs, times without a zone's name."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return sorted((key, plain(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        pairs = [tuple(pair.values()) if isinstance(pair, dict) else pair for pair in value]
        maps = bool(pairs) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs)
        return sorted((pair[0], plain(pair[1])) for pair in pairs) if maps else [plain(inner) for inner in value]
    return value


def rows(table: pa.Table, name: str) -> list[dict[str, Any]]:
    """Rows of any reader in the order of the contract's keys."""
    found = [{column: plain(row[column]) for column in contract(name).names} for row in table.to_pylist()]
    return sorted(found, key=lambda row: (row["run_id"], *(str(row[key]) for key in contract(name).keys)))


def by_delta_rs(folder: str) -> pa.Table:
    return DeltaTable(folder).to_pyarrow_table()


def by_duckdb(folder: str) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("t", DeltaTable(folder).to_pyarrow_dataset())
        return connection.sql("SELECT * FROM t").to_arrow_table()


def by_polars(folder: str) -> pa.Table:
    return polars.read_delta(folder).to_arrow()


READERS = {"delta-rs": by_delta_rs, "duckdb": by_duckdb, "polars": by_polars}


def folder_of(run: Run, name: str) -> str:
    folder = location(run[0], name)
    if not Path(folder).is_dir() and contract(name).optional:
        pytest.skip(f"{name} is optional and this source has none")
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_every_reader_sees_the_rows_that_spark_sees(spark: SparkSession, main_run: Run, name: str) -> None:
    folder = folder_of(main_run, name)
    expected = rows(spark.read.format("delta").load(folder).toArrow(), name)
    for reader, read in READERS.items():
        assert rows(read(folder), name) == expected, reader


@pytest.mark.parametrize("name", TABLES)
def test_no_table_uses_what_a_reader_cannot_read(main_run: Run, name: str) -> None:
    protocol = DeltaTable(folder_of(main_run, name)).protocol()
    assert not UNREADABLE & set(protocol.reader_features or [])


def test_the_order_plan_has_orders_to_compare(main_run: Run) -> None:
    plan = polars.read_delta(folder_of(main_run, "order_plan"))
    assert plan.height >= 40
    assert plan["order_qty"].sum() > 0


def test_the_comparison_notices_one_changed_value() -> None:
    good = {"a": float("nan"), "b": [1.0, float("nan")], "c": [("k", 1.0)]}
    assert plain(good) == plain({"a": float("nan"), "b": [1.0, float("nan")], "c": {"k": 1.0}})
    assert plain(good) == plain({**good, "c": [{"key": "k", "value": 1.0}]})
    assert plain(good) != plain({**good, "b": [1.0, 2.0]})
