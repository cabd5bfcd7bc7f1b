"""The source `tables`: what a new user tries first, so every wrong input must be answered with a way out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from parlevel.config import load
from parlevel.errors import ConfigError, DataError, SchemaError
from parlevel.pipeline.sources import check
from parlevel.sources.tables import UserTables

pytestmark = pytest.mark.spark

MAPPED = {"product_id": "sku", "location_id": "shop", "date": "day", "sales": "qty"}
GOOD = "sku,shop,day,qty\n" + "".join(f"a{n % 2},s1,2024-01-{n + 1:02d},{n}\n" for n in range(10))


class Folder:
    """A user's folder: write files, load them as the source would."""

    def __init__(self, spark: SparkSession, path: Path) -> None:
        self.spark, self.path = spark, path
        self.notes: tuple[str, ...] = ()

    def write(self, name: str, text: str, encoding: str = "utf-8") -> str:
        (self.path / name).write_text(text, encoding=encoding)
        return str(self.path / name)

    def load(self, **tables: dict[str, Any]) -> dict[str, DataFrame]:
        loaded = UserTables({"tables": tables}, load(sets=[f"paths.warehouse={self.path}/warehouse"]))
        try:
            return check(loaded.load(self.spark))
        finally:
            self.notes = loaded.notes

    def sales(self, text: str, columns: dict[str, Any] | None = None, **options: Any) -> pd.DataFrame:
        path = self.write("sales.csv", text)
        frames = self.load(sales={"path": path, "columns": MAPPED if columns is None else columns, **options})
        return frames["sales"].toPandas()


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    return Folder(spark, tmp_path)


def test_names_that_nobody_mapped_may_differ_by_blanks_alone(folder: Folder) -> None:
    text = "sku,shop,day,qty,note, note,Note \n" + "a,s1,2024-01-01,3,x,y,z\n"
    assert folder.sales(text)["sales"].tolist() == [3.0]


def test_a_plain_file_becomes_series_and_sales(folder: Folder) -> None:
    path = folder.write("sales.csv", GOOD)
    frames = folder.load(sales={"path": path, "columns": MAPPED})
    series = frames["series"].toPandas().sort_values("series_id")
    assert series.to_numpy().tolist() == [["a0@s1", "a0", "s1"], ["a1@s1", "a1", "s1"]]
    sales = frames["sales"].toPandas().sort_values("date")
    assert sales["sales"].tolist() == [float(n) for n in range(10)]
    assert str(sales["date"].iloc[3]) == "2024-01-04"
    assert sales["in_stock"].isna().all()
    assert set(frames) == {"series", "sales", "resources"}
    assert frames["resources"].isEmpty()  # no rule invents limits
    assert folder.notes == ()


def test_columns_that_bear_our_names_need_no_mapping(folder: Folder) -> None:
    got = folder.sales("series_id,date,sales,in_stock\nx,2024-01-01,2,no\nx,2024-01-02,,yes\n", columns={})
    assert got.sort_values("date")["in_stock"].tolist() == [False, True]
    assert got.sort_values("date")["sales"].isna().tolist() == [False, True]


def test_a_mapping_renames_some_columns_and_leaves_the_others_their_names(folder: Folder) -> None:
    sales = {"path": folder.write("sales.csv", GOOD), "columns": MAPPED}
    text = "item,store,supplier_id,lead_time,case_pack,review_period,location_id\na0,s1,SUP,4,6,7,other\n"
    terms = {"path": folder.write("terms.csv", text), "columns": {"product_id": "item", "location_id": "store"}}
    row = folder.load(sales=sales, supply_terms=terms)["supply_terms"].collect()[0]
    assert (row["series_id"], row["supplier_id"], row["lead_time"], row["case_pack"]) == ("a0@s1", "SUP", 4, 6.0)
    assert any("supplier_id, lead_time, review_period, case_pack are read under their own names" in n
               for n in folder.notes)  # fmt: skip
    left = {**terms, "constants": {"case_pack": None}}
    assert folder.load(sales=sales, supply_terms=left)["supply_terms"].collect()[0]["case_pack"] is None


