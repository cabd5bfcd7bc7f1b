"""Row rules of the clean stage: pure functions from long tables to judged rows, then to packed ones.

A judged row carries `_rule` (the first rule that caught it, null if none), `_status` (packed, merged,
quarantined or skipped), `_index` (its period) and `_known` (whether the table series has its series, else null).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.clean import rules
from parlevel.pipeline.clean_report import account
from parlevel.pipeline.dates import plausible
from parlevel.spark.periods import period_index, period_start

if TYPE_CHECKING:
    from parlevel.pipeline.clean import Window


def by_series(rows: DataFrame, parts: int | None) -> DataFrame:
    """All rows of a series in one partition: everything that follows in this stage happens there."""
    return rows.repartition(parts, "series_id") if parts else rows.repartition("series_id")


def judge_sales(sales: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """Sales rows with `_value` (null = missing), `_rule`, `_status`, `_index` and `_known`.

    Args:
        sales: contract `sales`.
        series: contract `series`.
        cfg: says how duplicates and returns are treated.
        window: the periods to read.
    """
    rows = _catch_sales(sales, series, cfg=cfg, window=window)
    if cfg.clean.duplicates != "sum":
        rows = _duplicates(rows, cfg.clean.duplicates, netted=cfg.clean.returns == "net")
    # Only now: where another row of the day has a number, nothing is unknown.
    unread = F.col("_rule").isNull() & F.col("_value").isNull() & F.col("as_written").isNotNull()
    rows = rows.withColumn("_rule", F.when(unread, F.lit("unreadable")).otherwise(F.col("_rule")))
    one_per_period = cfg.calendar.period == "day" and cfg.clean.duplicates != "sum"
    return _merge(_with_status(rows, "sales"), one_per_period=one_per_period)


def judge_prices(prices: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """Price rows, judged like sales; of several prices of a day the highest counts."""
    rows = _catch_prices(prices, series, cfg=cfg, window=window)
    highest = Over.partitionBy("series_id", "date", "_rule").orderBy(F.desc("price"))
    again = F.col("_rule").isNull() & (F.row_number().over(highest) > 1)
    rows = rows.withColumn("_rule", F.when(again, F.lit("duplicate_key")).otherwise(F.col("_rule")))
    return _with_status(rows, "prices")


def judge_promotions(promotions: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """Promotion rows, judged like sales; overlapping ones all count, the strongest wins later."""
    return _with_status(_catch_promotions(promotions, series, cfg=cfg, window=window), "promotions")


def strangers(table: str, rows: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """Judged rows of series that the table series does not know; nothing is shuffled."""
    caught = _with_status(CATCHES[table](rows, series, cfg=cfg, window=window), table)
    return caught.where(F.col("_known").isNull())


def _catch_sales(sales: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """Rows with `_rule`, as far as a row by itself breaks one."""
    value = F.when(~F.isnan("sales"), F.col("sales"))
    rows = (
        _with_known(sales, series)
        .withColumn("_index", F.when(plausible("date"), period_index(F.col("date"), cfg.calendar.period)))
        .withColumn("_value", value)
    )
    caught = {
        "blank_series": F.col("series_id").isNull() | (F.trim("series_id") == ""),
        "no_date": F.col("date").isNull(),
        "impossible_date": F.col("_index").isNull(),
        "stray_date": _strays(window),
        "outside_window": ~F.col("_index").between(window.start, window.cutoff),
        "unknown_series": F.col("_known").isNull(),
        "not_finite": F.abs("_value") == float("inf"),
        "too_large": F.abs("_value") > cfg.clean.max_sales,
    }
    if cfg.clean.returns == "drop":
        caught["return_dropped"] = F.col("_value") < 0
    return rows.withColumn("_rule", _first(caught))


def _catch_prices(prices: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    rows = _with_known(prices, series).withColumn("_index", period_index(F.col("date"), cfg.calendar.period))
    good = ~F.isnan("price") & (F.col("price") > 0) & (F.col("price") < float("inf"))
    caught = {
        "no_date": F.col("date").isNull(),
        "not_positive": ~F.coalesce(good, F.lit(False)),
        "unknown_series": F.col("_known").isNull(),
        "outside_window": F.col("_index") > window.cutoff + window.horizon,
    }
    return rows.withColumn("_rule", _first(caught))


def _catch_promotions(promotions: DataFrame, series: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    first, last = (period_index(F.col(name), cfg.calendar.period) for name in ("start_date", "end_date"))
    good = ~F.isnan("intensity") & F.col("intensity").between(0.0, 1.0)
    caught = {
        "end_before_start": F.col("end_date") < F.col("start_date"),
        "bad_intensity": ~F.coalesce(good, F.lit(False)),
        "unknown_series": F.col("_known").isNull(),
        "outside_window": (last < window.start) | (first > window.cutoff + window.horizon),
    }
    return _with_known(promotions, series).withColumn("_rule", _first(caught)).withColumn("_index", first)


def pack_sales(judged: DataFrame) -> DataFrame:
    """One row a series: the lists record_* and hole_index, and the account of its rows."""
    counts = F.col("_status").isin("packed", "merged")
    hole = F.col("_rule").isin(rules.names("sales", hole=True))
    stock = F.col("in_stock").cast("int").cast("double")
    # NaN, not null: a list leaves nulls out, and the three belong together element by element
    unknown = F.lit(float("nan"))
    return judged.groupBy("series_id").agg(
        F.collect_list(F.when(counts, F.col("_index"))).alias("record_index"),
        F.collect_list(F.when(counts, F.coalesce("_value", unknown))).alias("record_sales"),
        F.collect_list(F.when(counts, F.coalesce(stock, unknown))).alias("record_in_stock"),
        F.collect_list(F.when(hole, F.col("_index"))).alias("hole_index"),
        *account("sales"),
    )


def pack_prices(judged: DataFrame) -> DataFrame:
    """One row a series: the lists price_*, and the account of its rows."""
    row = F.when(F.col("_status") == "packed", F.struct(F.unix_date("date").alias("d"), "_index", "price"))
    # by day, so that of several prices in one week or month the last one holds on
    packed = judged.groupBy("series_id").agg(F.sort_array(F.collect_list(row)).alias("p"), *account("prices"))
    price = {"price_index": F.col("p._index"), "price_value": F.col("p.price")}
    return packed.withColumns(price).drop("p")


def pack_promotions(judged: DataFrame) -> DataFrame:
    """One row a series: the lists promo_*, and the account of its rows."""
    row = F.when(
        F.col("_status") == "packed",
        F.struct(
            F.unix_date("start_date").cast("bigint").alias("a"),
            F.unix_date("end_date").cast("bigint").alias("b"),
            F.col("intensity").alias("x"),
        ),
    )
    packed = judged.groupBy("series_id").agg(F.collect_list(row).alias("p"), *account("promotions"))
    promo = {"promo_first": F.col("p.a"), "promo_last": F.col("p.b"), "promo_intensity": F.col("p.x")}
    return packed.withColumns(promo).drop("p")


def pack_calendar(calendar: DataFrame, *, cfg: Config, window: Window) -> DataFrame:
    """One row a location: periods in which it is closed throughout, and periods with an event."""
    period = cfg.calendar.period
    index = period_index(F.col("date"), period)
    by_period = (
        calendar.withColumn("_index", index)
        .where(F.col("_index").between(window.start, window.cutoff))
        .groupBy("location_id", "_index")
        .agg(
            F.count_distinct(F.when(~F.col("is_open"), F.col("date"))).alias("closed"),
            F.max(F.col("event").isNotNull() & ~F.coalesce(F.col("event_kind") == "benefit", F.lit(False))).alias("e"),
        )
    )
    days = F.datediff(period_start(F.col("_index") + 1, period), period_start(F.col("_index"), period))
    return by_period.groupBy("location_id").agg(
        F.collect_list(F.when(F.col("closed") >= days, F.col("_index"))).alias("closed_index"),
        F.collect_list(F.when(F.col("e"), F.col("_index"))).alias("event_index"),
    )


def _with_known(rows: DataFrame, series: DataFrame) -> DataFrame:
    known = series.select("series_id", F.lit(True).alias("_known")).distinct()
    return rows.join(known, "series_id", "left")


def _strays(window: Window) -> Column:
    """Whether a period lies years away from all others."""
    return F.lit(False) if window.span is None else ~F.col("_index").between(window.span.first, window.span.last)


def _first(caught: Mapping[str, Column]) -> Column:
    """Name of the first condition that holds; null if none does."""
    return F.coalesce(*(F.when(condition, F.lit(name)) for name, condition in caught.items()))


def _with_status(rows: DataFrame, table: str) -> DataFrame:
    skipped = F.col("_rule").isin(rules.names(table, action="skipped"))
    merged = F.col("_rule").isin(rules.names(table, action="merged"))
    status = F.when(F.col("_rule").isNull(), "packed").when(skipped, "skipped").when(merged, "merged")
    status = status.otherwise("quarantined")
    return rows.withColumn("_status", status)


def _duplicates(rows: DataFrame, mode: str, *, netted: bool) -> DataFrame:
    """Mark exact copies, and rows of one series and date that disagree.

    A return beside a sale of its day is no second opinion on it (`netted`), and a row without a number is none beside
    one that has it.
    """
    key = Over.partitionBy("series_id", "date", "_rule")
    by_value = key.orderBy(F.desc_nulls_last("_value"), F.asc_nulls_last("in_stock"))
    content = F.struct("_value", "in_stock")
    rank = F.row_number().over(by_value)
    copy = content.eqNullSafe(F.lag(content).over(by_value)) & (rank > 1)
    back = F.coalesce(F.col("_value") < 0, F.lit(False)) & F.lit(netted)
    sold = F.col("_value").isNotNull() & ~back
    n_values, n_sold = F.count("_value").over(key), F.count_if(sold).over(key)

    def several(some: Column) -> Column:
        # not a set of them: one a row is made of each, and it took as long as all the rest of packing
        found = F.when(some, F.xxhash64("_value", "in_stock"))
        return F.coalesce(F.min(found).over(key) < F.max(found).over(key), F.lit(False))

    first = F.when(back, rank - n_sold).otherwise(rank) > 1
    differ = F.when(back, several(back)).otherwise(several(sold)) if mode == "quarantine" else first
    return rows.withColumn(
        "_rule",
        F.when(F.col("_rule").isNotNull(), F.col("_rule"))
        .when(copy, F.lit("duplicate_row"))
        .when(F.col("_value").isNull() & (n_values > 0), F.lit("no_value"))
        .when(F.when(n_values == 0, rank > 1).otherwise(differ), F.lit("duplicate_key"))
        .when(back & (n_sold > 0), F.lit("same_period")),
    )


def _merge(rows: DataFrame, *, one_per_period: bool) -> DataFrame:
    """Mark all but one of the rows of a series that fall into one period: they are added to it."""
    if one_per_period:
        return rows
    period = Over.partitionBy("series_id", "_index", "_status").orderBy("date", F.desc("_value"))
    further = (F.col("_status") == "packed") & (F.row_number().over(period) > 1)
    return rows.withColumn("_rule", F.when(further, F.lit("same_period")).otherwise(F.col("_rule"))).withColumn(
        "_status", F.when(further, F.lit("merged")).otherwise(F.col("_status"))
    )


CATCHES = {"sales": _catch_sales, "prices": _catch_prices, "promotions": _catch_promotions}
JUDGES = {"sales": judge_sales, "prices": judge_prices, "promotions": judge_promotions}
PACKS = {"sales": pack_sales, "prices": pack_prices, "promotions": pack_promotions}
