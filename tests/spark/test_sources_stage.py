"""The stage sources: contracts, the assumed rules, and that neither names nor partitions matter."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config, load
from parlevel.errors import ConfigError, DataError, SchemaError
from parlevel.pipeline import sources
from parlevel.schemas import TABLES, contract, of_stage
from parlevel.sources import assumed, complete, suppliers
from parlevel.sources.base import rows_frame
from parlevel.sources.registry import source
from parlevel.spark.tables import Tables, conform

pytestmark = pytest.mark.spark

CUTOFF = date(2024, 3, 31)
SMALL = {"series": 30, "stores": 2, "days": 120}


def configured(folder: Path, name: str = "synthetic", options: dict[str, Any] | None = None, **calendar: Any) -> Config:
    return Config.model_validate(
        {
            "source": {"name": name, "options": SMALL if options is None else options},
            "calendar": {"horizon": 14, **calendar},
            "paths": {"warehouse": str(folder)},
        }
    )


def run(spark: SparkSession, cfg: Config) -> tuple[Tables, str]:
    tables = Tables(spark, cfg, "r1", {})
    return tables, sources.run(tables, cfg)


def frame(df: DataFrame, *keys: str) -> pd.DataFrame:
    return df.toPandas().sort_values(list(keys)).reset_index(drop=True)


@pytest.fixture(scope="module")
def synthetic(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, str]:
    return run(spark, configured(tmp_path_factory.mktemp("warehouse")))


def test_every_table_is_written_by_contract(synthetic: tuple[Tables, str]) -> None:
    tables, note = synthetic
    assert set(tables.row_counts) == {table.name for table in of_stage("sources")} - {"order_lines", "nodes", "lanes"}
    assert tables.row_counts["series"] == 30
    assert tables.row_counts["inventory"] == tables.row_counts["supply_terms"] == 30
    assert "30 series" in note
    assert "assumed by rule: resources" in note
    assert "30 of 30 rows of supply_terms completed by rule" in note
    for name in tables.row_counts:
        conform(contract(name), tables.read(name))


def test_no_needed_value_is_missing(synthetic: tuple[Tables, str]) -> None:
    tables, _ = synthetic
    for name in tables.row_counts:
        needed = [column.name for column in TABLES[name].data_columns if not column.nullable]
        nulls = tables.read(name).agg(*[F.count_if(F.col(c).isNull()).alias(c) for c in needed]).head(1)[0].asDict()
        assert not any(nulls.values()), (name, nulls)


def test_sales_are_true_demand_where_stock_lasted(synthetic: tuple[Tables, str]) -> None:
    tables, _ = synthetic
    both = tables.read("sales").join(tables.read("true_demand"), ["series_id", "date"]).toPandas()
    assert len(both) == tables.row_counts["sales"]
    assert (both["sales"] <= both["demand"]).all()
    assert (both.loc[both["in_stock"], "sales"] == both.loc[both["in_stock"], "demand"]).all()
    assert 0 < (~both["in_stock"].astype(bool)).mean() < 0.4


def test_terms_and_limits_make_sense(synthetic: tuple[Tables, str]) -> None:
    tables, _ = synthetic
    terms = tables.read("supply_terms").toPandas()
    assert (terms["unit_cost"] < terms["unit_price"]).all()
    ratio = terms["shortage_cost"] / (terms["shortage_cost"] + terms["holding_cost"])
    assert (ratio >= terms["target"] - 1e-3).all()
    assert (ratio < 0.999).all()
    assert (terms["min_order_qty"] % terms["case_pack"] == 0).all()
    assert terms.groupby("supplier_id")["lead_time"].nunique().max() == 1, "a supplier's items come together"
    limits = tables.read("resources").toPandas()
    assert (limits["kind"] == "budget").sum() == 1
    assert (limits["amount"] > 0).all()


def test_the_number_of_partitions_does_not_matter(
    spark: SparkSession, synthetic: tuple[Tables, str], tmp_path: Path
) -> None:
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    again = source("synthetic", configured(tmp_path))
    try:
        frames = again.load(spark)
        for name in ("sales", "prices", "promotions", "inventory", "true_demand"):
            keys = contract(name).keys
            pd.testing.assert_frame_equal(frame(synthetic[0].read(name), *keys), frame(frames[name], *keys))
    finally:
        again.release()
        spark.conf.set("spark.sql.shuffle.partitions", "2")


def small_inputs(spark: SparkSession, rename: str = "") -> dict[str, DataFrame]:
    """Eight products of two makers at one place: product n sells n + 1 units a day at price 2 + n."""
    days = [CUTOFF - timedelta(days=n) for n in range(56)]
    names = [f"{rename}p{n}" for n in range(8)]
    rows = {
        "series": [{"series_id": p, "product_id": p, "location_id": "s"} for p in names],
        "sales": [{"series_id": p, "date": d, "sales": n + 1.0} for n, p in enumerate(names) for d in days],
        "products": [{"product_id": p, "manufacturer": "big" if n < 6 else "small"} for n, p in enumerate(names)],
        "prices": [{"series_id": p, "date": days[-1], "price": 2.0 + n} for n, p in enumerate(names)],
    }
    return {name: rows_frame(spark, name, table) for name, table in rows.items()}


def ruled(spark: SparkSession, inputs: dict[str, DataFrame], cfg: Config) -> dict[str, pd.DataFrame]:
    profiles = suppliers.assign(
        assumed.profile(
            inputs["series"], inputs["sales"], inputs["products"], inputs["prices"], CUTOFF, cfg
        ),
        cfg,
    )  # fmt: skip
    terms = assumed.supply_terms(profiles, cfg)
    made = {
        "supply_terms": terms,
        "inventory": assumed.inventory(profiles, terms, CUTOFF, cfg),
        "resources": assumed.resources(profiles, terms, cfg),
    }
    return {name: frame(df, *contract(name).keys) for name, df in made.items()}


def test_rules_against_hand_worked_numbers(spark: SparkSession) -> None:
    made = ruled(spark, small_inputs(spark), Config())
    terms = made["supply_terms"].set_index("series_id")
    row = terms.loc["p3"]  # 4 units a day (an A), price 5
    assert row["unit_price"] == 5.0
    assert row["unit_cost"] == 3.5
    assert row["holding_cost"] == pytest.approx(3.5 * (0.25 / 365.25 + 0.002), abs=1e-6)
    assert row["shortage_cost"] == pytest.approx(1.5)
    assert row["target"] == 0.97
    assert row["case_pack"] in (12, 24)  # 28 a week: 24, or one size smaller
    assert set(terms["supplier_id"]) == {"big", "wholesale"}
    assert terms.loc["p7", "supplier_id"] == "wholesale", "two items are too few for a supplier of their own"
    assert terms["assumed"].all()
    stock = made["inventory"].set_index("series_id")
    interval = terms["lead_time"] + terms["review_period"]
    mean = pd.Series({f"p{n}": n + 1.0 for n in range(8)})
    assert (stock["on_hand"] <= (mean * interval * 1.5).apply(math.ceil)).all()
    for name, due in stock["due_dates"].items():
        assert all(CUTOFF < day <= CUTOFF + timedelta(days=int(terms.loc[name, "lead_time"])) for day in due)
    budget = made["resources"].set_index("resource_id").loc["budget", "amount"]
    typical = (mean * terms["unit_cost"] * terms["review_period"]).groupby(terms["supplier_id"]).sum()
    assert budget == pytest.approx(1.3 * typical.sum(), abs=0.02)


def test_the_budget_of_a_few_slow_products_pays_for_a_case_of_each(spark: SparkSession) -> None:
    inputs = small_inputs(spark)
    inputs["sales"] = inputs["sales"].withColumn("sales", F.col("sales") / 100)
    made = ruled(spark, inputs, Config())
    terms = made["supply_terms"].set_index("series_id")
    mean = pd.Series({f"p{n}": (n + 1.0) / 100 for n in range(8)})
    budget = made["resources"].set_index("resource_id").loc["budget", "amount"]
    smallest = (terms["min_order_qty"] * terms["unit_cost"]).groupby(terms["supplier_id"]).sum()
    assert smallest.max() > 1.3 * (mean * terms["unit_cost"] * terms["review_period"]).sum()
    assert budget == pytest.approx(smallest.max(), abs=0.02)


def test_names_and_row_order_do_not_matter_and_the_seed_does(spark: SparkSession) -> None:
    plain = ruled(spark, small_inputs(spark), Config())
    inputs = {name: df.repartition(3).orderBy(F.rand(1)) for name, df in small_inputs(spark, rename="zz").items()}
    renamed = ruled(spark, inputs, Config())
    for name in ("supply_terms", "inventory"):
        renamed[name]["series_id"] = renamed[name]["series_id"].str.removeprefix("zz")
    for name, table in plain.items():
        pd.testing.assert_frame_equal(renamed[name], table)
    other = ruled(spark, small_inputs(spark), Config(seed=2))
    assert not other["inventory"]["on_hand"].equals(plain["inventory"]["on_hand"])


def test_huge_suppliers_are_split_by_category_then_evenly(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppliers, "MOST", 20)
    monkeypatch.setattr(suppliers, "CHUNK", 10)
    rows = [
        (f"p{n}", f"p{n}", "s", "m", "x" if n < 30 else "y" if n < 37 else "z", float(n), n, 1.0) for n in range(40)
    ]
    columns = "series_id string, product_id string, location_id string, manufacturer string, category string, "
    df = spark.createDataFrame(rows, columns + "total double, records int, price double")
    got = suppliers.assign(df, Config()).groupBy("supplier_id").count().toPandas().set_index("supplier_id")["count"]
    assert got["m/y"] == 7
    assert got["m/other"] == 3, "three items are too few for a part of their own"
    assert {name for name in got.index if name.startswith("m/x")} <= {"m/x-1", "m/x-2", "m/x-3"}
    assert got[[name for name in got.index if name.startswith("m/x")]].sum() == 30
    assert got.max() < 20


def test_given_terms_win_and_gaps_are_filled(spark: SparkSession) -> None:
    made = small_inputs(spark)
    cfg = Config()
    profiles = suppliers.assign(
        assumed.profile(made["series"], made["sales"], made["products"], made["prices"], CUTOFF, cfg), cfg
    )
    rules = assumed.supply_terms(profiles, cfg)
    given = rows_frame(spark, "supply_terms", [{"series_id": "p3", "lead_time": 9, "assumed": False}])
    got = complete.terms(given, rules).toPandas().set_index("series_id")
    assert got.loc["p3", "lead_time"] == 9
    assert got.loc["p3", "unit_cost"] == 3.5
    assert got["assumed"].all()
    whole = rules.where("series_id = 'p3'").withColumns(
        {"assumed": F.lit(False), "max_stock": F.lit(None).cast("double")}
    )
    again = complete.terms(whole, rules.withColumn("max_stock", F.lit(5.0))).toPandas().set_index("series_id")
    assert not again.loc["p3", "assumed"]
    assert pd.isna(again.loc["p3", "max_stock"]), "an empty limit means none, the rules do not invent one"
    assert again.loc["p4", "assumed"]


def test_a_series_without_a_stock_row_has_none(spark: SparkSession) -> None:
    ids = [{"series_id": name, "as_of": CUTOFF, "on_hand": 1.0, "backorders": 0.0, "due_dates": [], "due_qty": [],
            "assumed": True} for name in ("a", "b")]  # fmt: skip
    given = rows_frame(spark, "inventory", [{"series_id": "a", "on_hand": 5.0, "assumed": False}])
    got = complete.stock(given, rows_frame(spark, "inventory", ids), CUTOFF).toPandas().set_index("series_id")
    assert got.loc["a", ["on_hand", "assumed"]].tolist() == [5.0, False]
    assert got.loc["b", ["on_hand", "assumed"]].tolist() == [0.0, True]


def test_frames_that_break_a_contract_are_named(spark: SparkSession) -> None:
    series = rows_frame(spark, "series", [])
    sales = rows_frame(spark, "sales", [])
    with pytest.raises(SchemaError, match=r"'sale'\. Did you mean 'sales'"):
        sources.check({"series": series, "sale": sales})
    with pytest.raises(SchemaError, match=r"left out \['sales'\]"):
        sources.check({"series": series})
    with pytest.raises(
        SchemaError, match=r"'sales' must match .*in_stock is missing; sales must be double, got string"
    ):
        sources.check({"series": series, "sales": sales.drop("in_stock").withColumn("sales", F.lit("1"))})


def dated(spark: SparkSession, days: list[date | None]) -> DataFrame:
    return rows_frame(spark, "sales", [{"series_id": "a", "date": day, "sales": 1.0} for day in days])


def calendar(**values: Any) -> Config:
    return Config.model_validate({"calendar": values})


def test_the_cutoff_is_the_last_date_or_the_configured(spark: SparkSession) -> None:
    sales = dated(spark, [CUTOFF - timedelta(days=n) for n in range(10)])
    assert sources.find_cutoff(sales, Config()) == CUTOFF
    assert sources.find_cutoff(sales, calendar(cutoff=date(2024, 3, 28))) == date(2024, 3, 28)
    with pytest.raises(ConfigError, match=r"cutoff must not be before the first sale, 2024-03-22\. Got 2024-01-01"):
        sources.find_cutoff(sales, calendar(cutoff=date(2024, 1, 1)))
    assert sources.find_cutoff(sales, calendar(cutoff=date(2024, 4, 28))) == date(2024, 4, 28)
    with pytest.raises(ConfigError, match=r"at most a horizon after the last sale, 2024-03-31.*Got 2024-04-29"):
        sources.find_cutoff(sales, calendar(cutoff=date(2024, 4, 29)))
    with pytest.raises(DataError, match="Not one row has one"):
        sources.find_cutoff(dated(spark, [None]), Config())


def test_coarser_data_read_as_days_are_refused(spark: SparkSession) -> None:
    weeks = dated(spark, [CUTOFF - timedelta(days=7 * n) for n in range(8)])
    with pytest.raises(ConfigError, match=r"all 8 dates of sales are the same weekday.*calendar\.period=week"):
        sources.find_cutoff(weeks, Config())
    assert sources.find_cutoff(weeks, calendar(period="week")) == CUTOFF
    months = dated(spark, [date(2023, month, 1) for month in range(1, 13)])
    with pytest.raises(ConfigError, match=r"all 12 dates of sales are first days of months.*calendar\.period=month"):
        sources.find_cutoff(months, Config())


def test_only_sales_is_enough_and_bad_rows_reach_the_note(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    days = [CUTOFF - timedelta(days=n) for n in range(10)]
    file.write_text("sku,day,qty\n" + "".join(f"a,{day},1\n" for day in days) + "b,2024-03-01,many\n")
    columns = {"series_id": "sku", "date": "day", "sales": "qty"}
    options = {"tables": {"sales": {"path": str(file), "columns": columns}}}
    tables, note = run(spark, configured(tmp_path / "w", "tables", options))
    assert tables.row_counts["series"] == 2
    assert tables.row_counts["prices"] == 0
    assert tables.read("supply_terms").select("unit_price").distinct().collect()[0][0] == 1.0
    assert "1 unreadable sales" in note
    assert tables.read("resources").count() == 0
    assert "no resources are given: no budget" in note
    assert "assumed by rule: supply_terms, inventory" in note
    options |= {"assume_limits": True}
    tables, note = run(spark, configured(tmp_path / "assuming", "tables", options))
    assert "budget" in {row["kind"] for row in tables.read("resources").select("kind").distinct().collect()}
    assert "assumed by rule: supply_terms, inventory, resources" in note


@pytest.mark.parametrize(
    ("name", "period", "n_series", "n_sales"),
    [("vn2", "week", 599, 599 * 157), ("carparts", "month", 2674, 100144), ("store_item", "day", 500, 867000)],
)
def test_reference_data_have_the_published_counts(
    spark: SparkSession, data_dir: Path, name: str, period: str, n_series: int, n_sales: int
) -> None:
    cfg = load(sets=[f"source.name={name}", f"calendar.period={period}", f"source.options.data_dir={data_dir}"])
    frames = sources.check(source(name, cfg).load(spark))
    assert frames["series"].count() == frames["series"].select("series_id").distinct().count() == n_series
    assert frames["sales"].count() == n_sales


def test_vn2s_stock_is_left_out_at_a_cutoff_before_it(spark: SparkSession, data_dir: Path) -> None:
    sets = ["source.name=vn2", "calendar.period=week", f"source.options.data_dir={data_dir}"]
    origin = source("vn2", load(sets=[*sets, "calendar.cutoff=2024-02-12"]))
    assert "inventory" not in origin.load(spark)
    assert "2024-04-08, not of the cutoff" in origin.notes[0]


def test_vn2_has_the_contests_stock_and_terms(spark: SparkSession, data_dir: Path) -> None:
    cfg = load(sets=["source.name=vn2", "calendar.period=week", f"source.options.data_dir={data_dir}"])
    frames = source("vn2", cfg).load(spark)
    stock = frames["inventory"].where("series_id = '126@0'").head(1)[0]
    assert stock["on_hand"] == 3
    assert stock["due_qty"] == [3.0]
    assert stock["due_dates"] == [date(2024, 4, 22)], "In Transit W+2 is sold two weeks after the last week"
    terms = frames["supply_terms"].head(1)[0]
    assert (terms["lead_time"], terms["review_period"], terms["holding_cost"], terms["shortage_cost"]) == (2, 1, 0.2, 1)


@pytest.mark.slow
def test_complete_journey_has_the_series_and_no_drowning_fuel(spark: SparkSession, tmp_path: Path) -> None:
    made = source("complete_journey", load(sets=[f"paths.warehouse={tmp_path}"]))
    try:
        frames = made.load(spark)
        assert frames["series"].count() == 5481
        daily = frames["sales"].groupBy("date").agg(F.sum("sales").alias("units"))
        assert daily.count() == 364, "closed on Christmas Day"
        assert daily.agg(F.max("units")).head(1)[0][0] < 10_000, "fuel is in gallons"
    finally:
        made.release()
