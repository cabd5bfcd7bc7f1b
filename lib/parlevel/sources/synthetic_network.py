"""Warehouses of the synthetic retailer: their stock and terms, the lanes to their stores and between those."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.sources.base import contract_frame, rows_frame
from parlevel.spark.sums import exact_sum

RECENT = 28  # periods of sales that a warehouse's stock is measured by
COVER = (0.4, 1.6)  # least and most of the sales of a protection interval that is there: some are short, some are not
CASES = 2.0  # cases of a store in one of its warehouse
MOVE, HELP = 0.02, 0.05  # money a unit: warehouse to store, store to store


def nodes(packed: DataFrame, product: Column, warehouses: int, as_of: Column, days: float, seed: int) -> DataFrame:
    """Contract `nodes`: each product in each warehouse that supplies a store which sells it.

    Args:
        packed: what was drawn, one row a series.
        product: name of a row's product.
        warehouses: how many; store number modulo this is the store's.
        as_of: date of the stock.
        days: length of a period.
        seed: of the stock.
    """
    last = F.expr(f"slice(sales, greatest(size(sales) - {RECENT - 1}, 1), {RECENT})")
    sold = F.aggregate(last, F.lit(0.0), lambda a, x: a + x) / F.size(last)
    place = F.pmod("store", F.lit(warehouses))
    own = ("supplier", "lead_time", "review_period", "case", "unit_price", "weight")  # alike in all stores
    first = [F.first(name).alias(name) for name in own]
    made = (
        packed.select("*", sold.alias("sold"), place.alias("place"), product.alias("product_id"))
        .groupBy("product_id", "place")
        .agg(exact_sum("sold").alias("sold"), *first)
    )
    low, high = COVER
    drawn = F.pmod(F.xxhash64(F.lit(seed), "product_id", "place"), F.lit(2**20)) / float(2**20)
    case = CASES * F.col("case")
    interval = F.col("lead_time") + F.col("review_period")
    cost = F.round(F.col("unit_price") * 0.7, 4)
    location = F.format_string("W%02d", "place")
    return contract_frame(
        made,
        "nodes",
        node_id=F.concat_ws("@", "product_id", location),
        location_id=location,
        as_of=as_of,
        on_hand=F.floor(F.col("sold") * interval * (low + (high - low) * drawn)),
        supplier_id=F.col("supplier"),
        min_order_qty=case,
        case_pack=case,
        unit_cost=cost,
        holding_cost=F.round(cost * (0.25 / 365.25 + 0.002) * days, 6),
        shortage_cost=F.round(F.col("unit_price") - cost, 4),
        order_cost=F.lit(1.0),
        unit_weight=F.col("weight"),
        unit_volume=F.col("weight") * 1.5,
    )


def lanes(spark: SparkSession, stores: int, warehouses: int) -> DataFrame:
    """Contract `lanes`: each store is supplied by its warehouse, and helps the next one of the same warehouse.

    Args:
        spark: session.
        stores: how many.
        warehouses: how many.
    """
    rows = []
    for store in range(stores):
        target = {"target_id": f"S{store:03d}", "units": 1.0}
        home = {"source_id": f"W{store % warehouses:02d}", "kind": "distribution", "lead_time": 1, "unit_cost": MOVE}
        help_ = {"kind": "transfer", "lead_time": 0, "unit_cost": HELP}
        near = [other for other in (store - warehouses, store + warehouses) if 0 <= other < stores]
        rows += [{**target, **home}, *({**target, **help_, "source_id": f"S{other:03d}"} for other in near)]
    return rows_frame(spark, "lanes", rows)
