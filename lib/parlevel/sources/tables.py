"""A user's own CSV, Parquet or Delta files with a column mapping; only sales is needed.

What is not given is derived (series, products, locations), empty (prices, promotions, calendar) or
made by the documented rules (supply_terms, inventory, resources).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import DataError, SchemaError
from parlevel.places import is_remote
from parlevel.schemas import TABLES, contract
from parlevel.sources.base import Cached, contract_frame, files_fingerprint, read_options, rows_frame
from parlevel.sources.open_orders import open_order_notes, with_open_orders
from parlevel.sources.user_files import BROKEN, fingerprint_files, first_look, local_files, open_file, require_columns
from parlevel.sources.user_options import (
    ITEM_KEYS,
    ITEM_TABLES,
    KEYS,
    NETWORK,
    OPEN_ORDERS,
    REQUIRED,
    Options,
    TableOptions,
    check,
    check_tables,
    columns_of,
    needs_series,
)
from parlevel.sources.user_values import LISTS, Field, count_unreadable, own_names, read_fields, summary

EVERYWHERE = "all"
ONCE = ("series", "products", "locations", "inventory", "supply_terms", "resources", "calendar")
DEFAULTS: dict[str, dict[str, Any]] = {
    "locations": {"kind": "store"},
    "prices": {"date": "1970-01-01"},
    "promotions": {"kind": "promotion", "intensity": 1.0},
    "calendar": {"is_open": True},
    "inventory": {"backorders": 0.0},
    "resources": {"period": 0, "cost": 0.0},
    "lanes": {"kind": "distribution"},
    "order_lines": {"location_id": EVERYWHERE, "value": 0.0},
}


class UserTables(Cached):
    """The source `tables`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        given = options.get("tables")
        if isinstance(given, Mapping):
            check_tables(given)
        self._options = read_options(Options, options, "tables")
        check(self._options)
        self._cfg = cfg
        for name, table in self._options.tables.items():
            if not is_remote(table.path):
                local_files(table.path, _where(name))
                _fields(name, first_look(table, _where(name)), table, _where(name))

    def fingerprint(self) -> str:
        """Hash of the files (of a Delta table: of its log); remote files are known by their path only."""
        files = [
            file for name, table in self._options.tables.items() for file in fingerprint_files(table, _where(name))
        ]
        return files_fingerprint(files, self._options.model_dump_json())

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """The given tables in contract form; looks at every file once to count what cannot be read."""
        raw = {name: self._read(spark, name, table) for name, table in self._options.tables.items()}
        series = self.keep(self._series(raw))
        frames = {"series": series, "sales": self._sales(raw["sales"])}
        for name, df in raw.items():
            if name not in ("series", "sales", OPEN_ORDERS):
                frames[name] = self._table(name, df, series)
        if OPEN_ORDERS in raw:
            orders = self._keyed(OPEN_ORDERS, raw[OPEN_ORDERS], series)
            frames["inventory"] = with_open_orders(frames.get("inventory"), orders, series)
            path = self._options.tables[OPEN_ORDERS].path
            self.notes = (*self.notes, *open_order_notes(raw[OPEN_ORDERS], series, frames["sales"], path))
        for name in frames:
            if name in self._options.tables or name == "series":
                self._check_keys(name, frames[name], frames)
        if "resources" not in raw and not self._options.assume_limits:
            # An invented budget or minimum would cut the orders of somebody who has none.
            frames["resources"] = rows_frame(spark, "resources", [])
        if "inventory" in raw:
            self._note_negative(frames["inventory"])
        if "products" in raw:
            self._note_unlisted(series, frames["products"])
        return frames

    def _note_unlisted(self, series: DataFrame, products: DataFrame) -> None:
        """Say which products of sales the product file does not list: new ones, or slips of the keyboard."""
        unlisted = series.select("product_id").distinct().join(products, "product_id", "left_anti")
        some = [row["product_id"] for row in unlisted.orderBy("product_id").limit(3).collect()]
        if some:
            path = self._options.tables["products"].path
            self.notes = (*self.notes, f"{unlisted.count():,} products of sales are not in {path}, e.g. {some}")

    def _note_negative(self, inventory: DataFrame) -> None:
        """Say how many rows had less than nothing in stock."""
        negative = inventory.where("assumed").count()
        if negative:
            path = self._options.tables["inventory"].path
            self.notes = (*self.notes, f"{path}: {negative:,} rows have a negative on_hand, which counts as 0")

    def _read(self, spark: SparkSession, name: str, table: TableOptions) -> DataFrame:
        """A file with parlevel's column names and types; counts what cannot be read."""
        where = _where(name)
        df = open_file(spark, table, where)
        fields = _fields(name, [column for column in df.columns if column != BROKEN], table, where)
        for field in fields:
            if field.type in LISTS and not dict(df.dtypes)[field.sources[0]].startswith("array"):
                raise SchemaError(
                    f"{where}.columns.{field.name} must be an array column, got {field.sources[0]!r}. Give open orders "
                    "as a table of their own, open_orders, with columns product_id, date and quantity"
                )
        filled = set(DEFAULTS.get(name, {})) & set(_required(name))
        rows, counts = count_unreadable(df, fields, _required(name), self._options.separator, table, where, filled)
        if counts:
            self.notes = (*self.notes, summary(table.path, rows, counts))
        if table.columns and (taken := own_names(name, df.columns, table)):
            self.notes = (*self.notes, f"{table.path}: {', '.join(taken)} are read under their own names")
        typed = read_fields(df, fields, self._options.separator, table, where)
        types = columns_of(name)
        for column, value in {**DEFAULTS.get(name, {}), **table.constants}.items():
            default = F.lit(value).cast(types[column])
            if column not in typed.columns:
                typed = typed.withColumn(column, default)
            elif column in filled:
                typed = typed.withColumn(column, F.coalesce(column, default))
        return typed

    def _series(self, raw: Mapping[str, DataFrame]) -> DataFrame:
        """The given series, or those that sales name."""
        rows = raw.get("series", raw["sales"])
        ids = self._ids(rows)
        distinct = rows.select(*[value.alias(key) for key, value in ids.items()]).distinct()
        return contract_frame(
            distinct.where(F.col("series_id").isNotNull() & F.col("product_id").isNotNull()), "series"
        )

    def _ids(self, rows: DataFrame) -> dict[str, Column]:
        """series_id, product_id and location_id from whichever of them the rows have."""
        have = {key: F.col(key) for key in KEYS if key in rows.columns}
        product = have["product_id"] if "product_id" in have else F.col("series_id")
        location = have.get("location_id", F.lit(EVERYWHERE))
        both = F.when(location.isNotNull(), F.concat(product, F.lit(self._options.separator), location))
        whole = have.get("series_id", both if "location_id" in have else product)
        return {"series_id": whole, "product_id": product, "location_id": F.coalesce(location, F.lit(EVERYWHERE))}

    def _sales(self, raw: DataFrame) -> DataFrame:
        """Sales with blank ids where there is none, for the clean stage to quarantine."""
        return contract_frame(raw, "sales", series_id=F.coalesce(self._ids(raw)["series_id"], F.lit("")))

    def _table(self, name: str, raw: DataFrame, series: DataFrame) -> DataFrame:
        df = self._keyed(name, raw, series) if needs_series(name) else raw
        computed: dict[str, Column] = {}
        if name == "promotions" and "end_date" not in df.columns:
            computed["end_date"] = F.col("start_date")
        if name in ("inventory", "supply_terms", "resources", "nodes"):
            computed["assumed"] = F.lit(False)
        if name == "nodes" and "node_id" not in df.columns:
            computed["node_id"] = F.concat_ws(self._options.separator, "product_id", "location_id")
        if name == "inventory" and "on_hand" in df.columns:
            # Receipts that nobody has booked yet: a book of stock shows them every day, and nothing can be sold of it.
            computed["assumed"] = F.coalesce(F.col("on_hand") < 0, F.lit(False))
            computed["on_hand"] = F.when(F.col("on_hand") < 0, 0.0).otherwise(F.col("on_hand"))
        if name == "calendar" and "location_id" not in df.columns:
            df = df.crossJoin(F.broadcast(series.select("location_id").distinct()))
        if name == "order_lines":
            computed |= self._order_line_columns(df)
        return contract_frame(df, name, **computed)

    def _keyed(self, name: str, raw: DataFrame, series: DataFrame) -> DataFrame:
        """Rows with a series_id; rows that name only a product (or location) go to all its series.

        Raises:
            DataError: no row belongs to a series.
        """
        if "series_id" in raw.columns:
            return raw.drop("product_id", "location_id")
        keys: list[str] = [key for key in ("product_id", "location_id") if key in raw.columns]
        joined = raw.join(series.select("series_id", *keys), keys)
        if joined.isEmpty():
            raise _no_match(name, raw, series, keys)
        return joined.drop(*keys)

    def _order_line_columns(self, df: DataFrame) -> dict[str, Column]:
        key = self._options.customer_key or f"parlevel-{self._cfg.seed}"
        order = Window.partitionBy("order_id").orderBy("product_id", "quantity", "value")
        columns = {} if "line" in df.columns else {"line": F.row_number().over(order)}
        if "customer_key" in df.columns:
            columns["customer_key"] = F.sha2(F.concat_ws("\x1f", F.lit(key), "customer_key", F.lit(key)), 256)
        return columns

    def _check_keys(self, name: str, df: DataFrame, frames: Mapping[str, DataFrame]) -> None:
        """No key twice in tables of one row a thing, and at least one row that belongs to a series.

        Raises:
            DataError: names three of the offenders.
        """
        keys = list(contract(name).keys)
        if name in ONCE:
            twice = df.groupBy(*keys).count().where("count > 1")
            found = [tuple(row)[:-1] for row in twice.limit(3).collect()]
            if found:
                raise DataError(
                    f"{_where(name)}: each {' and '.join(keys)} must be there once. Repeated: {twice.count():,}, e.g. "
                    f"{[key[0] if len(key) == 1 else key for key in found]}. Remove the copies, or choose the column "
                    "that tells the rows apart."
                )
        key = next((key for key in KEYS if key in df.columns), None)
        # A shared limit may name no place, and one that nothing sells at is told later.
        apart = name in ("series", "resources", *NETWORK)
        if not apart and key and df.join(frames["series"], key, "left_semi").isEmpty():
            raise _no_match(name, df, frames["series"], [key])