def test_optional_columns_of_limits_may_be_empty_in_some_rows_but_not_unreadable(folder: Folder) -> None:
    sales = {"path": folder.write("sales.csv", GOOD), "columns": MAPPED}
    text = "resource_id,kind,measure,amount,period,cost\nb,budget,value,100,,\nt,truck,units,60,2,5\n"
    found = folder.load(sales=sales, resources={"path": folder.write("r.csv", text)})["resources"].collect()
    assert {(r["resource_id"], r["period"], r["cost"]) for r in found} == {("b", 0, 0.0), ("t", 2, 5.0)}
    bad = "resource_id,kind,measure,amount,period\nb,budget,value,100,1\nt,truck,units,60,1\nu,truck,units,9,soon\n"
    with pytest.raises(DataError, match=r"every row must have a whole number in column 'period'\. 1 of 3 .*'soon'"):
        folder.load(sales=sales, resources={"path": folder.write("r.csv", bad)})


def test_what_cannot_be_read_is_kept_as_it_was_written(folder: Folder) -> None:
    text = GOOD + 'a0,s1,2024-02-30,5\na1,s1,2024-02-01,"12,5 Stk"\na1,s1\n'
    got = folder.sales(text)
    assert got["as_written"].isna().sum() == 10
    kept = set(got["as_written"].dropna())
    assert kept == {'{"day":"2024-02-30"}', '{"qty":"12,5 Stk"}', "a1,s1"}


def test_products_that_the_product_file_does_not_list_are_told(folder: Folder) -> None:
    listed = folder.write("products.csv", "product_id,category\na0,tea\n")
    folder.load(sales={"path": folder.write("sales.csv", GOOD), "columns": MAPPED}, products={"path": listed})
    assert folder.notes == (f"1 products of sales are not in {listed}, e.g. ['a1']",)


def test_several_columns_make_an_id_and_still_name_place_and_product(folder: Folder) -> None:
    path = folder.write("sales.csv", GOOD)
    columns = {"series_id": ["shop", "sku"], "date": "day", "sales": "qty"}
    series = folder.load(sales={"path": path, "columns": columns})["series"].toPandas()
    assert sorted(series.to_numpy().tolist()) == [["s1@a0", "a0", "s1"], ["s1@a1", "a1", "s1"]]


def test_european_numbers_and_dates(folder: Folder) -> None:
    got = folder.sales(
        "sku;shop;day;qty\na;s;31.12.2023;1.234,5\na;s;01.01.2024;-2\n",
        delimiter=";", decimal=",", thousands=".", date_format="dd.MM.yyyy",
    ).sort_values("date")  # fmt: skip
    assert got["sales"].tolist() == [1234.5, -2.0]
    assert [str(day) for day in got["date"]] == ["2023-12-31", "2024-01-01"]


@pytest.mark.parametrize(("kind", "suffix"), [("parquet", ".parquet"), ("delta", "")])
def test_parquet_and_delta_with_their_own_types(folder: Folder, kind: str, suffix: str) -> None:
    rows = [("a", "s1", datetime(2024, 3, 1, 23, 30), 2.5), ("b", "s1", datetime(2024, 3, 2), 1.0)]
    path = str(folder.path / f"sales{suffix}")
    folder.spark.createDataFrame(rows, "sku string, shop string, day timestamp, qty double").write.format(kind).save(
        path
    )
    frames = folder.load(sales={"path": path, "columns": MAPPED})
    got = frames["sales"].toPandas().sort_values("series_id")
    assert [str(day) for day in got["date"]] == ["2024-03-01", "2024-03-02"]
    assert got["sales"].tolist() == [2.5, 1.0]


def test_parquet_that_pandas_wrote_with_nanoseconds(folder: Folder) -> None:
    rows = {"sku": ["a", "a"], "day": pd.to_datetime(["2024-03-01 23:30", "1999-12-31 00:00"]), "qty": [1, 2]}
    path = str(folder.path / "sales.parquet")
    pd.DataFrame(rows).to_parquet(path, coerce_timestamps=None, version="2.6")
    assert pq.ParquetFile(path).schema_arrow.field("day").type == pa.timestamp("ns")
    frames = folder.load(sales={"path": path, "columns": {"product_id": "sku", "date": "day", "sales": "qty"}})
    got = frames["sales"].toPandas().sort_values("sales")
    assert [str(day) for day in got["date"]] == ["2024-03-01", "1999-12-31"]


