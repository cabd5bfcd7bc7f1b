"""Turning the texts of a user's file into typed values, counting what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.errors import DataError
from parlevel.sources.base import date_of_nanoseconds
from parlevel.sources.user_files import BROKEN
from parlevel.sources.user_options import KEYS, TableOptions, columns_of, date_format
from parlevel.sources.written import BLANKS, GROUPED_DOTS, MINUS, MONEY, NUMBER, date_hint, layouts_of, style_of

# Days on which a supplier takes orders, in one text: `2,5`, `[2, 5]`, `2 5`.
WEEKDAYS = r"^\[?[1-7]([ ,;/|+-]*[1-7])*\]?$"
ISO_DATE = r"^[+-]?\d{4,7}-\d{1,2}(-\d{1,2}([ T].*)?)?$"
YES, NO = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
WORDS = {"string": "text", "int": "whole number", "bigint": "whole number", "double": "number", "date": "date",
         "boolean": "yes or no", "array<int>": "list of weekdays"}  # fmt: skip
LISTS = ("array<date>", "array<double>")  # open orders; taken as they are, from typed files only
# Above this share of unreadable values of a column, the format is wrong rather than the rows.
MOST_UNREADABLE = 0.5


@dataclass(frozen=True)
class Field:
    """One contract column read from a file: its type and the file's column(s)."""

    name: str
    type: str
    sources: tuple[str, ...]


def text_of(column: str, table: TableOptions) -> Column:
    """The trimmed text of a file's column; null where it means "unknown"."""
    text = F.trim(F.col(f"`{column.replace('`', '``')}`").cast("string"))
    return F.when(~text.isin(table.null_values), text)


def parse(text: Column, kind: str, table: TableOptions, where: str) -> Column:
    """`text` as contract type `kind`; null where it cannot be read."""
    if kind == "string":
        return text
    if kind == "date":
        layout = date_format(table, where)
        if layout:
            return F.try_to_timestamp(text, F.lit(layout)).cast("date")
        # What pandas writes to Parquet arrives as nanoseconds.
        nanoseconds = F.when(text.rlike(r"^\d{18,19}$"), date_of_nanoseconds(text.try_cast("bigint")))
        # Spark would take any number for a year: the days that a spreadsheet counts, and weeks like 202405.
        return nanoseconds.when(text.rlike(ISO_DATE), text.try_cast("date"))
    if kind == "boolean":
        return F.when(F.lower(text).isin(*YES), True).when(F.lower(text).isin(*NO), False)
    if kind == "array<int>":
        days = F.transform(F.regexp_extract_all(text, F.lit("([1-7])")), lambda day: day.cast("int"))
        return F.when(text.rlike(WEEKDAYS), days)
    number = _number(text, table)
    if kind == "double":
        return number
    return F.when(number == F.floor(number), number).try_cast(kind)


def _number(text: Column, table: TableOptions) -> Column:
    """`text` as a double; null where it cannot be read, or where nobody can tell what its dots mean."""
    plain = F.regexp_replace(F.translate(text, BLANKS, " " * len(BLANKS)), MONEY, "$1")
    plain = F.regexp_replace(plain, MINUS, "-$1$2")
    if table.thousands:
        plain = F.replace(plain, F.lit(table.thousands), F.lit(""))
    elif table.decimal == ",":
        plain = F.when(~plain.rlike(GROUPED_DOTS), plain)
    if table.decimal == ",":
        plain = F.translate(plain, ",", ".")
    read = F.when(plain.rlike(NUMBER), plain.try_cast("double"))
    if table.thousands or table.decimal == ",":
        return read
    # Most numbers are plain, and need none of it.
    return F.when(text.rlike(NUMBER), text.try_cast("double")).otherwise(read)


def value_of(field: Field, separator: str, table: TableOptions, where: str) -> Column:
    """The field's value: ids made of several columns are joined, null if one of them is."""
    if field.type in LISTS:
        return F.col(f"`{field.sources[0]}`").cast(field.type)
    texts = [text_of(source, table) for source in field.sources]
    if len(texts) == 1:
        return parse(texts[0], field.type, table, f"{where}.{field.name}")
    missing = texts[0].isNull()
    for text in texts[1:]:
        missing = missing | text.isNull()
    return F.when(~missing, F.concat_ws(separator, *texts))


def read_fields(df: DataFrame, fields: list[Field], separator: str, table: TableOptions, where: str) -> DataFrame:
    """`df` with one typed column a field, and `as_written`; a malformed line is not believed, but for its ids."""
    columns = []
    for field in fields:
        value = value_of(field, separator, table, where)
        sound = F.lit(True) if field.type == "string" else F.col(BROKEN).isNull()
        columns.append(F.when(sound, value).alias(field.name))
    return df.select(*columns, as_written(fields, table, where).alias("as_written"))


def as_written(fields: Sequence[Field], table: TableOptions, where: str) -> Column:
    """What a row says where it cannot be read: its malformed line, or JSON of the file's columns and their texts."""
    checked = [field for field in fields if field.type != "string" and field.type not in LISTS]
    texts = [F.when(_bad(f, table, where), text_of(f.sources[0], table)).alias(f.sources[0]) for f in checked]
    unread = F.to_json(F.struct(*texts)) if texts else F.lit("{}")
    return F.coalesce(F.col(BROKEN), F.when(unread != "{}", unread))


