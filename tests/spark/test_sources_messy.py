"""The source `tables`: numbers, dates and stock as chains really write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline import sources
from parlevel.pipeline.sources_terms import check_resources
from parlevel.sources.base import contract_frame
from parlevel.sources.inspect import draft
from parlevel.sources.tables import UserTables
from parlevel.sources.user_options import TableOptions
from parlevel.sources.user_values import parse
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark

SALES = "sku,day,qty\n" + "".join(f"a{n % 2},2024-01-{n + 1:02d},{n}\n" for n in range(10))
MAPPED = {"product_id": "sku", "date": "day", "sales": "qty"}


def loaded(spark: SparkSession, folder: Path, **tables: dict[str, Any]) -> tuple[dict[str, DataFrame], tuple[str, ...]]:
    """The frames and notes of a user's tables; each is {text: content of its file, and options}."""
    options = {}
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table["text"], encoding="utf-8")
        options[name] = {**{k: v for k, v in table.items() if k != "text"}, "path": str(folder / f"{name}.csv")}
    found = UserTables({"tables": options}, load(sets=[f"paths.warehouse={folder}/warehouse"]))
    return found.load(spark), found.notes


def read(spark: SparkSession, kind: str, texts: list[str], **options: Any) -> list[Any]:
    """What each text is read as."""
    table = TableOptions(path="x", **options)
    values = [parse(F.lit(text), kind, table, "here").alias(str(k)) for k, text in enumerate(texts)]
    return list(spark.range(1).select(*values).head(1)[0])


def test_money_late_minus_signs_and_brackets_are_read(spark: SparkSession) -> None:
    texts = ["$3.50", "-$3", "12-", "(4.5)", "7 €", "1e2", ".5", "$", "1-2", "1,5"]
    assert read(spark, "double", texts) == [3.5, -3.0, -12.0, -4.5, 7.0, 100.0, 0.5, None, None, None]
    texts = ["($3.50)", "$(7)", "(3.5 €)", "12$)", "($", "(5"]
    assert read(spark, "double", texts) == [-3.5, -7.0, -3.5, None, None, None]


def test_thousands_are_parted_as_configured(spark: SparkSession) -> None:
    texts = ["1.234,50", "1.234", "7", "3,5-"]
    assert read(spark, "double", texts, decimal=",", thousands=".") == [1234.5, 1234.0, 7.0, -3.5]
    texts = ["1\u202f234,5", "1\u00a0234", "1 234 567"]
    assert read(spark, "double", texts, decimal=",", thousands=" ") == [1234.5, 1234.0, 1234567.0]
    assert read(spark, "double", ["1,234", "1,234.5"], thousands=",") == [1234.0, 1234.5]


def test_a_dot_that_may_part_thousands_is_not_believed_where_the_comma_is_the_decimal_mark(
    spark: SparkSession, tmp_path: Path
) -> None:
    assert read(spark, "double", ["1,5", "1.250", "12.5", "2"], decimal=",") == [1.5, None, 12.5, 2.0]
    text = "sku;day;qty\na;2024-01-01;1.250,5\na;2024-01-02;2.500,5\na;2024-01-03;7\n"
    with pytest.raises(DataError, match=r"Set thousands: '\.'\."):
        loaded(spark, tmp_path, sales={"text": text, "columns": MAPPED, "delimiter": ";", "decimal": ","})


def test_dates_with_and_without_leading_zeros_and_times(spark: SparkSession) -> None:
    for layout, *texts in (
        ("MM/dd/yyyy", "2/1/2024", "02/01/2024"),
        ("dd.MM.yy", "1.2.24"),
        ("dd.MM.yyyy HH:mm:ss", "01.02.2024 7:30:00"),
        ("MM/dd/yyyy hh:mm:ss a", "2/1/2024 3:05:00 PM"),
        ("%m/%d/%Y %I:%M %p", "2/1/2024 11:05 pm"),
        ("yyyyMMdd", "20240201"),
        ("dd-MMM-yyyy", "1-Feb-2024"),
        (None, "2024-02-01T23:30:11.123Z", "2024-02-01 23:30", "2024-2-1"),
    ):
        found = read(spark, "date", texts, date_format=layout)
        assert [str(day) for day in found] == ["2024-02-01"] * len(texts)
    assert read(spark, "date", ["45292", "2024", "202405"]) == [None] * 3, "no years"


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        ("2024-W05", None, "Weeks by number are not read: write the date of their Monday"),
        ("45292", None, "days as a spreadsheet counts them"),
        ("2024-02-01", "dd.MM.yyyy", r"leave date_format out\. It is 'dd.MM.yyyy' now"),
        ("1.2.2024 18:30", None, r"Set date_format: dd\.MM\.yyyy HH:mm"),
    ],
)
def test_dates_that_cannot_be_read_are_answered_with_a_way_out(
    spark: SparkSession, tmp_path: Path, text: str, layout: str | None, message: str
) -> None:
    table = {"text": f"sku,day,qty\na,{text},1\n", "columns": MAPPED, "date_format": layout}
    with pytest.raises(DataError, match=message):
        loaded(spark, tmp_path, sales=table)