def _where(name: str) -> str:
    return f"source.options.tables.{name}"


def _required(name: str) -> tuple[str, ...]:
    """Columns that no row may lack. Rows of sales and prices go to quarantine, and rules complete terms and stock."""
    if name == "sales":
        return ()
    if name == "prices":
        return ("series_id",)
    if name in ("supply_terms", "inventory"):
        return KEYS
    if name in NETWORK:
        return REQUIRED[name]
    return (
        tuple(column.name for column in contract(name).data_columns if not column.nullable)
        if name in TABLES
        else (
            *KEYS,
            *REQUIRED[name],
        )
    )


def _fields(name: str, found: list[str], table: TableOptions, where: str) -> list[Field]:
    """What to read of the columns found: the mapping, or where there is none those that bear parlevel's names.

    Raises:
        SchemaError: a column is not there; says which ones are.
    """
    types = columns_of(name)
    if table.columns:
        mapping = dict(table.columns)
        parts = mapping.get("series_id")
        if isinstance(parts, list) and len(parts) > 1 and needs_series(name):
            # Of several columns that make an id, the first is the place and the last the product.
            mapping = {"location_id": parts[0], "product_id": parts[-1], **mapping}
        fields = [
            Field(column, types[column], (source,) if isinstance(source, str) else tuple(source))
            for column, source in mapping.items()
        ]
        require_columns(found, [source for field in fields for source in field.sources], table, where)
        return fields + [Field(column, types[column], (column,)) for column in own_names(name, found, table)]
    fields = [Field(column, kind, (column,)) for column, kind in types.items() if column in found]
    given = {field.name for field in fields} | set(table.constants)
    missing = [column for column in REQUIRED[name] if column not in given]
    keyless = needs_series(name) and not given & set(ITEM_KEYS if name in ITEM_TABLES else KEYS)
    if missing or keyless:
        wanted = missing or ["series_id or product_id"]
        raise SchemaError(
            f"{where}: {table.path} has no column {wanted[0]!r}, and no columns are mapped. Its columns: "
            f"{', '.join(found[:30])}. Say which is which: columns: {{{wanted[0].split()[0]}: yours}}."
        )
    return fields


def _no_match(name: str, df: DataFrame, series: DataFrame, keys: list[str]) -> DataError:
    def some(frame: DataFrame) -> list[str]:
        return [" + ".join(map(str, row)) for row in frame.select(*keys).distinct().limit(3).collect()]

    return DataError(
        f"{_where(name)}: not one row has a {' and '.join(keys)} that sales have. Here e.g. {some(df)}, in sales e.g. "
        f"{some(series)}. Map the column that holds the same names (leading zeros and upper case count)."
    )
