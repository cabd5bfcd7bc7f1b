"""Scratch frames: computed once, gone afterwards whatever happened, never among the published tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config, load
from parlevel.pipeline.publish import existing
from parlevel.schemas import Column
from parlevel.spark.grouped import map_packed
from parlevel.spark.scratch import FOLDER, Scratch
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark


def configured(folder: Path, *sets: str) -> Config:
    return load(sets=[f"paths.warehouse={folder}", *sets])


def left(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*"))


def test_a_kept_frame_is_computed_once_and_keeps_its_types(spark: SparkSession, tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def count(table: pa.Table) -> pa.Table:
        with calls.open("a") as file:
            file.write("x")
        return table

    columns = (Column("id", "bigint", "a number"), Column("days", "array<double>", "a list"))
    rows = spark.range(0, 4, 1, 1).withColumn("days", F.array(F.lit(float("nan")), F.col("id").cast("double")))
    with Scratch(spark, configured(tmp_path / "w"), "test") as scratch:
        kept = scratch.keep(map_packed(rows, count, columns))
        assert calls.read_text() == "x"
        assert kept.count() == 4
        assert kept.dtypes == [("id", "bigint"), ("days", "array<double>")]
        assert kept.where("id = 3").head(1)[0]["days"][1] == 3.0
        assert calls.read_text() == "x"
        assert len(left(tmp_path / "w")) == 2  # the folder and its lock
    assert left(tmp_path / "w") == []


def test_nothing_is_left_after_an_error(spark: SparkSession, tmp_path: Path) -> None:
    def fail() -> None:
        with Scratch(spark, configured(tmp_path), "test") as scratch:
            scratch.keep(spark.range(3))
            assert left(tmp_path)
            scratch.keep(spark.range(5).select(F.raise_error(F.lit("no luck"))))

    with pytest.raises(Exception, match="no luck"):
        fail()
    assert left(tmp_path) == []


def test_two_at_once_do_not_disturb_each_other(spark: SparkSession, tmp_path: Path) -> None:
    cfg = configured(tmp_path)
    with Scratch(spark, cfg, "test") as first:
        one = first.keep(spark.range(3))
        with Scratch(spark, cfg, "test") as second:
            two = second.keep(spark.range(5))
            assert (one.count(), two.count()) == (3, 5)
        assert one.count() == 3


def test_what_a_killed_process_left_is_removed_by_the_next(spark: SparkSession, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from parlevel.spark import scratch\n"
        "from parlevel.config import load\n"
        "s = scratch.Scratch(None, load(sets=['paths.warehouse=' + sys.argv[1]]), 'test')\n"
        "Path(s._place(1)).write_text('rows'); print('there', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        lost = left(tmp_path)
        assert len(lost) == 2
        with Scratch(spark, configured(tmp_path), "test") as scratch:
            scratch.keep(spark.range(2))
            assert set(left(tmp_path)) > set(lost), "the other process still lives"
        os.kill(process.pid, signal.SIGKILL)
    assert left(tmp_path) == lost
    with Scratch(spark, configured(tmp_path), "test") as scratch:
        scratch.keep(spark.range(2))
        assert not set(left(tmp_path)) & set(lost)


def test_behind_a_uri_it_is_emptied_and_written_over(spark: SparkSession, tmp_path: Path) -> None:
    cfg = configured(tmp_path, f"paths.warehouse=file://{tmp_path}")
    for n in (4, 3):
        with Scratch(spark, cfg, "test") as scratch:
            kept = scratch.keep(spark.range(n))
            assert kept.count() == n
    [home] = left(tmp_path)
    assert spark.read.parquet(str(home / "1")).count() == 0


def stored(spark: SparkSession) -> DataFrame:
    """Tables of the schema; temporary views of other tests are listed with them."""
    return spark.sql("SHOW TABLES IN scratched").where("NOT isTemporary")


def test_in_a_catalog_it_is_a_table_that_is_dropped(spark: SparkSession, tmp_path: Path) -> None:
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS scratched LOCATION '{tmp_path}'")
    try:
        cfg = configured(tmp_path, "paths.catalog=spark_catalog.scratched")
        with Scratch(spark, cfg, "test") as scratch:
            kept = scratch.keep(spark.range(4))
            assert kept.count() == 4
            [name] = [row["tableName"] for row in stored(spark).collect()]
            assert name.startswith(FOLDER)
            assert existing(Tables(spark, cfg, "r", {}), cfg) == set()
        assert stored(spark).count() == 0
    finally:
        spark.sql("DROP SCHEMA scratched CASCADE")
