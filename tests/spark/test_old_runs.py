"""Old runs out of tables that Spark writes: by delta-rs in a folder, by Spark elsewhere, with the same rows left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import sample_warehouse as sample
from parlevel.config import Config, load
from parlevel.pipeline import publish
from parlevel.pipeline.publish_retention import remove_old
from parlevel.schemas import STAGES, contract
from parlevel.spark.old_runs import REMOVED, InFolder, ThroughSpark, Warehouse, in_folder, warehouse_of
from parlevel.spark.tables import Tables, spark_schema

pytestmark = pytest.mark.spark

NIGHT = dt.datetime(2024, 1, 1, 3, tzinfo=dt.UTC)


def write_nights(spark: SparkSession, cfg: Config, nights: int) -> None:
    """Runs run0, run1 ... of a row of sales each, whole in the log."""
    for k in range(nights):
        tables = Tables(spark, cfg, f"run{k}", {})
        row = ("s", dt.date(2024, 1, 1 + k), float(k), None, None)
        tables.write("sales", spark.createDataFrame([row], spark_schema(contract("sales"))))
        at = NIGHT + dt.timedelta(days=k)
        log = [
            (stage, "done", f"run{k}", "key", "x", None, "{}", "1", {"sales": 1}, {}, at, 1.0, "") for stage in STAGES
        ]
        tables.write("runs", spark.createDataFrame(log, spark_schema(contract("runs"))))


@pytest.mark.parametrize("through", [InFolder, ThroughSpark])
def test_both_ways_leave_the_same_rows(spark: SparkSession, tmp_path: Path, through: type) -> None:
    cfg = load(sets=[f"paths.warehouse={tmp_path}"])
    write_nights(spark, cfg, 3)
    make: Callable[[], Warehouse] = (
        (lambda: InFolder(tmp_path)) if through is InFolder else (lambda: ThroughSpark(spark, cfg))
    )
    assert remove_old(make(), 1) == ["run0", "run1"]
    assert remove_old(make(), 1) == []
    tables = Tables(spark, cfg, "run2", {})
    assert [(row.run_id, row.sales) for row in tables.read_all("sales").collect()] == [("run2", 2.0)]
    assert tables.read("sales").count() == 1
    status = {(row.run_id, row.status) for row in tables.read_all("runs").collect()}
    assert status == {("run0", REMOVED), ("run1", REMOVED), ("run2", "done")}
    write_nights(spark, cfg, 1)  # the same run once more, into a table that both have changed
    assert {row.run_id for row in tables.read_all("sales").collect()} == {"run0", "run2"}


def test_a_catalog_is_reached_through_spark_and_a_folder_without(spark: SparkSession, tmp_path: Path) -> None:
    assert isinstance(warehouse_of(load(sets=[f"paths.warehouse={tmp_path}"]), spark), InFolder)
    for place in ("paths.warehouse=s3://bucket/place", "paths.catalog=main.orders"):
        assert in_folder(load(sets=[place])) is None
        assert isinstance(warehouse_of(load(sets=[place]), spark), ThroughSpark)


def test_the_last_stage_lets_old_runs_go(spark: SparkSession, tmp_path: Path) -> None:
    built = sample.build(tmp_path / "warehouse")
    for k in range(2):
        old = [{**row, "started_at": NIGHT - dt.timedelta(days=900 - k)} for row in sample._runs()]
        sample.write(built, "runs", [{**row, "output_run_id": f"old{k}"} for row in old], f"old{k}")
    cfg = sample.config(built)
    tables = Tables(spark, cfg, sample.RUN, dict.fromkeys(STAGES, sample.RUN))
    assert "removed" not in publish.run(tables, cfg)
    keeping = cfg.model_copy(update={"paths": cfg.paths.model_copy(update={"keep_runs": 2})})
    assert publish.run(tables, keeping).endswith("; older runs removed: 1")
    status = {(row.run_id, row.status) for row in InFolder(built).log()}
    assert {run for run, word in status if word == REMOVED} == {"old0"}
