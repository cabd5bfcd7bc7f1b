"""A user's open purchase orders: beside the stock as arrays, and what of them counts for nothing, in words."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.sources.base import contract_frame

OVERDUE_DAYS = 30
"""Days after which an order that is still open is more likely to be forgotten than late."""


def with_open_orders(inventory: DataFrame | None, orders: DataFrame, series: DataFrame) -> DataFrame:
    """Inventory with the open orders as arrays, by date.

    Args:
        inventory: contract `inventory`; None: not given.
        orders: series_id, date, quantity (units).
        series: contract `series`.
    """
    due = F.sort_array(F.collect_list(F.struct("date", "quantity"))).alias("due")
    open_orders = orders.where("quantity > 0").groupBy("series_id").agg(due)
    stock = inventory if inventory is not None else contract_frame(series, "inventory", assumed=F.lit(False))
    return contract_frame(
        stock.drop("due_dates", "due_qty").join(open_orders, "series_id", "left"),
        "inventory",
        due_dates=F.coalesce(F.col("due.date"), F.array().cast("array<date>")),
        due_qty=F.coalesce(F.col("due.quantity"), F.array().cast("array<double>")),
    )


def open_order_notes(raw: DataFrame, series: DataFrame, sales: DataFrame, path: str) -> Sequence[str]:
    """What of a file of open orders counts for nothing, or is likely not to come.

    Args:
        raw: the file, with series_id or product_id (and location_id), date and quantity.
        series: contract `series`.
        sales: contract `sales`.
        path: of the file.
    """
    keys = [key for key in ("series_id",) if key in raw.columns] or [
        key for key in ("product_id", "location_id") if key in raw.columns
    ]
    # not the very last date: a few may be slips of the keyboard, which stage clean finds
    last = sales.agg(F.percentile_approx("date", 0.999).alias("_last"))
    known = series.select(*keys, F.lit(True).alias("_known")).distinct()
    counts = F.col("_known").isNotNull() & (F.col("quantity") > 0)
    late = counts & (F.datediff("_last", "date") > OVERDUE_DAYS)
    name = F.concat_ws(" + ", *keys)
    dated = F.concat_ws(" of ", name, F.col("date").cast("string"))
    found = raw.join(known, keys, "left").crossJoin(last).agg(
        F.count_if(F.col("quantity") <= 0).alias("none"),
        F.count_if(F.col("_known").isNull()).alias("unknown"),
        F.min(F.when(F.col("_known").isNull(), name)).alias("unknown_one"),
        F.count_if(late).alias("late"),
        F.min_by(dated, F.when(late, F.col("date"))).alias("late_one"),
    ).head(1)[0]  # fmt: skip
    notes = []
    if found["none"]:
        notes.append(f"{path}: {found['none']:,} open orders without a positive quantity count for nothing")
    if found["unknown"]:
        notes.append(
            f"{path}: {found['unknown']:,} open orders name a {' and '.join(keys)} that sales do not have, e.g. "
            f"{found['unknown_one']}; they count for nothing"
        )
    if found["late"]:
        notes.append(
            f"{path}: {found['late']:,} open orders were due more than {OVERDUE_DAYS} days before the last sale, e.g. "
            f"{found['late_one']}; they are taken to arrive in the first period - remove those that will not come"
        )
    return notes
