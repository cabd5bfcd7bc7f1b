"""A first configuration for a user's own files, from looking at them (no Spark, no Java).

Every file is sampled; names and values of its columns say what it is (sales, products, prices, stock,
open orders, terms) and which column means what. What was seen is written beside every guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from parlevel.errors import DataError
from parlevel.sources.guess import ITEM_KEYS, Guess, are_lines, further_in, guess_table, lacking, period_of, tells_apart
from parlevel.sources.samples import Sample, Seen, read_sample
from parlevel.sources.written import Style, decimal_of, style_of_file

ORDER = (
    "sales",
    "products",
    "prices",
    "inventory",
    "open_orders",
    "supply_terms",
    "promotions",
    "calendar",
    "locations",
)


def draft(paths: Sequence[str | Path]) -> str:
    """Commented YAML for the source `tables`, drafted from files.

    Args:
        paths: CSV or Parquet files, or Delta folders; one of them holds sales.

    Raises:
        DataError: a file cannot be read, or none of them looks like sales; says what was seen.
    """
    if not paths:
        raise DataError("parlevel init needs at least one file: the one with your sales. Got none.")
    samples = [read_sample(Path(path)) for path in paths]
    guesses = [guess_table(sample) for sample in samples]
    by_table: dict[str, Guess] = {}
    for guess in guesses:
        if guess.table in by_table:
            first = by_table[guess.table].sample.path
            raise DataError(
                f"{guess.sample.path} and {first} both look like {guess.table}. Give one file for each; files that are "
                "parts of one table are read by a pattern such as sales_*.csv in the configuration."
            )
        if guess.table:
            by_table[guess.table] = guess
    if "sales" not in by_table:
        raise DataError(_no_sales(samples))
    for guess in sorted(by_table.values(), key=lambda guess: ORDER.index(guess.table)):
        for more in further_in(guess):
            by_table.setdefault(more.table, more)
    unknown = [guess for guess in guesses if not guess.table]
    return _text([by_table[name] for name in ORDER if name in by_table], unknown)


def _no_sales(samples: Sequence[Sample]) -> str:
    seen = "\n".join(
        f"  {sample.path}: {'; '.join(lacking(sample))}. Its columns: {', '.join(sample.names[:12])}"
        for sample in samples
    )
    wide = [sample for sample in samples if sample.date_named > 5]
    hint = (
        f" {wide[0].path} has {wide[0].date_named} columns named like dates: unpivot it first, so that it has one row "
        "per item and date."
        if wide
        else ""
    )
    return (
        "one file must hold sales: a column with dates, one that names the item, and one with the units sold. "
        f"None of these has all three:\n{seen}\n"
        "Mend the values, name the columns so (date, sku, quantity), or write the mapping by hand, from "
        f"conf/examples/tables.yaml: single bad rows do not stop a run.{hint}"
    )


def _text(guesses: Sequence[Guess], unknown: Sequence[Guess]) -> str:
    sales = next(guess for guess in guesses if guess.table == "sales")
    period, why = period_of(sales)
    horizon = {"day": 28, "week": 8, "month": 6}[period]
    lines = [
        "# Drafted by `parlevel init` from looking at the files: read it, mend it, then",
        "#   parlevel run --config THIS_FILE",
        "# Columns are written as parlevel's name: your file's name. Leave out what you do not have.",
        f"name: {yaml.safe_dump(Path(sales.sample.path).stem).splitlines()[0]}",
        "source:",
        "  name: tables",
        "  options:",
        "    tables:",
    ]
    decimal = decimal_of([seen.values for guess in guesses for seen in guess.number_columns])
    for guess in guesses:
        same = [other for other in guesses if other.sample is guess.sample]
        marks = style_of_file([seen.values for other in same for seen in other.number_columns], decimal)
        lines += _table_lines(guess, marks, [name for other in same for name in other.columns.values()])
    for guess in unknown:
        lines.append(
            f"      # {guess.sample.path}: not used, no table of docs/sources.md is told by its columns: "
            f"{', '.join(guess.sample.names[:12])}"
        )
    missing = [name for name in ("prices", "inventory", "supply_terms") if name not in {g.table for g in guesses}]
    if missing:
        lines.append(f"      # not given: {', '.join(missing)} (assumed by the rules of docs/sources.md)")
    lines.append("      # resources (budget, supplier minimums, trucks): none limit the orders unless you give them")
    lines += ["calendar:", f"  period: {period} # {why}", f"  horizon: {horizon} # {period}s to forecast"]
    used = [name for guess in guesses if guess.sample is sales.sample for name in guess.columns.values()]
    return "\n".join([*lines, *_duplicate_lines(sales, used)]) + "\n"


def _duplicate_lines(sales: Guess, used: Sequence[str]) -> list[str]:
    """What to do with rows that repeat an item and day: till lines are added up; a finer item is asked about."""
    repeated = are_lines(sales)
    if repeated <= 0.01 * len(sales.sample.column(sales.columns["date"]).cells):
        return []
    finer = tells_apart(sales, used)
    if not finer:
        return ["clean:", f"  duplicates: sum # {repeated:,} rows of the sample repeat an item and day: add them up"]
    key = next(key for key in ITEM_KEYS if key in sales.columns)
    return [
        f"# CHOOSE: {repeated:,} rows of the sample repeat an item and day, and the column {finer!r} tells them apart.",
        f"# Is it part of the item? Then write {key}: [{_scalar(sales.columns[key])}, {_scalar(finer)}] above.",
        "# Are the rows lines of a till, to be added up? Then take the comment sign from the next line.",
        "# clean: {duplicates: sum}",
    ]


def _table_lines(guess: Guess, marks: Style, used: Sequence[str]) -> list[str]:
    sample = guess.sample
    lines = [
        f"      {guess.table}: # {sample.rows:,} rows; {guess.why}",
        f"        path: {_scalar(sample.path)}",
        f"        format: {sample.format}",
    ]
    if sample.format == "csv" and sample.delimiter != ",":
        lines.append(f"        delimiter: {_quoted(sample.delimiter)}")
    if sample.encoding != "utf-8":
        lines.append(f"        encoding: {sample.encoding} # not UTF-8: check letters such as ä and é below")
    if sample.multiline:
        lines.append("        multiline: true # quoted values hold line breaks")
    lines += _mark_lines(guess, marks)
    if guess.date_format:
        lines.append(f"        date_format: {_quoted(guess.date_format)} # {guess.date_note}")
    lines.append("        columns:")
    for column, source in guess.columns.items():
        seen = sample.column(source)
        examples = ", ".join(" ".join(text.split()) for text in seen.examples[:3])
        lines.append(f"          {column}: {_scalar(source)} # e.g. {examples}{_odd(seen)}")
    unused = [name for name in sample.names if name not in used]
    if unused:
        lines.append(f"          # not used: {', '.join(unused[:15])}")
    return lines


def _mark_lines(guess: Guess, marks: Style) -> list[str]:
    """How numbers are written, with a value that shows it."""
    if not guess.number_columns:
        return []
    lines = []
    for key, mark, default in (("decimal", marks[0], "."), ("thousands", marks[1], None)):
        if mark and mark != default:
            seen = next((f"{c.name}: {value}" for c in guess.number_columns for value in c.values if mark in value), "")
            lines.append(f"        {key}: {_quoted(mark)}{' # seen in ' + seen if seen else ''}")
    return lines


def _odd(seen: Seen) -> str:
    """What of a column is no date (or no number) in an otherwise sound one."""
    if seen.kind not in ("date", "number") or not seen.odd:
        return ""
    return f"; CHECK: {len(seen.odd):,} of {len(seen.odd) + len(seen.values):,} cannot be read: {seen.odd[0][:24]!r}"


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, width=1000, allow_unicode=True).split("\n...")[0].strip()


def _quoted(text: str) -> str:
    return '"\\t"' if text == "\t" else f'"{text}"'
