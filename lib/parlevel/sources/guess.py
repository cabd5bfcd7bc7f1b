"""Which table a sampled file is and what its columns mean, by their names and values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from parlevel.sources.samples import Sample, Seen, describe
from parlevel.sources.words import DUE, OPEN, PURCHASES, RECEIPTS, WORDS
from parlevel.sources.written import date_hint, day_of, style_of

KIND: dict[str, str] = {"date": "date", "start_date": "date", "end_date": "date", "in_stock": "flag"}
NUMBERS = ("sales", "quantity", "price", "on_hand", "lead_time", "min_order_qty", "case_pack", "unit_cost")
KEYS = ("series_id", "product_id", "location_id")
ITEM_KEYS = ("series_id", "product_id")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
# Table -> what it must have, what tells it from others, what else it may have.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "supply_terms": (("lead_time",), ("supplier_id", "min_order_qty", "case_pack", "unit_cost")),
    "inventory": (("on_hand",), ()),
    "promotions": (("start_date", "end_date"), ()),
    "sales": (("date", "sales"), ("in_stock",)),
    "prices": (("price",), ("date",)),
    "products": ((), ("name", "category", "department", "brand", "manufacturer")),
}


@dataclass(frozen=True)
class Guess:
    """What a file was taken for.

    Attributes:
        sample: the file.
        table: parlevel's table; "" where it could not be told.
        columns: parlevel's column -> the file's.
        why: in words.
        date_format, date_note: how dates are written and what was seen.
    """

    sample: Sample
    table: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    why: str = ""
    date_format: str | None = None
    date_note: str = ""

    @property
    def number_columns(self) -> list[Seen]:
        """The columns that are read as numbers."""
        return [self.sample.column(source) for meaning, source in self.columns.items() if meaning in NUMBERS]


def guess_table(sample: Sample) -> Guess:
    """Take a file for the first table whose needed columns it has and that has a key."""
    found = match_columns(sample.columns)
    if "series_id" in found and ("product_id" in found or _is_row_number(sample, found["series_id"])):
        found.pop("series_id")
    keys = [key for key in KEYS if key in found]
    orders = None if "on_hand" in found else _open_orders(sample, {key: found[key] for key in keys})
    if orders:
        return orders
    for table, (needed, further) in TABLES.items():
        if not keys or any(column not in found for column in needed):
            continue
        # A place alone would make one series of all its items.
        if table == "sales" and not any(key in found for key in ITEM_KEYS):
            continue
        if table == "products" and ("product_id" not in keys or not any(name in found for name in further)):
            continue
        chosen = (["product_id"] if table == "products" else keys) + [c for c in (*needed, *further) if c in found]
        columns = {column: found[column] for column in chosen}
        why = f"taken for {table} because of the column{'s' if len(needed) > 1 else ''} " + (
            ", ".join(repr(found[column]) for column in needed) or repr(columns[chosen[-1]])
        )
        layout, note = _date_format(sample, columns)
        return Guess(sample, table, columns, why, layout, note)
    return Guess(sample)


def _open_orders(sample: Sample, keys: dict[str, str]) -> Guess | None:
    """Open purchase orders: when they are due and how much is; None if the file says nothing of the kind."""
    due = next((c for c in sample.columns if c.kind == "date" and _is_word(c.name, DUE)), None)
    numbers = [c for c in sample.columns if c.kind == "number" and c.name not in keys.values()]
    words = (*OPEN, *WORDS["sales"]) if _plain(Path(sample.path).stem) in PURCHASES else OPEN
    amount = next((c for word in words for c in numbers if _is_word(c.name, (word,))), None)
    if due is None or amount is None or not any(key in keys for key in ITEM_KEYS):
        return None
    columns = {**keys, "date": due.name, "quantity": amount.name}
    why = f"taken for open_orders because of the columns {due.name!r}, {amount.name!r}"
    return Guess(sample, "open_orders", columns, why, *_date_format(sample, columns))


def further_in(guess: Guess) -> list[Guess]:
    """Further tables that the file of a table also holds: open orders, prices, names and groups of products.

    A file with a row an item, such as a list of articles with their terms, describes the products too; its
    price is what customers pay only if it has a cost beside it.
    """
    sample, found = guess.sample, match_columns(guess.sample.columns)
    keys = {key: guess.columns[key] for key in (*KEYS, "date") if key in guess.columns}
    product = sample.column(keys["product_id"]) if "product_id" in keys else None
    price = found.get("price")
    taken: list[Guess] = []
    if guess.table == "inventory" and (orders := _open_orders(sample, keys)):
        why = f"the same file: it also has the columns {orders.columns['date']!r}, {orders.columns['quantity']!r}"
        taken.append(replace(orders, why=why))
    if price and price not in guess.columns.values() and (guess.table == "sales" or "unit_cost" in found):
        why = f"the same file: it also has the column {price!r}"
        taken.append(Guess(sample, "prices", {**keys, "price": price}, why, guess.date_format, guess.date_note))
    about = [name for name in TABLES["products"][1] if name in found and found[name] not in guess.columns.values()]
    if about and product and product.distinct == len(product.cells):
        columns = {"product_id": product.name, **{name: found[name] for name in about}}
        why = f"the same file: it also has the column {found[about[0]]!r}"
        taken.append(Guess(sample, "products", columns, why))
    return taken


def lacking(sample: Sample) -> list[str]:
    """What a file lacks to be sales, in words; where values are the fault, with some of them and their lines."""
    found = match_columns(sample.columns)
    if "series_id" in found and _is_row_number(sample, found["series_id"]):
        found.pop("series_id")
    said = []
    if "date" not in found:
        said.append(_unfit(sample, "date", "dates") or "no column with dates")
    if not any(key in found for key in ITEM_KEYS):
        said.append("no column that names the item")
    if "sales" not in found:
        said.append(_unfit(sample, "sales", "numbers") or "no column with the units sold")
    return said


def _unfit(sample: Sample, meaning: str, kind: str) -> str:
    """A column named like `meaning` whose values are of another kind."""
    column = next((c for c in sample.columns if _is_word(c.name, WORDS[meaning])), None)
    if column is None or not column.values:
        return ""
    reads = _is_number if meaning == "sales" else _is_date
    there = {*column.values, *column.odd}
    bad = [(n, value) for n, value in enumerate(column.cells) if value in there and not reads(value)]
    if not bad:
        return f"{column.name!r} looks like the {meaning}, but its {kind} are not all written alike"
    lines = [sample.lines[n] for n, _ in bad[:3]] if sample.lines else []
    where = f" (line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}{', ...' if len(bad) > 3 else ''})"
    examples = ", ".join(repr(value[:24]) for value in dict.fromkeys(value for _, value in bad[:3]))
    hint = date_hint([value for _, value in bad]) if meaning == "date" else ""
    return (
        f"{column.name!r} looks like the {meaning}, but {len(bad):,} of {len(column.values):,} values are no {kind}: "
        f"{examples}{where if lines else ''}{' (' + hint + ')' if hint else ''}"
    )


def _is_number(value: str) -> bool:
    return style_of([value]) is not None


def _is_date(value: str) -> bool:
    return describe("", [value]).kind == "date"


def _is_row_number(sample: Sample, name: str) -> bool:
    """Whether a column has another value on every row: it counts rows and names no series."""
    column = sample.column(name)
    return len(column.values) >= 20 and column.distinct == len(column.values)


def match_columns(columns: Sequence[Seen]) -> dict[str, str]:
    """Meaning -> column: exact names first, then names that contain a word; each column once.

    >>> match_columns([Seen("SKU", "text", ("a",)), Seen("Sold Qty", "number", ("1",))])
    {'product_id': 'SKU', 'sales': 'Sold Qty'}
    """
    found: dict[str, str] = {}
    for test in (_is_word, _has_word):
        for meaning, words in WORDS.items():
            fitting = [c for c in columns if c.name not in found.values() and _fits(meaning, c) and test(c.name, words)]
            if test is _has_word and meaning in KEYS:
                # `Artikel Bezeichnung` says what an article is called, not which it is.
                fitting = [c for c in fitting if not _has_word(c.name, (*WORDS["name"], *WORDS["category"]))]
            if meaning == "date":  # what is sold is dated by its order, not by its delivery
                fitting = [c for c in fitting if not _is_word(c.name, DUE)] or fitting
            if meaning not in found and fitting:
                rank = {word: i for i, word in enumerate(words)}
                best = min(fitting, key=lambda c: min((rank[w] for w in words if test(c.name, (w,))), default=99))
                found[meaning] = best.name
    if "date" not in found:
        dates = [c.name for c in columns if c.kind == "date" and c.name not in found.values()]
        found |= {"date": dates[0]} if dates else {}
    return dict(sorted(found.items(), key=lambda item: list(WORDS).index(item[0])))


def _fits(meaning: str, column: Seen) -> bool:
    if meaning in KIND:
        return column.kind == KIND[meaning] or (meaning == "in_stock" and set(column.values) <= {"0", "1"})
    if meaning in NUMBERS:
        return column.kind == "number"
    return column.kind in ("text", "number", "flag")


def _plain(name: str) -> str:
    """Lower case, plain letters, single underscores: `Unit Price` and `unitPrice` alike, `Stück` as `stueck`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).translate(UMLAUTS)
    parted = unicodedata.normalize("NFKD", parted).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _is_word(name: str, words: Sequence[str]) -> bool:
    plain = _plain(name)
    return any(plain in (word, word.replace("_", "")) or plain.replace("_", "") == word for word in words)


