"""How people write numbers and dates in their files, and which way a column is written (no Spark)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# What is taken off before a text is read as a number, in the regular expressions that Python and Java share:
# a sign of money, and a minus that stands behind the number (SAP) or as brackets (book-keeping).
MONEY = r"^([+-]?\(?)\s*[$€£]\s*|\s*[$€£](?=\)?$)"
MINUS = r"^\(([\d.,' ]+)\)$|^(\d[\d.,' ]*)-$"
BLANKS = "\u00a0\u202f"  # part thousands like a blank does
# 1.234 cannot be a plain number where the comma is the decimal mark, and is no decimal either.
GROUPED_DOTS = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"
FEWEST_GROUPED = 3  # different values such as 1.250 that it takes to believe that dots part thousands

Style = tuple[str, str | None]  # decimal mark, mark between thousands

_DAYS = (
    ("%d.%m.%Y", "dd.MM.yyyy"), ("%d/%m/%Y", "dd/MM/yyyy"), ("%m/%d/%Y", "MM/dd/yyyy"), ("%Y/%m/%d", "yyyy/MM/dd"),
    ("%d-%m-%Y", "dd-MM-yyyy"), ("%m-%d-%Y", "MM-dd-yyyy"), ("%d.%m.%y", "dd.MM.yy"), ("%m/%d/%y", "MM/dd/yy"),
    ("%d/%m/%y", "dd/MM/yy"), ("%d-%b-%Y", "dd-MMM-yyyy"), ("%d %b %Y", "dd MMM yyyy"), ("%b %d, %Y", "MMM dd, yyyy"),
)  # fmt: skip
_TIMES = (
    ("", ""), (" %H:%M", " HH:mm"), (" %H:%M:%S", " HH:mm:ss"), (" %I:%M %p", " hh:mm a"),
    (" %I:%M:%S %p", " hh:mm:ss a"),
)  # fmt: skip
# strftime and Spark's spelling; where several fit, the first is taken and the doubt is said.
LAYOUTS: tuple[tuple[str, str], ...] = (
    *((day + time, ours + clock) for time, clock in _TIMES for day, ours in _DAYS),
    ("%Y%m%d", "yyyyMMdd"),
    ("%Y-%m", "yyyy-MM"),
)
EVERY: tuple[str | None, ...] = (None, *(ours for _, ours in LAYOUTS))
_THEIRS = {ours: theirs for theirs, ours in LAYOUTS}
_ISO = re.compile(r"^(\d{4}-\d{1,2}-\d{1,2})([ T].*)?$")
_PATTERNS = {
    (decimal, thousands): re.compile(
        rf"^[+-]?([1-9]\d{{0,2}}({re.escape(thousands)}\d{{3}})+|\d{{1,3}})({re.escape(decimal)}\d+)?$"
    )
    for decimal, thousands in ((".", ","), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"))
}
_COMMA = re.compile(r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)$")


def tidy(text: str) -> str:
    """A number's text without a sign of money, with its minus in front and plain blanks.

    >>> tidy("$1,250.00"), tidy("12,5-"), tidy("(3.50)")
    ('1,250.00', '-12,5', '-3.50')
    """
    for blank in BLANKS:
        text = text.replace(blank, " ")
    text = re.sub(MONEY, r"\1", text)
    return re.sub(MINUS, r"-\1\2", text)


def style_of(values: Iterable[str]) -> Style | None:
    """Decimal mark and mark between thousands that read all values; None if no one way does.

    `1,234` may be one and a bit or above a thousand. It is taken for thousands where a column has
    such values beside plain ones below 1,000: whoever keeps three decimals keeps them everywhere.

    >>> style_of(["1.234,50", "7,00"]), style_of(["1,234", "21"]), style_of(["1,250", "0,500"])
    ((',', '.'), ('.', ','), (',', None))
    """
    return next(iter(_styles(values)), None)


def decimal_of(columns: Iterable[Sequence[str]]) -> str | None:
    """The decimal mark of columns, as far as some of them can be read with one only; None if all leave it open."""
    fitting = [_styles(values) for values in columns if any(map(_is_marked, values))]
    certain = {styles[0][0] for styles in fitting if len({decimal for decimal, _ in styles}) == 1}
    # A stray 12.5 is still read where the comma is the decimal mark, 3,99 is not where it parts thousands.
    return "," if "," in certain else "." if certain else None


def style_of_file(columns: Sequence[Sequence[str]], like: str | None = None) -> Style:
    """The one way in which a file writes its numbers: columns that can be read in one way only decide.

    Args:
        columns: texts of each column of numbers.
        like: the decimal mark of the files that came with it, for columns that leave it open.

    >>> style_of_file([["1.250", "2.375"], ["3,99"]]), style_of_file([["1,250", "2,375"], ["3.99"]])
    ((',', '.'), ('.', ','))
    """
    fitting = [styles for values in columns if (styles := _styles(values)) and any(map(_is_marked, values))]
    firsts = [styles[0][0] for styles in fitting]
    decimal = decimal_of(columns) or like or max(firsts, key=firsts.count, default=".")
    chosen = [next((style for style in styles if style[0] == decimal), styles[0]) for styles in fitting]
    return decimal, next((thousands for _, thousands in chosen if thousands), None)


def _styles(values: Iterable[str]) -> list[Style]:
    """Every way in which all values can be read, the likeliest first."""
    texts = {tidy(value) for value in values}
    marked = {text for text in texts if _is_marked(text)}
    plain: list[Style] = []
    if all(re.match(NUMBER, text) for text in texts):
        plain.append((".", None))
    commas = any("," in text for text in texts)
    if commas and all(_COMMA.match(text) and not re.match(GROUPED_DOTS, text) for text in texts):
        plain.append((",", None))
    grouped = [
        style
        for style, pattern in _PATTERNS.items()
        if any(style[1] in text for text in texts) and all(map(pattern.match, texts))
    ]
    doubtful = all(re.fullmatch(r"[+-]?\d+[.,]\d{3}", text) for text in marked)
    few = not commas and len(marked) < FEWEST_GROUPED
    return [*plain, *grouped] if doubtful and (marked == texts or few) else [*grouped, *plain]


def _is_marked(text: str) -> bool:
    return not re.fullmatch(r"[+-]?\d+", tidy(text))


def layouts_of(values: Sequence[str], among: Sequence[str | None] = EVERY) -> tuple[str | None, ...]:
    """Date formats in Spark's letters that fit all values; None stands for ISO, 2024-12-31, with or without a time.

    >>> layouts_of(["31.12.2023 18:30:00", "1.2.2024 7:00:00"])
    ('dd.MM.yyyy HH:mm:ss',)
    """
    return tuple(layout for layout in among if all(day_of(value, layout) for value in values))


def day_of(value: str, layout: str | None) -> datetime | None:
    """The day that a text names in a layout of `LAYOUTS` (None: ISO); None where it names none since 1950."""
    text, theirs = value, "%Y-%m-%d"
    if layout is None:
        found = _ISO.match(value)
        text = found[1] if found else ""
    else:
        theirs = _THEIRS[layout]
        if layout == "yyyyMMdd" and len(value) != len(layout):
            return None  # Python would find a date in any six digits
    try:
        day = datetime.strptime(text, theirs).replace(hour=0, minute=0, second=0)
    except ValueError:
        return None
    return day if day.year > 1950 else None


_MONTHS = {name.lower() for name in calendar.month_abbr if name}


def date_hint(values: Sequence[str]) -> str:
    """What to do with texts that are dates to their writer and fit no format; "" where nothing can be said.

    >>> date_hint(["2024-W05"])
    'Weeks by number are not read: write the date of their Monday.'
    >>> date_hint(["Monday 05.02.2024"]), date_hint(["February 5, 2024"])
    ('Leave the weekday out.', '')
    """
    if values and all(re.fullmatch(r"\d{4}[- ]?[WwKk][WwKk]?[- ]?\d{1,2}", value) for value in values):
        return "Weeks by number are not read: write the date of their Monday."
    if values and all(re.fullmatch(r"[34]\d{4}(\.\d+)?", value) for value in values):
        return "These are days as a spreadsheet counts them: format the column as a date before you export it."
    named = [re.fullmatch(r"([^\W\d]{2,9})\.?,? .*\d{2,4}.*", value) for value in values]
    if values and all(found and found[1][:3].lower() not in _MONTHS for found in named):
        return "Leave the weekday out."
    return ""
