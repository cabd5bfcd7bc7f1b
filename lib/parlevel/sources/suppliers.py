"""Who delivers what, where the data do not say: makers, with small ones merged and huge ones split.

A solve group is a supplier at a location; the rule keeps most groups between `FEWEST` and `MOST` items.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config

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
    makers = _count(profiles.withColumn("supplier", F.col("manufacturer")), "supplier")
    by_maker = profiles.join(makers.withColumnRenamed("supplier", "manufacturer"), "manufacturer", "left")
    delivers = F.col("manufacturer").isNotNull() & (F.coalesce("items", F.lit(0)) >= FEWEST)
    first = by_maker.withColumn("supplier", F.when(delivers, F.col("manufacturer")).otherwise(WHOLESALER)).drop("items")
    split = _split_by_category(first)
    sized = split.join(_count(split, "supplier"), "supplier")
    return _cut(sized, cfg).withColumnRenamed("supplier", "supplier_id").drop("items")


def _count(df: DataFrame, by: str) -> DataFrame:
    """Items of each supplier at the location where it has most."""
    return df.groupBy(by, "location_id").agg(F.count("*").alias("n")).groupBy(by).agg(F.max("n").alias("items"))


def _split_by_category(df: DataFrame) -> DataFrame:
    sized = df.join(_count(df, "supplier"), "supplier").withColumnRenamed("items", "whole")
    huge = F.col("whole") > MOST
    part = F.when(huge, F.concat_ws("/", "supplier", F.coalesce("category", F.lit("other")))).otherwise(
        F.col("supplier")
    )
    parts = sized.withColumn("part", part)
    counted = parts.join(_count(parts, "part"), "part")
    small = huge & (F.col("items") < FEWEST)
    name: Column = F.when(small, F.concat("supplier", F.lit("/other"))).otherwise(F.col("part"))
    return counted.withColumn("supplier", name).drop("part", "whole", "items")


def _cut(df: DataFrame, cfg: Config) -> DataFrame:
    """Parts of what one supplier delivers, even in expectation; one product is never in two parts."""
    content = df.groupBy("product_id").agg(
        F.xxhash64(
            F.lit(f"{cfg.seed}:cut"),
            F.sum(F.col("total").cast("decimal(28,6)")).cast("double"),
            F.sum("records"),
            F.max("price"),
        ).alias("key")
    )
    part = 1 + F.pmod(F.col("key"), F.ceil(F.col("items") / CHUNK))
    name = F.when(F.col("items") > MOST, F.concat_ws("-", "supplier", part.cast("string"))).otherwise(F.col("supplier"))
    return df.join(content, "product_id").withColumn("supplier", name).drop("key")
