"""A look into a CSV file: its encoding, its delimiter and its records, as far as a sample tells."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parlevel.errors import DataError

SAMPLE_BYTES = 2**21
# Tried in this order; the last one reads any bytes. Named as both Python and Spark know them.
ENCODINGS = ("utf-8", "windows-1252", "iso-8859-1")
MARKS = ",;\t|"
# Packed files that Spark reads too, told by the ending.
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}


@dataclass(frozen=True)
class Records:
    """The records in the first bytes of a CSV file.

    Attributes:
        names: of the columns; `_c3` where the fourth has none.
        body: records with as many values as there are names.
        lines: the line of the file on which each record of `body` starts; the names are on line 1.
        rows: records below the names, estimated from the size if the file is longer than the sample.
        delimiter, encoding: how the file is written.
        multiline: quoted values hold line breaks.
    """

    names: list[str]
    body: list[list[str]]
    lines: list[int]
    rows: int
    delimiter: str
    encoding: str
    multiline: bool


def read_records(path: Path) -> Records:
    """Parse the beginning of a CSV file.

    Raises:
        DataError: it is no text, has no rows, or two columns of one name.
    """
    head, read = _head(path)
    whole = len(head) < SAMPLE_BYTES
    text, encoding = _decode(path, head, whole)
    lines = text.split("\n") if whole else text.split("\n")[:-1]
    filled = [line for line in lines if line.strip()]
    if len(filled) < 2:
        raise DataError(f"{path} must have a line of column names and rows below it. Got {len(filled)} line.")
    _check_title(path, filled[:20])
    delimiter = max(MARKS, key=lambda mark: (min(line.count(mark) for line in filled[:20]), filled[0].count(mark)))
    found, multiline = _parse(lines, delimiter, whole)
    (_, header), below = found[0], found[1:]
    names = [name.strip() or f"_c{n}" for n, name in enumerate(header)]
    _check_names(path, names)
    fitting = [(line, record) for line, record in below if len(record) == len(names)]
    if not fitting:
        raise DataError(f"{path}: no row has as many values as there are column names ({len(names)}): {names[:10]}.")
    rows = len(below) if whole else int(path.stat().st_size / (read / len(found)))
    body = [[value.strip() for value in record] for _, record in fitting]
    return Records(names, body, [line for line, _ in fitting], rows, delimiter, encoding, multiline)


def _head(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file, unpacked, and how many of the file's own they were."""
    opener = OPENERS.get(path.suffix.lower())
    try:
        with path.open("rb") as file, opener(file) if opener else file as text:
            head = text.read(SAMPLE_BYTES)
            return head, file.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}. Pack it again.") from None


def _check_title(path: Path, lines: list[str]) -> None:
    """A title above the column names, as reports and spreadsheets have it, would be taken for them.

    Raises:
        DataError: the first line has no delimiter, and most others have the same number of one.
    """
    for mark in MARKS:
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=counts.count)
        if usual and not any(each in lines[0] for each in MARKS) and counts.count(usual) > len(counts) / 2:
            first = counts.index(usual)
            raise DataError(
                f"{path}: the first line must be the column names. Got {lines[0][:40]!r}. The first with as many "
                f"values as the rows is {lines[first][:60]!r}: remove what stands above it."
            )


def _decode(path: Path, head: bytes, whole: bool) -> tuple[str, str]:
    """The text, with plain line ends, and the first encoding that reads all of it."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is UTF-16 (Excel's 'Unicode text'), which parlevel does not read. Save it as UTF-8.")
    if b"\x00" in head:
        raise DataError(f"{path} must be a CSV or Parquet file or a Delta folder. Got bytes that are no text.")
    for encoding in ENCODINGS:
        try:
            # A sample may end within a letter, which is no error.
            text = codecs.getincrementaldecoder(encoding)().decode(head, final=whole)
        except UnicodeDecodeError:
            continue
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), encoding
    raise DataError(f"{path} must be text in one of {ENCODINGS}. Save it as UTF-8.")


def _parse(lines: list[str], delimiter: str, whole: bool) -> tuple[list[tuple[int, list[str]]], bool]:
    """Records with their first lines, and whether records go over several lines.

    A quote that nobody closes would swallow the rest of the file: records that go over lines count
    only if quotes come in pairs and each has as many values as the names; else every line is a record.
    """
    text = "\n".join(lines)
    joined = _records(text, delimiter)
    if not whole and len(joined) > 1:
        joined.pop()  # the sample may end within it
    long = [record for _, record in joined if any("\n" in value for value in record)]
    lost = whole and text.count('"') % 2 == 1
    if long and not lost and all(len(record) == len(joined[0][1]) for record in long):
        return joined, True
    if not long:
        return joined, False
    single = [(n, record) for n, line in enumerate(lines, 1) for _, record in _records(line, delimiter)]
    return single, False


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    before = csv.field_size_limit(max(len(text), 1))  # long texts are no fault; the sample bounds them
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        found, line = [], 1
        for record in reader:
            if record:
                found.append((line, record))
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(before)
    return found


def _check_names(path: Path, names: list[str]) -> None:
    """Spark does not tell upper case from lower in column names, so neither does this.

    Raises:
        DataError: two columns have one name.
    """
    places: dict[str, list[int]] = {}
    for n, name in enumerate(names, 1):
        places.setdefault(name.lower(), []).append(n)
    for name, where in places.items():
        if len(where) > 1:
            raise DataError(
                f"{path}: each column must have a name of its own. Columns {' and '.join(map(str, where))} are both "
                f"named {name!r}. Rename one of them in the first line."
            )
