"""The clean stage on Spark: each row rule, rows that add up, and results that do not depend on partitions or names."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline import clean, clean_rows
from parlevel.pipeline.clean_report import check_rows
from parlevel.schemas import contract
from parlevel.spark.tables import Tables, spark_schema

pytestmark = pytest.mark.spark

WINDOW = clean.Window(start=17_000, cutoff=(date(2017, 1, 28) - date(1970, 1, 1)).days, horizon=5)
SERIES = [(f"s{k}", f"p{k}", "store") for k in range(4)]
GOOD = [("s0", date(2017, 1, day), float(day % 5), None) for day in range(1, 29)]
INPUTS: dict[str, list[tuple]] = {
    "series": SERIES,
    "sales": [
        *GOOD,
        ("s1", date(2017, 1, 3), 5.0, True),
        ("s1", date(2017, 1, 4), -2.0, True),
        ("s1", date(2017, 1, 8), 4.0, False),
        ("s1", date(2017, 1, 10), None, None),
        ("s2", date(2017, 1, 9), float("nan"), None),
        ("s2", date(2017, 1, 11), 2.0, None),
    ],
    "prices": [("s0", date(2016, 12, 1), 2.0), ("s0", date(2017, 1, 20), 3.0)],
    "promotions": [("s0", date(2017, 1, 27), date(2017, 2, 3), "display", 0.5)],
    "calendar": [("store", date(2017, 1, 6), False, None, None), ("store", date(2017, 1, 7), True, "Fair", "cultural")],
}
BAD_SALES = [
    (None, date(2017, 1, 2), 1.0, None),
    ("  ", date(2017, 1, 2), 1.0, None),
    ("s0", None, 1.0, None),
    ("s0", date(1017, 1, 2), 1.0, None),
    ("s0", date(2016, 1, 2), 1.0, None),
    ("s0", date(2018, 1, 2), 1.0, None),
    ("ghost", date(2017, 1, 2), 1.0, None),
    ("s2", date(2017, 1, 12), float("inf"), None),
    ("s2", date(2017, 1, 13), 1e12, None),
    ("s1", date(2017, 1, 3), 5.0, True),
    ("s2", date(2017, 1, 14), 1.0, None),
    ("s2", date(2017, 1, 14), 2.0, None),
]


class Memory(Tables):
    """Inputs from frames in memory; outputs through Delta as always."""

    def __init__(self, spark, cfg: Config, frames: dict) -> None:
        super().__init__(spark, cfg, "test", {})
        self._frames = frames

    def read(self, name: str):
        return self._frames[name] if name in self._frames else super().read(name)


def frames(spark, **changes: list[tuple]) -> dict:
    """Frames of the inputs; not-null constraints are lifted so that bad rows can be made."""
    rows = {**INPUTS, **changes}
    out = {}
    for name, values in rows.items():
        schema = spark_schema(contract(name))
        out[name] = spark.createDataFrame([(*value, *[None] * (len(schema) - len(value))) for value in values], schema)
    return out


def config(tmp_path: Path, *sets: str) -> Config:
    base = ["calendar.cutoff=2017-01-28", "calendar.start=2016-12-25", "calendar.horizon=5", "seed=1"]
    return load(sets=[f"paths.warehouse={tmp_path}", "clean.max_quarantined_share=0.9", *base, *sets])


def run(spark, tmp_path: Path, inputs: dict, *sets: str) -> Memory:
    cfg = config(tmp_path, *sets)
    tables = Memory(spark, cfg, inputs)
    tables.note = clean.run(tables, cfg)
    return tables


def transform(inputs: dict, *sets: str) -> tuple[dict[str, dict], dict[str, dict]]:
    """Panel rows by series and rule hits by table, without writing anything."""
    cfg = config(Path("unused"), *sets)
    window = clean.find_window(inputs["sales"], cfg)
    given = {name: inputs[name] for name in clean_rows.JUDGES}
    packed = clean.pack(inputs["series"], given, cfg=cfg, window=window)
    promotions = clean_rows.judge_promotions(given["promotions"], inputs["series"], cfg=cfg, window=window)
    until = clean.promotions_until(promotions, cfg=cfg, window=window)
    rows = clean.transform(packed, inputs["calendar"], until, cfg=cfg, window=window).collect()
    n_read = {name: rows.count() for name, rows in given.items()}
    counts, _ = clean.tally(packed, inputs["series"], given, n_read, cfg=cfg, window=window)
    found = {name: {rule: n for (rule, _), n in by_rule.items() if rule} for name, by_rule in counts.items()}
    return {row["series_id"]: row.asDict() for row in rows}, found


def hits(tables: Tables) -> dict[tuple[str, str], int]:
    return {(row["table"], row["rule"]): row["n_hit"] for row in tables.read("data_quality").collect()}


def panel(tables: Tables) -> dict[str, dict]:
    return {row["series_id"]: row.asDict() for row in tables.read("panel").collect()}


def test_rows_rules_and_packed_rules_end_to_end(spark, tmp_path):
    tables = run(spark, tmp_path, frames(spark, sales=INPUTS["sales"] + BAD_SALES))
    found = hits(tables)
    sales = {rule: n for (table, rule), n in found.items() if table == "sales"}
    assert sales == {
        "blank_series": 2, "no_date": 1, "impossible_date": 1, "stray_date": 0, "outside_window": 2,
        "unknown_series": 1, "not_finite": 1, "too_large": 1, "return_dropped": 0, "duplicate_row": 1,
        "duplicate_key": 2, "same_period": 0, "no_value": 0, "unreadable": 0,
    }  # fmt: skip
    rejected = tables.read("quarantine").collect()
    assert len(rejected) == 10
    ghost = next(row for row in rejected if row["rule"] == "unknown_series")
    assert (ghost["row_key"], ghost["table"]) == ("ghost | 2017-01-02", "sales")
    assert json.loads(ghost["row"]) == {"series_id": "ghost", "date": "2017-01-02", "sales": 1.0}
    assert "not in the table series" in ghost["reason"]
    rows = panel(tables)
    assert set(rows) == {"s0", "s1", "s2", "s3"}
    assert rows["s3"]["n_periods"] == 1
    # 3 Jan .. 28 Jan: 5 sold, 2 of them returned, closed on the 6th, stockout on the 8th, unknown on the 10th
    one = rows["s1"]
    assert one["start_date"] == date(2017, 1, 3)
    assert one["sales"][:3] == [3.0, 0.0, 0.0]
    assert one["available"][:8] == [1, 1, 1, 0, 1, 0, 1, 0]
    assert one["demand"][5] >= 4
    assert rows["s2"]["available"][:6] == [0, 1, 1, 0, 0, 0]
    zero = rows["s0"]
    assert zero["price"][:19] == [2.0] * 19
    assert zero["price_future"] == [3.0] * 5
    assert zero["promo"][-2:] == [0.5, 0.5]
    assert zero["promo_future"] == [0.5] * 5
    assert found["panel", "return"] == 2
    assert found["panel", "stockout"] == 1
    assert found["panel", "closed"] == 1  # s0 sold something that day, so it was open
    assert found["panel", "outlier"] == 0
    assert "to 4 series up to 2017-01-28" in tables.note


def test_prices_and_promotions_have_rules_of_their_own(spark):
    prices = [
        ("s0", date(2017, 1, 1), 2.0), ("s0", date(2017, 1, 1), 4.0), ("s0", date(2017, 1, 9), -1.0),
        ("s0", date(2017, 1, 10), float("nan")), ("s0", date(2017, 1, 11), None), ("ghost", date(2017, 1, 1), 1.0),
        ("s0", date(2018, 1, 1), 1.0), ("s0", None, 9.0),
    ]  # fmt: skip
    promotions = [
        ("s0", date(2017, 1, 9), date(2017, 1, 2), "a", 0.5), ("s0", date(2017, 1, 2), date(2017, 1, 9), "b", 1.5),
        ("ghost", date(2017, 1, 2), date(2017, 1, 9), "c", 0.5), ("s0", date(2015, 1, 2), date(2015, 1, 9), "d", 0.5),
        ("s0", date(2017, 1, 2), date(2017, 1, 3), "e", 0.5), ("s0", date(2017, 1, 2), date(2017, 1, 2), "f", 0.25),
    ]  # fmt: skip
    rows, found = transform(frames(spark, prices=prices, promotions=promotions))
    assert found["prices"] == {
        "no_date": 1, "not_positive": 3, "unknown_series": 1, "outside_window": 1, "duplicate_key": 1,
    }  # fmt: skip
    assert found["promotions"] == {"end_before_start": 1, "bad_intensity": 1, "unknown_series": 1, "outside_window": 1}
    zero = rows["s0"]
    assert set(zero["price"]) == {4.0}
    assert zero["promo"][:4] == [0.0, 0.5, 0.5, 0.0]
    assert all(value != value for value in zero["promo_future"])


def judged_sales(spark, sales: list[tuple], *sets: str) -> list[tuple]:
    """(value, rule, status) of every row of s3, in order."""
    cfg = config(Path("unused"), *sets)
    series = spark.createDataFrame(SERIES, "series_id string, product_id string, location_id string")
    rows = frames(spark, sales=sales)["sales"]
    judged = clean_rows.judge_sales(rows, series, cfg=cfg, window=WINDOW)
    rows = [(row["_value"], row["_rule"] or "", row["_status"]) for row in judged.collect()]
    return sorted(rows, key=lambda row: (row[0] is None, row[0] or 0.0, row[1]))


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        ("sum", ["same_period", "same_period", "same_period", ""]),
        ("max", ["duplicate_key", "duplicate_key", "", "duplicate_row"]),
        ("quarantine", ["duplicate_key", "duplicate_key", "duplicate_key", "duplicate_row"]),
    ],
)
def test_duplicates_follow_the_configuration(spark, mode, rules):
    four = [("s3", date(2017, 1, 5), value, None) for value in (4.0, 2.0, 4.0, 3.0)]
    found = judged_sales(spark, four, f"clean.duplicates={mode}")
    assert [value for value, _, _ in found] == [2.0, 3.0, 4.0, 4.0]
    assert sorted(rule for _, rule, _ in found) == sorted(rules)
    accepted = [value for value, _, status in found if status in ("packed", "merged")]
    assert accepted == {"sum": [2.0, 3.0, 4.0, 4.0], "max": [4.0], "quarantine": []}[mode]


@pytest.mark.parametrize("mode", ["max", "quarantine"])
def test_a_return_and_a_row_without_a_number_do_not_cost_the_sale_of_their_day(spark, mode):
    day = [("s3", date(2017, 1, 5), value, None) for value in (5.0, -3.0, -3.0, None)]
    found = judged_sales(spark, [row for row in day if row[2] is not None], f"clean.duplicates={mode}")
    assert found == [(-3.0, "duplicate_row", "quarantined"), (-3.0, "same_period", "merged"), (5.0, "", "packed")]
    unread = judged_sales(spark, [day[0], ("s3", date(2017, 1, 5), float("nan"), True)], f"clean.duplicates={mode}")
    assert sorted((rule, status) for _, rule, status in unread) == [("", "packed"), ("no_value", "quarantined")]
    kept = judged_sales(spark, day[:2], f"clean.duplicates={mode}", "clean.returns=keep")
    assert [rule for _, rule, _ in kept].count("duplicate_key") == {"max": 1, "quarantine": 2}[mode]


def test_promotions_are_known_as_far_as_every_kind_in_use_is(spark):
    def row(kind: str, last: date, rule: str | None = None) -> tuple:
        return (kind, last, rule)

    plans = [
        ([row("display", date(2017, 1, 28)), row("coupon", date(2017, 3, 1))], 0),
        ([row("display", date(2017, 1, 30)), row("coupon", date(2017, 3, 1))], 2),
        ([row("leaflet", date(2017, 1, 2)), row("coupon", date(2017, 2, 1))], 4),
        ([row("display", date(2017, 1, 29), "bad_intensity")], 0),
    ]
    for promotions, ahead in plans:
        judged = spark.createDataFrame(promotions, "kind string, end_date date, _rule string")
        until = clean.promotions_until(judged, cfg=config(Path("unused")), window=WINDOW)
        assert until - WINDOW.cutoff == ahead


def test_returns_may_be_dropped(spark):
    rows = [("s3", date(2017, 1, 5), -2.0, None), ("s3", date(2017, 1, 6), 3.0, None)]
    found = judged_sales(spark, rows, "clean.returns=drop")
    assert found == [(-2.0, "return_dropped", "quarantined"), (3.0, "", "packed")]


def test_weeks_add_their_days(spark):
    rows, hit = transform(frames(spark), "calendar.period=week", "calendar.cutoff=2017-01-23")
    row = rows["s0"]
    # weeks of 26 Dec (1 Jan only), 2, 9, 16 and 23 Jan (to the 28th)
    assert row["start_date"] == date(2016, 12, 26)
    weeks = (range(1, 2), range(2, 9), range(9, 16), range(16, 23), range(23, 29))
    assert row["sales"] == [sum(day % 5 for day in week) for week in weeks]
    assert hit["sales"]["same_period"] == 23 + 2 + 1  # s0, s1 and s2


def test_the_last_date_is_the_cutoff_unless_it_lies_alone(spark, tmp_path):
    cfg = load(sets=[f"paths.warehouse={tmp_path}", "calendar.horizon=5"])
    window = clean.find_window(frames(spark)["sales"], cfg)
    assert window.cutoff == (date(2017, 1, 28) - date(1970, 1, 1)).days
    alone = frames(spark, sales=[*GOOD, ("s0", date(2017, 10, 28), 7.0, None)])["sales"]
    with pytest.raises(
        DataError, match=r"must not lie alone. Got 2017-10-28.*'s0' with sales 7.0.*=2017-01-28 to leave"
    ):
        clean.find_window(alone, cfg)
    with pytest.raises(DataError, match="Not one row has one"):
        clean.find_window(frames(spark, sales=[("s0", None, 1.0, None)])["sales"], cfg)


def test_several_dates_years_later_are_asked_about_not_believed(spark, tmp_path):
    cfg = load(sets=[f"paths.warehouse={tmp_path}", "calendar.horizon=5"])
    later = [("s0", date(2035, 3, day), 1.0, None) for day in range(1, 5)]
    sales = frames(spark, sales=[*GOOD, *later])["sales"]
    with pytest.raises(DataError, match=r"last 4 days .* alone. Got 2035-03-01.*=2017-01-28 to leave"):
        clean.find_window(sales, cfg)


def test_dates_years_away_from_all_others_are_quarantined_and_move_nothing(spark, tmp_path):
    slips = [
        ("s0", date(2107, 1, 1), 1.0, None),
        ("s1", date(2035, 3, 9), 2.0, None),
        ("s0", date(1977, 1, 4), 3.0, None),
    ]
    tables = run(spark, tmp_path, frames(spark, sales=[*GOOD, *slips]))
    rejected = {row["row_key"]: row["rule"] for row in tables.read("quarantine").collect()}
    keys = {"s0 | 2107-01-01", "s1 | 2035-03-09", "s0 | 1977-01-04"}
    assert {key: rejected.get(key) for key in keys} == dict.fromkeys(keys, "stray_date")
    rows = panel(tables)
    assert {row["cutoff"] for row in rows.values()} == {date(2017, 1, 28)}
    assert rows["s0"]["start_date"] == date(2017, 1, 1)


def test_what_could_not_be_read_is_in_quarantine_as_it_was_written(spark, tmp_path):
    text = '{"Menge":"12,5 Stk"}'
    tables = run(spark, tmp_path, frames(spark, sales=[*GOOD, ("s1", date(2017, 1, 5), None, None, text)]))
    row = tables.read("quarantine").where("rule = 'unreadable'").collect()[0]
    assert json.loads(row["row"])["as_written"] == text
    assert not panel(tables)["s1"]["available"][0]


def test_a_text_beside_a_number_of_its_day_leaves_nothing_unknown(spark):
    day = ("s3", date(2017, 1, 5))
    found = judged_sales(spark, [(*day, 5.0, None), (*day, None, None, '{"qty":"x"}')])
    assert sorted(rule for _, rule, _ in found) == ["", "no_value"]


def test_too_many_rejected_rows_stop_the_stage_and_stay_to_be_looked_at(spark, tmp_path):
    inputs = frames(spark, sales=GOOD + BAD_SALES)
    with pytest.raises(DataError, match=r"at most clean.max_quarantined_share = 10.0%.*Got 9 of 38.*duplicate_key: 2"):
        run(spark, tmp_path, inputs, "clean.max_quarantined_share=0.1")
    cfg = config(tmp_path)
    assert Tables(spark, cfg, "test", {}).read("quarantine").count() == 9


def test_lost_rows_are_noticed():
    good = {"sales": {(None, "packed"): 5, ("no_date", "quarantined"): 2}}
    check_rows({"sales": 7}, good, {"RECORD": 5}, 2)
    with pytest.raises(DataError, match="every row of sales must be accounted for. Got 8 rows in"):
        check_rows({"sales": 8}, good, {"RECORD": 5}, 2)
    with pytest.raises(DataError, match="must be in the panel: 5 rows accepted, 4 periods"):
        check_rows({"sales": 7}, good, {"RECORD": 4}, 2)
    with pytest.raises(DataError, match="must be in quarantine: 2 rejected, 1 written"):
        check_rows({"sales": 7}, good, {"RECORD": 5}, 1)


def test_partitions_order_and_names_do_not_change_the_panel(spark):
    def moved(frame):
        """The same rows in another order and other partitions; s0 is called z3 and so on."""
        name = F.concat(F.lit("z"), (F.lit(3) - F.substring("series_id", 2, 1).cast("int")).cast("string"))
        renamed = frame.withColumn("series_id", name) if "series_id" in frame.columns else frame
        return renamed.orderBy(F.xxhash64(*frame.columns)).repartition(5)

    inputs = frames(spark)
    plain, _ = transform(inputs)
    other, _ = transform({name: moved(frame) for name, frame in inputs.items()})
    for k in range(4):
        first, second = plain[f"s{k}"], other[f"z{3 - k}"]
        assert first["content_key"] == second["content_key"]
        assert str(first["demand"]) == str(second["demand"])
