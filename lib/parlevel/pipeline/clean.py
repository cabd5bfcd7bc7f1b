"""Stage clean: long sales, prices and promotions -> one packed row a series, and what was rejected.

Row rules run on the long tables in Spark; everything else runs once over packed rows in
`parlevel.domain.clean`. What went in = what came out + what was quarantined: asserted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.clean.pack import RAW, Rules, clean_batch
from parlevel.domain.periods import to_date, to_index
from parlevel.pipeline import clean_report, clean_rows
from parlevel.pipeline.dates import Span, check_last, find_span, sold_on
from parlevel.schemas import contract
from parlevel.spark.balance import pieces
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import period_index
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables


@dataclass(frozen=True)
class Window:
    """Period indices that the stage reads: start <= record <= cutoff; covariates up to cutoff + horizon.

    Dates outside `span` lie years away from all others: they stray.
    """

    start: int
    cutoff: int
    horizon: int
    span: Span | None = None


def run(tables: Tables, cfg: Config) -> str:
    """Read the input tables, clean them, write panel, quarantine and data_quality.

    Raises:
        DataError: rows got lost, too many were rejected, or there is nothing to learn from.
    """
    sales, series = tables.read("sales"), tables.read("series")
    window = find_window(sales, cfg)
    given = {name: tables.read(name) for name in clean_rows.JUDGES}
    n_read = {name: frame.count() for name, frame in given.items()}
    parts = pieces(tables.spark, n_read["sales"])
    with Scratch(tables.spark, cfg, "clean") as scratch:
        packed = scratch.keep(pack(series, given, cfg=cfg, window=window, parts=parts))
        counts, unknown = tally(packed, series, given, n_read, cfg=cfg, window=window)
        rejected = quarantine(packed, unknown)
        n_quarantined = tables.write("quarantine", rejected, files=1)
        clean_report.check_share(counts["sales"], cfg.clean.max_quarantined_share)
        promotions = clean_rows.judge_promotions(given["promotions"], series, cfg=cfg, window=window)
        until = promotions_until(promotions, cfg=cfg, window=window)
        panel = transform(packed, tables.read("calendar"), until, cfg=cfg, window=window)
        n_series = tables.write("panel", panel)
    bits = clean_report.count_flags(tables.read("panel"))
    quality = clean_report.data_quality(tables.spark, counts, bits, gaps=cfg.clean.gaps)
    tables.write("data_quality", quality, files=1)
    clean_report.check_rows(n_read, counts, bits, n_quarantined)
    clean_report.check_series(series.select("series_id").distinct().count(), n_series)
    cutoff = str(to_date(np.array([window.cutoff]), cfg.calendar.period)[0])
    return clean_report.note(n_read["sales"], n_series, cutoff, n_quarantined, bits)


def find_window(sales: DataFrame, cfg: Config) -> Window:
    """The periods to read: as configured, else up to the last date in sales.

    The last date's period counts as complete; where it is not, set calendar.cutoff to the one before.

    Raises:
        DataError: no row has a date, or the last date lies far from all others.
    """
    period, calendar = cfg.calendar.period, cfg.calendar
    start = -(10**6) if calendar.start is None else _index(calendar.start, period)
    dates = sold_on(sales)
    span = find_span(dates, period)
    if calendar.cutoff is not None:
        return Window(start, _index(calendar.cutoff, period), calendar.horizon, span)
    check_last(sales, dates, span, period)
    return Window(start, span.last, calendar.horizon, span)


def pack(
    series: DataFrame, given: Mapping[str, DataFrame], *, cfg: Config, window: Window, parts: int | None = None
) -> DataFrame:
    """Judge the rows of sales, prices and promotions, and pack them: one row a series of the table series.

    Args:
        series: contract `series`.
        given: contracts `sales`, `prices` and `promotions` by name.
        cfg: the configuration.
        window: the periods to read.
        parts: partitions by series, the same for all tables, so that each row moves once; null: the session's.

    Returns: the lists that `domain.clean.pack.RAW` names but for the calendar's, and `clean_report.account` of each
        table. Rows of series that the table series does not know are left out: see `clean_rows.strangers`.
    """
    # min: a series is one product at one location, and a second row of it must not double the panel
    first = F.min("product_id").alias("product_id"), F.min("location_id").alias("l")
    known = clean_rows.by_series(series, parts).groupBy("series_id").agg(*first)
    packed = known.withColumnRenamed("l", "location_id")
    for name, judge in clean_rows.JUDGES.items():
        judged = judge(clean_rows.by_series(given[name], parts), series, cfg=cfg, window=window)
        packed = packed.join(clean_rows.PACKS[name](judged), "series_id", "left")
    return packed


def tally(
    packed: DataFrame,
    series: DataFrame,
    given: Mapping[str, DataFrame],
    n_read: Mapping[str, int],
    *,
    cfg: Config,
    window: Window,
) -> tuple[dict[str, clean_report.Counts], dict[str, DataFrame]]:
    """Rows of each table by rule and status, and the judged rows of unknown series where there are any.

    Only then are they looked for: rows that no series' account holds can be nothing else.

    Args:
        packed: from `pack`.
        series: contract `series`.
        given: contracts `sales`, `prices` and `promotions` by name.
        n_read: their rows.
        cfg: the configuration.
        window: the periods to read.
    """
    counts = clean_report.count_rules(packed)
    unknown = {
        name: clean_rows.strangers(name, rows, series, cfg=cfg, window=window)
        for name, rows in given.items()
        if sum(counts[name].values()) < n_read[name]
    }
    for name, rows in unknown.items():
        counts[name] = clean_report.added(counts[name], rows)
    return counts, unknown


def quarantine(packed: DataFrame, unknown: Mapping[str, DataFrame]) -> DataFrame:
    """Every rejected row as contract `quarantine`.

    Args:
        packed: from `pack`.
        unknown: judged rows of unknown series by table, where there are any: they may be many under one name (or
            none), too many for a list.
    """
    held = {name: packed.select(F.inline(f"{name}_rejected")) for name in clean_rows.JUDGES}
    strangers = {name: rows.where(F.col("_status") == "quarantined") for name, rows in unknown.items()}
    parts = [clean_report.quarantine(name, rows) for each in (held, strangers) for name, rows in each.items()]
    return reduce(DataFrame.unionByName, parts)


def transform(
    packed: DataFrame, calendar: DataFrame, promotions_until: int, *, cfg: Config, window: Window
) -> DataFrame:
    """Clean packed rows: the contract `panel`.

    Args:
        packed: from `pack`.
        calendar: contract `calendar`.
        promotions_until: period index, see `promotions_until`.
        cfg: the configuration.
        window: the periods to read.
    """
    rules = Rules(
        period=cfg.calendar.period,
        cutoff=window.cutoff,
        horizon=window.horizon,
        promotions_until=promotions_until,
        gaps=cfg.clean.gaps,
        missing_sales=cfg.clean.missing.sales,
        missing_price=cfg.clean.missing.price,
        returns=cfg.clean.returns,
        outliers=cfg.clean.outliers,
        outlier_z=cfg.clean.outlier_z,
        censoring=cfg.clean.censoring,
        stockout_run=cfg.clean.stockout_run,
    )
    days = F.broadcast(clean_rows.pack_calendar(calendar, cfg=cfg, window=window))
    rows = packed.join(days, "location_id", "left")
    wanted = rows.select("series_id", "product_id", "location_id", *RAW)
    return map_packed(wanted, partial(clean_batch, rules=rules), contract("panel").data_columns)


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
