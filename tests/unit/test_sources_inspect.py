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
