"""The publish stage on tables that Spark reads and delta-rs wrote: the same views in both engines, the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sample_warehouse as sample
from parlevel.pipeline import publish
from parlevel.report.views import VIEWS
from parlevel.report.warehouse import open_warehouse
from parlevel.schemas import STAGES
from parlevel.spark.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

FEW = {"forecast_quantiles", "stock_projection", "backtest_steps"}
"""Views with many rows: compared on step 2 alone."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture
def tables(spark: SparkSession, built: Path) -> Tables:
    return Tables(spark, sample.config(built), sample.RUN, dict.fromkeys(STAGES, sample.RUN))


def plain(row: dict) -> dict:
    """A row whose numbers compare within rounding: the engines add up in different orders."""
    return {key: pytest.approx(v, rel=1e-6, nan_ok=True) if isinstance(v, float) else v for key, v in row.items()}


def sort_key(row: dict) -> tuple:
    return tuple(str(value) for value in row.values() if not isinstance(value, float))


def test_spark_and_duckdb_give_the_same_rows(spark: SparkSession, tables: Tables, built: Path):
    made = publish.transform_views(tables, publish.existing(tables, sample.config(built)))
    publish.create_views(spark, made, None)
    house = open_warehouse(built)
    assert set(made) == {view.name for view in VIEWS} == set(house.views)
    for name in made:
        query = f"SELECT * FROM {name}" + (" WHERE step = 2" if name in FEW else "")
        ours = sorted(house.ask(query).to_pylist(), key=sort_key)
        theirs = sorted(spark.sql(query).toArrow().to_pylist(), key=sort_key)  # bounded: a test
        assert len(ours) == len(theirs) > 0, name
        assert list(ours[0]) == list(theirs[0]), name
        for mine, other in zip(ours, theirs, strict=True):
            assert mine == plain(other), name


def test_the_stage_writes_the_report_and_says_so(tables: Tables, built: Path):
    cfg = sample.config(built)
    note = publish.run(tables, cfg)
    assert note.startswith(f"{len(VIEWS)} views; report at {built}")
    html = Path(cfg.paths.report).read_text()
    assert sample.RUN in html
    assert tables.row_counts == {}


def test_views_whose_tables_are_missing_are_left_out(spark: SparkSession, tmp_path: Path):
    sample.write(tmp_path, "runs", [])
    sample.write(tmp_path, "data_quality", [])
    cfg = sample.config(tmp_path)
    tables = Tables(spark, cfg, "r", {})
    there = publish.existing(tables, cfg)
    assert there == {"runs", "data_quality"}
    assert set(publish.transform_views(tables, there)) == {"data_quality_today", "run_log"}


def test_with_a_catalog_views_are_created_there(spark: SparkSession, built: Path):
    cfg = sample.config(built)
    cfg = cfg.model_copy(update={"paths": cfg.paths.model_copy(update={"catalog": "spark_catalog.published"})})
    spark.sql("CREATE DATABASE IF NOT EXISTS published")
    for name in ("runs", "data_quality", "forecast"):
        spark.sql(f"CREATE TABLE IF NOT EXISTS published.{name} USING delta LOCATION '{built / name}'")
    tables = Tables(spark, cfg, sample.RUN, dict.fromkeys(STAGES, sample.RUN))
    note = publish.run(tables, cfg)
    assert note.startswith("3 views in spark_catalog.published")
    assert spark.sql("SELECT * FROM published.data_quality_today").count() == 2
    assert spark.sql("SELECT * FROM published.forecast_quantiles WHERE step = 1").count() == sample.N * 9
    spark.sql("DROP DATABASE published CASCADE")
