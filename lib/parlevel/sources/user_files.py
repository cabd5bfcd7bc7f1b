"""Finding and opening a user's files, with errors that say what was seen and what to change."""

from __future__ import annotations

import csv
import glob
import zlib
from collections.abc import Iterable
from itertools import dropwhile, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.errors import DataError, SchemaError
from parlevel.places import is_remote
from parlevel.registry import nearest
from parlevel.sources.base import read_parquet
from parlevel.sources.samples_csv import OPENERS
from parlevel.sources.user_options import TableOptions

BROKEN = "_broken_line"
DELIMITERS = {",": "','", ";": "';'", "\t": "'\\t'", "|": "'|'"}
CUT = "\x1f"  # stands for a delimiter of several characters, which csv does not know
SUFFIXES = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".gz": "csv", ".parquet": "parquet", ".pq": "parquet"}


def local_files(path: str, where: str) -> list[Path]:
    """The files that a local path, folder or pattern stands for.

    Raises:
        DataError: there are none; names the nearest file of the folder.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        found = [file for file in place.rglob("*") if file.is_file() and not file.name.endswith(".crc")]
    else:
        found = [place] if place.is_file() else [Path(name) for name in glob.glob(str(place))]
    if not found:
        raise DataError(f"{where}.path must be a file, a folder or a pattern that exists. {_seen(place)}")
    if all(file.stat().st_size == 0 for file in found):
        raise DataError(f"{where}.path: {path} is empty (0 bytes). Export it again, or name another file.")
    return sorted(found)


def _seen(place: Path) -> str:
    folder = place.parent
    if not folder.is_dir():
        return (
            f"Got {str(place)!r}, and there is no folder {str(folder)!r} (looked from {str(Path.cwd())!r}). "
            "Relative paths start where parlevel is started."
        )
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return (
        f"Got {str(place)!r} (looked in {str(folder.resolve())!r}).{nearest(place.name, names)} "
        f"There is: {', '.join(names[:10]) or 'nothing'}."
    )


def format_of(table: TableOptions, where: str) -> str:
    """csv, parquet or delta: as configured, or told by the path.

    Raises:
        DataError: it cannot be told.
    """
    if table.format:
        return table.format
    place = Path(table.path).expanduser()
    if (place / "_delta_log").is_dir():
        return "delta"
    suffixes = {file.suffix.lower() for file in place.rglob("*")} if place.is_dir() else {place.suffix.lower()}
    kinds = {SUFFIXES[suffix] for suffix in suffixes if suffix in SUFFIXES}
    if len(kinds) != 1:
        raise DataError(
            f"{where}.format must be csv, parquet or delta: the path {table.path!r} does not tell which. "
            f"Endings seen: {sorted(suffixes)[:5]}."
        )
    return kinds.pop()


def fingerprint_files(table: TableOptions, where: str) -> list[Path]:
    """Files whose content says whether a table changed; of a Delta table its log is enough."""
    if is_remote(table.path):
        return []
    files = local_files(table.path, where)
    if format_of(table, where) == "delta":
        return [file for file in files if "_delta_log" in file.parts]
    return files


def first_look(table: TableOptions, where: str) -> list[str]:
    """The columns of a local file, without Spark, so that a wrong name or delimiter is told at once.

    Raises:
        DataError: it cannot be opened as what it is said to be, or there is nothing in it.
        SchemaError: a CSV file has one column only because it is cut at the wrong character, or a name repeatedly.
    """
    kind = format_of(table, where)
    files = [file for file in local_files(table.path, where) if not file.name.startswith(("_", "."))]
    files = [file for file in files if file.stat().st_size]
    if not files and kind != "delta":
        raise DataError(f"{where}.path: {table.path} has no data file (names that start with _ or . do not count).")
    try:
        if kind == "delta":
            return [field.name for field in DeltaTable(table.path).schema().fields]
        if kind == "parquet":
            return list(pq.read_schema(files[0]).names)
        names = _header(files[0], table)
    except (OSError, ValueError, LookupError, EOFError, csv.Error, zlib.error, pa.ArrowException, DeltaError) as error:
        raise DataError(f"{where}.path: {table.path} cannot be read as {kind}: {error}") from error
    _check_delimiter(names, table, where)
    _check_repeated(names, table, where)
    return [name for name in names if name]


def _header(file: Path, table: TableOptions) -> list[str]:
    """The column names of a CSV file as Spark reads them: the first line that is not blank, quotes heeded."""
    mark = table.delimiter.replace("\\t", "\t")
    cut = mark if len(mark) == 1 else CUT
    with OPENERS.get(file.suffix.lower(), open)(file, "rt", encoding=table.encoding, newline="") as text:
        lines = dropwhile(lambda line: not line.strip(), (line.lstrip("\ufeff").replace(mark, cut) for line in text))
        # Only with multiline may a name in quotes go on in the next line.
        rows = csv.reader(lines if table.multiline else islice(lines, 1), delimiter=cut, quotechar='"')
        return [name.replace(cut, mark).strip() for name in next(rows, [])]


def _check_repeated(names: list[str], table: TableOptions, where: str) -> None:
    """Spark numbers repeated names, upper and lower case alike, so that none is found under the name it has."""
    plain = [name.lower() for name in names]
    mapped = [part for value in table.columns.values() for part in ([value] if isinstance(value, str) else value)]
    for name in mapped or names:
        times = plain.count(name.lower())
        if name and name in names and times > 1:
            spelt = {other for other in names if other.lower() == name.lower()}
            alike = f" ({', '.join(sorted(spelt))}: case makes no difference)" if len(spelt) > 1 else ""
            raise SchemaError(
                f"{where}: {table.path} has the column name {name!r} {times} times{alike}. Name each column once."
            )


def open_file(spark: SparkSession, table: TableOptions, where: str) -> DataFrame:
    """The file as strings (CSV) or as typed (Parquet, Delta), plus `BROKEN`: the line, where it is malformed.

    Raises:
        SchemaError: a CSV file has one column only because it is cut at the wrong character.
    """
    kind = format_of(table, where)
    path = str(Path(table.path).expanduser()) if not is_remote(table.path) else table.path
    if kind == "parquet":
        return read_parquet(spark, path).withColumn(BROKEN, F.lit(None).cast("string"))
    if kind == "delta":
        return spark.read.format(kind).load(path).withColumn(BROKEN, F.lit(None).cast("string"))
    reader = spark.read.options(
        header=True, sep=table.delimiter, encoding=table.encoding, quote='"', escape='"', multiLine=table.multiline
    )
    names = [name.lstrip("\ufeff").strip() for name in reader.csv(path).columns]
    _check_delimiter(names, table, where)
    fields = ", ".join(f"`{name.replace('`', '``')}` string" for name in [*_told_apart(names), BROKEN])
    # Without pruning, or a line with too few or too many values would not be noticed.
    return reader.options(columnNameOfCorruptRecord=BROKEN, columnPruning=False).schema(fields).csv(path)


def _told_apart(names: list[str]) -> list[str]:
    """Names that differ only by blanks, which nobody mapped, with their position, as Spark does with equal ones."""
    plain = [name.lower() for name in names]
    apart: list[str] = []
    for k, name in enumerate(names):
        told = f"{name}{k}" if plain.count(name.lower()) > 1 else name
        while told != name and told.lower() in {*plain, *(each.lower() for each in apart)}:
            told += "_"
        apart.append(told)
    return apart


def _check_delimiter(names: list[str], table: TableOptions, where: str) -> None:
    only = names[0] if names else ""
    better = [mark for mark in DELIMITERS if mark in only and mark != table.delimiter]
    if len(names) == 1 and better:
        raise SchemaError(
            f"{where}: {table.path} has one column only, {only[:80]!r}, when cut at {table.delimiter!r}. "
            f"Set delimiter: {DELIMITERS[better[0]]}."
        )


def require_columns(found: Iterable[str], wanted: Iterable[str], table: TableOptions, where: str) -> None:
    """Check that a file has the columns that the mapping names.

    Raises:
        SchemaError: it has not; names the nearest and lists what there is.
    """
    names = list(found)
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    dates = [name for name in names if len(name) >= 8 and name[:4].isdigit()]
    hint = ""
    if len(dates) > 5:
        hint = (
            f" {len(dates)} columns look like dates ({dates[0]} ... {dates[-1]}): the file is wide. parlevel reads one "
            "row per series and date; unpivot it first (pandas melt, Spark unpivot)."
        )
    elif names and 2 * sum(_is_value(name) for name in names) >= len(names):
        hint = " The first line looks like data: the file needs a first line with column names."
    raise SchemaError(
        f"{where}.columns: {table.path} has no column {missing[0]!r}.{nearest(missing[0], names)} "
        f"Its {len(names)} columns: {', '.join(names[:30])}.{hint}"
    )


def _is_value(name: str) -> bool:
    """Whether a column name looks like a number or a date rather than a name."""
    return bool(name) and sum(letter.isdigit() for letter in name) > len(name) / 2