def _has_word(name: str, words: Sequence[str]) -> bool:
    parts = _plain(name).split("_")
    return any(word in parts for word in words if len(word) > 2)


def _date_format(sample: Sample, columns: dict[str, str]) -> tuple[str | None, str]:
    dates = [sample.column(source) for column, source in columns.items() if KIND.get(column) == "date"]
    if not dates:
        return None, ""
    layouts = dates[0].layouts
    if len(layouts) > 1 and None not in layouts:
        others = " or ".join(str(layout) for layout in layouts[1:])
        return layouts[0], f"could also be {others}: check it"
    return layouts[0], "fits every value seen"


def period_of(sales: Guess) -> tuple[str, str]:
    """Period of the sales and why: by the distances between the sample's dates."""
    column = sales.sample.column(sales.columns["date"])
    layout = column.layouts[0]
    days = sorted({day for value in column.values if (day := day_of(value, layout))})
    if len(days) >= 3 and all(day.day == 1 for day in days):
        return "month", "every date seen is the first of a month"
    if len(days) >= 3 and len({day.weekday() for day in days}) == 1:
        return "week", "all dates seen are the same weekday"
    return "day", f"{len(days)} different days seen, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"


def are_lines(sales: Guess, further: Sequence[str] = ()) -> int:
    """How many rows of the sample repeat the series, day and `further` columns of another row."""
    names = [sales.columns[key] for key in (*KEYS, "date") if key in sales.columns]
    layout = sales.sample.column(sales.columns["date"]).layouts[0]
    columns = [sales.sample.column(name).cells for name in (*further, *names)]
    rows = [(*row[:-1], day_of(row[-1], layout)) for row in zip(*columns, strict=True) if all(row[len(further) :])]
    return len(rows) - len(set(rows))


def tells_apart(sales: Guess, used: Sequence[str]) -> str:
    """A column outside `used` that tells rows of one item and day apart and may be part of the item; "" if none.

    Receipts and customers also tell rows apart, but do not name what was sold: their values, unlike a
    size or a colour, seldom come again on another day, or their names say so.
    """
    cells = sales.sample.column(sales.columns["date"]).cells
    for column in sales.sample.columns:
        broken = any("." in value or "," in value for value in column.values[:200]) and column.kind == "number"
        if column.name in used or column.kind == "date" or broken or _has_word(column.name, RECEIPTS):
            continue
        days = len(set(zip(column.cells, cells, strict=True)))
        if days >= 1.5 * column.distinct and are_lines(sales, [column.name]) <= 0.01 * len(cells):
            return column.name
    return ""
