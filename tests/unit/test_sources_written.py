"""How numbers and dates are written is told from a column, and from the columns beside it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import yaml

from parlevel.errors import DataError
from parlevel.sources.inspect import draft
from parlevel.sources.written import date_hint, layouts_of, style_of, style_of_file, tidy


def tables(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["source"]["options"]["tables"]
    return found


@pytest.mark.parametrize(
    ("values", "style"),
    [
        (["1", "2.5", "-3e2"], (".", None)),
        (["3,5", "4"], (",", None)),
        (["1,5", "1.5"], (",", None)),
        (["1.234,50", "7,00"], (",", ".")),
        (["1,234.50", "7"], (".", ",")),
        (["1,234", "999", "5"], (".", ",")),
        (["1,234", "1234"], (",", None)),
        (["1,250", "0,500"], (",", None)),
        (["1,250", "2,375"], (",", None)),
        (["1,234,567"], (".", ",")),
        (["1.250", "2.500", "4.000", "200"], (",", ".")),
        (["2.125", "5", "12"], (".", None)),
        (["1\u202f234,5", "12"], (",", " ")),
        (["1'234.50"], (".", "'")),
        (["$3.99", "-$1,250.00"], (".", ",")),
        (["3,99 €", "12-"], (",", None)),
        (["5", "abc"], None),
    ],
)
def test_the_marks_of_a_column(values: list[str], style: tuple[str, str | None] | None) -> None:
    assert style_of(values) == style


def test_columns_that_can_be_read_in_one_way_only_decide_for_the_others() -> None:
    doubtful = ["1.250", "2.375"]
    assert style_of_file([doubtful]) == (".", None)
    assert style_of_file([doubtful, ["3,99"]]) == (",", ".")
    assert style_of_file([doubtful, ["5", "7"]], like=",") == (",", ".")
    assert style_of_file([["1,250", "2,375"], ["3.99"]]) == (".", ",")
    assert style_of_file([["5"], []]) == (".", None)


def test_a_number_is_tidied() -> None:
    assert [tidy(text) for text in ("(3.50)", "12,5-", "$ 4", "5 €", "-£7", "1-2")] == [
        "-3.50", "-12,5", "4", "5", "-7", "1-2",
    ]  # fmt: skip
    assert [tidy(text) for text in ("($1,250.00)", "$(7)", "(3,50 €)", "12$)")] == ["-1,250.00", "-7", "-3,50", "12)"]


@pytest.mark.parametrize(
    ("values", "layout"),
    [
        (["2024-01-31T23:30:11.123Z", "2024-1-5"], None),
        (["31.12.2023 18:30:00", "1.2.2024 7:00:00"], "dd.MM.yyyy HH:mm:ss"),
        (["1/31/2024 3:05:00 PM"], "MM/dd/yyyy hh:mm:ss a"),
        (["1/31/24"], "MM/dd/yy"),
        (["20240131"], "yyyyMMdd"),
        (["2024-01"], "yyyy-MM"),
    ],
)
def test_the_layout_of_dates(values: list[str], layout: str | None) -> None:
    assert layouts_of(values)[0] == layout


def test_numbers_are_no_dates_and_what_is_none_gets_a_hint() -> None:
    assert layouts_of(["195111"]) == ()
    assert "Monday" in date_hint(["2024-W05", "2024W6"])
    assert "spreadsheet" in date_hint(["45292", "45293"])
    assert "weekday" in date_hint(["Fri 01/01/2016"])
    assert date_hint(["soon"]) == ""


def test_thousands_of_an_american_export_are_no_decimals(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text('Store #,SKU,Date,Qty Sold,Unit Price,\n1,a,1/2/16,"1,240",$3.50,\n1,a,1/31/16,21,$1,\n')
    text = draft([file])
    sales = tables(text)["sales"]
    assert "decimal" not in sales
    assert sales["thousands"] == ","
    assert sales["date_format"] == "MM/dd/yy"
    assert tables(text)["prices"]["columns"]["price"] == "Unit Price"


def test_files_of_one_export_write_numbers_alike_and_an_item_master_describes_products(tmp_path: Path) -> None:
    days = [f"{n % 28 + 1:02d}.{n // 28 + 1:02d}.2024" for n in range(112)]
    rows = [f"F1;A{n % 2};{day} 18:30:00;{n % 9},5;3,99" for n, day in enumerate(days)]
    (tmp_path / "sales.csv").write_text("Filiale;Artikel;Datum;Menge;Preis\n" + "\n".join(rows) + "\nSumme;;;999,5;\n")
    (tmp_path / "stock.csv").write_text("Filiale;Artikel;Bestand\nF1;A0;1.250\nF1;A1;-3\n")
    (tmp_path / "items.csv").write_text(
        "Artikel;Bezeichnung;Warengruppe;Lieferant;Lieferzeit;EK-Preis;VK-Preis\n"
        "A0;Milch;Kühlung;Meyer;3;1,20;2,00\nA1;Brot;Backwaren;Meyer;1;0,80;1,50\n"
    )
    text = draft([tmp_path / name for name in ("items.csv", "stock.csv", "sales.csv")])
    found = tables(text)
    assert found["inventory"]["thousands"] == "."
    assert "# resources (budget, supplier minimums, trucks): none limit the orders unless you give them" in text
    assert found["products"]["columns"] == {"product_id": "Artikel", "name": "Bezeichnung", "category": "Warengruppe"}
    assert found["products"]["path"] == found["supply_terms"]["path"] == str(tmp_path / "items.csv")
    assert found["prices"]["columns"]["date"] == "Datum", "prices by day say more than those of the item master"
    assert "CHECK: 1 of 113 cannot be read: ''" not in text
    assert found["sales"]["date_format"] == "dd.MM.yyyy HH:mm:ss"


def test_a_price_without_a_cost_beside_it_may_be_what_the_supplier_asks(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("sku,date,qty\na,2024-01-01,1\n")
    (tmp_path / "terms.csv").write_text("sku,supplier,lead_time,price\na,Meyer,3,2.50\n")
    text = draft([tmp_path / "sales.csv", tmp_path / "terms.csv"])
    assert "prices" not in tables(text)
    assert "# not used: price" in text


def test_a_line_of_totals_does_not_make_dates_texts(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    rows = "".join(f"a,2024-01-{n:02d},{n}\n" for n in range(1, 31))
    file.write_text(f"sku,date,qty\n{rows}Total,Total,n/m\n")
    text = draft([file])
    assert tables(text)["sales"]["columns"] == {"product_id": "sku", "date": "date", "sales": "qty"}
    assert "CHECK: 1 of 31 cannot be read: 'Total'" in text
    assert "CHECK: 1 of 31 cannot be read: 'n/m'" in text


def test_a_title_above_the_names_is_told(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("Sales 2024\nPrinted by J. Doe\n\nsku,date,qty\n" + "a,2024-01-01,1\n" * 5)
    with pytest.raises(
        DataError, match=r"must be the column names\. Got 'Sales 2024'.*is 'sku,date,qty': remove what stands above"
    ):
        draft([file])


def test_packed_files_are_looked_into(tmp_path: Path) -> None:
    file = tmp_path / "s.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write("sku,date,qty\na,2024-01-01,1\na,2024-01-02,1\n")
    text = draft([file])
    assert "# 2 rows;" in text
    assert tables(text)["sales"]["path"] == str(file)
    file.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        draft([file])
