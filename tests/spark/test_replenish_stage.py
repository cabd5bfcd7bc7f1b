"""Stage replenish on Delta tables: every series decided, limits kept, names and partitions without effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import CUTOFF, frame, limit, shop, written

from parlevel.config import load
from parlevel.domain.periods import to_index
from parlevel.errors import DataError
from parlevel.pipeline import replenish, replenish_solve
from parlevel.pipeline.replenish_rows import _check_rows, join, with_limits
from parlevel.pipeline.replenish_tables import table_rows
from parlevel.pipeline.sources_terms import check_stock, check_terms
from parlevel.spark.scratch import Scratch

pytestmark = pytest.mark.spark
SETS = ("calendar.horizon=14", "replenish.n_paths=16", "replenish.budget_rounds=3")


def rows(tables, name: str) -> list[dict]:
    return [r.asDict() for r in tables.read(name).collect()]


@pytest.fixture(scope="module", params=["in turn", "by shares"])
def done(spark: SparkSession, tmp_path_factory, request: pytest.FixtureRequest):
    """A shop with limits of suppliers and of the chain, replenished as few series are, and as many; (tables, note)."""
    cfg = load(sets=[f"paths.warehouse={tmp_path_factory.mktemp('shop')}", *SETS])
    limits = [
        limit("min:sup0@loc0", "supplier_min", "value", 60.0, supplier_id="sup0", location_id="loc0"),
        limit("truck:sup1@loc1", "truck", "weight", 50.0, supplier_id="sup1", location_id="loc1", cost=4.0),
        limit("budget", "budget", "value", 120.0),
    ]
    tables = written(spark, cfg, shop(spark, 14, limits=limits))
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by shares":
            patch.setattr(replenish_solve, "IN_TURN", 0)
        return tables, replenish.run(tables, cfg)


def test_every_series_has_a_decision_for_tomorrow_with_a_reason(done) -> None:
    tables, note = done
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
    assert note.startswith("12 series in 6 groups")
    assert tables.read("projection").count() == 11


def test_stock_and_orders_add_up_in_the_projection(done) -> None:
    tables, _ = done
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


def test_limits_of_a_supplier_and_of_the_chain_are_kept(done) -> None:
    tables, _ = done
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
    cfg = load(sets=[*SETS, f"paths.warehouse={tmp_path}"])
    found = []
    for rename, partitions in (("s", 1), ("zz", 3)):
        shown = shop(spark, 14, n=8, rename=rename)
        packed = join(
            *(shown[k].repartition(partitions) for k in ("series_profile", "supply_terms", "inventory", "forecast",
                                                         "forecast_status", "failures", "panel")), cfg=cfg
        )  # fmt: skip
        rows = with_limits(packed, shown["resources"])
        with Scratch(spark, cfg, "replenish") as scratch:
            made, chain = replenish_solve.transform(rows, shown["resources"], scratch, cfg=cfg)
            assert chain is None
            plan = table_rows(made, "order_plan")
            keyed = plan.join(shown["series_profile"].select("series_id", "content_key"), "series_id")
            found.append(sorted(str(r.asDict()) for r in keyed.drop("series_id", "product_id").collect()))
    assert len(found[0]) >= 8
    assert found[0] == found[1]


def test_missing_terms_old_stock_and_bad_terms_are_refused(spark: SparkSession) -> None:
    shown = shop(spark, 14, n=4)
    profile, stock = shown["series_profile"], shown["inventory"]
    terms = [r.asDict() for r in shown["supply_terms"].collect()]
    _check_rows(profile, shown["supply_terms"], stock)
    check_terms(shown["supply_terms"], "day")
    ends = F.lit(to_index(np.array([shown["panel"].head(1)[0]["cutoff"]], "datetime64[D]"), "day")[0].item())
    check_stock(stock, ends, "day")
    with pytest.raises(DataError, match=rf"must have a row in supply_terms. Got 1 .*{terms[0]['series_id']}"):
        _check_rows(profile, frame(spark, "supply_terms", terms[1:]), stock)
    for column, value, rule in (
        ("lead_time", -1, "lead_time must be an integer >= 0"),
        ("case_pack", 0.0, "case_pack must be > 0"),
        ("target", 95.0, "target must lie between 0 and 1: 0.95, not 95"),
        ("max_stock", -1.0, "min_order_qty, min_stock and max_stock must be >= 0"),
        ("order_weekdays", [0, 3], "order_weekdays must hold days from 1"),
    ):
        broken = frame(spark, "supply_terms", [{**terms[0], column: value}, *terms[1:]])
        with pytest.raises(DataError, match=rf"{rule}.*Got 1 that do not, e\.g\. \['{terms[0]['series_id']}'\]"):
            check_terms(broken, "day")
    with pytest.raises(DataError, match="order_weekdays are for daily plans"):
        check_terms(frame(spark, "supply_terms", [{**terms[0], "order_weekdays": [3]}, *terms[1:]]), "week")
    old = stock.withColumn("as_of", F.date_sub("as_of", 3))
    with pytest.raises(DataError, match="inventory.as_of must be the last period learnt from"):
        check_stock(old, ends, "day")
    with pytest.raises(DataError, match="on_hand and backorders must be >= 0"):
        check_stock(stock.withColumn("on_hand", F.lit(-1.0)), ends, "day")
