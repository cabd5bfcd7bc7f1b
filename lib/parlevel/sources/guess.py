"""Which table a sampled file is and what its columns mean, by their names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from parlevel.sources.samples import FORMATS, Sample, Seen

# Words by meaning, as they are found in the column names of many tills and spreadsheets.
WORDS: dict[str, tuple[str, ...]] = {
    "product_id": ("product_id", "sku", "item_id", "product", "item", "article", "artikel", "upc", "ean", "stockcode",
                   "material", "part", "part_id", "productid", "itemid", "plu", "asin"),
    "location_id": ("location_id", "store", "store_id", "shop", "branch", "filiale", "location", "warehouse", "site",
                    "outlet", "market", "storeid"),
    "series_id": ("series_id", "unique_id", "series", "id"),
    "date": ("date", "day", "ds", "datum", "tag", "week", "month", "invoicedate", "timestamp", "time", "sold_at",
             "valid_from", "start"),
    "sales": ("sales", "qty", "quantity", "units", "units_sold", "demand", "sold", "y", "menge", "absatz", "volume",
              "amount", "count", "value"),
    "in_stock": ("in_stock", "instock", "available", "availability"),
    "price": ("price", "sell_price", "unit_price", "preis", "unitprice", "retail_price"),
    "on_hand": ("on_hand", "stock", "inventory", "bestand", "onhand", "stock_qty", "qty_on_hand", "stock_on_hand"),
    "name": ("name", "description", "text", "title", "product_name", "bezeichnung"),
    "category": ("category", "cat", "group", "product_group", "family", "cat_id", "warengruppe"),
    "department": ("department", "dept", "dept_id", "subcategory", "division"),
    "brand": ("brand", "marke"),
    "manufacturer": ("manufacturer", "maker", "producer", "hersteller"),
    "supplier_id": ("supplier_id", "supplier", "vendor", "lieferant"),
    "lead_time": ("lead_time", "leadtime", "delivery_days", "lieferzeit"),
    "min_order_qty": ("min_order_qty", "moq", "minimum_order"),
    "case_pack": ("case_pack", "case_size", "pack", "carton", "order_multiple", "ve"),
    "unit_cost": ("unit_cost", "cost", "purchase_price", "einkaufspreis", "ek"),
    "start_date": ("start_date", "from", "promo_start"),
    "end_date": ("end_date", "to", "until", "promo_end"),
}  # fmt: skip
KIND: dict[str, str] = {"date": "date", "start_date": "date", "end_date": "date", "in_stock": "flag"}
NUMBERS = ("sales", "price", "on_hand", "lead_time", "min_order_qty", "case_pack", "unit_cost")
KEYS = ("series_id", "product_id", "location_id")
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


def guess_table(sample: Sample) -> Guess:
    """Take a file for the first table whose needed columns it has and that has a key."""
    found = match_columns(sample.columns)
    keys = [key for key in KEYS if key in found]
    if "product_id" in keys and "series_id" in keys:
        keys.remove("series_id")
    for table, (needed, further) in TABLES.items():
        if not keys or any(column not in found for column in needed):
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


def match_columns(columns: Sequence[Seen]) -> dict[str, str]:
    """Meaning -> column: exact names first, then names that contain a word; each column once.

    >>> match_columns([Seen("SKU", "text", ("a",)), Seen("Sold Qty", "number", ("1",))])
    {'product_id': 'SKU', 'sales': 'Sold Qty'}
    """
    found: dict[str, str] = {}
    for test in (_is_word, _has_word):
        for meaning, words in WORDS.items():
            fitting = [c for c in columns if c.name not in found.values() and _fits(meaning, c) and test(c.name, words)]
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
    """Lower case with single underscores: `Unit Price` and `unitPrice` alike."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
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
    days = sorted({_day(value, layout) for value in column.values})
    if len(days) >= 3 and all(day.day == 1 for day in days):
        return "month", "every date seen is the first of a month"
    if len(days) >= 3 and len({day.weekday() for day in days}) == 1:
        return "week", "all dates seen are the same weekday"
    return "day", f"{len(days)} different days seen, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"


def are_lines(sales: Guess) -> int:
    """How many rows of the sample repeat the series and day of another: more than copies, they are till lines."""
    names = [sales.columns[key] for key in (*KEYS, "date") if key in sales.columns]
    layout = sales.sample.column(sales.columns["date"]).layouts[0]
    columns = [sales.sample.column(name).cells for name in names]
    rows = [(*row[:-1], _day(row[-1], layout)) for row in zip(*columns, strict=True) if all(row)]
    return len(rows) - len(set(rows))


def _day(value: str, layout: str | None) -> datetime:
    theirs = next(theirs for theirs, ours in FORMATS if ours == layout and (ours or _iso(value, theirs)))
    text = value.split("+")[0].split(".")[0] if layout is None else value
    return datetime.strptime(text, theirs).replace(hour=0, minute=0, second=0)


def _iso(value: str, layout: str) -> bool:
    return (len(value) <= 10) == (layout == "%Y-%m-%d") and ("T" in value) == ("T" in layout)
