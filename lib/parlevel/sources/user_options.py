"""Options of the source `tables`: which files, which of their columns mean what, how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from parlevel.config.section import Section
from parlevel.errors import ConfigError, DataError
from parlevel.registry import nearest
from parlevel.schemas import contract
from parlevel.sources.samples import read_sample

Mapping = dict[str, str | list[str]]

# Not a contract table: open orders come as rows, inventory holds them as arrays.
OPEN_ORDERS = "open_orders"
OPEN_ORDER_COLUMNS = {"series_id": "string", "date": "date", "quantity": "double"}

# What a row cannot do without; the key of a series is asked for apart.
REQUIRED: dict[str, tuple[str, ...]] = {
    "series": (),
    "sales": ("date", "sales"),
    "products": ("product_id",),
    "locations": ("location_id",),
    "prices": ("price",),
    "promotions": ("start_date",),
    "calendar": ("date",),
    "inventory": ("on_hand",),
    "supply_terms": (),
    "resources": ("resource_id", "kind", "measure", "amount"),
    "nodes": ("product_id", "location_id", "on_hand", "lead_time", "unit_cost", "holding_cost", "shortage_cost"),
    "lanes": ("source_id", "target_id"),
    "order_lines": ("order_id", "date", "product_id", "quantity"),
    OPEN_ORDERS: ("date", "quantity"),
}
KEYS = ("series_id", "product_id", "location_id")
ITEM_KEYS = ("series_id", "product_id")
NETWORK = ("nodes", "lanes")  # places that supply others; they belong to no series
ITEM_TABLES = ("series", "sales")  # where series come from; rows of other tables may hold for a whole place
MADE_HERE = ("assumed", "run_id", "as_written")

# strftime -> Spark's letters, for those who think in Python.
STRFTIME = {
    "%Y": "yyyy", "%y": "yy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm", "%S": "ss", "%b": "MMM", "%B": "MMMM",
    "%I": "hh", "%p": "a",
}  # fmt: skip


class TableOptions(Section):
    """One file (or folder) of the user's and how to read it."""

    path: str  # file, folder or pattern such as sales_*.csv; relative to where parlevel is started
    format: Literal["csv", "parquet", "delta"] | None = None  # null: told by the ending
    columns: Mapping = Field(default_factory=dict)  # parlevel's column -> the file's; none: the names agree
    constants: dict[str, Any] = Field(default_factory=dict)  # parlevel's column -> one value for every row
    date_format: str | None = None  # such as dd.MM.yyyy or %d.%m.%Y; null: ISO, 2024-12-31
    decimal: Literal[".", ","] = "."  # decimal mark of numbers
    thousands: str | None = None  # mark between thousands, if any
    delimiter: str = ","  # between the columns of a CSV file
    encoding: str = "utf-8"  # of a CSV file
    multiline: bool = False  # quoted values of a CSV file hold line breaks
    null_values: list[str] = ["", "NA", "N/A", "null", "NULL", "None", "nan", "NaN"]  # texts that mean "unknown"


class Options(Section):
    """Options of the source."""

    tables: dict[str, TableOptions]  # by parlevel's table name; only sales is needed
    separator: str = "@"  # between the columns that make up a series_id
    assume_limits: bool = False  # budget, supplier minimums, trucks and docks by rule where no resources are given
    customer_key: str | None = None  # secret for the hashes of order_lines' customers; null: derived from the seed


def check(options: Options) -> None:
    """Check what pydantic cannot: names of tables and columns, repeated and missing mappings, date formats.

    Raises:
        ConfigError: the first problem, with the nearest name and what would be right.
    """
    check_tables(options.tables)
    for name, table in options.tables.items():
        where = f"source.options.tables.{name}"
        _check_columns(name, table, where)
        date_format(table, where)
    if "sales" not in options.tables:
        raise ConfigError(
            f"source.options.tables must name the table sales. Got {sorted(options.tables)}. "
            "The smallest one: {sales: {path: sales.csv, columns: {series_id: sku, date: day, sales: qty}}}."
        )


def check_tables(names: Iterable[Any]) -> None:
    """Check the names of tables; what stands below a wrong one means nothing.

    Raises:
        ConfigError: a name is no table; says the nearest.
    """
    known = list(REQUIRED)
    for name in names:
        if name not in known:
            raise ConfigError(f"source.options.tables.{name}: table must be one of {known}.{nearest(str(name), known)}")