def test_a_pattern_reads_several_files_and_a_byte_order_mark_is_no_letter(folder: Folder) -> None:
    folder.write("s_1.csv", "sku,shop,day,qty\na,s,2024-01-01,1\n", encoding="utf-8-sig")
    folder.write("s_2.csv", "sku,shop,day,qty\na,s,2024-01-02,2\n", encoding="utf-8-sig")
    frames = folder.load(sales={"path": str(folder.path / "s_*.csv"), "columns": MAPPED})
    assert sorted(frames["sales"].toPandas()["sales"]) == [1.0, 2.0]


def test_files_in_windows_1252_keep_their_letters(folder: Folder) -> None:
    path = folder.write("sales.csv", GOOD.replace("s1", "K\u00f6ln \u2013 \u20ac-Markt"), encoding="cp1252")
    frames = folder.load(sales={"path": path, "columns": MAPPED, "encoding": "windows-1252"})
    assert set(frames["series"].toPandas()["location_id"]) == {"K\u00f6ln \u2013 \u20ac-Markt"}


def test_odd_column_names_are_read(folder: Folder) -> None:
    columns = {"product_id": "item `x`.y", "date": "Day of sale", "sales": "Menge (Stück)"}
    got = folder.sales("item `x`.y,Day of sale,Menge (Stück)\na,2024-01-01,3\n", columns=columns)
    assert got["sales"].tolist() == [3.0]


def test_unreadable_values_become_null_and_are_counted(folder: Folder) -> None:
    bad = GOOD + "a1,s1,2024-13-45,7\na1,s1,2024-02-01,lots\n,s1,2024-02-02,1\na1,s1,2024-02-03,1,extra\n"
    got = folder.sales(bad)
    assert len(got) == 14, "no row is lost: the clean stage puts them into quarantine"
    assert got["date"].isna().sum() == 2, "the impossible date, and the line with too many values"
    assert got["sales"].isna().sum() == 2
    assert (got["series_id"] == "").sum() == 1
    assert len(folder.notes) == 1
    assert "1 unreadable date, 1 unreadable sales" in folder.notes[0]
    assert "1 malformed lines" in folder.notes[0]


