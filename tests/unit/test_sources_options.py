"""Options of the sources are checked before any work, and the errors teach."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parlevel.config import Config, load
from parlevel.errors import ConfigError, DataError, ParlevelError
from parlevel.sources.registry import source
from parlevel.sources.user_files import first_look
from parlevel.sources.user_options import Options, TableOptions, check, date_format


def configured(name: str, options: dict[str, Any] | None = None, period: str = "day") -> Config:
    return Config.model_validate({"source": {"name": name, "options": options or {}}, "calendar": {"period": period}})


def make(name: str, options: dict[str, Any] | None = None, period: str = "day") -> object:
    return source(name, configured(name, options, period))


def user(**tables: dict[str, Any]) -> Options:
    return Options.model_validate({"tables": tables})


SALES = {"path": "s.csv", "columns": {"series_id": "sku", "date": "day", "sales": "qty"}}


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"source\.name must be one of .*Did you mean 'synthetic'"):
        make("sintetic")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("synthetic", {"seres": 5}, r"source\.options\.seres: unknown key\. Did you mean 'series'"),
        ("synthetic", {"series": 0}, r"series: Input should be greater than or equal to 1\. Got 0"),
        ("complete_journey", {"level": "shop"}, r"level: .*'chain' or 'store'.*Got 'shop'"),
        ("tables", {"tables": {"sales": {"pth": "x"}}}, r"tables\.sales\.pth: unknown key\. Did you mean 'path'"),
        ("tables", {"tables": {"sales": {}}}, r"tables\.sales\.path: Field required"),
    ],
)
def test_a_wrong_option_is_explained(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, options)


@pytest.mark.parametrize(("name", "period"), [("vn2", "day"), ("carparts", "week"), ("m5", "year")])
def test_a_period_that_the_source_cannot_give_is_refused(name: str, period: str) -> None:
    with pytest.raises((ConfigError, ValueError), match="period"):
        make(name, period=period)


def test_m5_monthly_needs_months() -> None:
    with pytest.raises(ConfigError, match=r"calendar\.period must be month .*Got 'day'"):
        make("m5", {"level": "monthly"})


def test_missing_reference_data_names_files_and_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs the files \['sales\.parquet'\].*source\.options\.data_dir"):
        make("store_item", {"data_dir": str(tmp_path)})


def test_synthetic_fingerprint_follows_parameters_and_seed() -> None:
    base = source("synthetic", configured("synthetic")).fingerprint()
    assert source("synthetic", configured("synthetic")).fingerprint() == base
    assert source("synthetic", configured("synthetic", {"days": 400})).fingerprint() != base
    seeded = load(sets=["source.name=synthetic", "seed=2"])
    assert source("synthetic", seeded).fingerprint() != base


def test_tables_fingerprint_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("sku,day,qty\na,2024-01-01,1\n")
    options = {"tables": {"sales": {**SALES, "path": str(file)}}}
    before = source("tables", configured("tables", options)).fingerprint()
    file.write_text("sku,day,qty\na,2024-01-01,2\n")
    assert source("tables", configured("tables", options)).fingerprint() != before


def test_a_good_mapping_is_accepted() -> None:
    check(user(sales={"path": "s", "columns": {"series_id": ["store", "sku"], "date": "day", "sales": "qty"}}))
    check(user(sales={"path": "s", "columns": {"series_id": "sku", "product_id": "sku", "date": "d", "sales": "q"}}))
    check(user(sales={"path": "s"}))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"series_id": "sku", "date": "day", "sale": "qty"}, r"'sale' is not a column of sales\. Did you mean 'sales'"),
        ({"series_id": "sku", "date": "day"}, r"must say which column of the file is \['sales'\]"),
        ({"date": "day", "sales": "qty"}, r"sales needs product_id or series_id, or all items"),
        ({"series_id": "sku", "date": "qty", "sales": "qty"}, r"sales and date both read the file's column 'qty'"),
        ({"series_id": "sku", "date": ["a", "b"], "sales": "q"}, r"only \['series_id', .* may join several columns"),
        ({"sku": "series_id", "date": "day", "sales": "qty"}, r"'sku' is not a column of sales.*parlevel's name: your"),
    ],
)
def test_a_wrong_mapping_teaches(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(user(sales={"path": "s.csv", "columns": columns}))


def test_a_place_alone_names_no_series_and_the_files_columns_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "german.csv"
    file.write_text("Artikelnummer;Filiale;Datum;Menge\nA1;F1;31.12.2024;1,5\n")
    sales = {"path": str(file), "columns": {"location_id": "Filiale", "date": "Datum", "sales": "Menge"}}
    with pytest.raises(
        ConfigError, match=r"sales needs product_id or series_id.*german\.csv has Artikelnummer, Filiale"
    ):
        make("tables", {"tables": {"sales": sales}})
    stock = {"path": str(file), "columns": {"location_id": "Filiale", "on_hand": "Menge"}}
    check(user(sales=SALES, inventory=stock))


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("sku,day,qty\na,2024-01-01,1\n", {"sales": "qtty"}, r"has no column 'qtty'\. Did you mean 'qty'"),
        ("sku;day;qty\na;2024-01-01;1\n", {}, r"has one column only, 'sku;day;qty', when cut at ','.*delimiter: ';'"),
        ("", {}, "is empty"),
        ("\n \n", {}, r"no column 'sku'"),
        ("sku,day,qty,qty\n", {}, r"tables\.sales: .*sales\.csv has the column name 'qty' 2 times\. Name each column"),
        ("sku,day,qty, QTY\n", {}, r"has the column name 'qty' 2 times \(QTY, qty: case makes no difference\)\. Name"),
    ],
)
def test_columns_and_delimiter_are_checked_without_spark(
    tmp_path: Path, text: str, changes: dict, message: str
) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(text)
    columns = {"series_id": "sku", "date": "day", "sales": "qty", **changes}
    with pytest.raises(ParlevelError, match=message):
        make("tables", {"tables": {"sales": {"path": str(file), "columns": columns}}})


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ('\ufeff"sku",day , qty\r\na,1,2\r\n', {}, ["sku", "day", "qty"]),
        ("\n\nsku,day,qty\n", {}, ["sku", "day", "qty"]),
        ('sku,"day, or ""date""",qty\n', {}, ["sku", 'day, or "date"', "qty"]),
        ('sku,"day\nof sale",qty\n', {"multiline": True}, ["sku", "day\nof sale", "qty"]),
        ("sku||day|week||qty\n", {"delimiter": "||"}, ["sku", "day|week", "qty"]),
        ("sku.+day.+qty\n", {"delimiter": ".+"}, ["sku", "day", "qty"]),
        ("sku\tday\tqty\n", {"delimiter": "\\t"}, ["sku", "day", "qty"]),
        ("größe,tag\n", {"encoding": "latin-1"}, ["größe", "tag"]),
        ("sku,,day,,qty\n", {}, ["sku", "day", "qty"]),
        ("sku,day,qty,note,note\n", {"columns": SALES["columns"]}, ["sku", "day", "qty", "note", "note"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_header_is_read_as_spark_reads_it(
    tmp_path: Path, text: str, options: dict[str, Any], names: list[str], packed: bool
) -> None:
    raw = text.encode(options.get("encoding", "utf-8"))
    file = tmp_path / ("sales.csv.gz" if packed else "sales.csv")
    file.write_bytes(gzip.compress(raw) if packed else raw)
    assert first_look(TableOptions(path=str(file), **options), "here") == names


def test_a_folder_without_a_data_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").write_text("{}")
    for kind in ("csv", "parquet"):
        with pytest.raises(DataError, match=r"here\.path: .* has no data file"):
            first_look(TableOptions(path=str(tmp_path), format=kind), "here")


def test_a_packed_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(b"sku,day,qty\n" * 100)[:20])
    with pytest.raises(DataError, match="cannot be read as csv"):
        first_look(TableOptions(path=str(tmp_path / "sales.csv.gz")), "here")


def test_a_file_that_is_not_what_its_name_says_is_refused_without_spark(tmp_path: Path) -> None:
    (tmp_path / "sales.parquet").write_text("sku,day,qty\n")
    with pytest.raises(DataError, match=r"sales\.parquet cannot be read as parquet"):
        make("tables", {"tables": {"sales": {**SALES, "path": str(tmp_path / "sales.parquet")}}})


def test_a_wrong_table_name_is_said_before_what_stands_below_it() -> None:
    with pytest.raises(ConfigError, match=r"source\.options\.tables\.sals: .*Did you mean 'sales'") as caught:
        make("tables", {"tables": {"sals": {"path": "s.csv", "column": {"sales": "qty"}}}})
    assert "column:" not in str(caught.value)


def test_names_of_sources_are_checked_without_spark() -> None:
    script = "import sys; from parlevel.pipeline.sources_check import check_name; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"tables\.sale: table must be one of .*Did you mean 'sales'"):
        check(user(sale=SALES))


def test_sales_are_needed() -> None:
    with pytest.raises(ConfigError, match=r"must name the table sales\. Got \['prices'\]"):
        check(user(prices={"path": "p.csv"}))


def test_a_column_is_mapped_or_constant_not_both() -> None:
    with pytest.raises(ConfigError, match=r"\['date'\] must be in columns or in constants"):
        check(user(sales={**SALES, "constants": {"date": "2024-01-01"}}))


@pytest.mark.parametrize(
    ("given", "spark"),
    [
        ("dd.MM.yyyy", "d.M.yyyy"),
        ("%d.%m.%Y", "d.M.yyyy"),
        ("%Y-%m-%d %H:%M", "yyyy-M-d H:mm"),
        ("%m/%d/%Y %I:%M %p", "M/d/yyyy h:mm a"),
        ("yyyyMMdd", "yyyyMMdd"),
        ("ddMMMyyyy", "ddMMMyyyy"),
        (None, None),
    ],
)
def test_date_formats_are_understood(given: str | None, spark: str | None) -> None:
    assert date_format(TableOptions(path="x", date_format=given), "here") == spark


@pytest.mark.parametrize("given", ["DD.MM.YYYY", "day", "yyyy", "EEE dd.MM.yyyy"])
def test_date_formats_that_mean_something_else_are_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"yyyy, MM and dd, for example .*Got"):
        date_format(TableOptions(path="x", date_format=given), "here")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sles.csv", r"must be a file.*Did you mean 'sales\.csv'.*There is: empty\.csv, sales\.csv"),
        ("no/such/sales.csv", r"there is no folder .*Relative paths start where parlevel is started"),
        ("empty.csv", r"is empty \(0 bytes\)"),
    ],
)
def test_a_missing_or_empty_file_is_refused_at_once(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "sales.csv").write_text("sku,day,qty\n")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match=message):
        make("tables", {"tables": {"sales": {**SALES, "path": str(tmp_path / path)}}})
