"""A look into a user's file: its columns, some of their values, and how numbers and dates are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parlevel.errors import DataError
from parlevel.sources.samples_csv import read_records
from parlevel.sources.written import day_of, layouts_of, style_of

SAMPLE_ROWS = 5000
PARQUET = (".parquet", ".pq")
CHECKED = 200  # values of a column, spread over the sample, that are tried in every way
MOST_ODD = 0.01  # share of values that may be of another kind: a line of totals does not make dates texts
FEWEST = 20  # values that a column has before one of them may be odd


@dataclass(frozen=True)
class Seen:
    """A column of a sample.

    Attributes:
        name: as the file says.
        kind: number, date, flag or text.
        values: the sample's texts that are not empty and of that kind.
        cells: all its texts, row by row.
        layouts: date formats (Spark's letters, None = ISO) that fit all values; a date's only.
        odd: the few texts that are neither empty nor of that kind.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    layouts: tuple[str | None, ...] = ()
    cells: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def distinct(self) -> int:
        """Different values in the sample."""
        return len(set(self.values))

    @property
    def examples(self) -> list[str]:
        """The first different values, short."""
        return [value[:24] for value in dict.fromkeys(self.values)][:3]


@dataclass(frozen=True)
class Sample:
    """The beginning of a file.

    Attributes:
        path, format: where it is, and csv, parquet or delta.
        columns: with the sample's values.
        rows: of the whole file; of a long CSV file an estimate.
        delimiter, encoding, multiline: how a CSV file is written.
        lines: the line of a CSV file on which each row of the sample starts.
    """

    path: str
    format: str
    columns: tuple[Seen, ...]
    rows: int
    delimiter: str = ","
    encoding: str = "utf-8"
    multiline: bool = False
    lines: tuple[int, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names."""
        return [column.name for column in self.columns]

    @property
    def date_named(self) -> int:
        """How many columns are named like dates (a wide table)."""
        return sum(layouts_of([name]) != () for name in self.names)

    def column(self, name: str) -> Seen:
        """The column called `name`."""
        return next(column for column in self.columns if column.name == name)


def read_sample(path: Path) -> Sample:
    """Look at the first rows of a CSV or Parquet file or a Delta folder.

    Raises:
        DataError: it is not there, empty, or none of the three.
    """
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path(".")
        there = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))[:10]
        raise DataError(f"file must exist. Got {str(path)!r}. In {str(folder)!r} there is: {', '.join(there)}.")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes). Export it again.")
    if path.is_dir() and not (path / "_delta_log").is_dir() and not _is_parquet_folder(path):
        raise DataError(
            f"{path} is a folder without _delta_log. Give files, a Delta table's folder, or a folder of Parquet files "
            "only."
        )
    if path.is_dir() or path.suffix.lower() in PARQUET:
        return _typed(path)
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise DataError(f"{path} is a spreadsheet, which parlevel does not read. Save it as CSV (UTF-8).")
    return _csv(path)


def _is_parquet_folder(path: Path) -> bool:
    """Whether all of its visible files are Parquet; Spark leaves marks such as _SUCCESS beside them."""
    files = [entry for entry in path.iterdir() if not entry.name.startswith((".", "_")) and entry.is_file()]
    folders = [entry for entry in path.iterdir() if entry.is_dir() and "=" in entry.name]
    return bool(files or folders) and all(file.suffix.lower() in PARQUET for file in files)


def _typed(path: Path) -> Sample:
    """A Parquet file or folder, or a Delta table."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    delta = (path / "_delta_log").is_dir()
    try:
        if delta:
            from deltalake import DeltaTable

            data = DeltaTable(str(path)).to_pyarrow_dataset()
        else:
            data = ds.dataset(str(path), format="parquet")
        rows, head = data.count_rows(), data.head(SAMPLE_ROWS)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} must be a CSV or Parquet file or a Delta folder. {error}") from None
    columns = []
    for field, values in zip(head.schema, head.columns, strict=True):
        texts = ["" if value is None else str(value) for value in values.to_pylist()]
        columns.append(describe(field.name, texts))
    return _checked(Sample(str(path), "delta" if delta else "parquet", tuple(columns), rows))


def _csv(path: Path) -> Sample:
    found = read_records(path)
    body = found.body[:SAMPLE_ROWS]
    columns = tuple(
        describe(name, list(column)) for name, column in zip(found.names, zip(*body, strict=True), strict=True)
    )
    dates = [column for column in columns if column.kind == "date" and layouts_of([column.name])]
    if dates:
        raise DataError(
            f"{path} must have a first line of column names. Its first line looks like data: "
            f"{', '.join(found.names[:8])}. Add a line such as: date, sku, store, quantity."
        )
    lines = tuple(found.lines[:SAMPLE_ROWS])
    return _checked(
        Sample(str(path), "csv", columns, found.rows, found.delimiter, found.encoding, found.multiline, lines)
    )


def _checked(sample: Sample) -> Sample:
    if not sample.rows:
        raise DataError(f"{sample.path} has no rows. Export it again.")
    return sample


def describe(name: str, texts: list[str]) -> Seen:
    """What kind of column its values make it.

    >>> describe("day", ["31.12.2023", "01.02.2024"]).layouts
    ('dd.MM.yyyy',)
    """
    filled = tuple(text for text in texts if text.lower() not in ("", "na", "n/a", "null", "none", "nan"))
    cells = tuple(texts)
    if not filled:
        return Seen(name, "text", (), (), cells)
    likely = [value for value in _spread(filled) if layouts_of([value])]
    layouts = layouts_of(likely) if likely else ()
    dates, odd = _sound(filled, lambda value: any(day_of(value, layout) for layout in layouts))
    if dates:
        # Of days before months and months before days a late value may decide.
        return Seen(name, "date", dates, layouts_of(dates, layouts), cells, odd)
    if {value.lower() for value in filled} <= {"true", "false", "yes", "no", "y", "n", "t", "f"}:
        return Seen(name, "flag", filled, (), cells)
    numbers, odd = _sound(filled, lambda value: style_of([value]) is not None)
    if numbers and style_of(numbers):
        return Seen(name, "number", numbers, (), cells, odd)
    return Seen(name, "text", filled, (), cells)


def _sound(values: Sequence[str], reads: Callable[[str], bool]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values of a kind and the few that are not; nothing where they are not few."""
    most = max(1.0, MOST_ODD * len(values)) if len(values) >= FEWEST else 0.0
    if sum(not reads(value) for value in _spread(values)) > most:
        return (), ()
    odd = tuple(value for value in values if not reads(value))
    return (tuple(value for value in values if reads(value)), odd) if len(odd) <= most else ((), ())


def _spread(values: Sequence[str]) -> Sequence[str]:
    return values[:: max(1, len(values) // CHECKED)]