def own_names(name: str, found: Sequence[str], table: TableOptions) -> list[str]:
    """Columns of a mapped file that already bear parlevel's name, though the mapping does not name them.

    A mapping renames some columns and leaves the others what they are. Keys and packed arrays are taken from it alone.
    """
    used = {part for value in table.columns.values() for part in ([value] if isinstance(value, str) else value)}
    named = {*table.columns, *table.constants, *KEYS, *used}
    kinds = columns_of(name).items()
    return [column for column, kind in kinds if column in found and column not in named and kind not in LISTS]


def count_unreadable(
    df: DataFrame,
    fields: list[Field],
    required: Sequence[str],
    separator: str,
    table: TableOptions,
    where: str,
    filled: Collection[str] = (),
) -> tuple[int, dict[str, int]]:
    """Rows of the file, and per column the values that are there and cannot be read; one pass.

    Args:
        df, fields: the file, from `open_file`, and what is read of it.
        required: names of fields that every row must have.
        separator, table, where: between columns of a joined id; the options, and their place in the configuration.
        filled: those of `required` that may be empty, for their default, but not unreadable.

    Raises:
        DataError: the file has no rows, most values of a column cannot be read, or a required one is
            missing: shows three of the texts and a way out.
    """
    checked = {f.name: f for f in fields if f.type != "string" and f.type not in LISTS}
    bad = {name: _bad(field, table, where) for name, field in checked.items()}
    there = {name: text_of(field.sources[0], table).isNotNull() for name, field in checked.items()}
    lacking = {f.name: value_of(f, separator, table, where).isNull() for f in fields if f.name in required}
    lacking |= {name: bad.get(name, F.lit(False)) for name in set(lacking) & set(filled)}
    row = df.agg(
        F.count("*").alias("rows"),
        F.count(BROKEN).alias("broken"),
        *[F.count_if(condition).alias(f"bad_{name}") for name, condition in bad.items()],
        *[F.count_if(condition).alias(f"all_{name}") for name, condition in there.items()],
        *[F.count_if(condition).alias(f"no_{name}") for name, condition in lacking.items()],
    ).head(1)[0]
    if not row["rows"]:
        raise DataError(f"{where}.path: {table.path} has no rows below its first line. Export it again.")
    for name, field in checked.items():
        if row[f"bad_{name}"] > MOST_UNREADABLE * row[f"all_{name}"]:
            raise _mostly_unreadable(df.where(bad[name]), field, row[f"bad_{name}"], row[f"all_{name}"], table, where)
    for field in fields:
        if field.name in lacking and row[f"no_{field.name}"]:
            raise DataError(
                f"{where}.columns.{field.name}: every row must have a {WORDS[field.type]} in column "
                f"{field.sources[0]!r}. "
                f"{row[f'no_{field.name}']:,} of {row['rows']:,} rows of {table.path} have none that can be read, "
                f"e.g. {_examples(df.where(lacking[field.name]), field)}. Mend or remove them."
            )
    counts = {name: int(row[f"bad_{name}"]) for name in checked if row[f"bad_{name}"]}
    if row["broken"]:
        counts["malformed lines"] = int(row["broken"])
    return int(row["rows"]), counts


def _bad(field: Field, table: TableOptions, where: str) -> Column:
    text = text_of(field.sources[0], table)
    return text.isNotNull() & parse(text, field.type, table, where).isNull() & F.col(BROKEN).isNull()


def _mostly_unreadable(
    rows: DataFrame, field: Field, bad: int, total: int, table: TableOptions, where: str
) -> DataError:
    examples = _examples(rows, field)
    return DataError(
        f"{where}.columns.{field.name}: {bad:,} of {total:,} values of column {field.sources[0]!r} in {table.path} "
        f"cannot be read as {WORDS[field.type]}, e.g. {examples}. {_way_out(field, examples, table)}"
    )


def _examples(rows: DataFrame, field: Field) -> list[str]:
    """Three raw values of a column."""
    column = F.col(f"`{field.sources[0].replace('`', '``')}`").cast("string")
    return [row["text"] or "" for row in rows.select(column.alias("text")).limit(3).collect()]


def _way_out(field: Field, examples: list[str], table: TableOptions) -> str:
    if field.type == "date":
        fits = layouts_of(examples)
        now = f"It is {table.date_format!r} now" if table.date_format else "Without one, dates are read as 2024-12-31"
        if hint := date_hint(examples):
            return hint
        if None in fits:
            return f"They are written as 2024-12-31: leave date_format out. {now}."
        return f"Set date_format: {' or '.join(map(str, fits)) or 'dd.MM.yyyy (or what fits)'}. {now}."
    if field.type in ("double", "int"):
        decimal, thousands = style_of(examples) or (table.decimal, table.thousands)
        wanted = [f"thousands: {thousands!r}"] if thousands != table.thousands and thousands else []
        if decimal != table.decimal:
            wanted.append(f"decimal: {decimal!r}")
        if wanted and all(re.fullmatch(r"[+-]?\d+[.,]\d+", text) for text in examples):
            mark = "," if "," in examples[0] else "."
            return (
                f"If {mark!r} is the decimal mark set decimal: {mark!r}; if it parts thousands set thousands: {mark!r}."
            )
        if wanted:
            return f"Set {' and '.join(wanted)}."
        return "Is it the right column? Numbers are written like 12.5; set decimal and thousands if yours differ."
    if field.type == "array<int>":
        return "Write weekdays as numbers from 1 (Monday) to 7, such as 2,5."
    return f"Write yes or no as one of {YES} or {NO}."


def summary(path: str, rows: int, counts: Mapping[str, int]) -> str:
    """One phrase for the stage's note on what could not be read."""
    parts = ", ".join(
        f"{count:,} unreadable {name}" if " " not in name else f"{count:,} {name}" for name, count in counts.items()
    )
    return f"{path}: {parts} of {rows:,} rows"
