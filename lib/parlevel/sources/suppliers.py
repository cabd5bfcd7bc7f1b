"""Who delivers what, where the data do not say: makers, with small ones merged and huge ones split.

A solve group is a supplier at a location; the rule keeps most groups between `FEWEST` and `MOST` items.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.spark.sums import exact_sum

FEWEST = 5  # items of a maker at its largest location below which a wholesaler delivers them
MOST = 400  # items of a supplier at one location above which it is split
CHUNK = 300  # items a part gets when only an even split is left
WHOLESALER = "wholesale"


def assign(profiles: DataFrame, cfg: Config) -> DataFrame:
    """`profiles` with a `supplier_id` per product.

    1. The maker delivers its items if it has at least `FEWEST` of them at some location, else the wholesaler.
    2. Above `MOST` items a supplier is split by category; parts below `FEWEST` items go together as "other".
    3. What is still above `MOST` is cut into even parts by a hash of what the items sold.
    """
    made = _counted(profiles, F.col("manufacturer"))
    delivers = F.col("manufacturer").isNotNull() & (F.col("items") >= FEWEST)
    first = made.withColumn("supplier_id", F.when(delivers, F.col("manufacturer")).otherwise(WHOLESALER))
    sized = _counted(first, F.col("supplier_id")).withColumnRenamed("items", "whole")
    huge = F.col("whole") > MOST
    category = F.coalesce("category", F.lit("other"))
    part = F.when(huge, F.concat_ws("/", "supplier_id", category)).otherwise(F.col("supplier_id"))
    parts = _counted(sized.withColumn("part", part), F.col("part"))
    small = huge & (F.col("items") < FEWEST)
    name = F.when(small, F.concat("supplier_id", F.lit("/other"))).otherwise(F.col("part"))
    split = parts.withColumn("supplier_id", name).drop("part", "whole")
    return _cut(_counted(split, F.col("supplier_id")), cfg).drop("items")


def _counted(df: DataFrame, by: Column) -> DataFrame:
    """`df` with `items`: how many of the same supplier there are at the location where it has most."""
    here = df.withColumn("here", F.count("*").over(Window.partitionBy(by, "location_id")))
    return here.withColumn("items", F.max("here").over(Window.partitionBy(by))).drop("here")


def _cut(df: DataFrame, cfg: Config) -> DataFrame:
    """Parts of what one supplier delivers, even in expectation; one product is never in two parts."""
    product = Window.partitionBy("product_id")
    key = F.xxhash64(
        F.lit(f"{cfg.seed}:cut"),
        exact_sum("total", product),
        F.sum("records").over(product),
        F.max("price").over(product),
    )
    part = 1 + F.pmod(key, F.ceil(F.col("items") / CHUNK))
    name = F.concat_ws("-", "supplier_id", part.cast("string"))
    return df.withColumn("supplier_id", F.when(F.col("items") > MOST, name).otherwise(F.col("supplier_id")))
