"""M5 (Walmart): item-store series, their aggregates, or all item-stores by month.

What could be had of the competition: 991 item-store series and the 154 aggregates of levels 1 to 9
by day, all 30,490 item-store series by month; weekly prices, and a calendar with events and SNAP days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pyspark.sql import Column, DataFrame, SparkSession, Window
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

FILES = {
    "bottom": "sales_daily_bottom_991_series.parquet",
    "aggregates": "sales_daily_levels_1_9.parquet",
    "monthly": "sales_monthly_bottom_wide.parquet",
}
CALENDAR, PRICES, ITEMS = "calendar.parquet", "sell_prices.parquet", "series_dim.parquet"
FIRST_DAY = date(2011, 1, 29)  # d_1
# The daily series that the monthly sums come from run from d_1 to d_1913: the months at both ends are cut.
CUT_MONTHS = ("2011-01", "2016-04")
STATES = ("CA", "TX", "WI")


class Options(Section):
    """Options of the source."""

    level: Literal["bottom", "aggregates", "monthly"] = "bottom"  # which series
    data_dir: str | None = None  # folder that holds m5/; null: PARLEVEL_DATA, else ../shared/data


class M5(Cached):
    """The source `m5`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "m5")
        self._cfg = cfg
        periods = ("month",) if self._options.level == "monthly" else ("day", "week", "month")
        require_period(cfg, "m5", periods)
        self._files = (FILES[self._options.level], CALENDAR, PRICES, ITEMS)
        self._folder = data_folder(self._options.data_dir, "m5", self._files)

    def fingerprint(self) -> str:
        """Hash of the files that are read."""
        return files_fingerprint([self._folder / name for name in self._files])

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """All but stock, terms and shared limits, which the rules make."""
        return self._aggregates(spark) if self._options.level == "aggregates" else self._items(spark)

    def _read(self, spark: SparkSession, name: str) -> DataFrame:
        return spark.read.parquet(str(self._folder / name))

    def _items(self, spark: SparkSession) -> dict[str, DataFrame]:
        wide = self._read(spark, FILES[self._options.level])
        items = self.keep(self._read(spark, ITEMS).join(wide.select("series_id"), "series_id", "left_semi"))
        prices = self.keep(self._prices(spark, items))
        monthly = self._options.level == "monthly"
        sales = _months(wide) if monthly else _days(wide)
        listed = prices.groupBy("series_id").agg(F.min("date").alias("listed"))
        # Zeros before the first price are no sales missed: the item was not in the shop yet.
        known = sales.join(F.broadcast(listed), "series_id", "left")
        first = F.trunc("listed", "month") if monthly else F.col("listed")
        kept = known.where((F.col("sales") > 0) | (F.col("date") >= first))
        return {
            "series": contract_frame(items, "series", product_id=F.col("item_id"), location_id=F.col("store_id")),
            "sales": contract_frame(kept, "sales"),
            "products": contract_frame(
                items.select("item_id", "cat_id", "dept_id").distinct(),
                "products",
                product_id=F.col("item_id"),
                name=F.col("item_id"),
                category=F.col("cat_id"),
                department=F.col("dept_id"),
            ),
            "locations": _locations(items.select(F.col("store_id").alias("location_id")).distinct()),
            "prices": contract_frame(prices, "prices"),
            "calendar": self._calendar(spark, items.select(F.col("store_id").alias("location_id")).distinct()),
        }

    def _aggregates(self, spark: SparkSession) -> dict[str, DataFrame]:
        raw = self._read(spark, FILES["aggregates"])
        ids = raw.select("level", "series").distinct()
        place = F.regexp_extract("series", r"^(CA|TX|WI)(_\d)?(?=_|$)", 0)
        location = F.when(place == "", "US").otherwise(place)
        rest = F.regexp_replace("series", r"^(Total|(CA|TX|WI)(_\d)?)(_|$)", "")
        item = F.when(rest == "", "ALL").otherwise(rest)
        series = ids.select(F.col("series").alias("series_id"), item.alias("product_id"), location.alias("location_id"))
        products = series.select("product_id").distinct()
        top = F.regexp_replace("product_id", r"_\d+$", "")
        places = series.select("location_id").distinct()
        return {
            "series": contract_frame(series, "series"),
            "sales": contract_frame(raw, "sales", series_id=F.col("series"), date=F.to_date("date")),
            "products": contract_frame(
                products, "products", name=F.col("product_id"), category=top, department=F.col("product_id")
            ),
            "locations": _locations(places),
            "calendar": self._calendar(spark, places),
        }

    def _prices(self, spark: SparkSession, items: DataFrame) -> DataFrame:
        """Weekly prices, a row where they change."""
        weeks = self._read(spark, CALENDAR).groupBy("wm_yr_wk").agg(F.to_date(F.min("date")).alias("date"))
        keys = items.select("series_id", "store_id", "item_id")
        weekly = (
            self._read(spark, PRICES)
            .join(F.broadcast(keys), ["store_id", "item_id"])
            .join(F.broadcast(weeks), "wm_yr_wk")
            .select("series_id", "date", F.col("sell_price").alias("price"))
        )
        before = F.lag("price").over(Window.partitionBy("series_id").orderBy("date"))
        changed = before.isNull() | (before != F.col("price"))
        return weekly.withColumn("changed", changed).where("changed").drop("changed")

    def _calendar(self, spark: SparkSession, places: DataFrame) -> DataFrame:
        """Events and SNAP days by location, known four weeks ahead; all stores close on Christmas Day.

        A day's events are joined in one name; an event outranks SNAP as the day's kind.
        """
        days = self._read(spark, CALENDAR).withColumn("date", F.to_date("date"))
        state = F.substring("location_id", 1, 2)
        snap: Column = F.least(*[F.col(f"snap_{name}") for name in STATES]) == 1
        for name in STATES:
            snap = F.when(state == name, F.col(f"snap_{name}") == 1).otherwise(snap)
        names = F.concat_ws(" + ", "event_name_1", "event_name_2", F.when(F.col("snap"), "SNAP"))
        kind = F.lower("event_type_1")
        rows = days.crossJoin(F.broadcast(places)).withColumn("snap", snap).withColumn("names", names)
        is_open = F.date_format("date", "MM-dd") != "12-25"
        return contract_frame(
            rows.where((F.col("names") != "") | ~is_open),
            "calendar",
            is_open=is_open,
            event=F.nullif("names", F.lit("")),
            event_kind=F.when(kind == "national", "holiday")
            .when(kind.isNotNull(), kind)
            .when(F.col("snap"), F.lit("benefit")),
        )


def _days(wide: DataFrame) -> DataFrame:
    """One row per series and day from one column a day."""
    columns = [name for name in wide.columns if name.startswith("d_")]
    packed = wide.select("series_id", F.array(*columns).alias("days"))
    long = packed.select("series_id", F.posexplode("days").alias("step", "sales"))
    return long.select("series_id", F.date_add(F.lit(FIRST_DAY), F.col("step")).alias("date"), "sales")


def _months(wide: DataFrame) -> DataFrame:
    """One row per series and whole month."""
    skipped = ("series_id", *CUT_MONTHS)
    columns: list[Column | str] = [name for name in wide.columns if name not in skipped]
    long = wide.unpivot(["series_id"], columns, "month", "sales")
    return long.withColumn("date", F.concat("month", F.lit("-01")).cast("date"))


def _locations(places: DataFrame) -> DataFrame:
    store = F.col("location_id").contains("_")
    state = F.when(F.col("location_id") != "US", F.substring("location_id", 1, 2))
    return contract_frame(
        places,
        "locations",
        name=F.col("location_id"),
        kind=F.when(store, "store").otherwise("chain"),
        country=F.lit("US"),
        subdivision=state,
    )
