"""The shape of the stages' physical plans: Python runs once per row, rows move once, nothing else is shuffled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from pyspark.sql import DataFrame, SparkSession

from parlevel.config import Config, load
from parlevel.pipeline import clean, clean_rows, evaluate, features, features_groups, replenish_solve
from parlevel.pipeline.replenish_overview import overview
from parlevel.pipeline.replenish_rows import join, with_limits
from parlevel.pipeline.runner import run
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

PYTHON = ("MapInArrow", "FlatMapGroupsInArrow", "FlatMapGroupsInPandas", "ArrowEvalPython", "BatchEvalPython")


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tables, Config]]:
    """A small run's tables; plans are looked at as they are made, not as adaptive execution changes them."""
    folder = tmp_path_factory.mktemp("plans")
    sets = ["source.name=synthetic", "source.options={series: 24, days: 200}", "calendar.horizon=14", "train.folds=1"]
    sets += ["train.candidates=[{model: seasonal_naive}]", "train.min_group_series=12", "replenish.n_paths=16"]
    cfg = load(sets=[*sets, f"paths.warehouse={folder}", f"paths.report={folder}/report.html"])
    done = run(spark, cfg, stages=["sources", "clean", "features", "train", "forecast"])
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    yield Tables(spark, cfg, done.run_id, {}), cfg
    spark.conf.set("spark.sql.adaptive.enabled", "true")


def shape(df: DataFrame) -> Counter[str]:
    """How often each operator stands in the physical plan; a reused exchange counts as what it is."""
    text = df._jdf.queryExecution().executedPlan().toString()
    return Counter(re.findall(r"^[\s:|+\-*()\d]*([A-Z]\w+)", text, flags=re.MULTILINE))


def python(df: DataFrame) -> int:
    found = shape(df)
    return sum(found[name] for name in PYTHON)


def test_the_counter_sees_python_twice_and_every_shuffle(spark: SparkSession) -> None:
    def twice(batches):
        yield from batches

    rows = spark.range(8).repartition(3).mapInArrow(twice, "id bigint").mapInArrow(twice, "id bigint")
    assert python(rows) == 2
    assert shape(rows)["Exchange"] == 1


def test_clean_moves_each_table_once_and_cleans_in_one_pass(made: tuple[Tables, Config]) -> None:
    tables, cfg = made
    window = clean.find_window(tables.read("sales"), cfg)
    given = {name: tables.read(name) for name in clean_rows.JUDGES}
    packed = clean.pack(tables.read("series"), given, cfg=cfg, window=window, parts=3)
    # sales, prices, promotions and series; what is left are the names of the known series, to be broadcast
    assert len([moved for moved in by_series(packed) if ", 3)" in moved]) == 4
    assert shape(packed)["Exchange"] <= 4 + 3
    assert python(packed) == 0
    panel = clean.transform(packed, tables.read("calendar"), window.cutoff, cfg=cfg, window=window)
    assert python(panel) == 1


def test_rejected_rows_of_unknown_series_are_found_without_moving_sales(made: tuple[Tables, Config]) -> None:
    tables, cfg = made
    window = clean.find_window(tables.read("sales"), cfg)
    found = clean_rows.strangers("sales", tables.read("sales"), tables.read("series"), cfg=cfg, window=window)
    assert shape(found)["Exchange"] == 1  # the distinct names of series


def test_features_move_no_series(made: tuple[Tables, Config]) -> None:
    tables, cfg = made
    frames = {name: tables.read(name) for name in ("panel", "products", "locations", "calendar")}
    settings = features.find_settings(frames["panel"], frames["locations"], frames["calendar"], cfg)
    rows = features.transform(**frames, settings=settings)
    assert python(rows) == 1
    # codes of three product columns and of places, and each location's calendar: nothing by series
    assert not by_series(rows)
    base = features_groups.base_profile(frames["panel"], frames["products"], settings=settings)
    assert python(base) == 1
    assert not by_series(base)


def by_series(df: DataFrame) -> list[str]:
    """Shuffles on series_id."""
    text = df._jdf.queryExecution().executedPlan().toString()
    return re.findall(r"Exchange hashpartitioning\(series_id#\d+.*", text)


def test_groups_of_orders_move_once(made: tuple[Tables, Config]) -> None:
    tables, cfg = made
    names = ("series_profile", "supply_terms", "inventory", "forecast", "forecast_status", "failures", "panel")
    rows = with_limits(join(*(tables.read(name) for name in names), cfg=cfg), tables.read("resources"))
    assert python(rows) == 0
    with Scratch(tables.spark, cfg, "plans") as scratch:
        kept = scratch.keep(rows)
        seen = overview(kept)
        plan = replenish_solve.solve(
            kept, replenish_solve.make_job(seen.cutoff, tables.read("resources"), cfg), seen.tasks()
        )
        assert python(plan) == 1
        assert shape(plan)["Exchange"] == 1


def test_accuracy_is_summed_in_workers_before_anything_moves(made: tuple[Tables, Config]) -> None:
    tables, _ = made
    found = shape(evaluate.forecast_accuracy(tables.read("backtest"), tables.read("series_profile")))
    assert found["MapInArrow"] == 2  # the newest fold by segment, and every fold by itself
    assert found["FlatMapGroupsInArrow"] == 1
