"""Models learned from all groups: one fit per cutoff, handed to every group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from panels import QUICK_TRAINING, daily, features_rows, profile_rows
from parlevel.config import load
from parlevel.domain.forecast.registry import SHARED
from parlevel.pipeline import forecast, train
from parlevel.pipeline.train_groups import grouped
from parlevel.pipeline.train_shared import shared_models
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

N, HORIZON = 24, 7
SETTINGS = [
    *QUICK_TRAINING,
    "train.candidates=[{model: seasonal_naive}, "
    "{model: boosting, scope: all, parameters: {rounds: 30, max_rows: 2000}}]",
]  # fmt: skip


def test_every_group_gets_the_models_that_were_learned_from_all(spark: SparkSession, tmp_path: Path) -> None:
    cfg = load(sets=[*SETTINGS, f"paths.warehouse={tmp_path}"])
    tables, name = Tables(spark, cfg, "r1", {}), f"{SHARED}boosting"
    tables.write("features", spark.createDataFrame(features_rows(daily(N, 100, horizon=HORIZON))))
    groups = [f"g{k % 2}" for k in range(N)]
    tables.write(
        "series_profile", spark.createDataFrame(profile_rows(daily(N, 100, horizon=HORIZON), groups, [False] * N))
    )
    train.run(tables, cfg)
    found = tables.read("models").where(F.col("model") == name).toPandas()
    assert sorted(found["group_id"]) == ["g0", "g1"]
    assert len(set(found.loc[found["chosen"], "artifact"])) == 1  # one model, not one per group
    scores = tables.read("cv_scores").where(F.col("model") == name)
    assert scores.count() == 2 * cfg.train.folds
    forecast.run(tables, cfg)
    status = tables.read("forecast_status").toPandas()
    assert len(status) == N
    assert status["model"].str.contains(name).any()
    used = json.loads(found["hyperparameters"].iloc[0])
    assert used["max_rows"] == 2000


def test_a_sample_stays_inside_the_memory_budget(spark: SparkSession, tmp_path: Path) -> None:
    cfg = load(sets=[*SETTINGS, f"paths.warehouse={tmp_path}", "train.shared_mb=0.3"])
    source = daily(200, 100, horizon=HORIZON)
    tables = Tables(spark, cfg, "r1", {})
    tables.write("features", spark.createDataFrame(features_rows(source)))
    tables.write("series_profile", spark.createDataFrame(profile_rows(source, ["g"] * 200, [False] * 200)))
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg)
    models = shared_models(rows, train.spec(cfg, deep=True), cfg=cfg)
    assert models is not None
    made = models.toPandas()
    assert sorted(np.diff(sorted(made["shared_cutoff"]))) == [7, 7]
    learned_from = [int(json.loads(bytes(each).split(b"\n", 1)[0])["rows"]) for each in made["shared_artifact"]]
    # 200 series have 20,000 periods, of which about a twentieth fits
    assert 0 < max(learned_from) < 2000