def test_less_than_nothing_in_stock_counts_as_nothing_and_is_told(spark: SparkSession, tmp_path: Path) -> None:
    stock = {"text": "sku,pieces\na0,-3\na1,4\n", "columns": {"product_id": "sku", "on_hand": "pieces"}}
    frames, notes = loaded(spark, tmp_path, sales={"text": SALES, "columns": MAPPED}, inventory=stock)
    got = frames["inventory"].toPandas().sort_values("series_id")
    assert got[["on_hand", "assumed"]].to_numpy().tolist() == [[0.0, True], [4.0, False]]
    assert notes == (f"{tmp_path}/inventory.csv: 1 rows have a negative on_hand, which counts as 0",)


def test_weekdays_of_a_supplier_come_as_text(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"product_id": "sku", "order_weekdays": "days"}
    text = 'sku,days\na0,"2,5"\na1,\n'
    tables: dict[str, Any] = {"sales": {"text": SALES, "columns": MAPPED}}
    frames, _ = loaded(spark, tmp_path, **tables, supply_terms={"text": text, "columns": columns})
    got = frames["supply_terms"].toPandas().sort_values("series_id")["order_weekdays"]
    assert [None if days is None else list(days) for days in got] == [[2, 5], None]
    with pytest.raises(DataError, match=r"\['Tue', 'Fri'\]\. Write weekdays as numbers from 1 \(Monday\) to 7"):
        loaded(spark, tmp_path, **tables, supply_terms={"text": "sku,days\na0,Tue\na1,Fri\n", "columns": columns})


def test_terms_that_orders_could_not_be_planned_with_stop_the_first_stage(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "terms.csv").write_text("sku,ve\na0,0\na1,6\n")
    given = {
        "sales": {"path": str(tmp_path / "sales.csv"), "columns": MAPPED},
        "supply_terms": {"path": str(tmp_path / "terms.csv"), "columns": {"product_id": "sku", "case_pack": "ve"}},
    }
    places = {"warehouse": str(tmp_path / "warehouse")}
    cfg = Config.model_validate({"source": {"name": "tables", "options": {"tables": given}}, "paths": places})
    with pytest.raises(DataError, match=r"case_pack must be > 0 \(units\)\. Got 1 that do not, e\.g\. \['a0'\]"):
        sources.run(Tables(spark, cfg, "r1", {}), cfg)


def test_shared_limits_need_no_place_and_those_that_hold_for_nothing_are_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = {"resource_id": "id", "kind": "kind", "measure": "m", "amount": "n", "supplier_id": "who"}
    text = "id,kind,m,n,who\nmin:x,supplier_min,value,5,x\nmin:v,supplier_min,value,5,v\nbudget,budget,value,9,\n"
    frames, _ = loaded(
        spark, tmp_path, sales={"text": SALES, "columns": MAPPED}, resources={"text": text, "columns": columns}
    )
    limits = frames["resources"]
    terms = contract_frame(frames["series"], "supply_terms", supplier_id=F.lit("v"))
    notes = check_resources(limits, terms, frames["series"])
    assert notes == ["1 rows of resources name a supplier or place that no series has, e.g. ['min:x']"]
    for column, value, rule in (
        ("kind", "truk", "kind must be one of"),
        ("amount", -1.0, "amount and cost must be >= 0"),
    ):
        with pytest.raises(DataError, match=rf"resources\.{rule}.*\['budget', 'min:v', 'min:x'\]\. Fix resources"):
            check_resources(limits.withColumn(column, F.lit(value)), terms, frames["series"])


def test_what_init_drafts_of_a_messy_export_reads_every_row_but_the_totals(spark: SparkSession, tmp_path: Path) -> None:
    rows = [
        f"00{n % 2};{n % 28 + 1}.{n // 56 + 1}.2024 18:30:00;{'1.250' if n % 5 == 0 else n % 9 + 1};{n % 9 + 3},99"
        for n in range(112)
    ]
    (tmp_path / "absatz.csv").write_text("\n".join(["Artikel;Datum;Menge;Preis", *rows, "Summe;;4.711;"]), "latin-1")
    cfg = Config.model_validate(yaml.safe_load(draft([tmp_path / "absatz.csv"])))
    frames = UserTables(cfg.source.options, cfg).load(spark)
    got = frames["sales"].toPandas()
    assert got["date"].isna().sum() == 1
    assert sorted(set(got["sales"])) == [*map(float, range(1, 10)), 1250.0, 4711.0]
    assert frames["prices"].toPandas()["price"].min() == 3.99
