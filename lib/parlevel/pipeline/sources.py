"""Stage 1: read the configured source, check it against the contracts, complete it by rule, write it.

What a data set lacks (stock, terms, shared limits) is made by the documented rules of
`parlevel.sources.assumed`; the note says which tables those are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import ConfigError, DataError, SchemaError
from parlevel.pipeline.dates import Dates, Span, check_last, find_span, inside, sold_on, within
from parlevel.pipeline.sources_network import and_nodes, write_network
from parlevel.pipeline.sources_terms import check_resources, check_stock, check_terms
from parlevel.registry import nearest
from parlevel.schemas import contract, of_stage
from parlevel.sources import assumed, complete, suppliers
from parlevel.sources.base import contract_frame, rows_frame
from parlevel.sources.registry import source
from parlevel.spark.periods import DAYS, period_index
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables, conform

# Tables small enough for one file each.
FILES = dict.fromkeys(("series", "products", "locations", "calendar", "inventory", "supply_terms", "resources"), 1)
RULED = ("supply_terms", "inventory", "resources")
NETWORK = ("nodes", "lanes")


def run(tables: Tables, cfg: Config) -> str:
    """Write every table of the stage; the only I/O.

    Returns: a note that says what was read and what was assumed.

    Raises:
        SchemaError: the source breaks a contract.
        DataError: there are no series or sales, a key is repeated, or terms, stock or limits break their rules.
        ConfigError: cutoff or period do not fit the data.
    """
    origin = source(cfg.source.name, cfg)
    try:
        frames = check(origin.load(tables.spark))
        written = _write_given(tables, frames)
        dates = sold_on(tables.read("sales"))
        span = find_span(dates, cfg.calendar.period)
        cutoff = find_cutoff(tables.read("sales"), cfg, dates)
        own = {name: frames[name] for name in (*RULED, *NETWORK) if name in frames}
        notes = _write_ruled(tables, own, cutoff, span, cfg)
    finally:
        origin.release()
    _assert_counts(tables)
    about = f"{written['series']:,} series, {written['sales']:,} sales records from {cfg.source.name}, cutoff {cutoff}"
    return "; ".join([about, *origin.notes, *notes])


def check(frames: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """The frames of a source, each with exactly its contract's columns.

    Raises:
        SchemaError: an unknown table, a missing one, or columns that break a contract.
    """
    known = [table.name for table in of_stage("sources")]
    for name in frames:
        if name not in known:
            raise SchemaError(f"a source gives tables of {known}. Got {name!r}.{nearest(name, known)}")
    missing = [name for name in ("series", "sales") if name not in frames]
    if missing:
        raise SchemaError(f"a source must give the tables series and sales. This one left out {missing}.")
    return {name: conform(contract(name), _as_typed(name, df)) for name, df in frames.items()}


def _as_typed(name: str, df: DataFrame) -> DataFrame:
    """A source of typed values has nothing to say of how they were written."""
    column = "as_written"
    silent = column in contract(name).names and column not in df.columns
    return df.withColumn(column, F.lit(None).cast("string")) if silent else df


def _write_given(tables: Tables, frames: Mapping[str, DataFrame]) -> dict[str, int]:
    """Write what the source gives, and products and locations drawn from series where it gives none."""
    counts = tables.write_all({name: frames[name] for name in ("series", "sales")}, files=FILES)
    for name, count in counts.items():
        if not count:
            raise DataError(
                f"source must give at least one row of {name}, and it gave none. Check that its filters (min_days, "
                "calendar.start, the column mapping) leave something."
            )
    series = tables.read("series")
    defaults = {
        "products": contract_frame(series.select("product_id").distinct(), "products", name=F.col("product_id")),
        "locations": contract_frame(
            series.select("location_id").distinct(), "locations", name=F.col("location_id"), kind=F.lit("store")
        ),
        **{name: rows_frame(tables.spark, name, []) for name in ("prices", "promotions", "calendar")},
    }
    further = [table.name for table in of_stage("sources") if table.optional and table.name not in NETWORK]
    others = {**defaults, **{name: frames[name] for name in (*defaults, *further) if name in frames}}
    counts |= tables.write_all(others, files=FILES)
    return counts


def _write_ruled(tables: Tables, given: Mapping[str, DataFrame], cutoff: date, span: Span, cfg: Config) -> list[str]:
    """Write terms, stock and shared limits: as given, completed by rule."""
    read = tables.read
    sales = within(read("sales"), span, cfg.calendar.period)
    known = assumed.profile(read("series"), sales, read("products"), read("prices"), cutoff, cfg)
    with Scratch(tables.spark, cfg, "sources-rules") as scratch:
        profiles = scratch.keep(suppliers.assign(known, cfg))
        terms = assumed.supply_terms(profiles, cfg)
        whole = complete.set_for_all(complete.terms(given.get("supply_terms"), terms), cfg.source.terms)
        # lanes last: they are checked against the terms that are written
        whole = write_network(tables, given, whole, cutoff, cfg.calendar.period, scratch)
        tables.write("supply_terms", whole, files=1)
        terms = tables.read("supply_terms")
        check_terms(terms, cfg.calendar.period)  # before the rules of stock and limits divide by them
        stock = assumed.inventory(profiles, terms, cutoff, cfg)
        limits = given.get("resources")
        ruled = {
            "inventory": complete.stock(given.get("inventory"), stock, cutoff),
            "resources": assumed.resources(profiles, terms, cfg) if limits is None else limits,
        }
        tables.write_all(ruled, files=FILES)
    ends = period_index(F.lit(cutoff), cfg.calendar.period)
    check_stock(read("inventory"), ends, cfg.calendar.period)
    buyers, places = and_nodes(tables, terms, "supplier_id"), and_nodes(tables, read("series"), "location_id")
    return [*_what_was_assumed(tables, given), *check_resources(read("resources"), buyers, places)]


def _what_was_assumed(tables: Tables, given: Mapping[str, DataFrame]) -> list[str]:
    whole = [name for name in RULED if name not in given]
    notes = [f"assumed by rule: {', '.join(whole)}"] if whole else []
    if not tables.row_counts["resources"]:
        notes.append("no resources are given: no budget, supplier minimum or truck limits the orders")
    for name in ("supply_terms", "inventory"):
        if name in given:
            count = tables.read(name).where("assumed").count()
            if count:
                notes.append(f"{count:,} of {tables.row_counts[name]:,} rows of {name} completed by rule")
    return notes


def find_cutoff(sales: DataFrame, cfg: Config, dates: Dates | None = None) -> date:
    """The last period to learn from; also checks that the sales are as coarse as the period.

    Args:
        sales: contract `sales`.
        cfg: the configuration.
        dates: from `sold_on`, if that was asked already.

    Raises:
        ConfigError: the cutoff leaves no sales or lies long after them, or the dates look like longer periods than
            the configured.
        DataError: no sales row has a date, or the last date lies far from all others.
    """
    period = cfg.calendar.period
    dates = sold_on(sales) if dates is None else dates
    span = find_span(dates, period)
    days = inside(dates, span, period)
    looks = _looks(days)
    if len(days) >= 6 and looks != "day" and period == "day" and (days[-1] - days[0]).astype(int) >= 28:
        raise ConfigError(
            f"calendar.period is 'day', but all {len(days)} dates of sales are "
            f"{'the same weekday' if looks == 'week' else 'first days of months'}: every other day would count as "
            f"a day without sales. Set calendar.period={looks}."
        )
    if cfg.calendar.cutoff is None:
        check_last(sales, dates, span, period)
    first, last = days[0].item(), days[-1].item()
    cutoff: date = cfg.calendar.cutoff or last
    if cutoff < first:
        raise ConfigError(
            f"calendar.cutoff must not be before the first sale, {first}. Got {cutoff}. Sales run to {last}."
        )
    if (cutoff - last).days > cfg.calendar.horizon * DAYS[period]:
        raise ConfigError(
            f"calendar.cutoff must lie at most a horizon after the last sale, {last}: every period between "
            f"counts as one without sales. Got {cutoff}. Leave it out, or give newer sales."
        )
    return cutoff


def _looks(days: Dates) -> str:
    """The period that days look like."""
    same_weekday = len(np.unique(days.astype(np.int64) % 7)) == 1
    first_of_month = (days == days.astype("datetime64[M]")).all()
    return "week" if same_weekday else "month" if first_of_month else "day"


def _assert_counts(tables: Tables) -> None:
    """One row of terms and of stock per series, no more and no less.

    Raises:
        DataError: a key is repeated.
    """
    rows = tables.row_counts
    series = tables.read("series").agg(F.countDistinct("series_id")).head(1)[0][0]
    for name in ("series", "supply_terms", "inventory"):
        if rows[name] != series:
            raise DataError(
                f"{name} must have exactly one row per series ({series:,}). Got {rows[name]:,} rows. "
                "Remove repeated keys from the source."
            )
