"""Stage clean: long sales, prices and promotions -> one packed row a series, and what was rejected.

Row rules run on the long tables in Spark; everything else runs once over packed rows in
`parlevel.domain.clean`. What went in = what came out + what was quarantined: asserted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.clean.pack import Rules, clean_batch
from parlevel.domain.periods import to_date, to_index
from parlevel.errors import DataError
from parlevel.pipeline import clean_report, clean_rows
from parlevel.schemas import contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import period_index
from parlevel.spark.tables import Tables

FAR = {"day": 60, "week": 26, "month": 12}
"""Periods without any sales before the last date that make it look like a typing error."""


@dataclass(frozen=True)
class Window:
    """Period indices that the stage reads: start <= record <= cutoff; covariates up to cutoff + horizon."""

    start: int
    cutoff: int
    horizon: int


def run(tables: Tables, cfg: Config) -> str:
    """Read the input tables, clean them, write panel, quarantine and data_quality.

    Raises:
        DataError: rows got lost, too many were rejected, or there is nothing to learn from.
    """
    sales, series = tables.read("sales"), tables.read("series")
    window = find_window(sales, cfg)
    judged = {
        "sales": clean_rows.judge_sales(sales, series, cfg=cfg, window=window).persist(),
        "prices": clean_rows.judge_prices(tables.read("prices"), series, cfg=cfg, window=window).persist(),
        "promotions": clean_rows.judge_promotions(tables.read("promotions"), series, cfg=cfg, window=window).persist(),
    }
    try:
        counts = {name: clean_report.count_rules(frame) for name, frame in judged.items()}
        rejected = reduce(DataFrame.unionByName, (clean_report.quarantine(n, f) for n, f in judged.items()))
        n_quarantined = tables.write("quarantine", rejected, files=1)
        clean_report.check_share(counts["sales"], cfg.clean.max_quarantined_share)
        panel = transform(series, tables.read("calendar"), **judged, cfg=cfg, window=window)
        n_series = tables.write("panel", panel)
    finally:
        for frame in judged.values():
            frame.unpersist()
    bits = clean_report.count_flags(tables.read("panel"))
    quality = clean_report.data_quality(tables.spark, counts, bits, gaps=cfg.clean.gaps)
    tables.write("data_quality", quality, files=1)
    read = {name: tables.read(name).count() for name in judged}
    clean_report.check_rows(read, counts, bits, n_quarantined)
    clean_report.check_series(series.select("series_id").distinct().count(), n_series)
    cutoff = str(to_date(np.array([window.cutoff]), cfg.calendar.period)[0])
    return clean_report.note(read["sales"], n_series, cutoff, n_quarantined, bits)


def find_window(sales: DataFrame, cfg: Config) -> Window:
    """The periods to read: as configured, else up to the last date in sales.

    The last date's period counts as complete; where it is not, set calendar.cutoff to the one before.

    Raises:
        DataError: no row has a date, or the last date lies far from all others.
    """
    period, calendar = cfg.calendar.period, cfg.calendar
    start = -(10**6) if calendar.start is None else _index(calendar.start, period)
    if calendar.cutoff is not None:
        return Window(start, _index(calendar.cutoff, period), calendar.horizon)
    dated = sales.where(clean_rows.plausible("date"))
    last = dated.select(period_index(F.col("date"), period).alias("i")).distinct().orderBy(F.desc("i")).limit(2)
    found = [row["i"] for row in last.collect()]  # bounded: two numbers
    if not found:
        raise DataError("sales must have at least one row with a date. Got none. Check the source's date column.")
    if len(found) == 2 and found[0] - found[1] > FAR[period]:
        first, second = (str(day) for day in to_date(np.array(found), period))
        raise DataError(
            f"the last date in sales becomes the cutoff, and it must not lie alone. Got {first}, {found[0] - found[1]} "
            f"{period}s after the one before ({second}). Set calendar.cutoff, or mend the date."
        )
    return Window(start, int(found[0]), calendar.horizon)


def transform(
    series: DataFrame,
    calendar: DataFrame,
    sales: DataFrame,
    prices: DataFrame,
    promotions: DataFrame,
    *,
    cfg: Config,
    window: Window,
) -> DataFrame:
    """Pack accepted rows and clean them: the contract `panel`.

    Args:
        series: contract `series`.
        calendar: contract `calendar`.
        sales: judged sales rows (see `clean_rows`), likewise prices and promotions.
        cfg: the configuration.
        window: the periods to read.
    """
    rules = Rules(
        period=cfg.calendar.period,
        cutoff=window.cutoff,
        horizon=window.horizon,
        promotions_until=promotions_until(promotions, cfg=cfg, window=window),
        gaps=cfg.clean.gaps,
        missing_sales=cfg.clean.missing.sales,
        missing_price=cfg.clean.missing.price,
        returns=cfg.clean.returns,
        outliers=cfg.clean.outliers,
        outlier_z=cfg.clean.outlier_z,
        censoring=cfg.clean.censoring,
        stockout_run=cfg.clean.stockout_run,
    )
    packed = pack(series, calendar, sales, prices, promotions, cfg=cfg, window=window)
    return map_packed(packed, partial(clean_batch, rules=rules), contract("panel").data_columns)


def pack(
    series: DataFrame,
    calendar: DataFrame,
    sales: DataFrame,
    prices: DataFrame,
    promotions: DataFrame,
    *,
    cfg: Config,
    window: Window,
) -> DataFrame:
    """One row a series with the lists that `domain.clean.pack.RAW` names."""
    # min: a series is one product at one location, and a second row of it must not double the panel
    one = series.groupBy("series_id").agg(F.min("product_id").alias("product_id"), F.min("location_id").alias("l"))
    return (
        one.withColumnRenamed("l", "location_id")
        .join(clean_rows.pack_sales(sales), "series_id", "left")
        .join(clean_rows.pack_prices(prices), "series_id", "left")
        .join(clean_rows.pack_promotions(promotions), "series_id", "left")
        .join(F.broadcast(clean_rows.pack_calendar(calendar, cfg=cfg, window=window)), "location_id", "left")
    )


def promotions_until(promotions: DataFrame, *, cfg: Config, window: Window) -> int:
    """Period index up to which promotions are known: the first at which a kind that is still in use runs out.

    A coupon that runs for months says nothing about next week's displays. Kinds whose last row ended more
    than a horizon before the cutoff are out of use and do not count.

    Args:
        promotions: judged promotion rows.
        cfg: the configuration.
        window: the periods to read.
    """
    rows = promotions.where(F.col("_rule").isNull() | (F.col("_rule") == "outside_window"))
    ends = rows.groupBy("kind").agg(F.max("end_date").alias("last"))
    last = ends.select(period_index(F.col("last"), cfg.calendar.period).alias("i"))
    found = last.where(F.col("i") >= window.cutoff - window.horizon).agg(F.min("i").alias("i")).first()
    return window.cutoff if found is None or found["i"] is None else int(found["i"])


def _index(day: object, period: str) -> int:
    return int(to_index(np.array([day], "datetime64[D]"), period)[0])  # type: ignore[arg-type]
