"""Stages train and forecast on Spark: contracts, counts, failures as rows, partitions that do not show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import shop

from panels import HARD, daily, features_rows, profile_rows, with_hard
from parlevel.config import Config, load
from parlevel.domain.panel import Panel
from parlevel.errors import DataError
from parlevel.pipeline import forecast, train
from parlevel.pipeline.train_groups import HIGH_VOLUME, group_sizes, grouped
from parlevel.schemas import contract
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

N, HORIZON = 24, 7
CANDIDATES = (
    "train.candidates=[{model: seasonal_naive}, {model: forest, parameters: {trees: 4, max_rows: 500}}, "
    "{model: linear, only: high_volume}]"
)
SETTINGS = [
    "calendar.horizon=7", "train.folds=2", "train.fold_step=7", "features.lags=[1, 7]", "features.windows=[7, 28]",
    "features.halflives=[7.0]", CANDIDATES,
]  # fmt: skip


def config(folder: Path, *more: str) -> Config:
    return load(sets=[*SETTINGS, f"paths.warehouse={folder}", *more])


def panel() -> Panel:
    return with_hard(daily(N, 100, horizon=HORIZON))


def groups() -> tuple[list[str], list[bool]]:
    return [f"g{k % 2}" for k in range(N)], [k >= N - 5 for k in range(N)]


def prepared(spark: SparkSession, cfg: Config, source: Panel, run_id: str = "r1") -> Tables:
    tables = Tables(spark, cfg, run_id, {})
    tables.write("features", spark.createDataFrame(features_rows(source)))
    tables.write("series_profile", spark.createDataFrame(profile_rows(source, *groups())))
    return tables


@pytest.fixture(scope="module")
def done(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, str, str]:
    """Both stages run once over hard and ordinary series in three groups."""
    cfg = config(tmp_path_factory.mktemp("warehouse"))
    tables = prepared(spark, cfg, panel())
    return tables, train.run(tables, cfg), forecast.run(tables, cfg)


def test_models_hold_what_is_needed_to_load_and_to_trust_them(done: tuple[Tables, str, str]) -> None:
    tables, note, _ = done
    rows = tables.read("models").toPandas()
    assert note.startswith("3 groups: ")
    assert set(rows["group_id"]) == {"g0", "g1", HIGH_VOLUME}
    assert sorted(rows.loc[rows["group_id"] == HIGH_VOLUME, "model"]) == ["forest", "linear", "seasonal_naive"]
    assert sorted(rows.loc[rows["group_id"] == "g0", "model"]) == ["forest", "seasonal_naive"]
    np.testing.assert_allclose(rows.groupby("group_id")["weight"].sum(), 1.0)
    floor = rows[rows["model"] == "seasonal_naive"]
    assert (floor["artifact"].map(len) > 0).all()
    used = rows[rows["chosen"]]
    assert (used["artifact"].map(len) > 0).all()
    assert (used["data_key"].map(len) == 32).all()
    assert used["libraries"].map(lambda found: "numpy" in dict(found)).all()
    assert used["metrics"].map(lambda found: "wql" in dict(found)).all()


def test_scores_and_backtests_are_of_the_folds(done: tuple[Tables, str, str]) -> None:
    tables, _, _ = done
    scores = tables.read("cv_scores").toPandas()
    assert set(scores["fold"]) == {0, 1}
    assert {"seasonal_naive", "forest", "chosen"} <= set(scores["model"])
    backtest = tables.read("backtest").toPandas()
    assert set(backtest["model"]) >= {"seasonal_naive", "forest", "chosen"}
    assert not backtest.duplicated(["series_id", "model", "cutoff"]).any()
    assert set(backtest["mean"].map(len)) == {HORIZON}
    assert set(backtest["quantiles"].map(len)) == {HORIZON * len(backtest["levels"][0])}
    whole = panel()
    row = backtest[(backtest["series_id"] == "s010") & (backtest["model"] == "chosen")].iloc[0]
    np.testing.assert_array_equal(row["actual"], whole.demand[10, -HORIZON:])


def test_every_series_ends_in_one_forecast_with_its_reason(done: tuple[Tables, str, str]) -> None:
    tables, _, note = done
    status = tables.read("forecast_status").toPandas()
    assert sorted(status["series_id"]) == sorted(panel().series_id)
    assert (status["reason"].map(len) > 0).all()
    assert status.set_index("series_id").loc["masked", ["model", "fallback"]].tolist() == ["seasonal_mean", True]
    assert f"{N} of {N} series forecast" in note
    assert tables.read("failures").count() == 0


def test_forecasts_are_long_by_step_dated_sorted_and_not_negative(done: tuple[Tables, str, str]) -> None:
    tables, _, _ = done
    rows = tables.read("forecast").toPandas()
    assert len(rows) == N * HORIZON
    one = rows[rows["series_id"] == "constant"].sort_values("step")
    assert one["step"].tolist() == list(range(1, HORIZON + 1))
    assert str(one["date"].iloc[0]) == "2016-07-19"
    quantiles = np.stack(rows["demand_quantiles"])
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert quantiles.min() >= 0
    usual = rows[~rows["series_id"].isin(HARD)].groupby("series_id")["demand_mean"].mean()
    truth = {name: panel().demand[k].mean() for k, name in enumerate(panel().series_id)}
    assert all(0.5 * truth[name] < value < 2.0 * truth[name] for name, value in usual.items())


def test_neither_names_nor_order_nor_partitions_show(
    spark: SparkSession, done: tuple[Tables, str, str], tmp_path: Path
) -> None:
    cfg = config(tmp_path)
    order = np.random.default_rng(1).permutation(N)
    source = panel().take(order)
    renamed = Panel(**{**vars(source), "series_id": np.array([f"r{k}" for k in order], dtype=object)})
    tables = Tables(spark, cfg, "r2", {})
    names, high = groups()
    profile = profile_rows(renamed, [names[k] for k in order], [high[k] for k in order])
    tables.write("features", spark.createDataFrame(features_rows(renamed)).repartition(7))
    tables.write("series_profile", spark.createDataFrame(profile).repartition(3))
    train.run(tables, cfg)
    forecast.run(tables, cfg)
    first, second = (made.read("forecast").toPandas() for made in (done[0], tables))
    back = {f"r{k}": name for k, name in enumerate(panel().series_id)}
    second["series_id"] = second["series_id"].map(back)
    a, b = (rows.sort_values(["series_id", "step"]).reset_index(drop=True) for rows in (first, second))
    np.testing.assert_array_equal(np.stack(a["demand_quantiles"]), np.stack(b["demand_quantiles"]))
    np.testing.assert_array_equal(a["demand_mean"], b["demand_mean"])


def spoiled(source: Panel, change: Callable[[np.ndarray], None]) -> Panel:
    demand = source.demand.copy()
    change(demand)
    return Panel(**{**vars(source), "demand": demand})


def test_a_series_without_demand_is_a_failure_and_too_many_stop_the_stage(spark: SparkSession, tmp_path: Path) -> None:
    def nothing_known(demand: np.ndarray) -> None:
        demand[4] = np.nan

    cfg = config(tmp_path, "forecast.max_failed_share=0.1", "train.candidates=[{model: seasonal_naive}]")
    tables = prepared(spark, cfg, spoiled(panel(), nothing_known))
    train.run(tables, cfg)
    assert f"{N - 1} of {N} series forecast" in forecast.run(tables, cfg)
    failed = tables.read("failures").toPandas()
    assert failed[["series_id", "stage", "group_id", "reason"]].values.tolist() == [
        ["masked", "forecast", "g0", "no period with known demand"]
    ]
    forecast.run(tables, config(tmp_path, "forecast.max_failed_share=0.01"))  # a whole series at least
    strict = config(tmp_path, "forecast.max_failed_share=0", "train.candidates=[{model: seasonal_naive}]")
    with pytest.raises(DataError, match="max_failed_share = 0.0%.*Got 1 of 24.*masked: no period with known demand"):
        forecast.run(tables, strict)


def test_a_candidate_that_fails_everywhere_is_named_in_the_note(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "train.candidates=[{model: forest, parameters: {min_leaf: 0}}]")
    note = train.run(prepared(spark, cfg, panel()), cfg)
    assert "candidates that failed: " in note
    assert "forest failed on a fold: " in note
    assert "min_samples_leaf" in note


def test_a_group_whose_models_are_lost_falls_back_and_says_why(
    spark: SparkSession, done: tuple[Tables, str, str], tmp_path: Path
) -> None:
    cfg = config(tmp_path)
    tables = done[0]
    models = tables.read("models").withColumn(
        "artifact", F.when(F.col("group_id") == "g0", F.lit(b"broken")).otherwise(F.col("artifact"))
    )
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg)
    status = forecast.transform(rows, models.where("group_id != 'g1'"), group_sizes(rows), cfg=cfg).where(
        "kind = 'forecast_status'"
    )
    found = status.select("group_id", "model", "fallback", "reason").distinct().toPandas()
    lost = found[found["group_id"] == "g0"]
    assert lost["fallback"].all()
    assert lost["reason"].str.contains("failed: ").all()
    assert found.loc[found["group_id"] == "g1", "reason"].str.contains("no trained model").all()
    assert not found.loc[found["group_id"] == HIGH_VOLUME, "fallback"].any()


def test_a_group_that_cannot_be_trained_is_a_row_and_the_others_go_on(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "train.floor=ets", "train.candidates=[{model: ets}]", "train.folds=1")

    def nothing_known(demand: np.ndarray) -> None:
        demand[0::2] = np.nan

    tables = prepared(spark, cfg, spoiled(daily(N, 40, horizon=HORIZON), nothing_known))
    note = train.run(tables, cfg)
    rows = tables.read("models").toPandas().set_index("group_id")
    assert "not trained: " in note
    assert "could not be trained" in rows.loc["g0", "note"]
    assert rows.loc["g1", "chosen"]


def test_without_a_deep_candidate_high_volume_series_stay_in_their_groups(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "train.candidates=[{model: forest}]")
    features = spark.createDataFrame(features_rows(panel()))
    profile = spark.createDataFrame(profile_rows(panel(), *groups()))
    rows = grouped(features, profile, cfg=cfg).select("group_id", "high_volume").distinct().toPandas()
    assert sorted(rows["group_id"]) == ["g0", "g1"]
    assert not rows["high_volume"].any()


def test_a_high_volume_group_over_the_memory_budget_is_split(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "train.max_group_mb=0.02")
    features = spark.createDataFrame(features_rows(panel()))
    profile = spark.createDataFrame(profile_rows(panel(), *groups()))
    names = grouped(features, profile, cfg=cfg).where("high_volume").select("group_id").distinct().toPandas()
    assert len(names) > 1
    assert all(name.startswith(f"{HIGH_VOLUME}_") for name in names["group_id"])


def test_the_grouped_functions_return_their_contracts_columns() -> None:
    for output, kinds in ((train.OUTPUT, train.KINDS), (forecast.OUTPUT, forecast.KINDS)):
        names = {column.name for column in output}
        assert all({column.name for column in contract(kind).data_columns} <= names for kind in kinds)
    assert isinstance(features_rows(panel()), pa.Table)


def test_models_are_chosen_by_the_money_of_their_orders(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "train.loss=decision_cost")
    tables = prepared(spark, cfg, daily(N, 100, horizon=HORIZON))
    tables.write("supply_terms", shop(spark, HORIZON, n=N, failed=0)["supply_terms"])
    train.run(tables, cfg)
    rows = tables.read("models").toPandas()
    money = rows["metrics"].map(lambda found: dict(found).get("decision_cost", np.nan))
    assert (money > 0).all()
    assert rows.loc[rows["chosen"], "note"].str.contains("decision_cost").all()
    single = rows[rows["chosen"] & (rows["weight"] == 1.0)]
    cheapest = money.groupby(rows["group_id"]).min()
    assert (money[single.index] == single["group_id"].map(cheapest)).all()
