"""Velocity classes and SKU groups: thresholds from a histogram, groups from counts, never from a list of series."""

from __future__ import annotations

from functools import partial

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.features.build import Settings, profile_rows
from parlevel.domain.features.groups import Size, abc_limits, top_limit, with_left_out
from parlevel.schemas import Column, contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.sums import exact_sum

LATER = ("velocity", "high_volume", "group_id", "group_velocity", "kept_from")
BASE = (
    *(column for column in contract("series_profile").data_columns if column.name not in LATER),
    Column("volume_bucket", "bigint", "logarithm of recent_mean in steps of 1 / 64; null without sales"),
    Column("group_mean", "double", "recent_mean before them"),
    Column("group_bucket", "bigint", "volume_bucket before them"),
)
SEPARATOR = "\u001f"
NONE = "none"
BEFORE = {"location": "location_id", "velocity": "group_velocity", "pattern": "group_pattern"}
"""Columns that keys of train.group_by are read from; others have their own name."""

LAID_BY = ("volume_bucket", "group_bucket", "group_mean")
TEACHES = "left_out IS NULL"


def base_profile(panel: DataFrame, products: DataFrame, *, settings: Settings) -> DataFrame:
    """What can be said of each series by itself: columns `BASE`.

    Args:
        panel: contract `panel`.
        products: contract `products`.
        settings: periods and channels.
    """
    wanted = ("series_id", "product_id", "location_id", "n_periods", "demand", "available", "flags", "content_key")
    known = products.select("product_id", "category", "department", "brand")
    rows = panel.select(*wanted).join(known, "product_id", "left")
    return map_packed(rows, partial(profile_rows, settings=settings), BASE)


def transform(base: DataFrame, *, cfg: Config) -> tuple[DataFrame, int]:
    """The contract `series_profile` but for `kept_from`, and the number of groups.

    Args:
        base: from `base_profile`; read three times, so better kept.
        cfg: how groups are made.
    """
    return with_groups(with_velocity(base, cfg.train.high_volume_share), cfg)


def _limits(base: DataFrame, bucket: str, level: str, share: float) -> tuple[int, int, int]:
    """Lowest bucket of class A, of class B, and of the top `share` of series, from a histogram."""
    volumes = (
        base.where(TEACHES)
        .groupBy(F.coalesce(bucket, F.lit(-(2**31))).alias("b"))
        .agg(F.count("*").alias("n"), F.coalesce(exact_sum(level), F.lit(0.0)).alias("v"))
        .collect()  # bounded: 64 buckets per factor e of volume
    )
    histogram = [(int(row["b"]), int(row["n"]), float(row["v"])) for row in volumes]
    return (*abc_limits(histogram), top_limit(histogram, share))


def _class(bucket: str, first: int, second: int) -> SparkColumn:
    return F.when(F.col(bucket) >= first, "A").when(F.col(bucket) >= second, "B").otherwise("C")


def with_velocity(base: DataFrame, high_volume_share: float) -> DataFrame:
    """`velocity` by cumulated recent volume (A 80 %, B 95 %, C) and `high_volume` by share of series.

    What series are trained with, `group_velocity` and `high_volume`, goes by the volume before what folds judge.
    Limits come from a histogram with 64 buckets per factor e, so that no task has to sort all series;
    series of one bucket (within 1.6 % of each other) share a class. Series that are left out set no limit.
    """
    first, second, _ = _limits(base, "volume_bucket", "recent_mean", high_volume_share)
    then_first, then_second, top = _limits(base, "group_bucket", "group_mean", high_volume_share)
    return (
        base.withColumn("velocity", _class("volume_bucket", first, second))
        .withColumn("group_velocity", _class("group_bucket", then_first, then_second))
        .withColumn("high_volume", F.coalesce(F.col("group_bucket") >= top, F.lit(False)))
    )


def with_groups(profile: DataFrame, cfg: Config) -> tuple[DataFrame, int]:
    """`group_id` from the keys of train.group_by, merged and split to size; also the number of groups."""
    keyed = profile.withColumn("_key", F.concat_ws(SEPARATOR, *(_part(name) for name in cfg.train.group_by)))
    keyed = keyed.withColumn("_teaches", F.expr(TEACHES))
    sizes = keyed.groupBy("_key", "_teaches").agg(F.count("*").alias("n"), F.sum("predicted_bytes").alias("bytes"))
    found = sizes.collect()  # bounded: combinations of category, velocity and pattern
    teaching, others = (
        {
            tuple(row["_key"].split(SEPARATOR)): Size(int(row["n"]), int(row["bytes"]))
            for row in found
            if row["_teaches"] == teaches
        }
        for teaches in (True, False)
    )
    made = with_left_out(teaching, others, cfg.train.min_group_series, cfg.train.max_group_mb * 2**20)
    named = [
        (SEPARATOR.join(key), teaches, group.name, group.parts)
        for teaches, groups in zip((True, False), made, strict=True)
        for key, group in groups.items()
    ]
    lookup = profile.sparkSession.createDataFrame(named, "_key string, _teaches boolean, _name string, _parts int")
    # the part by content, so that renaming a series moves nothing
    part = F.conv(F.substring("content_key", 1, 8), 16, 10).cast("bigint") % F.col("_parts") + 1
    group_id = F.when(F.col("_parts") == 1, F.col("_name")).otherwise(
        F.concat_ws("", "_name", F.lit("#"), part.cast("string"), F.lit("/"), F.col("_parts").cast("string"))
    )
    rows = keyed.join(F.broadcast(lookup), ["_key", "_teaches"]).withColumn("group_id", group_id)
    count = len({(name, k) for _, _, name, parts in named for k in range(parts)})
    return rows.drop("_key", "_teaches", "_name", "_parts", *LAID_BY), count


def _part(name: str) -> SparkColumn:
    return F.coalesce(F.nullif(F.trim(BEFORE.get(name, name)), F.lit("")), F.lit(NONE))
