"""The presets that say how to plan, from the default data to orders, on its best-selling products."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import SparkSession
from small import places

from parlevel.config import load
from parlevel.pipeline.runner import run
from parlevel.spark.tables import Tables

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FEW = ["source.options={min_days: 345, order_lines: false}", "train.folds=2", "replenish.n_paths=16"]


@pytest.mark.parametrize(
    "name", ["lstm_lp", "lstm_rules", "deep_auto", "grocery", "fashion", "spare_parts", "pharmacy"]
)
def test_a_preset_plans_every_series(spark: SparkSession, project, tmp_path, name: str) -> None:
    files = [project / "conf" / "base.yaml", project / "conf" / "presets" / f"{name}.yaml"]
    needs = {"lstm_rules": "source.options.order_lines=true", "deep_auto": "train.folds=3", "pharmacy": "train.folds=3"}
    own = [needs[name]] if name in needs else []
    cfg = load(files, sets=[*FEW, *own, *places(tmp_path)])
    tables = Tables(spark, cfg, run(spark, cfg).run_id, {})
    plan = tables.read("order_plan").toPandas()
    series = tables.read("series").count()
    assert 10 <= series == plan["series_id"].nunique()
    assert plan["order_qty"].sum() > 0
    auto = cfg.replenish.policy == "auto"
    assert set(plan["policy"]) <= set(cfg.replenish.choose_from if auto else [cfg.replenish.policy])
    terms = tables.read("supply_terms").toPandas()
    for column, value in cfg.source.terms.items():
        assert all(list(found) == value if isinstance(value, list) else found == value for found in terms[column])
    if name == "fashion":
        check_season(tables, cfg.source.terms["season_end"])
    if name == "lstm_rules":
        check_recommendations(tables)
    if name == "pharmacy":
        ordered = plan[plan["order_qty"] > 0]
        assert {day.isoweekday() for day in ordered["order_date"]} <= {1, 2, 3, 4, 5}


def check_recommendations(tables: Tables) -> None:
    """Pairs that a shopper knows are found, and they reach the view beside what is ordered of both."""
    pairs = tables.read("recommendations").toPandas()
    names = tables.read("products").toPandas().set_index("product_id")["name"]
    found = {
        kind: set(zip(names[some["product_id"]], names[some["other_id"]], strict=True))
        for kind, some in pairs.groupby("kind")
    }
    assert ("Hamburger Buns", "Hot Dog Buns") in found["complement"]
    assert ("Eggs - Large", "Eggs - X-large") in found["substitute"]
    assert (pairs.loc[pairs["kind"] == "complement", "lift"] >= 1.5).all()
    house = tables.spark.table("bought_together").toPandas()
    assert len(house) == len(pairs)
    assert (house["order_qty"] >= 0).all()


def check_season(tables: Tables, end: date) -> None:
    """Nothing is ordered that would arrive when the season is over, and its end holds orders of the last weeks."""
    plan = tables.read("order_plan").toPandas()
    ordered = plan[plan["order_qty"] > 0]
    assert (ordered["receipt_date"] <= end).all()
    assert ordered["order_date"].nunique() > 1
    kpi = tables.read("inventory_kpi").toPandas()
    assert (kpi["leftover_cost"] == 0).all()  # the simulated periods end before the season does
