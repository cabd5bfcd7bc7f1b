"""Nodes and lanes of a source: completed, checked, and laid over the terms of what they supply."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.domain.replenish.network.levels import place_levels
from parlevel.domain.replenish.network.sharing import TRANSFER
from parlevel.errors import DataError
from parlevel.pipeline.sources_lanes import best_way, carries, supply_ways
from parlevel.pipeline.sources_terms import check_stock, check_terms, refuse, refuse_broken
from parlevel.schemas import contract
from parlevel.sources.base import contract_frame, rows_frame
from parlevel.spark.periods import period_index
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables

INSIDE = ("distribution", TRANSFER)  # from a place with stock
OUTSIDE = ("procurement",)  # from a supplier
KINDS = (*OUTSIDE, "production", *INSIDE)
LIMITED = "lanes.capacity is for what places send; a supplier's is a row of resources, kind inbound"
# What a node has where its source does not say.
PLAIN = {
    "backorders": 0.0, "lead_time_sd": 0.0, "review_period": 1, "min_order_qty": 0.0, "case_pack": 1.0,
    "min_stock": 0.0, "order_cost": 0.0, "target": 0.95, "unit_weight": 0.5, "unit_volume": 1.0, "assumed": False,
}  # fmt: skip


def by_lane(terms: DataFrame, items: DataFrame, lanes: DataFrame, nodes: DataFrame, key: str) -> DataFrame:
    """Terms with the supplier and the lead time of the lane that supplies each item; others as they are.

    Of several lanes one of the item's own product goes first, then the cheapest, the fastest, the first by name. A
    lane of every product from a place with nodes carries those that the place has.

    Args:
        terms: columns `key`, supplier_id, lead_time and more.
        items: columns `key`, product_id and location_id.
        lanes: contract `lanes`.
        nodes: contract `nodes`.
        key: name of the items.
    """
    places = nodes.select(F.col("location_id").alias("source_id")).distinct().withColumn("_place", F.lit(True))
    has = nodes.select(F.col("location_id").alias("source_id"), "product_id").distinct().withColumn("_has", F.lit(True))
    ways = (
        items.select(key, "product_id", "location_id")
        .join(F.broadcast(supply_ways(lanes)), "location_id")
        .where(carries())
        .join(F.broadcast(places), "source_id", "left")
        .join(has, ["source_id", "product_id"], "left")
        .where("_place IS NULL OR _has")
    )
    best = ways.groupBy(key).agg(best_way().alias("_way"))
    values = {
        "supplier_id": F.coalesce("_way.source_id", "supplier_id"),
        "lead_time": F.coalesce("_way.lead_time", "lead_time"),
    }
    return terms.join(best, key, "left").withColumns(values).drop("_way").select(*terms.columns)


def complete_nodes(given: DataFrame, lanes: DataFrame, cutoff: date) -> DataFrame:
    """Contract `nodes` with plain values where the source says nothing, and their suppliers by lane.

    Args:
        given: nodes of the source, any columns null.
        lanes: contract `lanes`.
        cutoff: the end of the period that their stock is taken to be of.
    """
    values: dict[str, Column] = {name: F.coalesce(F.col(name), F.lit(value)) for name, value in PLAIN.items()}
    values["as_of"] = F.coalesce(F.col("as_of"), F.lit(cutoff))
    values["unit_price"] = F.coalesce("unit_price", "unit_cost")
    for name, kind in (("due_dates", "array<date>"), ("due_qty", "array<double>")):
        values[name] = F.coalesce(F.col(name), F.array().cast(kind))
    whole = contract_frame(given, "nodes", **values)
    return by_lane(whole, whole, lanes, whole, "node_id")


def write_network(
    tables: Tables, given: Mapping[str, DataFrame], terms: DataFrame, cutoff: date, period: str, scratch: Scratch
) -> DataFrame:
    """Write nodes and lanes of a source that has any, and lay the lanes over the terms of series.

    Args:
        tables: of the run; series are written.
        given: what the source gives.
        terms: contract `supply_terms`.
        cutoff: first day of the last period learnt from.
        period: day, week or month.
        scratch: keeps what is checked.

    Returns: terms, with the supplier and the lead time of the lane where one supplies a series.

    Raises:
        DataError: nodes without lanes, or a rule is broken.
    """
    if "lanes" not in given:
        if "nodes" in given:
            raise DataError("nodes need lanes that say whom they supply. Got none. Add the table lanes to the source.")
        return terms
    plain = {"units": F.coalesce("units", F.lit(1.0)), "unit_cost": F.coalesce("unit_cost", F.lit(0.0))}
    lanes = scratch.keep(contract_frame(given["lanes"], "lanes", **plain))
    some = given["nodes"] if "nodes" in given else rows_frame(tables.spark, "nodes", [])
    nodes = scratch.keep(complete_nodes(some, lanes, cutoff))
    series = tables.read("series")
    whole = scratch.keep(by_lane(terms, series, lanes, nodes, "series_id"))
    check_network(nodes, lanes, whole, series, period_index(F.lit(cutoff), period), period)
    tables.write_all({"nodes": nodes, "lanes": lanes}, files=1)
    return whole


def and_nodes(tables: Tables, frame: DataFrame, name: str) -> DataFrame:
    """A column of a frame of series, with that of the nodes where this run has any."""
    return frame.select(name).unionByName(tables.read("nodes").select(name)) if "nodes" in tables.row_counts else frame


def check_network(
    nodes: DataFrame, lanes: DataFrame, terms: DataFrame, series: DataFrame, end: Column, period: str
) -> None:
    """Nodes and lanes keep the rules of their contracts, fit each other and the series.

    Args:
        nodes, lanes, terms, series: contracts; terms and nodes after `by_lane`.
        end: index of the last period learnt from.
        period: day, week or month.

    Raises:
        DataError: a rule is broken; names three offenders.
    """
    _check_nodes(nodes, series, end, period)
    named = lanes.withColumn("lane", F.concat_ws(" > ", "source_id", "target_id", "product_id"))
    _check_lanes(named)
    _check_places(named, nodes, series)
    items = nodes.select(F.col("node_id").alias("item"), "product_id", "location_id", "supplier_id").unionByName(
        terms.join(series, "series_id").select(
            F.col("series_id").alias("item"), "product_id", "location_id", "supplier_id"
        )
    )
    inside = nodes.select(F.col("location_id").alias("supplier_id")).distinct()
    fed = items.join(F.broadcast(inside), "supplier_id")
    pairs = fed.select("supplier_id", "location_id").distinct().collect()  # bounded: pairs of places
    place_levels((row["supplier_id"], row["location_id"]) for row in pairs)
    _check_supply(fed, lanes, nodes)


def _check_supply(fed: DataFrame, lanes: DataFrame, nodes: DataFrame) -> None:
    """What a place of nodes supplies is there, and a lane says how it is sent."""
    stock = nodes.select("product_id", F.col("location_id").alias("supplier_id"))
    refuse(
        fed.join(stock, ["product_id", "supplier_id"], "left_anti"),
        "a place of nodes must have the products that it supplies",
        "Add them to nodes, or name another supplier",
        key="item",
    )
    ways = F.broadcast(supply_ways(lanes).withColumnRenamed("source_id", "supplier_id"))
    sent = fed.join(ways, ["supplier_id", "location_id"]).where(carries()).select("item")
    refuse(
        fed.join(sent, "item", "left_anti"),
        "what a place of nodes supplies must have a lane from it",
        "Add the lane, or name another supplier",
        key="item",
    )


def _check_nodes(nodes: DataFrame, series: DataFrame, end: Column, period: str) -> None:
    needed = [column.name for column in contract("nodes").data_columns if not column.nullable]
    empty = F.array_compact(F.array(*(F.when(F.col(name).isNull(), F.lit(name)) for name in needed)))
    lacking = nodes.withColumn("_empty", F.concat_ws(" lacks ", "node_id", F.concat_ws(", ", empty)))
    refuse(
        lacking.where(F.size(empty) > 0), "every node must have its product, place, stock and terms",
        "Fill the columns of nodes; a lane can name the supplier", key="_empty",
    )  # fmt: skip
    twice = nodes.groupBy("product_id", "location_id").agg(F.count("*").alias("n"), F.min("node_id").alias("node_id"))
    refuse(twice.where("n > 1"), "nodes must hold a product at a place once", "Remove the copies", key="node_id")
    ids = nodes.groupBy("node_id").count().where("count > 1")
    refuse(ids, "each node_id must be there once", "Remove the copies", key="node_id")
    sold = nodes.join(series.select("product_id", "location_id"), ["product_id", "location_id"], "left_semi")
    same = nodes.join(series.select(F.col("series_id").alias("node_id")), "node_id", "left_semi")
    refuse(
        sold.unionByName(same),
        "a node must not be a series: it sells to nobody itself",
        "Leave it to sales",
        key="node_id",
    )
    named = nodes.withColumnRenamed("node_id", "series_id")
    check_terms(named, period, "nodes")
    check_stock(named, end, period, "nodes")


def _check_lanes(lanes: DataFrame) -> None:
    """Each lane by itself; a null breaks no rule that is written with `~`, so every one is asked for."""

    def no(rule: Column) -> Column:
        return ~F.coalesce(rule, F.lit(False))

    kind = F.col("kind")
    alone = (kind != TRANSFER) | (F.col("units") == 1)
    rules = {
        f"lanes.kind must be one of {list(KINDS)}": no(kind.isin(*KINDS)),
        "lanes must run from one place to another": no(F.col("source_id") != F.col("target_id")),
        "lanes.lead_time must be an integer >= 0 (periods)": no(F.coalesce("lead_time", F.lit(0)) >= 0),
        "lanes.unit_cost must be >= 0 (money a unit)": no(F.col("unit_cost") >= 0),
        "lanes.units must be > 0, and 1 for a transfer": no((F.col("units") > 0) & alone),
        "lanes.capacity must be >= 0 (units a period)": no(F.coalesce("capacity", F.lit(0.0)) >= 0),
    }
    refuse_broken(lanes, rules, "Fix lanes", key="lane")
    twice = lanes.groupBy("lane", "kind").count().where("count > 1")
    refuse(twice, "each source, target, product and kind of lanes must be there once", "Remove the copies", key="lane")


def _check_places(lanes: DataFrame, nodes: DataFrame, series: DataFrame) -> None:
    """Both ends of a lane are places that have what it carries."""
    stock = nodes.select("location_id", "product_id").withColumn("_sends", F.lit(True))
    sold = series.select("location_id", "product_id").withColumn("_sends", F.lit(False))
    known = stock.unionByName(sold)
    for end, kinds, sends in (
        ("target_id", KINDS, F.lit(True)),
        ("source_id", ("distribution",), F.col("_sends")),
        ("source_id", (TRANSFER,), F.lit(True)),
    ):
        some = lanes.where(F.col("kind").isin(*kinds))
        there = known.where(sends).withColumnRenamed("location_id", end)
        what = "a place of nodes" if kinds == ("distribution",) else "a place of series or nodes"
        every = some.where("product_id IS NULL").join(there.select(end).distinct(), end, "left_anti")
        refuse(every, f"lanes.{end} must be {what}", "Fix lanes, or add the place", key="lane")
        own = some.where("product_id IS NOT NULL").join(there.distinct(), [end, "product_id"], "left_anti")
        refuse(own, f"lanes.{end} must be {what} that has the lane's product", "Fix lanes, or add it", key="lane")
    places = nodes.select(F.col("location_id").alias("source_id")).distinct()
    bought = lanes.where(F.col("kind").isin(*OUTSIDE)).join(places, "source_id", "left_semi")
    refuse(bought, "a lane from a place of nodes must be of kind distribution or production", "Fix lanes", key="lane")
    limited = lanes.where((F.col("kind") != TRANSFER) & F.col("capacity").isNotNull())
    refuse(limited.join(places, "source_id", "left_anti"), LIMITED, "Fix lanes", key="lane")
