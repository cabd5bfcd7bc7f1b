"""The rows of a supply network: items of stores and nodes with the ways on which they are supplied."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.network.levels import place_levels
from parlevel.domain.replenish.packed import NUMBERS, PACKED, WHOLE
from parlevel.pipeline.replenish_rows import season_steps
from parlevel.pipeline.sources_lanes import best_way, carries, supply_ways, transfer_ways
from parlevel.spark.periods import period_index

OUTSIDE = 10**6
"""The pass in which what is bought outside is planned: nothing is asked of anybody afterwards."""


def node_rows(nodes: DataFrame, cutoff: int, cfg: Config) -> DataFrame:
    """Rows of `PACKED` for nodes, without a forecast: that is what the places below them will order.

    Args:
        nodes: contract `nodes`.
        cutoff: period index of the last observed period.
        cfg: the configuration.
    """
    period = cfg.calendar.period
    due = F.transform("due_dates", lambda d: (period_index(d, period) - F.lit(cutoff)).cast("int"))
    made = nodes.select(
        F.col("node_id").alias("series_id"), "product_id", "location_id", "supplier_id",
        F.concat_ws(" @ ", "supplier_id", "location_id").alias("solve_group"),
        F.hex(F.xxhash64("on_hand", *NUMBERS, *WHOLE)).alias("content_key"), "assumed",
        F.lit(cutoff).cast("bigint").alias("cutoff_index"), "on_hand", "backorders",
        F.when(F.size("due_dates") > 0, due).otherwise(F.array().cast("array<int>")).alias("due_steps"), "due_qty",
        *NUMBERS, *WHOLE, "order_weekdays", season_steps(F.lit(cutoff), period).alias("season_steps"), "leftover_value",
    )  # fmt: skip
    absent = [F.lit(None).cast(c.type).alias(c.name) for c in PACKED if c.name not in made.columns]
    return made.select("*", *absent).select(*(column.name for column in PACKED))


def with_ways(items: DataFrame, lanes: DataFrame) -> DataFrame:
    """Items with the node that supplies them, the lane from it and the transfer lanes to them: columns `WAYS`.

    Args:
        items: columns `PACKED` and `is_node`, series and nodes.
        lanes: contract `lanes`; where one supplies an item, the item's supplier is the lane's source already.

    Returns: `items`, `WAYS`, `source_interval` (protection interval of the node, periods) and `helps` (a transfer lane
        leads from it).
    """
    days = F.when(F.col("order_weekdays").isNotNull(), 7)
    nodes = items.where("is_node").select(
        F.col("series_id").alias("source_item"), "product_id", F.col("location_id").alias("supplier_id"),
        (F.col("lead_time") + F.greatest("review_period", days)).alias("source_interval"),
        _available().alias("source_available"),
    )  # fmt: skip
    fed = items.join(nodes, ["product_id", "supplier_id"], "left")
    best = (
        fed.where("source_item IS NOT NULL")
        .select("series_id", "product_id", F.col("supplier_id").alias("source_id"), "location_id")
        .join(supply_ways(lanes), ["source_id", "location_id"])
        .where(carries())
        .groupBy("series_id")
        .agg(best_way().alias("way"))
        .select(
            "series_id", "way.units", F.col("way.kind").alias("lane_kind"), F.col("way.unit_cost").alias("lane_cost"),
            F.col("way.capacity").alias("lane_capacity"),
        )
    )  # fmt: skip
    return _with_helpers(fed.join(best, "series_id", "left"), lanes)


def _available() -> Column:
    """What a node can send tomorrow: its stock and what is due by then, less what it owes."""
    due = F.aggregate(
        F.arrays_zip("due_steps", "due_qty"),
        F.lit(0.0),
        lambda total, one: total + F.when(one["due_steps"] <= 1, one["due_qty"]).otherwise(0.0),
    )
    return F.col("on_hand") + due - F.col("backorders")


def _with_helpers(items: DataFrame, lanes: DataFrame) -> DataFrame:
    """Items with the transfer lanes that lead to them, and whether one leads from them."""
    ways = F.broadcast(transfer_ways(lanes))
    targets = items.select("series_id", "product_id", "location_id").join(ways, "location_id").where(carries())
    senders = items.select(F.col("series_id").alias("helper"), "product_id", F.col("location_id").alias("source_id"))
    helping = targets.join(senders, ["product_id", "source_id"])
    pairs = helping.groupBy("series_id", "helper").agg(best_way().alias("way"))
    listed = pairs.groupBy("series_id").agg(F.array_sort(F.collect_list(F.struct("helper", "way"))).alias("_h"))
    told = listed.select(
        "series_id",
        F.transform("_h", lambda h: h["helper"]).alias("helpers"),
        F.transform("_h", lambda h: h["way"]["lead_time"]).alias("helper_lead"),
        F.transform("_h", lambda h: h["way"]["unit_cost"]).alias("helper_cost"),
        F.transform("_h", lambda h: h["way"]["capacity"]).alias("helper_capacity"),
    )
    helps = pairs.select(F.col("helper").alias("series_id")).distinct().withColumn("_helps", F.lit(True))
    joined = items.join(told, "series_id", "left").join(helps, "series_id", "left")
    return joined.withColumn("helps", F.coalesce("_helps", F.lit(False))).drop("_helps")


def with_passes(items: DataFrame) -> DataFrame:
    """Items with the pass in which they are planned: places from the stores up, then all that is bought outside.

    A place's items that one node's place supplies are planned together, since what they share holds for all of them.

    Args:
        items: from `with_ways`.

    Raises:
        DataError: goods run in a circle.
    """
    fed = items.where("source_item IS NOT NULL")
    pairs = fed.select("supplier_id", "location_id").distinct().collect()  # bounded: pairs of places
    levels = place_levels((row["supplier_id"], row["location_id"]) for row in pairs)
    known = items.sparkSession.createDataFrame(list(levels.items()), "location_id string, _level int")
    number = F.when(F.col("source_item").isNull(), F.lit(OUTSIDE)).otherwise(F.col("_level"))
    return items.join(F.broadcast(known), "location_id", "left").withColumn("pass", number).drop("_level")
