"""Online Retail (UCI): 541,909 invoice lines of a British gift wholesaler, with returns and duplicates.

A series is a stock code; codes that are no goods (postage, fees, samples) are left out. Cancelled
invoices keep their negative quantities: the clean stage decides what becomes of returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.section import Section
from parlevel.sources.base import Cached, contract_frame, data_folder, files_fingerprint, read_options

FILE = "transactions.parquet"
GOODS = r"^\d{5}[A-Za-z]*$"
SHOP = "shop"


class Options(Section):
    """Options of the source."""

    min_days: int = Field(52, ge=1)  # days with a sale of the product
    order_lines: bool = True  # also write the baskets
    customer_key: str | None = None  # secret for the customers' hashes; null: derived from the seed
    data_dir: str | None = None  # folder that holds online_retail/; null: PARLEVEL_DATA, else ../shared/data


class OnlineRetail(Cached):
    """The source `online_retail`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "online_retail")
        self._cfg = cfg
        self._folder = data_folder(self._options.data_dir, "online_retail", (FILE,))

    def fingerprint(self) -> str:
        """Hash of the file."""
        return files_fingerprint([self._folder / FILE])

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """Series, sales (a row per product and day), products, prices and baskets; the rest is assumed."""
        lines = self.keep(self._lines(spark))
        days = lines.where("quantity > 0").groupBy("product_id").agg(F.countDistinct("date").alias("days"))
        series = contract_frame(
            days.where(F.col("days") >= self._options.min_days),
            "series",
            series_id=F.col("product_id"),
            location_id=F.lit(SHOP),
        )
        ours = lines.join(F.broadcast(series), "product_id")
        daily = ours.groupBy("series_id", "date").agg(F.sum("quantity").alias("sales"))
        tables = {
            "series": series,
            "sales": contract_frame(daily, "sales"),
            "products": _products(lines),
            "locations": contract_frame(
                series.select("location_id").distinct(), "locations", kind=F.lit("warehouse"), country=F.lit("GB")
            ),
            "prices": _prices(ours),
        }
        if self._options.order_lines:
            tables["order_lines"] = self._order_lines(lines)
        return tables

    def _lines(self, spark: SparkSession) -> DataFrame:
        raw = spark.read.parquet(str(self._folder / FILE))
        return raw.where(F.col("StockCode").rlike(GOODS)).select(
            F.col("InvoiceNo").alias("order_id"),
            F.upper("StockCode").alias("product_id"),
            F.trim("Description").alias("name"),
            F.col("Quantity").alias("quantity"),
            F.col("UnitPrice").alias("price"),
            F.to_date("InvoiceDate").alias("date"),
            F.col("CustomerID").cast("string").alias("customer"),
        )

    def _order_lines(self, lines: DataFrame) -> DataFrame:
        key = self._options.customer_key or f"parlevel-{self._cfg.seed}"
        order = Window.partitionBy("order_id").orderBy("product_id", "quantity", "price", "name")
        hashed = F.sha2(F.concat_ws("\x1f", F.lit(key), "customer", F.lit(key)), 256)
        return contract_frame(
            lines,
            "order_lines",
            line=F.row_number().over(order),
            location_id=F.lit(SHOP),
            customer_key=F.when(F.col("customer").isNotNull(), hashed),
            value=F.round(F.col("quantity") * F.col("price"), 2),
        )


def _products(lines: DataFrame) -> DataFrame:
    """A product's most used description."""
    used = lines.where(F.col("name") != "").groupBy("product_id", "name").agg(F.count("*").alias("n"))
    best = used.groupBy("product_id").agg(F.max_by("name", F.struct("n", "name")).alias("name"))
    every = lines.select("product_id").distinct().join(best, "product_id", "left")
    return contract_frame(every, "products", category=F.lit("gifts"), department=F.substring("product_id", 1, 2))


def _prices(lines: DataFrame) -> DataFrame:
    """The median price of a week, a row where it changes."""
    weekly = (
        lines.where("quantity > 0 AND price > 0")
        .groupBy("series_id", F.to_date(F.date_trunc("week", "date")).alias("date"))
        .agg(F.round(F.median("price"), 2).alias("price"))
    )
    before = F.lag("price").over(Window.partitionBy("series_id").orderBy("date"))
    changed = before.isNull() | (before != F.col("price"))
    return contract_frame(weekly.withColumn("changed", changed).where("changed"), "prices")
