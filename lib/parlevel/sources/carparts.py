"""Carparts: monthly sales of 2,674 spare parts, three quarters of them zeros (intermittent demand)."""

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
    files_fingerprint,
    read_options,
    require_period,
)

FILE = "sales_monthly.parquet"


class Options(Section):
    """Options of the source."""

    data_dir: str | None = None  # folder that holds carparts/; null: PARLEVEL_DATA, else ../shared/data


class Carparts(Cached):
    """The source `carparts`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "carparts")
        require_period(cfg, "carparts", ("month",))
        self._folder = data_folder(self._options.data_dir, "carparts", (FILE,))

    def fingerprint(self) -> str:
        """Hash of the file."""
        return files_fingerprint([self._folder / FILE])

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """Series and sales; the rest is derived or assumed."""
        rows = spark.read.parquet(str(self._folder / FILE)).select(
            F.col("part_id").alias("series_id"), F.concat("month", F.lit("-01")).cast("date").alias("date"), "sales"
        )
        parts = rows.select("series_id").distinct()
        series = contract_frame(parts, "series", product_id=F.col("series_id"), location_id=F.lit("warehouse"))
        return {"series": series, "sales": contract_frame(rows, "sales")}
