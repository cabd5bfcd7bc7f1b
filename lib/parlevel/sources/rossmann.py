"""Rossmann: daily turnover of 1,115 German drugstores, with promotions and holidays.

A series is a store; its one product is the turnover. Closed days are missing rows, so every day
without a row of a store is a closed day in the calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.section import Section
from parlevel.sources.base import (
    Cached,
    contract_frame,
    data_folder,
    date_of_nanoseconds,
    files_fingerprint,
    read_options,
    read_parquet,
)

SALES, STORES = "sales_open_days.parquet", "store.parquet"
TURNOVER = "turnover"


class Options(Section):
    """Options of the source."""

    data_dir: str | None = None  # folder that holds rossmann/; null: PARLEVEL_DATA, else ../shared/data


class Rossmann(Cached):
    """The source `rossmann`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "rossmann")
        self._folder = data_folder(self._options.data_dir, "rossmann", (SALES, STORES))

    def fingerprint(self) -> str:
        """Hash of the two files."""
        return files_fingerprint([self._folder / SALES, self._folder / STORES])

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """Series, sales, promotions and closed days; stock and terms are assumed."""
        store = F.col("Store").cast("string")
        days = read_parquet(spark, str(self._folder / SALES)).select(
            store.alias("location_id"),
            F.concat(F.lit("store "), store).alias("series_id"),
            date_of_nanoseconds(F.col("Date")).alias("date"),
            F.col("Sales").alias("sales"),
            F.col("Promo").alias("promo"),
        )
        stores = spark.read.parquet(str(self._folder / STORES)).withColumn("location_id", store)
        kept = stores.join(days.select("location_id").distinct(), "location_id", "left_semi")
        name = F.concat(F.lit("store "), "location_id")
        promotions = days.where("promo = 1").withColumns({"start_date": F.col("date"), "end_date": F.col("date")})
        return {
            "series": contract_frame(kept, "series", series_id=name, product_id=F.lit(TURNOVER)),
            "sales": contract_frame(days, "sales"),
            "locations": contract_frame(kept, "locations", name=name, kind=F.lit("store"), country=F.lit("DE")),
            "promotions": contract_frame(promotions, "promotions", kind=F.lit("promotion"), intensity=F.lit(1.0)),
            "calendar": _closed(days),
        }


def _closed(days: DataFrame) -> DataFrame:
    """Days of a store between its first and last that have no row."""
    span = days.groupBy("location_id").agg(F.sequence(F.min("date"), F.max("date")).alias("all"))
    every = span.select("location_id", F.explode("all").alias("date"))
    missing = every.join(days.select("location_id", "date"), ["location_id", "date"], "left_anti")
    return contract_frame(missing, "calendar", is_open=F.lit(False))
