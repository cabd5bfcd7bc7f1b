"""Stage train with a budget of time: what was tried is in a table, forecasts use what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from panels import QUICK_TRAINING, daily, features_rows, profile_rows
from parlevel.config import load
from parlevel.pipeline import forecast, train
from parlevel.pipeline.train_tuning import ALL
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

N, HORIZON, BUDGET_S = 24, 7, 60
SETTINGS = [
    *QUICK_TRAINING,
    "train.candidates=[{model: seasonal_naive}, {model: forest, parameters: {trees: 5, max_rows: 600}}, "
    "{model: boosting, scope: all, parameters: {rounds: 20, max_rows: 900}}]",
]  # fmt: skip


def test_what_was_tried_is_a_table_and_what_was_found_is_offered(spark: SparkSession, tmp_path: Path) -> None:
    cfg = load(sets=[*SETTINGS, f"paths.warehouse={tmp_path}", f"train.budget={BUDGET_S}s"])
    tables = Tables(spark, cfg, "r1", {})
    source = daily(N, 150, horizon=HORIZON)
    tables.write("features", spark.createDataFrame(features_rows(source)))
    groups = [f"g{k % 2}" for k in range(N)]
    tables.write("series_profile", spark.createDataFrame(profile_rows(source, groups, [False] * N)))
    train.run(tables, cfg)
    tried = tables.read("tuning").toPandas()
    walks = {(row.group_id, row.model) for row in tried.itertuples()}
    assert walks == {("g0", "forest"), ("g1", "forest"), (ALL, "global_boosting")}
    first = tried[tried["trial"] == 0]
    assert len(first) == len(walks)
    assert {json.loads(each).get("trees") for each in first["parameters"]} == {5, None}
    assert len(tried) > 6
    assert tried["seconds"].sum() <= 2 * BUDGET_S  # two cores
    best = tried[tried["chosen"]].set_index(["group_id", "model"])["loss"]
    before = first.set_index(["group_id", "model"])["loss"]
    assert (best <= 0.995 * before.reindex(best.index)).all()
    models = tables.read("models").toPandas()
    offered = set(zip(models["group_id"], models["model"], strict=True))
    for group, model in best.index:
        name = model.replace("global_", "global_tuned_") if group == ALL else f"tuned_{model}"
        assert {(each, name) for each in (["g0", "g1"] if group == ALL else [group])} <= offered
    assert not models["note"].str.contains("failed", na=False).any()
    forecast.run(tables, cfg)
    assert tables.read("forecast_status").count() == N
