"""Stage replenish on Delta tables: every series decided, limits kept, names and partitions without effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline import replenish
from stock_tables import CUTOFF, frame, limit, shop

pytestmark = pytest.mark.spark


def config(tmp_path: Path, *sets: str) -> Config:
    return load(sets=[f"paths.warehouse={tmp_path}", "calendar.horizon=14", "replenish.n_paths=16", *sets])


def rows(tables, name: str) -> list[dict]:
    return [r.asDict() for r in tables.read(name).collect()]


def test_every_series_has_a_decision_for_tomorrow_with_a_reason(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path)
    tables = shop(spark, cfg)
    note = replenish.run(tables, cfg)
    plan = rows(tables, "order_plan")
    first = [r for r in plan if (r["order_date"] - CUTOFF).days == 1]
    assert len({r["series_id"] for r in first}) == len(first) == 12
    assert all(r["reason"] for r in plan)
    lost = [r for r in first if "no forecast (no sales)" in r["reason"]]
    assert len(lost) == 1
    assert lost[0]["order_qty"] == 0
    terms = {r["series_id"]: r for r in rows(tables, "supply_terms")}
    for r in plan:
        t = terms[r["series_id"]]
        assert r["order_qty"] % t["case_pack"] == 0
        assert r["order_qty"] == 0 or r["order_qty"] >= t["min_order_qty"]
        assert r["order_value"] == pytest.approx(r["order_qty"] * t["unit_cost"])
        assert (r["receipt_date"] - r["order_date"]).days == t["lead_time"]
        assert r["assumed"] == t["assumed"]
        later = (r["order_date"] - CUTOFF).days - 1
        assert later == 0 or (r["order_qty"] > 0 and later % t["review_period"] == 0)
        if t["max_stock"] and later == 0:
            assert r["inventory_position"] + r["order_qty"] <= t["max_stock"]
    assert "12 series in 6 groups: 6 optimal" in note
    assert tables.read("projection").count() == 11


def test_stock_and_orders_add_up_in_the_projection(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path)
    tables = shop(spark, cfg)
    replenish.run(tables, cfg)
    stock = {r["series_id"]: r for r in rows(tables, "inventory")}
    orders = rows(tables, "order_plan")
    for r in rows(tables, "projection"):
        arriving = sum(
            o["order_qty"] for o in orders
            if o["series_id"] == r["series_id"] and (o["receipt_date"] - CUTOFF).days <= 14
        )  # fmt: skip
        due = sum(stock[r["series_id"]]["due_qty"])
        assert sum(r["receipts"]) == pytest.approx(arriving + due)
        low, mean, high = (np.array(r[k]) for k in ("stock_low", "stock_mean", "stock_high"))
        assert (low <= mean + 1e-4).all()
        assert (mean <= high + 1e-4).all()
        assert (low >= 0).all()


def test_limits_of_a_supplier_and_of_the_chain_are_kept(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path)
    limits = [
        limit("min:sup0@loc0", "supplier_min", "value", 60.0, supplier_id="sup0", location_id="loc0"),
        limit("truck:sup1@loc1", "truck", "weight", 50.0, supplier_id="sup1", location_id="loc1", cost=4.0),
        limit("budget", "budget", "value", 120.0),
    ]
    tables = shop(spark, cfg, limits=limits)
    replenish.run(tables, cfg)
    plan = tables.read("order_plan")
    spent = [r["v"] for r in plan.groupBy("order_date").agg(F.sum("order_value").alias("v")).collect()]
    assert max(spent) <= 120.0 + 1e-6
    assert max(spent) > 60.0
    own = plan.where("supplier_id = 'sup0' and location_id = 'loc0'").groupBy("order_date")
    assert all(r["v"] == 0 or r["v"] >= 60.0 for r in own.agg(F.sum("order_value").alias("v")).collect())
    report = {r["solve_group"]: r for r in rows(tables, "plan_report")}
    assert len(report) == 7
    chain = report["shared limits"]
    assert chain["status"] in ("optimal", "feasible")
    assert chain["relaxed"] == []
    assert 0 < chain["bound"] <= chain["objective"]
    assert chain["prices"]
    for r in report.values():
        assert r["bound"] <= r["objective"] + 1e-9
        assert r["gap"] == pytest.approx(max(r["objective"] - r["bound"], 0) / abs(r["bound"]), abs=1e-9)


def test_names_and_partitions_do_not_show(spark: SparkSession, tmp_path: Path) -> None:
    cfg = [config(tmp_path / "a"), config(tmp_path / "b", "spark.partitions=3")]
    limits = [limit("budget", "budget", "value", 120.0)]
    one, two = shop(spark, cfg[0], limits=limits), shop(spark, cfg[1], rename="zz", limits=limits, partitions=5)
    found = []
    for tables, each in zip((one, two), cfg, strict=True):
        replenish.run(tables, each)
        keys = tables.read("series_profile").select("series_id", "content_key")
        plan = tables.read("order_plan").join(keys, "series_id").drop("series_id", "product_id")
        found.append(sorted(str(sorted(r.asDict().items())) for r in plan.collect()))
    assert found[0] == found[1]


def test_a_policy_by_name_decides_item_by_item_and_says_what_it_breaks(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path, "replenish.policy=min_max")
    limits = [limit("min:x", "supplier_min", "value", 1e5, supplier_id="sup0", location_id="loc0")]
    tables = shop(spark, cfg, limits=limits)
    replenish.run(tables, cfg)
    report = {r["solve_group"]: r for r in rows(tables, "plan_report")}
    assert {r["status"] for r in report.values()} == {"heuristic"}
    assert "min:x@1 by" in report["sup0 @ loc0"]["reason"]
    assert {r["policy"] for r in rows(tables, "order_plan")} == {"min_max"}


def test_missing_terms_old_stock_and_bad_terms_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    cfg = config(tmp_path)
    tables = shop(spark, cfg)
    terms = rows(tables, "supply_terms")
    tables.write("supply_terms", frame(spark, "supply_terms", terms[1:]))
    with pytest.raises(DataError, match=rf"must have a row in supply_terms. Got 1 .*{terms[0]['series_id']}"):
        replenish.run(tables, cfg)
    tables.write("supply_terms", frame(spark, "supply_terms", [{**terms[0], "lead_time": -1}, *terms[1:]]))
    with pytest.raises(DataError, match="lead_time must be an integer >= 0"):
        replenish.run(tables, cfg)
    tables.write("supply_terms", frame(spark, "supply_terms", terms))
    stock = rows(tables, "inventory")
    tables.write("inventory", frame(spark, "inventory", [{**r, "as_of": CUTOFF.replace(day=1)} for r in stock]))
    with pytest.raises(DataError, match="inventory.as_of must be the last period learnt from"):
        replenish.run(tables, cfg)