def test_words_for_unknown_are_missing_not_unreadable(folder: Folder) -> None:
    got = folder.sales("sku,shop,day,qty\na,s,2024-01-01,NA\na,s,2024-01-02,null\na,s,2024-01-03,1\n")
    assert got["sales"].isna().sum() == 2
    assert folder.notes == ()


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("sku;shop;day;qty\na;s;2024-01-01;1\n", {}, SchemaError,
         r"has one column only, 'sku;shop;day;qty', .*delimiter: ';'"),
        ("sku\tshop\tday\tqty\na\ts\t2024-01-01\t1\n", {}, SchemaError, r"delimiter: '\\t'"),
        ("sku,shop,date,qty\na,s,2024-01-01,1\n", {}, SchemaError,
         r"no column 'day'\..*Its 4 columns: sku, shop, date, qty"),
        ("sku,shop,days,qty\na,s,2024-01-01,1\n", {}, SchemaError, r"no column 'day'\. Did you mean 'days'"),
        ("1001,7,2024-01-01,3\n1001,7,2024-01-02,3\n", {}, SchemaError, r"first line looks like data"),
        ("sku,shop," + ",".join(f"2024-01-{d:02d}" for d in range(1, 9)) + "\na,s" + ",1" * 8 + "\n", {}, SchemaError,
         r"8 columns look like dates .*the file is wide.*unpivot it first"),
        ("sku,shop,day,qty\n", {}, DataError, r"has no rows below its first line"),
        ("sku,shop,day,qty\na,s,31.12.2023,1\na,s,30.12.2023,1\n", {}, DataError,
         r"2 of 2 values of column 'day' .* cannot be read as date, e\.g\. \['31\.12\.2023', '30\.12\.2023'\]\. "
         r"Set date_format: dd\.MM\.yyyy"),
        ("sku,shop,day,qty\na,s,01/02/2023,1\n", {}, DataError, r"Set date_format: dd/MM/yyyy or MM/dd/yyyy"),
        ("sku,shop,day,qty\na,s,2023-12-31,1\n", {"date_format": "dd.MM.yyyy"}, DataError, r"It is 'dd\.MM\.yyyy' now"),
        ('sku,shop,day,qty\na,s,2024-01-01,"1,5"\n', {}, DataError, r"\['1,5'\].*decimal: ','.*thousands: ','"),
        ("sku,shop,day,qty\na,s,2024-01-01,s\n", {}, DataError, r"cannot be read as number.*Is it the right column"),
    ],
)  # fmt: skip
def test_bad_sales_are_answered_with_a_way_out(
    folder: Folder, text: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        folder.sales(text, **options)


def test_without_a_mapping_missing_names_are_explained(folder: Folder) -> None:
    with pytest.raises(SchemaError, match=r"no column 'date', and no columns are mapped\. Its columns: sku, shop, day"):
        folder.sales(GOOD, columns={})


def test_prices_by_product_go_to_all_its_series(folder: Folder) -> None:
    sales = folder.write("sales.csv", "sku,shop,day,qty\na,s1,2024-01-01,1\na,s2,2024-01-01,1\nb,s1,2024-01-01,1\n")
    prices = folder.write("prices.csv", "sku,price\na,2.5\nunsold,9\n")
    frames = folder.load(
        sales={"path": sales, "columns": MAPPED},
        prices={"path": prices, "columns": {"product_id": "sku", "price": "price"}},
    )
    got = frames["prices"].toPandas().sort_values("series_id")
    assert got[["series_id", "price"]].to_numpy().tolist() == [["a@s1", 2.5], ["a@s2", 2.5]]
    assert {str(day) for day in got["date"]} == {"1970-01-01"}, "a price without a date holds always"


def test_stock_terms_and_open_orders(folder: Folder) -> None:
    sales = folder.write("sales.csv", GOOD)
    stock = folder.write("stock.csv", "sku,shop,pieces\na0,s1,7\n")
    orders = folder.write("orders.csv", "sku,due,pieces\na0,2024-01-14,5\na0,2024-01-12,3\na1,2024-01-12,4\n")
    terms = folder.write("terms.csv", "sku,vendor,days\na0,V1,3\n")
    frames = folder.load(
        sales={"path": sales, "columns": MAPPED},
        inventory={"path": stock, "columns": {"product_id": "sku", "location_id": "shop", "on_hand": "pieces"}},
        open_orders={"path": orders, "columns": {"product_id": "sku", "date": "due", "quantity": "pieces"}},
        supply_terms={"path": terms, "columns": {"product_id": "sku", "supplier_id": "vendor", "lead_time": "days"}},
    )
    inventory = frames["inventory"].toPandas().set_index("series_id")
    assert inventory.loc["a0@s1", "on_hand"] == 7
    assert [str(day) for day in inventory.loc["a0@s1", "due_dates"]] == ["2024-01-12", "2024-01-14"]
    assert list(inventory.loc["a0@s1", "due_qty"]) == [3.0, 5.0]
    got = frames["supply_terms"].toPandas()
    assert got[["series_id", "supplier_id", "lead_time"]].to_numpy().tolist() == [["a0@s1", "V1", 3]]
    assert got["case_pack"].isna().all(), "what is not given is left for the rules"


def test_open_orders_that_count_for_nothing_or_are_forgotten_are_told(folder: Folder) -> None:
    sales = folder.write("sales.csv", GOOD)
    text = "sku,due,pieces\na0,2024-01-14,5\na0,2024-01-12,-3\na1,2024-01-12,0\nzz,2024-01-12,4\na1,2022-05-01,2\n"
    orders = folder.write("orders.csv", text)
    frames = folder.load(
        sales={"path": sales, "columns": MAPPED},
        open_orders={"path": orders, "columns": {"product_id": "sku", "date": "due", "quantity": "pieces"}},
    )
    inventory = frames["inventory"].toPandas().set_index("series_id")
    assert list(inventory.loc["a0@s1", "due_qty"]) == [5.0]
    assert list(inventory.loc["a1@s1", "due_qty"]) == [2.0]
    told = [note for note in folder.notes if orders in note]
    assert len(told) == 3
    assert "2 open orders without a positive quantity" in told[0]
    assert "1 open orders name a product_id that sales do not have, e.g. zz" in told[1]
    assert "1 open orders were due more than 30 days before the last sale, e.g. a1 of 2022-05-01" in told[2]


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("products", "sku,text\na0,x\na0,y\n", {"product_id": "sku", "name": "text"},
         r"each product_id must be there once\. Repeated: 1, e\.g\. \['a0'\]"),
        ("products", "sku,text\n0a0,x\n", {"product_id": "sku", "name": "text"},
         r"not one row has a product_id that sales have\. Here e\.g\. \['0a0'\], in sales e\.g\. \['a[01]'"),
        ("prices", "sku,price\nzz,3\n", {"product_id": "sku", "price": "price"}, r"not one row has a product_id"),
        ("promotions", "sku,a,b\na0,2024-01-01,2024-01-02\na0,2024-01-03,2024-01-04\na0,,2024-01-09\n",
         {"product_id": "sku", "start_date": "a", "end_date": "b"},
         r"every row must have a date in column 'a'\. 1 of 3 rows .*Mend or remove"),
        ("promotions", "sku,a,b\na0,2024-01-01,1\n", {"product_id": "sku", "start_date": "a", "end_date": "b"},
         r"cannot be read as date, e\.g\. \['1'\]"),
    ],
)  # fmt: skip
def test_bad_side_tables(folder: Folder, name: str, text: str, columns: dict[str, str], message: str) -> None:
    sales = folder.write("sales.csv", GOOD)
    other = folder.write("other.csv", text)
    with pytest.raises(DataError, match=message):
        folder.load(sales={"path": sales, "columns": MAPPED}, **{name: {"path": other, "columns": columns}})


