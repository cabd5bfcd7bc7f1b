"""Lanes as ways to a place, and the rule by which one of several is taken: the same wherever an item looks for one."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.domain.replenish.network.sharing import TRANSFER

SLOWEST = 2**30
"""Periods that a lane without a lead time of its own counts in the choice: as its target's terms say, known later."""


def supply_ways(lanes: DataFrame) -> DataFrame:
    """Lanes by which places are supplied, as `best_way` reads them.

    Args:
        lanes: contract `lanes`.

    Returns: source_id, location_id (the target), way_product (null: every product) and `way`, a struct.
    """
    return _ways(lanes.where(F.col("kind") != TRANSFER), F.col("lead_time"))


def transfer_ways(lanes: DataFrame) -> DataFrame:
    """The same of lanes on which places help each other; without a lead time goods are there at once."""
    return _ways(lanes.where(F.col("kind") == TRANSFER), F.coalesce("lead_time", F.lit(0)))


def carries() -> Column:
    """Whether a way carries an item's `product_id`."""
    return F.col("way_product").isNull() | (F.col("way_product") == F.col("product_id"))


def best_way() -> Column:
    """Of a group's ways one of the item's own product first, then the cheapest, the fastest, the first by name."""
    return F.min("way")


def _ways(lanes: DataFrame, lead: Column) -> DataFrame:
    way = F.struct(
        F.col("product_id").isNull().alias("general"), "unit_cost", F.coalesce(lead, F.lit(SLOWEST)).alias("late"),
        "source_id", "kind", "units", lead.alias("lead_time"), "capacity",
    )  # fmt: skip
    return lanes.select(
        "source_id", F.col("target_id").alias("location_id"), F.col("product_id").alias("way_product"), way.alias("way")
    )
