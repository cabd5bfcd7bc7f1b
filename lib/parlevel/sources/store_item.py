"""Store-item: daily sales of 50 items in 10 stores, 2013 to 2017; no prices, promotions or stockouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.section import Section
from parlevel.sources.base import Cached, contract_frame, data_folder, files_fingerprint, read_options

FILE = "sales.parquet"


class Options(Section):
    """Options of the source."""

    data_dir: str | None = None  # folder that holds store_item/; null: PARLEVEL_DATA, else ../shared/data


class StoreItem(Cached):
    """The source `store_item`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "store_item")
        self._folder = data_folder(self._options.data_dir, "store_item", (FILE,))

    def fingerprint(self) -> str:
        """Hash of the file."""
        return files_fingerprint([self._folder / FILE])

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """Series and sales; the rest is derived or assumed."""
        raw = spark.read.parquet(str(self._folder / FILE)).select(
            F.concat(F.lit("item "), "item").alias("product_id"),
            F.concat(F.lit("store "), "store").alias("location_id"),
            F.to_date("date").alias("date"),
            "sales",
        )
        rows = raw.withColumn("series_id", F.concat("product_id", F.lit("@"), "location_id"))
        series = rows.select("series_id", "product_id", "location_id").distinct()
        return {"series": contract_frame(series, "series"), "sales": contract_frame(rows, "sales")}
