"""The main job from end to end on generated data: all eight stages, reuse, and what must not matter."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from small import SMALL, configure, places

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline.runner import RunResult, run
from parlevel.schemas import STAGES, TABLES, contract
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark


def rows(spark: SparkSession, cfg: Config, result: RunResult, name: str) -> pd.DataFrame:
    """A table's slice of a run, sorted by its keys, without what a clock measured."""
    frame = Tables(spark, cfg, result.run_id, {}).read(name).toPandas()
    frame = frame.drop(columns=[c for c in ("seconds", "fit_seconds", "peak_bytes", "started_at") if c in frame])
    keys = [key for key in contract(name).keys if key in frame]  # a slice of one run has no run_id
    return frame.sort_values(keys).reset_index(drop=True)


def test_every_stage_runs_and_writes_every_table(spark: SparkSession, main_run: tuple[Config, RunResult]) -> None:
    cfg, result = main_run
    assert [event.stage for event in result.events if event.status == "done"] == list(STAGES)
    written = {name for event in result.events for name in event.rows}
    assert written >= {name for name, table in TABLES.items() if not table.optional and table.stage != "every"}
    log = rows(spark, cfg, result, "runs")
    assert set(log["stage"]) == set(STAGES)
    assert (log["status"] == "done").all()
    settled = log[log["stage"] != "sources"]  # clean settles the cutoff where the configuration names none
    assert settled["cutoff"].notna().all()
    assert log.set_index("stage").loc["clean", "input_versions"]


def test_every_series_ends_somewhere(spark: SparkSession, main_run: tuple[Config, RunResult]) -> None:
    cfg, result = main_run
    series = set(rows(spark, cfg, result, "series_profile")["series_id"])
    forecast = rows(spark, cfg, result, "forecast")
    failed = set(rows(spark, cfg, result, "failures")["series_id"])
    assert set(forecast["series_id"]) | failed == series
    assert not set(forecast["series_id"]) & failed
    assert (forecast.groupby("series_id").size() == cfg.calendar.horizon).all()
    assert set(rows(spark, cfg, result, "order_plan")["series_id"]) == series


def test_orders_obey_their_terms(spark: SparkSession, main_run: tuple[Config, RunResult]) -> None:
    cfg, result = main_run
    plan = rows(spark, cfg, result, "order_plan").merge(rows(spark, cfg, result, "supply_terms"), on="series_id")
    placed = plan[plan["order_qty"] > 0]
    assert len(placed) > 0
    assert ((placed["order_qty"] / placed["case_pack"]).round(9) % 1 == 0).all()
    assert (placed["order_qty"] >= placed["min_order_qty"] - 1e-9).all()
    assert (plan["reason"].str.len() > 10).all()


def test_the_same_run_again_computes_nothing(spark: SparkSession, main_run: tuple[Config, RunResult]) -> None:
    cfg, result = main_run
    again = run(spark, cfg)
    assert again.run_id == result.run_id
    assert again.reused == list(STAGES)
    assert all("nothing changed" in event.note for event in again.events)


def test_a_changed_order_setting_reuses_the_forecast(spark: SparkSession, main_run: tuple[Config, RunResult]) -> None:
    cfg, result = main_run
    other = configure(Path(cfg.paths.warehouse), "replenish.n_paths=24")
    changed = run(spark, other)
    assert changed.run_id != result.run_id
    assert changed.reused == ["sources", "clean", "features", "train", "forecast"]
    log = rows(spark, other, changed, "runs").set_index("stage")
    assert log.loc["forecast", "output_run_id"] == result.run_id
    assert log.loc["replenish", "output_run_id"] == changed.run_id
    assert len(rows(spark, other, changed, "order_plan")) > 0


def test_a_forced_stage_in_the_middle_gives_the_same_tables(
    spark: SparkSession, main_run: tuple[Config, RunResult]
) -> None:
    cfg, result = main_run
    before = {name: rows(spark, cfg, result, name) for name in ("forecast", "order_plan")}
    run(spark, cfg, stages=["forecast", "replenish"], force=True)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(rows(spark, cfg, result, name), frame)


def test_a_stage_without_its_input_says_what_to_run(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'forecast' needs the output of 'sources'.*parlevel run --to sources"):
        run(spark, configure(tmp_path), stages=["forecast"])


def renamed(name: str, prefix: str) -> str:
    """Another name that also sorts otherwise; the same call undoes it."""
    return name.removeprefix(prefix)[::-1] if name.startswith(prefix) else prefix + name[::-1]


def write_csv(
    spark: SparkSession, main_run: tuple[Config, RunResult], folder: Path, prefix: str, seed: int
) -> list[str]:
    """The synthetic input as a user's CSV files: other names, other row order."""
    cfg, result = main_run
    folder.mkdir()
    for name in ("sales", "series", "products", "prices", "promotions", "inventory", "supply_terms"):
        frame = rows(spark, cfg, result, name).sample(frac=1, random_state=seed)
        for column in ("series_id", "product_id"):
            if column in frame and prefix:
                frame[column] = frame[column].map(lambda name: renamed(name, prefix))
        frame.drop(columns=["due_dates", "due_qty", "assumed"], errors="ignore").to_csv(
            folder / f"{name}.csv", index=False
        )
    tables = {
        n: {"path": f"{folder}/{n}.csv", "format": "csv"}
        for n in ("sales", "series", "products", "prices", "promotions", "inventory", "supply_terms")
    }
    return ["source.name=tables", f"source.options={{tables: {tables}}}"]


@pytest.mark.slow  # two more runs of the main job; each stage has a quick test of the same
def test_names_row_order_and_partitions_do_not_matter(
    spark: SparkSession, main_run: tuple[Config, RunResult], tmp_path: Path
) -> None:
    plans, forecasts = [], []
    for prefix, seed, partitions in (("", 1, 2), ("zz", 2, 5)):
        folder = tmp_path / f"in{seed}"
        source = write_csv(spark, main_run, folder, prefix, seed)
        general = [setting for setting in SMALL if not setting.startswith("source.")]
        cfg = load(sets=[*general, *places(tmp_path / f"out{seed}"), *source, f"spark.partitions={partitions}"])
        spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
        result = run(spark, cfg, stages=STAGES[:6])
        plan, forecast = rows(spark, cfg, result, "order_plan"), rows(spark, cfg, result, "forecast")
        for frame in (plan, forecast):
            frame["series_id"] = frame["series_id"].map(lambda name, p=prefix: renamed(name, p) if p else name)
        plans.append(plan.sort_values(["series_id", "order_date"]).reset_index(drop=True))
        forecasts.append(forecast.sort_values(["series_id", "step"]).reset_index(drop=True))
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    assert len(forecasts[0]) > 0
    pd.testing.assert_frame_equal(forecasts[0], forecasts[1])
    kept = ["series_id", "order_date", "order_qty", "order_value", "receipt_date", "reason"]
    pd.testing.assert_frame_equal(plans[0][kept], plans[1][kept])