def test_open_orders_cannot_be_mapped_as_arrays_from_text(folder: Folder) -> None:
    sales, stock = folder.write("sales.csv", GOOD), folder.write("stock.csv", "sku,n,due\na0,1,2024-01-01\n")
    columns = {"product_id": "sku", "on_hand": "n", "due_dates": "due"}
    with pytest.raises(SchemaError, match=r"due_dates must be an array column, got 'due'.*open_orders"):
        folder.load(sales={"path": sales, "columns": MAPPED}, inventory={"path": stock, "columns": columns})


def test_one_series_cannot_be_two_products(folder: Folder) -> None:
    columns = {"series_id": "id", "product_id": "sku", "date": "day", "sales": "qty"}
    with pytest.raises(DataError, match=r"each series_id must be there once\. Repeated: 1, e\.g\. \['x'\]"):
        folder.sales("id,sku,day,qty\nx,a,2024-01-01,1\nx,b,2024-01-01,1\n", columns=columns)


def test_a_date_format_with_the_wrong_letters_stops_before_any_work(folder: Folder) -> None:
    with pytest.raises(ConfigError, match=r"sales\.date_format must be written with yyyy, MM and dd"):
        folder.sales(GOOD, date_format="DD.MM.YYYY")


def test_customers_are_hashed_under_a_key(folder: Folder) -> None:
    sales = folder.write("sales.csv", GOOD)
    lines = folder.write(
        "lines.csv", "bon,day,sku,n,card\n1,2024-01-01,a0,2,4711\n1,2024-01-01,a1,1,4711\n2,2024-01-01,a1,1,12\n"
    )
    columns = {"order_id": "bon", "date": "day", "product_id": "sku", "quantity": "n", "customer_key": "card"}
    frames = folder.load(sales={"path": sales, "columns": MAPPED}, order_lines={"path": lines, "columns": columns})
    got = frames["order_lines"].toPandas().sort_values(["order_id", "line"])
    assert got["line"].tolist() == [1, 2, 1]
    keys = got["customer_key"].tolist()
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 64
    assert "4711" not in keys[0]
