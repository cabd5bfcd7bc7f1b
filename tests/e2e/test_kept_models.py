"""`train.refit_every`: the next days forecast with the models of the day that fitted them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from small import SMALL, places

from parlevel.config import Config, load
from parlevel.pipeline import train_kept
from parlevel.pipeline.runner import RunResult, run
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

START = date(2025, 1, 6)


def config(folder: Path, every: int = 7, **other: str) -> Config:
    """The job on the user's own file of sales."""
    sales = f"{{path: '{folder}/sales.csv', columns: {{product_id: sku, date: day, sales: qty}}}}"
    sets = ["source.name=tables", f"source.options={{tables: {{sales: {sales}}}}}", f"train.refit_every={every}"]
    small = [each for each in SMALL if not each.startswith("source.")]
    return load(
        sets=[*small, *places(folder / "warehouse"), *sets, *(f"{key}={value}" for key, value in other.items())]
    )


def write_sales(folder: Path, until: date) -> None:
    """Every day's sales of 30 products over 200 days up to START + 199 and on to `until`."""
    days = (until - START).days + 1
    level = np.random.default_rng(3).gamma(2.0, 3.0, 30)
    units = np.random.default_rng(4).poisson(level, (400, 30))[:days]
    lines = [f"p{k:02d},{START + timedelta(days=d)},{units[d, k]}" for d in range(days) for k in range(30)]
    (folder / "sales.csv").write_text("\n".join(["sku,day,qty", *lines]) + "\n")


def tables_of(spark: SparkSession, cfg: Config, result: RunResult) -> Tables:
    return Tables(spark, cfg, result.run_id, result.outputs)


@pytest.mark.slow  # two whole runs
def test_models_serve_the_days_after_they_were_fitted(spark: SparkSession, tmp_path: Path) -> None:
    monday, friday = START + timedelta(days=199), START + timedelta(days=203)
    cfg = config(tmp_path)
    write_sales(tmp_path, monday)
    fitted = run(spark, cfg)
    then = tables_of(spark, cfg, fitted)
    assert then.read("series_profile").where("kept_from IS NOT NULL").count() == 0

    write_sales(tmp_path, friday)
    served = run(spark, cfg)
    now = tables_of(spark, cfg, served)
    profile = now.read("series_profile").toPandas().set_index("series_id")
    assert set(profile["kept_from"]) == {fitted.run_id}
    assert (
        profile["group_id"].to_dict()
        == then.read("series_profile").toPandas().set_index("series_id")["group_id"].to_dict()
    )
    models, before = (each.read("models").drop("cutoff").toPandas() for each in (now, then))
    keys = ["group_id", "model"]
    assert models.sort_values(keys)["artifact"].tolist() == before.sort_values(keys)["artifact"].tolist()
    assert {row["cutoff"] for row in now.read("models").select("cutoff").distinct().collect()} == {monday}
    forecast = now.read("forecast")
    assert {row["cutoff"] for row in forecast.select("cutoff").distinct().collect()} == {friday}
    assert forecast.selectExpr("min(date) AS first").head(1)[0]["first"] == friday + timedelta(days=1)
    assert now.read("forecast_status").count() == profile.shape[0]
    notes = {row["stage"]: row["note"] for row in now.read_all("runs").where(f"run_id = '{served.run_id}'").collect()}
    assert f"models of run {fitted.run_id} serve" in notes["train"]
    assert f"measured by run {fitted.run_id}" in notes["evaluate"]
    kpi = [each.read("inventory_kpi").orderBy("policy", "segment", "cutoff").toPandas() for each in (now, then)]
    assert kpi[0].equals(kpi[1])

    # too old, other settings, or fitted at a later cutoff: everything is trained anew
    for other in (config(tmp_path, 4), config(tmp_path, 1), config(tmp_path, 7, **{"train.folds": "1"})):
        assert train_kept.find(now, other) is None
    assert train_kept.find(then, cfg) is None
    found = train_kept.find(now, cfg)
    assert found is not None
    assert found.run_id == fitted.run_id  # not the run that it serves, whose models are older than its cutoff
