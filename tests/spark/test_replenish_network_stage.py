"""Stage replenish on stores, a warehouse and a plant: what is asked, what is there, what is sent."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from network_tables import network
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import CUTOFF, frame, limit, written

from parlevel.config import load
from parlevel.domain.replenish.output import USE
from parlevel.pipeline import replenish
from parlevel.pipeline.replenish_network import inside, left_over
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark
SETS = ("calendar.horizon=14", "replenish.n_paths=16", "replenish.budget_rounds=3")


def rows(tables: Tables, name: str) -> list[dict]:
    return [r.asDict() for r in tables.read(name).collect()]


def planned(spark: SparkSession, folder: Path, stock: float, limits: list[dict] | None = None, **given: object):
    cfg = load(sets=[f"paths.warehouse={folder}", *SETS])
    found = network(spark, 14, stock, **given)
    if limits:
        found["resources"] = frame(spark, "resources", limits)
    tables = written(spark, cfg, {name: each for name, each in found.items() if name != "backtest"})
    return tables, replenish.run(tables, cfg)


def first(tables: Tables) -> dict[str, dict]:
    """Tomorrow's decision of every item."""
    return {r["series_id"]: r for r in rows(tables, "order_plan") if (r["order_date"] - CUTOFF).days == 1}


@pytest.fixture(scope="module")
def short(spark: SparkSession, tmp_path_factory):
    """A warehouse that has ten units of each product, three stores that can help each other, a plant behind it."""
    return planned(spark, tmp_path_factory.mktemp("short"), 10.0, plant=True)


def test_every_series_and_node_has_a_decision(short) -> None:
    tables, note = short
    plan = first(tables)
    assert len(plan) == 20
    assert note.startswith("12 series and 8 nodes in 5 groups")
    assert all(r["reason"] for r in plan.values())
    bought = {r["series_id"] for r in plan.values() if r["location_id"] == "plant"}
    assert bought == {f"p{k}@plant" for k in range(4)}
    every = rows(tables, "order_plan")
    assert all(r["order_qty"] % 12 == 0 for r in every if r["location_id"] == "plant")
    assert sum(r["order_value"] for r in every if r["location_id"] == "plant") > 0
    assert any("the orders of 3 places" in r["sentence"] for r in rows(tables, "order_ledger"))


def test_a_short_warehouse_sends_no_more_than_it_has_and_the_lines_say_why(short) -> None:
    tables, _ = short
    plan, ledger = first(tables), {(r["series_id"], r["order_date"]): r for r in rows(tables, "order_ledger")}
    sent: dict[str, float] = defaultdict(float)
    cut = 0
    for r in rows(tables, "shipments"):
        if r["source_id"] != "dc":
            continue
        sent[r["product_id"]] += r["sent"]
        line = plan[r["series_id"]]
        assert r["sent"] <= r["asked"]
        assert line["order_qty"] == r["sent"]
        assert line["order_value"] == pytest.approx(2.0 * r["sent"])
        assert ledger[r["series_id"], line["order_date"]]["order_qty"] == r["sent"]
        if r["sent"] < r["asked"]:
            cut += 1
            assert "dc has 10 for the " in line["reason"]
            assert f"{r['asked']:g}" in line["reason"]
    assert cut > 0
    assert all(units <= 10.0 for units in sent.values())
    assert sorted(sent) == [f"p{k}" for k in range(4)]


def test_transfers_save_more_than_they_cost_and_take_what_is_there(short) -> None:
    tables, _ = short
    stock = {r["series_id"]: r["on_hand"] for r in rows(tables, "inventory")}
    place = {(r["product_id"], r["location_id"]): r["series_id"] for r in rows(tables, "series_profile")}
    moved = [r for r in rows(tables, "shipments") if r["kind"] == "transfer"]
    assert moved
    left: dict[str, float] = defaultdict(float)
    for r in moved:
        assert 0 < r["sent"] <= r["asked"]
        assert r["saving"] > 0
        assert r["cost"] == pytest.approx(0.05 * r["sent"])
        left[place[r["product_id"], r["source_id"]]] += r["sent"]
    assert all(units <= stock[name] for name, units in left.items())


def test_what_a_pass_used_of_a_limit_is_not_there_for_the_next(spark: SparkSession) -> None:
    limits = frame(
        spark, "resources",
        [limit("dock", "inbound", "units", 40.0, location_id="s0"), limit("dock", "inbound", "units", 9.0, period=2,
         location_id="s0"), limit("budget", "budget", "value", 100.0)],
    )  # fmt: skip
    use = [
        ("shared_use", "dock@1", 15.0, 40.0),
        ("shared_use", "dock@1", 5.0, 40.0),
        ("shared_use", "dock@2", 9.5, 9.0),
    ]
    plan = spark.createDataFrame(use, "kind string, label string, used double, amount double")
    other = [F.lit(None).cast(c.type).alias(c.name) for c in USE if c.name not in plan.columns]
    left = left_over(limits, plan.select("*", *other)).orderBy("resource_id", "period").collect()
    found = [(r["resource_id"], r["period"], r["amount"], r["location_id"]) for r in left]
    assert found == [
        ("budget", 0, 100.0, None),
        ("dock", 0, 40.0, "s0"),
        ("dock", 1, 20.0, "s0"),
        ("dock", 2, 0.0, "s0"),
    ]


