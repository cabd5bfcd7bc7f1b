"""What a table contract is: columns with types and units, keys, and the schemas derived from them.

The other modules of this package declare the tables; this module gives them their form. It imports neither
pyspark nor pyarrow at the top, so that anything may read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parlevel.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: its Spark SQL type, unit and meaning."""

    name: str
    type: str
    doc: str
    unit: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table's contract: which stage writes it, what a row is, its keys and columns."""

    name: str
    stage: str
    row: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    optional: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in contract order."""
        return tuple(column.name for column in self.columns)

    @property
    def data_columns(self) -> tuple[Column, ...]:
        """The columns a stage computes: all but `run_id`, which the write adds."""
        return tuple(column for column in self.columns if column.name != "run_id")

    @property
    def ddl(self) -> str:
        """Spark DDL of the columns, in order, for schemas of grouped functions and writes."""
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)

    def arrow(self) -> pa.Schema:
        """The Arrow schema that grouped functions of this table must return."""
        return arrow_schema(self.columns)


def columns(*rows: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns from rows of (name, type, doc[, unit]); a trailing ! on the type means NOT NULL."""
    return tuple(
        Column(row[0], row[1].rstrip("!"), row[2], row[3] if len(row) > 3 else "", not row[1].endswith("!"))
        for row in rows
    )


RUN_ID = ("run_id", "string!", "the run that wrote the row")


def table(stage: str, name: str, keys: str, row: str, *rows: tuple[str, ...], optional: bool = False) -> Table:
    """Declare a table of `stage`: `keys` separated by spaces, `row` says what one row is."""
    return Table(name, stage, row, tuple(keys.split()), columns(*rows, RUN_ID), optional)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of contract columns, with the types Spark itself uses for them."""
    import pyarrow as pa

    simple = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "tinyint": pa.int8(),
        "float": pa.float32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "binary": pa.binary(),
    }

    def convert(kind: str) -> pa.DataType:
        if kind in simple:
            return simple[kind]
        if kind.startswith("array<"):
            return pa.list_(convert(kind[6:-1]))
        if kind.startswith("map<"):
            key, value = kind[4:-1].split(",", 1)
            return pa.map_(convert(key.strip()), convert(value.strip()))
        raise SchemaError(f"contract type must be a known Spark type. Got {kind!r}.")

    return pa.schema([pa.field(c.name, convert(c.type), c.nullable) for c in columns])
