"""`parlevel init` drafts a configuration from files, or says why it cannot."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from parlevel.config import Config
from parlevel.errors import DataError
from parlevel.sources.guess import match_columns
from parlevel.sources.inspect import draft
from parlevel.sources.registry import source
from parlevel.sources.samples import Seen, describe


def tables(text: str) -> dict:
    return yaml.safe_load(text)["source"]["options"]["tables"]


def write(file: Path, header: str, *rows: str) -> Path:
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_open_orders_are_told_from_sales_and_from_customers_orders(german: Path, tmp_path: Path) -> None:
    erp = write(
        tmp_path / "erp.csv",
        "PO No;Artikel;Filiale;Order Date;Due Date;Open Qty",
        "7;A1;F0;02.01.2024;15.01.2024;1.200,5",
        "8;A2;F1;03.01.2024;17.01.2024;12",
    )
    orders = tables(draft([german, erp]))["open_orders"]
    columns = {"product_id": "Artikel", "location_id": "Filiale", "date": "Due Date", "quantity": "Open Qty"}
    assert orders["columns"] == columns
    assert (orders["date_format"], orders["decimal"], orders["thousands"]) == ("dd.MM.yyyy", ",", ".")
    rows = ("A1,2024-01-15,2024-01-02,12", "A2,2024-01-17,2024-01-03,6", "A1,2024-01-18,2024-01-05,1")
    named = write(tmp_path / "purchase_orders.csv", "sku,delivery_date,order_date,quantity", *rows)
    assert tables(draft([german, named]))["open_orders"]["columns"] == {
        "product_id": "sku", "date": "delivery_date", "quantity": "quantity",
    }  # fmt: skip
    shop = write(tmp_path / "orders.csv", "sku,delivery_date,order_date,quantity", *rows)
    assert tables(draft([shop]))["sales"]["columns"] == {"product_id": "sku", "date": "order_date", "sales": "quantity"}


def test_a_stock_list_with_the_next_delivery_holds_open_orders_too(german: Path, tmp_path: Path) -> None:
    stock = write(tmp_path / "stock.csv", "sku,on_hand,on_order,eta", "A1,4,12,2024-01-15", "A2,0,6,2024-01-17")
    found = tables(draft([german, stock]))
    assert found["inventory"]["columns"] == {"product_id": "sku", "on_hand": "on_hand"}
    assert found["open_orders"]["columns"] == {"product_id": "sku", "date": "eta", "quantity": "on_order"}
    assert found["open_orders"]["path"] == found["inventory"]["path"]


@pytest.fixture
def german(tmp_path: Path) -> Path:
    days = [date(2023, 12, 25) + timedelta(days=n) for n in range(10)]
    rows = [f"{day:%d.%m.%Y};F{n % 2};A{n % 3};{n},5;9,99" for n, day in enumerate(days)]
    file = tmp_path / "absatz.csv"
    file.write_text("Tag;Filiale;Artikel;Menge;Umsatz\n" + "\n".join(rows) + "\n")
    return file


def test_a_german_export_is_understood(german: Path) -> None:
    text = draft([german])
    sales = tables(text)["sales"]
    assert sales["delimiter"] == ";"
    assert sales["decimal"] == ","
    assert sales["date_format"] == "dd.MM.yyyy"
    assert sales["columns"] == {"product_id": "Artikel", "location_id": "Filiale", "date": "Tag", "sales": "Menge"}
    assert "# not used: Umsatz" in text
    assert "e.g. A0, A1, A2" in text


def test_the_draft_is_a_configuration_that_the_source_accepts(german: Path) -> None:
    cfg = Config.model_validate(yaml.safe_load(draft([german])))
    assert cfg.calendar.period == "day"
    assert source("tables", cfg).fingerprint()


def test_several_files_find_their_tables(german: Path, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("Artikel,Bezeichnung,Warengruppe\nA1,Milch,Kühlung\nA2,Brot,Backwaren\n")
    (tmp_path / "terms.csv").write_text("sku,supplier,lead time,Case Size\nA1,Meyer,3,12\n")
    pd.DataFrame({"sku": ["A1"], "stock_on_hand": [4.0]}).to_parquet(tmp_path / "stock.parquet")
    (tmp_path / "notes.csv").write_text("x,y z\n1,2\n")
    text = draft(
        [tmp_path / "notes.csv", tmp_path / "stock.parquet", tmp_path / "terms.csv", tmp_path / "items.csv", german]
    )
    found = tables(text)
    assert list(found) == ["sales", "products", "inventory", "supply_terms"]
    assert found["products"]["columns"] == {
        "product_id": "Artikel", "name": "Bezeichnung", "category": "Warengruppe"
    }  # fmt: skip
    assert found["supply_terms"]["columns"]["case_pack"] == "Case Size"
    assert found["inventory"] == {
        "path": str(tmp_path / "stock.parquet"),
        "format": "parquet",
        "columns": {"product_id": "sku", "on_hand": "stock_on_hand"},
    }
    assert "notes.csv: not used" in text
    assert "not given: prices" in text


@pytest.mark.parametrize(("step", "period"), [(1, "day"), (7, "week")])
def test_the_period_is_read_off_the_dates(tmp_path: Path, step: int, period: str) -> None:
    days = [date(2024, 1, 1) + timedelta(days=step * n) for n in range(20)]
    file = tmp_path / "s.csv"
    file.write_text("sku,date,qty\n" + "".join(f"a,{day},1\n" for day in days))
    assert yaml.safe_load(draft([file]))["calendar"]["period"] == period


def test_months_are_recognised(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("part,month,qty\n" + "".join(f"a,2024-{month:02d},1\n" for month in range(1, 13)))
    drafted = yaml.safe_load(draft([file]))
    assert drafted["calendar"]["period"] == "month"
    assert drafted["source"]["options"]["tables"]["sales"]["date_format"] == "yyyy-MM"


def test_till_lines_are_to_be_added_up(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    file.write_text("sku,date,qty\n" + "a,2024-01-01 10:00:00,1\na,2024-01-01 11:30:00,2\n" * 3)
    assert yaml.safe_load(draft([file]))["clean"] == {"duplicates": "sum"}


def test_an_ambiguous_date_says_so(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("sku,date,qty\na,01/02/2024,1\na,02/02/2024,1\n")
    assert "could also be MM/dd/yyyy: check it" in draft([file])
    file.write_text("sku,date,qty\na,01/02/2024,1\na,01/30/2024,1\n")
    assert tables(draft([file]))["sales"]["date_format"] == "MM/dd/yyyy"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"is empty \(0 bytes\)"),
        ("sku,date,qty\n", r"must have a line of column names and rows below it"),
        ("a,b\n1,2\n", r"one file must hold sales: .*None of these has all three:\n.*a, b"),
        ("sku," + ",".join(f"2024-01-{d:02d}" for d in range(1, 20)) + "\na" + ",1" * 19 + "\n", r"unpivot it first"),
        ("a,b\n\x00\x01", r"bytes that are no text"),
    ],
)
def test_files_without_sales_are_refused_with_a_way_out(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "f.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        draft([file])


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match=r"file must exist\. Got .*there is: a\.csv"):
        draft([tmp_path / "b.csv"])
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is a spreadsheet.*Save it as CSV"):
        draft([tmp_path / "book.xlsx"])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"must be a CSV or Parquet file"):
        draft([tmp_path / "broken.parquet"])
    with pytest.raises(DataError, match="at least one file"):
        draft([])


def test_two_files_of_one_kind_are_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("sku,date,qty\na,2024-01-01,1\n")
    with pytest.raises(DataError, match="both look like sales"):
        draft([tmp_path / "a.csv", tmp_path / "b.csv"])


GERMAN = "Artikelnummer;Filiale;Datum;Menge;Preis\n" + "".join(
    f"{article};F1;{day:02d}.12.2024;{day},5;1,99\n" for article in ("A1", "A2") for day in range(1, 31)
)


def test_an_article_number_names_the_item_and_its_price_is_used(tmp_path: Path) -> None:
    file = tmp_path / "german.csv"
    file.write_text(GERMAN)
    text = draft([file])
    keys = {"product_id": "Artikelnummer", "location_id": "Filiale", "date": "Datum"}
    assert tables(text)["sales"]["columns"] == {**keys, "sales": "Menge"}
    assert tables(text)["prices"]["columns"] == {**keys, "price": "Preis"}
    assert tables(text)["prices"]["date_format"] == "dd.MM.yyyy"
    assert "not used" not in text
    assert "clean" not in yaml.safe_load(text)
    assert source("tables", Config.model_validate(yaml.safe_load(text))).fingerprint()


def test_a_place_alone_is_no_key_of_sales(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text(GERMAN.replace("Artikelnummer", "Dings"))
    with pytest.raises(DataError, match=r"s\.csv: no column that names the item\. Its columns: Dings, Filiale"):
        draft([file])


@pytest.mark.parametrize(
    "name",
    ["Artikel-Nr.", "ArtikelNr", "EAN", "Material", "Item No.", "Référence", "codigo_articulo", "Codice Articolo"],
)
def test_items_have_many_names(name: str) -> None:
    assert match_columns([Seen(name, "text", ("a",))]) == {"product_id": name}


def test_what_an_item_is_called_is_not_its_id() -> None:
    columns = [Seen("Artikel Bezeichnung", "text", ("Milch",)), Seen("Stückzahl", "number", ("1",))]
    assert match_columns(columns) == {"sales": "Stückzahl", "name": "Artikel Bezeichnung"}


def test_a_row_number_is_no_series(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text(
        "id,date,store_nbr,sales\n" + "".join(f"{n},2024-01-{n % 9 + 1:02d},{n % 3},5\n" for n in range(60))
    )
    with pytest.raises(DataError, match="no column that names the item"):
        draft([file])


@pytest.mark.parametrize(("further", "adds_up"), [("Groesse", False), ("Bonnummer", True)])
def test_what_may_be_part_of_the_item_is_asked_and_receipts_are_added_up(
    tmp_path: Path, further: str, adds_up: bool
) -> None:
    file = tmp_path / "s.csv"
    rows = [f"a,2024-01-{day:02d},{size},1\n" for day in range(1, 20) for size in "SML"]
    file.write_text(f"sku,date,{further},qty\n" + "".join(rows))
    text = draft([file])
    assert (yaml.safe_load(text).get("clean") == {"duplicates": "sum"}) == adds_up
    assert (f"product_id: [sku, {further}]" in text) == (not adds_up)


def test_values_that_are_no_numbers_are_shown_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("sku,date,qty\na,2024-01-01,5\n\na,2024-01-02,abc\n")
    with pytest.raises(
        DataError, match=r"'qty' looks like the sales, but 1 of 2 values are no numbers: 'abc' \(line 4\)"
    ):
        draft([file])


def test_a_long_text_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text(f"sku,date,qty,note\na,2024-01-01,5,{'x' * 200_000}\n")
    assert tables(draft([file]))["sales"]["columns"]["sales"] == "qty"


def test_the_encoding_is_told_and_written_down(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_bytes("sku,shop,date,qty\na,Köln,2024-01-01,5\n".encode("windows-1252"))
    text = draft([file])
    assert tables(text)["sales"]["encoding"] == "windows-1252"
    assert "e.g. Köln" in text
    file.write_text("sku,shop,date,qty\na,Köln,2024-01-01,5\n", encoding="utf-8")
    assert "encoding" not in tables(draft([file]))["sales"]
    file.write_text("sku,date,qty\na,2024-01-01,5\n", encoding="utf-16")
    with pytest.raises(DataError, match="is UTF-16.*Save it as UTF-8"):
        draft([file])


def test_lines_within_quotes_are_one_row_and_a_lost_quote_swallows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text('sku,date,qty,note\na,2024-01-01,5,"two\nlines"\na,2024-01-02,6,one\n')
    text = draft([file])
    assert "# 2 rows;" in text
    assert tables(text)["sales"]["multiline"] is True
    file.write_text('sku,date,qty,note\na,2024-01-01,5,"lost\na,2024-01-02,6,one\n')
    text = draft([file])
    assert "# 2 rows;" in text
    assert "multiline" not in text


def test_two_columns_of_one_name_and_a_first_line_of_data_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("sku,date,qty,Qty\na,2024-01-01,5,6\n")
    with pytest.raises(DataError, match="Columns 3 and 4 are both named 'qty'"):
        draft([file])
    file.write_text("A1,2024-01-01,5\nA2,2024-01-02,6\n")
    with pytest.raises(DataError, match=r"Its first line looks like data: A1, 2024-01-01, 5"):
        draft([file])


def test_a_folder_of_anything_is_refused_and_one_of_parquet_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    pd.DataFrame({"sku": ["a"], "date": ["2024-01-01"], "qty": [1]}).to_parquet(folder / "0.parquet")
    assert tables(draft([folder]))["sales"]["format"] == "parquet"
    (folder / "a.sql").write_text("SELECT 1")
    with pytest.raises(DataError, match=r"is a folder without _delta_log\. Give files"):
        draft([folder])


def test_names_decide_before_words_and_values_have_a_say() -> None:
    columns = [
        Seen("qty returned", "number", ("0",)), Seen("Qty", "number", ("1",)), Seen("date", "text", ("soon",)),
        Seen("day", "date", ("2024-01-01",), (None,)), Seen("Item No", "text", ("a",)),
    ]  # fmt: skip
    assert match_columns(columns) == {"product_id": "Item No", "date": "day", "sales": "Qty"}


def test_kinds_of_columns() -> None:
    assert describe("x", ["1", "2.5", "-3e2"]).kind == "number"
    assert describe("x", ["1.234,5", "0,1"]).kind == "number"
    assert describe("x", ["yes", "No"]).kind == "flag"
    assert describe("x", ["2024-02-30"]).kind == "text"
    assert describe("x", ["20240229"]).layouts == ("yyyyMMdd",)
    assert describe("x", ["", "NA"]).kind == "text"
