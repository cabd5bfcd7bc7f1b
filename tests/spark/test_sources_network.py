"""Nodes and lanes of a source: completed, laid over the terms, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from network_tables import lane, network, node
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import CUTOFF, frame

from parlevel.config import load
from parlevel.errors import ConfigError, DataError
from parlevel.pipeline import sources
from parlevel.pipeline.replenish_network_rows import with_ways
from parlevel.pipeline.sources_network import by_lane, check_network, complete_nodes
from parlevel.schemas import contract
from parlevel.sources import synthetic_network
from parlevel.sources.registry import source
from parlevel.spark.periods import period_index
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def shop(spark: SparkSession):
    """Frames of three stores, a warehouse and a plant; computed once."""
    found = network(spark, 14, 10.0, plant=True, n=6)
    kept = {name: found[name].cache() for name in ("nodes", "lanes", "supply_terms")}
    series = found["series_profile"].select("series_id", "product_id", "location_id").cache()
    return kept["nodes"], kept["lanes"], kept["supply_terms"], series


def test_the_synthetic_retailer_has_warehouses_that_supply_its_stores(spark: SparkSession, tmp_path: Path) -> None:
    options = "source.options={series: 12, stores: 4, warehouses: 2, days: 120}"
    for_all = "source.terms={lead_time: 5, min_stock: 2.0}"
    cfg = load(sets=["source.name=synthetic", options, for_all, "calendar.horizon=7", f"paths.warehouse={tmp_path}"])
    tables = Tables(spark, cfg, "run", {})
    note = sources.run(tables, cfg)
    assert "name a supplier or place" not in note
    nodes, lanes, terms = (tables.read(name).toPandas() for name in ("nodes", "lanes", "supply_terms"))
    assert len(nodes) == nodes["node_id"].nunique() == 3 * 2
    assert set(nodes["location_id"]) == {"W00", "W01"}
    assert set(nodes["supplier_id"]) == {"M0000"}
    assert (nodes["on_hand"] >= 0).all()
    assert set(terms["supplier_id"]) == {"W00", "W01"}
    assert set(terms["lead_time"]) == {1}  # the lane's, also where all series are given another
    assert set(terms["min_stock"]) == {2.0}
    ways = {(r.source_id, r.target_id) for r in lanes[lanes["kind"] == "transfer"].itertuples()}
    assert ways == {("S000", "S002"), ("S002", "S000"), ("S001", "S003"), ("S003", "S001")}
    with pytest.raises(ConfigError, match=r"source.options.warehouses must be at most source.options.stores"):
        source("synthetic", load(sets=["source.name=synthetic", "source.options={stores: 1, warehouses: 2}"]))


def test_a_hundred_warehouses_have_a_hundred_names(spark: SparkSession) -> None:
    packed = spark.createDataFrame(
        [(0, store, [3.0], "M0", 2, 1, 6.0, 2.0, 1.0) for store in (10, 100)],
        "product bigint, store int, sales array<double>, supplier string, lead_time int, review_period int,"
        " case double, unit_price double, weight double",
    )
    made = synthetic_network.nodes(packed, F.format_string("P%06d", "product"), 101, F.lit(CUTOFF), 1.0, 0)
    names = {row["location_id"] for row in made.collect()}
    assert names == {"W10", "W100"}
    assert names <= {row["source_id"] for row in synthetic_network.lanes(spark, 101, 101).collect()}


def refused(spark: SparkSession, shop, message: str, nodes: list[dict] = (), lanes: list[dict] = ()) -> None:
    """Check with rows added; they must be refused."""
    plain, ways, terms, series = shop
    more = plain.unionByName(frame_of(spark, *nodes)) if nodes else plain
    further = ways.unionByName(frame(spark, "lanes", lanes)) if lanes else ways
    with pytest.raises(DataError, match=message):
        check_network(more, further, terms, series, period_index(F.lit(CUTOFF), "day"), "day")


def test_what_fits_is_taken(shop) -> None:
    nodes, lanes, terms, series = shop
    check_network(nodes, lanes, terms, series, period_index(F.lit(CUTOFF), "day"), "day")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": "s9"}, r"lanes.target_id must be a place of series or nodes. Got 1 .*dc > s9"),
        ({"source": "s1", "target": "s0"}, r"lanes.source_id must be a place of nodes. Got 1 .*s1 > s0"),
        ({"product_id": "p9"}, r"lanes.target_id must be a place of series or nodes that has the lane's product"),
        ({"kind": "carriage"}, r"lanes.kind must be one of"),
        ({"lead_time": -1, "product_id": "p0"}, r"lanes.lead_time must be an integer >= 0"),
        ({"units": 2.0, "kind": "transfer"}, r"lanes.units must be > 0, and 1 for a transfer"),
        ({"capacity": 5.0, "kind": "procurement", "source": "maker"}, r"a supplier's is a row of resources"),
        ({"capacity": 5.0, "kind": "production", "source": "mill"}, r"a supplier's is a row of resources"),
        ({"kind": "procurement"}, r"a lane from a place of nodes must be of kind distribution or production"),
        ({}, r"each source, target, product and kind of lanes must be there once"),
    ],
)  # fmt: skip
def test_a_lane_that_does_not_fit_is_refused(spark: SparkSession, shop, given: dict, message: str) -> None:
    ends = {"source": "dc", "target": "s0", **given}
    refused(spark, shop, message, lanes=[lane(ends.pop("source"), ends.pop("target"), **ends)])


def test_a_node_that_does_not_fit_is_refused(spark: SparkSession, shop) -> None:
    refused(spark, shop, "every node must have .* lacks lead_time", [node("p7", "dc", 1.0, "m", lead_time=None)])
    refused(spark, shop, r"lead_time must be an integer >= 0 .*Fix nodes", [node("p7", "dc", 1.0, "m", lead_time=-1)])
    refused(spark, shop, "nodes must hold a product at a place once", [node("p0", "dc", 1.0, "m", node_id="other")])
    refused(spark, shop, "a node must not be a series", [node("p0", "s0", 1.0, "m")])
    refused(spark, shop, "must not run in a circle", [node("p7", "dc", 1.0, "x"), node("p7", "x", 1.0, "dc")])


def test_what_a_warehouse_supplies_must_be_there_and_have_a_lane(shop) -> None:
    nodes, lanes, terms, series = shop
    rest = (terms, series, period_index(F.lit(CUTOFF), "day"), "day")
    with pytest.raises(DataError, match=r"what a place of nodes supplies must have a lane from it. Got 2 that do not"):
        check_network(nodes, lanes.where("target_id <> 's1' OR kind = 'transfer'"), *rest)
    with pytest.raises(DataError, match=r"a place of nodes must have the products that it supplies. Got 3 that do not"):
        check_network(nodes.where("node_id <> 'p0@dc'"), lanes, *rest)


def test_the_lane_that_says_how_long_it_takes_says_what_leaves_too(spark: SparkSession) -> None:
    lanes = frame(
        spark, "lanes",
        [lane("dc", "s0", lead_time=4, capacity=5.0), lane("dc", "s0", "production", lead_time=2, units=1.5)],
    )  # fmt: skip
    store = ("p@s0", "p", "s0", "dc", 1, 2, None, 3.0, 0.0, [], [], False)
    dc = ("p@dc", "p", "dc", "maker", 3, 1, [1], 7.0, 2.0, [0, 1, 2], [4.0, 8.0, 16.0], True)
    items = spark.createDataFrame(
        [store, dc],
        "series_id string, product_id string, location_id string, supplier_id string, lead_time int, review_period int,"
        " order_weekdays array<int>, on_hand double, backorders double, due_steps array<int>, due_qty array<double>,"
        " is_node boolean",
    )
    nodes = items.where("is_node").withColumnRenamed("series_id", "node_id")
    term = by_lane(items, items, lanes, nodes, "series_id").where("location_id = 's0'").head(1)[0]
    assert (term["supplier_id"], term["lead_time"]) == ("dc", 2)
    made = {row["series_id"]: row for row in with_ways(items, lanes).collect()}
    way = made["p@s0"]
    assert (way["lane_kind"], way["units"], way["lane_capacity"]) == ("production", 1.5, None)
    assert (way["source_item"], way["source_interval"]) == ("p@dc", 3 + 7)
    assert way["source_available"] == 7.0 + 4.0 + 8.0 - 2.0
    assert made["p@dc"]["source_item"] is None


def test_a_lane_says_who_supplies_and_how_long_it_takes(spark: SparkSession, shop) -> None:
    nodes, _, terms, series = shop
    lanes = [
        lane("dc", "s0", lead_time=4), lane("slow", "s0", "procurement", lead_time=9),
        lane("dc", "s1", product_id="p0"), lane("far", "s1", "procurement", lead_time=5),
        lane("s1", "s2", "transfer", lead_time=0),
    ]  # fmt: skip
    old = terms.withColumn("supplier_id", F.lit("maker"))
    made = by_lane(old, series, frame(spark, "lanes", lanes), nodes, "series_id").join(series, "series_id")
    got = {(r["product_id"], r["location_id"]): (r["supplier_id"], r["lead_time"]) for r in made.collect()}
    assert got["p0", "s0"] == ("dc", 4)
    assert got["p0", "s1"] == ("dc", 1)  # the product's own lane goes first; without a lead time the terms' holds
    assert got["p1", "s1"] == ("far", 5)
    assert got["p1", "s2"] == ("maker", 1)


def test_a_node_may_leave_out_what_has_a_plain_value(spark: SparkSession, shop) -> None:
    keys = (
        "node_id",
        "product_id",
        "location_id",
        "on_hand",
        "lead_time",
        "unit_cost",
        "holding_cost",
        "shortage_cost",
    )
    short = {name: value for name, value in node("p0", "dc", 5.0, "m").items() if name in keys}
    lanes = frame(spark, "lanes", [lane("mill", "dc", "production"), lane("dc", "s0")])
    made = complete_nodes(frame_of(spark, short), lanes, CUTOFF)
    row = made.head(1)[0]
    assert (row["supplier_id"], row["review_period"], row["case_pack"], row["unit_price"]) == ("mill", 1, 1.0, 1.5)
    assert (row["as_of"], row["due_dates"], row["backorders"]) == (CUTOFF, [], 0.0)
    sold = shop[3].where("product_id = 'p0' AND location_id = 's0'")
    check_network(made, lanes, shop[2], sold, period_index(F.lit(CUTOFF), "day"), "day")


def frame_of(spark: SparkSession, *rows: dict):
    """Rows of nodes with nulls where the contract allows none."""
    columns = contract("nodes").data_columns
    ddl = ", ".join(f"`{column.name}` {column.type}" for column in columns)
    return spark.createDataFrame([tuple(row.get(column.name) for column in columns) for row in rows], ddl)
