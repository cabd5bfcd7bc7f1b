"""The presets that say how to plan, from the default data to orders, on its best-selling products."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from small import places

from parlevel.config import load
from parlevel.pipeline.runner import run
from parlevel.spark.tables import Tables

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FEW = ["source.options={min_days: 345, order_lines: false}", "train.folds=2", "replenish.n_paths=16"]


@pytest.mark.parametrize("name", ["lstm_lp", "deep_auto", "grocery", "spare_parts", "pharmacy"])
def test_a_preset_plans_every_series(spark: SparkSession, project, tmp_path, name: str) -> None:
    files = [project / "conf" / "base.yaml", project / "conf" / "presets" / f"{name}.yaml"]
    cfg = load(files, sets=[*FEW, *places(tmp_path)])
    tables = Tables(spark, cfg, run(spark, cfg).run_id, {})
    plan = tables.read("order_plan").toPandas()
    series = tables.read("series").count()
    assert 10 <= series == plan["series_id"].nunique()
    assert plan["order_qty"].sum() > 0
    assert set(plan["policy"]) == {cfg.replenish.policy}
    terms = tables.read("supply_terms").toPandas()
    for column, value in cfg.source.terms.items():
        assert all(list(found) == value if isinstance(value, list) else found == value for found in terms[column])
    if name == "pharmacy":
        ordered = plan[plan["order_qty"] > 0]
        assert {day.isoweekday() for day in ordered["order_date"]} <= {1, 2, 3, 4, 5}
