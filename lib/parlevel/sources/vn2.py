"""VN2 inventory planning challenge, week 0: 599 store-products, 157 weeks, with real stock and real costs.

An order placed at the end of week X arrives at the start of week X+3 and can be sold in it: in
parlevel's words a lead time of 2. A week's unit left costs 0.2, a lost unit 1.0, nothing is backordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.section import Section
from parlevel.errors import DataError
from parlevel.sources.base import (
    Cached,
    contract_frame,
    data_folder,
    files_fingerprint,
    read_options,
    require_period,
    rows_frame,
)

SALES = "Week 0 - 2024-04-08 - Sales.csv"
IN_STOCK = "Week 0 - In Stock.csv"
STATE = "Week 0 - 2024-04-08 - Initial State.csv"
MASTER = "Week 0 - Master.csv"

LEAD_TIME, REVIEW_PERIOD = 2, 1  # weeks
HOLDING, SHORTAGE = 0.2, 1.0  # money per unit left and week, per lost unit
# The contest has no prices: a lost unit costs 1, so that is the margin, and a unit is valued at 1.
COST, PRICE = 1.0, 2.0


class Options(Section):
    """Options of the source."""

    data_dir: str | None = None  # folder that holds vn2/; null: PARLEVEL_DATA, else ../shared/data
    sales: str | None = None  # wide sales file (Store, Product, one column a week); null: the contest's week 0
    in_stock: str | None = None  # wide file of True/False of the same form; null: the contest's week 0
    state: str | None = None  # stock at the end of the last week in sales; null: the contest's week 0


class VN2(Cached):
    """The source `vn2`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "vn2")
        self._cutoff = cfg.calendar.cutoff
        require_period(cfg, "vn2", ("week",))
        own = {SALES: self._options.sales, IN_STOCK: self._options.in_stock, STATE: self._options.state, MASTER: None}
        published = [name for name, path in own.items() if path is None]
        folder = data_folder(self._options.data_dir, "vn2", published)
        self._files = {name: Path(path) if path else folder / name for name, path in own.items()}
        absent = [str(file) for file in self._files.values() if not file.is_file()]
        if absent:
            raise DataError(f"source 'vn2' needs every file that its options name. Got no file {absent}.")

    def fingerprint(self) -> str:
        """Hash of the four files."""
        return files_fingerprint(self._files.values())

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """All tables; nothing is shared between items, and nothing is assumed, but stock at an earlier cutoff."""
        master = _read(spark, self._files[MASTER])
        tables = {
            "series": contract_frame(master, "series"),
            "sales": self._sales(spark),
            "products": contract_frame(
                master.select("product_id", "DepartmentGroup", "Department", "ProductGroup").distinct(),
                "products",
                name=F.concat_ws(" ", F.lit("product"), "product_id"),
                category=F.concat(F.lit("group "), "DepartmentGroup"),
                department=F.concat(F.lit("department "), "Department"),
            ),
            "locations": contract_frame(
                master.select("location_id").distinct(),
                "locations",
                name=F.concat(F.lit("store "), "location_id"),
                kind=F.lit("store"),
            ),
            "supply_terms": _terms(master),
            "resources": rows_frame(spark, "resources", []),
        }
        last = self._last_week(spark)
        if self._cutoff is None or self._cutoff >= date.fromisoformat(last):
            tables["inventory"] = _inventory(_read(spark, self._files[STATE]), last)
        else:
            self.notes = (f"the stock in {self._files[STATE].name} is that of {last}, not of the cutoff: left out",)
        return tables

    def _last_week(self, spark: SparkSession) -> str:
        """First day of the last week in the sales file: the stock is that of its end."""
        return _weeks(_read(spark, self._files[SALES]))[-1]

    def _sales(self, spark: SparkSession) -> DataFrame:
        """One row a series and week; a week that the file of flags lacks is not known to be in stock or out."""
        sold, seen = _read(spark, self._files[SALES]), _read(spark, self._files[IN_STOCK])
        weeks, flagged = _weeks(sold), set(_weeks(seen))
        flags = seen.select("series_id", *(F.col(week).alias(f"flag {week}") for week in weeks if week in flagged))
        cells = [
            F.struct(
                F.lit(week).cast("date").alias("date"),
                F.col(week).cast("double").alias("sales"),
                F.col(f"flag {week}" if week in flagged else "unknown").cast("boolean").alias("in_stock"),
            )
            for week in weeks
        ]
        # the two files meet while a series is one row: joined by week, 90,000 rows would move
        wide = sold.join(F.broadcast(flags), "series_id", "left").withColumn("unknown", F.lit(None).cast("string"))
        return contract_frame(wide.select("series_id", F.inline(F.array(*cells))), "sales")


def _read(spark: SparkSession, file: Path) -> DataFrame:
    """A file as strings, with the ids of parlevel."""
    store, item = F.col("Store"), F.col("Product")
    return (
        spark.read.csv(str(file), header=True)
        .withColumn("series_id", F.concat(item, F.lit("@"), store))
        .withColumnsRenamed({"Store": "location_id", "Product": "product_id"})
    )


def _weeks(wide: DataFrame) -> list[str]:
    """Columns that hold a week, in order."""
    return sorted(name for name in wide.columns if name[:2] == "20")


def _inventory(state: DataFrame, cutoff: str) -> DataFrame:
    """Units at the end of the cutoff week, and what arrives in the two weeks after it."""
    after = [F.date_add(F.lit(cutoff).cast("date"), 7 * week) for week in (1, 2)]
    due = F.filter(
        F.array(
            *[
                F.struct(day.alias("day"), F.col(f"In Transit W+{week}").cast("double").alias("quantity"))
                for week, day in enumerate(after, start=1)
            ]
        ),
        lambda order: order["quantity"] > 0,
    )
    return contract_frame(
        state.withColumn("due", due),
        "inventory",
        as_of=F.lit(cutoff),
        on_hand=F.col("End Inventory"),
        backorders=F.lit(0.0),
        due_dates=F.col("due.day"),
        due_qty=F.col("due.quantity"),
        assumed=F.lit(False),
    )


def _terms(master: DataFrame) -> DataFrame:
    values: dict[str, Any] = {
        "supplier_id": "vn2",
        "lead_time": LEAD_TIME,
        "lead_time_sd": 0.0,
        "review_period": REVIEW_PERIOD,
        "min_order_qty": 0.0,
        "case_pack": 1.0,
        "min_stock": 0.0,
        "unit_cost": COST,
        "unit_price": PRICE,
        "holding_cost": HOLDING,
        "shortage_cost": SHORTAGE,
        "order_cost": 0.0,
        "target": round(SHORTAGE / (SHORTAGE + HOLDING), 4),
        "unit_weight": 0.0,
        "unit_volume": 0.0,
        "assumed": False,
    }
    return contract_frame(master, "supply_terms", **{name: F.lit(value) for name, value in values.items()})
