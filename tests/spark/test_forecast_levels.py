"""Reconciled forecasts on Spark: what is written is what the arrays' own function gives, and it adds up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from panels import daily, features_rows, profile_rows
from parlevel.config import Config, load
from parlevel.domain.forecast.reconcile import reconcile
from parlevel.errors import DataError
from parlevel.pipeline import forecast, forecast_levels, train
from parlevel.pipeline.forecast_nodes import node_forecasts
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

N, H = 20, 7
SETTINGS = [
    "calendar.horizon=7", "train.folds=3", "train.fold_step=7", "features.lags=[1, 7]", "features.windows=[7, 28]",
    "features.halflives=[7.0]", "train.floor=dynamic", "train.candidates=[{model: dynamic}]", "forecast.drivers=false",
]  # fmt: skip
"""A model whose forecast of a sum is not the sum of its forecasts: else there is nothing to reconcile."""


def config(folder: Path, method: str) -> Config:
    return load(sets=[*SETTINGS, f"paths.warehouse={folder}", f"forecast.reconcile={method}"])


def prepared(spark: SparkSession, cfg: Config) -> Tables:
    panel = daily(N, 90, horizon=H)
    profile = profile_rows(panel, ["g"] * N, [False] * N)
    changed = {
        "location_id": [f"store{k % 2}" for k in range(N)],
        "category": [["food", "toys", None][k % 3] for k in range(N)],
        "product_id": [f"p{k // 2}" for k in range(N)],
    }  # fmt: skip
    for name, values in changed.items():
        profile = profile.set_column(profile.schema.get_field_index(name), name, pa.array(values))
    tables = Tables(spark, cfg, "r", {})
    tables.write("features", spark.createDataFrame(features_rows(panel)))
    tables.write("series_profile", spark.createDataFrame(profile))
    train.run(tables, cfg)
    return tables


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return prepared(spark, config(tmp_path_factory.mktemp("w"), "none"))


def run(spark: SparkSession, tables: Tables, method: str) -> tuple[pd.DataFrame, pd.DataFrame, Config]:
    folder = Path(tables.reference("features").split("`")[1]).parent
    cfg = config(folder, method)
    forecast.run(tables, cfg)
    rows = tables.read("forecast").toPandas().sort_values(["series_id", "step"])
    levels = tables.read("forecast_levels").toPandas() if method != "none" else pd.DataFrame()
    return rows, levels, cfg


def matrix(rows: pd.DataFrame) -> np.ndarray:
    return rows["demand_mean"].to_numpy().reshape(N, H)


@pytest.mark.parametrize("method", ["bottom_up", "top_down", "mint_shrink"])
def test_levels_add_up_and_equal_the_arrays(spark: SparkSession, tables: Tables, method: str) -> None:
    base = matrix(run(spark, tables, "none")[0])
    rows, levels, cfg = run(spark, tables, method)
    quantiles = np.stack(rows["demand_quantiles"])
    assert quantiles.min() >= 0
    assert (np.diff(quantiles, axis=1) >= 0).all()
    single = levels[levels["span"] == "period"]
    whole = rows.groupby("date")["demand_mean"].sum()
    for level, part in single.groupby("level"):
        np.testing.assert_allclose(part.groupby("date")["demand_mean"].sum(), whole, rtol=1e-5, err_msg=level)
    assert set(single["level"]) == set(forecast_levels.LEVELS)
    for span in ("week", "horizon"):
        total = levels[levels["span"] == span].groupby("level")["demand_mean"].sum()
        np.testing.assert_allclose(total, whole.sum(), rtol=1e-5)
    profile = tables.read("series_profile")
    above = forecast_levels.hierarchy(profile)
    errors = forecast_levels.series_errors(tables.read("backtest"))
    nodes, cutoffs = node_forecasts(above.member, above.index, tables, errors, cfg)
    assert len(cutoffs) == 2
    names = sorted(rows["series_id"].unique())
    member = np.zeros((len(above.index), N), bool)
    for row in above.member.toPandas().itertuples():
        member[above.index[row.node], names.index(row.series_id)] = True
    packed = np.zeros((N, len(cutoffs) * H))
    for row in errors.toPandas().itertuples():
        begin = cutoffs.index(row.cutoff) * H
        packed[names.index(row.series_id), begin : begin + H] = row.errors
    expected, _ = reconcile(base, member, nodes, (packed**2).mean(axis=1), packed, method)  # type: ignore[arg-type]
    np.testing.assert_allclose(matrix(rows), expected, rtol=1e-4, atol=1e-4)
    if method != "bottom_up":
        assert np.abs(expected - base).max() > 1e-3


def test_a_level_that_does_not_add_up_stops_the_stage(spark: SparkSession, tables: Tables) -> None:
    rows, _, _ = run(spark, tables, "bottom_up")
    lost = tables.read("forecast_levels").where("node != 'category/toys'")
    with pytest.raises(DataError, match="every level must add up"):
        forecast_levels.check(len(rows), lost)