def test_a_place_s_own_budget_holds_for_what_it_orders_inside(spark: SparkSession) -> None:
    limits = frame(
        spark, "resources",
        [limit("all", "budget", "value", 1.0), limit("till", "budget", "value", 1.0, location_id="s0"),
         limit("dc", "budget", "value", 1.0, supplier_id="dc"), limit("dock", "inbound", "units", 1.0)],
    )  # fmt: skip
    assert {r["resource_id"] for r in inside(limits).collect()} == {"till", "dc", "dock"}


@pytest.mark.slow
def test_only_what_is_bought_outside_needs_money_and_a_dock_counts_what_all_bring(
    spark: SparkSession, tmp_path: Path
) -> None:
    limits = [limit("budget", "budget", "value", 100.0), limit("dock", "inbound", "units", 15.0, location_id="s0")]
    tables, _ = planned(spark, tmp_path, 10.0, limits, plant=True)
    spent, dock = defaultdict(float), defaultdict(float)
    for r in rows(tables, "order_plan"):
        if r["location_id"] == "plant":
            spent[r["order_date"]] += r["order_value"]
        if r["location_id"] == "s0":
            dock[r["receipt_date"]] += r["order_qty"]
    assert max(dock.values()) <= 15.0
    assert max(spent.values()) <= 100.0
    groups = [r["solve_group"] for r in rows(tables, "plan_report")]
    assert len(groups) == len(set(groups))
    assert {"shared limits", "shared limits, level 0"} <= set(groups)


def test_a_plant_sends_its_warehouse_what_it_has(short) -> None:
    tables, _ = short
    sent = [r for r in rows(tables, "shipments") if r["source_id"] == "plant"]
    assert sent
    assert all(r["target_id"] == "dc" and 0 < r["sent"] <= min(100.0, r["asked"]) for r in sent)
    assert all((r["receipt_date"] - r["ship_date"]).days == 3 for r in sent)


@pytest.mark.slow
def test_a_warehouse_with_plenty_changes_nothing_for_its_stores(spark: SparkSession, tmp_path: Path) -> None:
    tables, _ = planned(spark, tmp_path / "two", 1e5, transfers=False)
    cfg = load(sets=[f"paths.warehouse={tmp_path / 'one'}", *SETS])
    found = network(spark, 14, 0.0)
    one = written(spark, cfg, {k: v for k, v in found.items() if k not in ("nodes", "lanes")})
    replenish.run(one, cfg)
    assert not one.has("shipments")
    stores = tables.read("order_plan").where("location_id <> 'dc'")
    assert sorted(map(str, stores.collect())) == sorted(map(str, one.read("order_plan").collect()))
    assert all(r["sent"] == r["asked"] for r in rows(tables, "shipments"))
    assert {r["order_qty"] for r in first(tables).values() if r["location_id"] == "dc"} == {0.0}


@pytest.mark.slow
def test_where_segments_choose_nodes_plan_by_what_all_series_chose(spark: SparkSession, tmp_path: Path) -> None:
    auto = ("replenish.policy=auto", "replenish.choose_from=[base_stock, min_max]")
    cfg = load(sets=[f"paths.warehouse={tmp_path}", *SETS, *auto])
    tables = written(spark, cfg, network(spark, 14, 10.0))
    replenish.run(tables, cfg)
    best = {r["policy"] for r in rows(tables, "policy_choice") if r["segment"] == "all" and r["chosen"]}
    assert {r["policy"] for r in rows(tables, "order_plan") if r["location_id"] == "dc"} == best
    assert sum(r["order_qty"] for r in rows(tables, "order_plan") if r["location_id"] == "dc") > 0


@pytest.mark.slow
def test_partitions_do_not_show(spark: SparkSession, tmp_path: Path) -> None:
    made = []
    for number in (1, 3):
        cfg = load(sets=[f"paths.warehouse={tmp_path / str(number)}", *SETS])
        found = network(spark, 14, 10.0, plant=True)
        tables = written(spark, cfg, {name: each.repartition(number) for name, each in found.items()})
        replenish.run(tables, cfg)
        made.append([sorted(map(str, rows(tables, n))) for n in ("order_plan", "order_ledger", "shipments")])
    assert made[0] == made[1]