def columns_of(name: str) -> dict[str, str]:
    """Columns that table `name` may map, with their types."""
    if name == OPEN_ORDERS:
        return {**OPEN_ORDER_COLUMNS, "product_id": "string", "location_id": "string"}
    columns = {c.name: c.type for c in contract(name).data_columns if c.name not in MADE_HERE}
    if "series_id" in columns:
        columns |= {"product_id": "string", "location_id": "string"}
    return columns


def needs_series(name: str) -> bool:
    """Whether rows of the table belong to a series."""
    return "series_id" in columns_of(name)


def date_format(table: TableOptions, where: str) -> str | None:
    """The date format in Spark's letters; a day, month or hour set apart by marks may lack its leading zero.

    Raises:
        ConfigError: it has letters that mean something else in Spark (YYYY, DD), that Spark writes but does not
            read (E, the weekday), or none of y, M, d.
    """
    text = table.date_format
    if text is None:
        return None
    for theirs, ours in STRFTIME.items():
        text = text.replace(theirs, ours)
    letters = set(re.sub(r"'[^']*'", "", text)) & set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if (not letters >= {"y", "M", "d"} and letters != {"y", "M"}) or letters - set("yMdHhmsSaXZ"):
        raise ConfigError(
            f"{where}.date_format must be written with yyyy, MM and dd, for example dd.MM.yyyy or yyyy-MM-dd HH:mm:ss "
            f"(or %d.%m.%Y). Got {table.date_format!r}."
        )
    return re.sub(r"(?<![A-Za-z])(MM|dd|HH|hh)(?![A-Za-z])", lambda found: found[0][0], text)


def _check_columns(name: str, table: TableOptions, where: str) -> None:
    known = columns_of(name)
    given = {**table.columns, **table.constants}
    for column in given:
        if column not in known:
            raise ConfigError(
                f"{where}.columns: {column!r} is not a column of {name}.{nearest(column, list(known))} "
                f"Its columns: {', '.join(known)}. Write them as parlevel's name: your file's name."
            )
    twice = sorted(set(table.columns) & set(table.constants))
    if twice:
        raise ConfigError(f"{where}: {twice} must be in columns or in constants, not in both.")
    if not table.columns:
        return
    _check_reuse(table.columns, where)
    missing = [column for column in REQUIRED[name] if column not in given]
    if missing:
        raise ConfigError(f"{where}.columns must say which column of the file is {missing}. Got {table.columns}.")
    if name in ITEM_TABLES and not any(key in given for key in ITEM_KEYS):
        raise ConfigError(
            f"{where}.columns: {name} needs product_id or series_id, or all items of a place would be one series. "
            f"Got {table.columns}.{_header(table)}"
        )
    if needs_series(name) and not any(key in given for key in KEYS):
        raise ConfigError(
            f"{where}.columns must say which column names the series: series_id, or product_id (and location_id). "
            f"Got {table.columns}. Several columns make one id: series_id: [store, sku]."
        )


def _header(table: TableOptions) -> str:
    """Which columns a local file has, for a message; "" where it cannot be read here."""
    place = Path(table.path).expanduser()
    first = place if place.exists() else next((Path(found) for found in sorted(glob(str(place)))), None)
    if first is None:
        return ""
    try:
        names = read_sample(first).names
    except DataError as error:
        return f" {error}"
    return f" {first.name} has {', '.join(names[:20])}."


def _check_reuse(columns: Mapping, where: str) -> None:
    """A column of the file may serve as several keys, but not as two different values."""
    used: dict[str, str] = {}
    for column, source in columns.items():
        if isinstance(source, list) and column not in KEYS:
            raise ConfigError(f"{where}.columns: only {list(KEYS)} may join several columns. Got {column}: {source}.")
        for one in [source] if isinstance(source, str) else source:
            other = used.get(one)
            if other is not None and not (other in KEYS and column in (*KEYS, "name")):
                raise ConfigError(
                    f"{where}.columns: {column} and {other} both read the file's column {one!r}. "
                    "A column can have one meaning only."
                )
            used.setdefault(one, column)
