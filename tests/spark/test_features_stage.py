"""The features stage on Spark: contracts, groups, a future that does not reach back, names that do not matter."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from parlevel.config import Config, load
from parlevel.domain.features.calendar import event_code
from parlevel.errors import DataError
from parlevel.pipeline import features, features_groups
from parlevel.schemas import contract
from parlevel.spark.tables import Tables, spark_schema

pytestmark = pytest.mark.spark

CUTOFF, HORIZON, N = date(2017, 6, 30), 5, 24
FUTURE = {"price": [1.5] * HORIZON, "promo": [0.0, 0.5, 0.0, 0.0, 0.0]}
CALENDAR = [
    ("store", date(2017, 6, 20), False, None, None),
    ("store", date(2017, 6, 21), True, "Fair", "cultural"),
    ("store", date(2017, 7, 2), True, "Fair", "cultural"),
]


def panel_rows(name: str = "s{}", future: dict[str, list[float]] = FUTURE) -> list[tuple]:
    rows = []
    for k in range(N):
        rng = np.random.default_rng(k)
        n = 60 + 4 * k
        demand = rng.poisson(0.1 * 1.5**k, n).astype(float).tolist()
        ones, price = [1.0] * n, [2.0 if day % 9 else 1.5 for day in range(n)]
        promo = [float(day % 11 == 0) for day in range(n)]
        rows.append(
            (name.format(k), f"p{k % 6}", "store", CUTOFF, CUTOFF - timedelta(n - 1), n, demand, demand, ones, [1] * n,
             price, promo, future["price"], future["promo"], f"{k * 2654435761 % 2**32:08x}" + "0" * 24)
        )  # fmt: skip
    return rows


def frame(spark, name: str, rows: list[tuple]):
    return spark.createDataFrame(rows, spark_schema(contract(name)))


def inputs(spark, panel: list[tuple] | None = None, calendar: list[tuple] | None = None) -> dict:
    products = [
        (f"p{k}", f"name {k}", ["food", "toys", None][k % 3], None, "b", None, None, None, None) for k in range(6)
    ]
    return {
        "panel": frame(spark, "panel", panel or panel_rows()),
        "products": frame(spark, "products", products),
        "locations": frame(spark, "locations", [("store", "the store", "store", "US", None)]),
        "calendar": frame(spark, "calendar", CALENDAR if calendar is None else calendar),
    }


def config(tmp_path: Path, *sets: str) -> Config:
    base = [f"paths.warehouse={tmp_path}", f"calendar.horizon={HORIZON}", "train.min_group_series=5"]
    return load(sets=[*base, *sets])


class Memory(Tables):
    """Inputs from frames in memory; outputs through Delta as always."""

    def __init__(self, spark, cfg: Config, frames: dict) -> None:
        super().__init__(spark, cfg, "test", {})
        self._frames = frames

    def read(self, name: str):
        return self._frames[name] if name in self._frames else super().read(name)


def computed(frames: dict, cfg: Config) -> dict[str, dict]:
    settings = features.find_settings(frames["panel"], frames["locations"], frames["calendar"], cfg)
    rows = features.transform(**frames, settings=settings).collect()
    return {row["series_id"]: row.asDict() for row in rows}


def profiles(frames: dict, cfg: Config) -> dict[str, dict]:
    settings = features.find_settings(frames["panel"], frames["locations"], frames["calendar"], cfg)
    base = features_groups.base_profile(frames["panel"], frames["products"], settings=settings)
    rows = features_groups.transform(base, cfg=cfg)[0].collect()
    return {row["series_id"]: row.asDict() for row in rows}


def channel(row: dict, name: str) -> list[float]:
    values = np.array(row["channel_values"]).reshape(len(row["channels"]), row["n_past"] + row["n_future"])
    return values[row["channels"].index(name)].tolist()


def test_the_stage_writes_both_tables_by_contract(spark, tmp_path):
    cfg = config(tmp_path)
    tables = Memory(spark, cfg, inputs(spark))
    note = features.run(tables, cfg)
    assert tables.row_counts == {"features": N, "series_profile": N}
    assert note.startswith("24 series in ")
    row = tables.read("features").where("series_id = 's3'").head().asDict()
    assert row["channels"] == [
        "price_ratio", "discount", "promo", "holiday", "holiday_next", "holiday_since", "event", "event_code",
        "open",
    ]  # fmt: skip
    assert (row["n_past"], row["n_future"], row["start_date"]) == (72, HORIZON, CUTOFF - timedelta(71))
    assert channel(row, "promo")[-HORIZON:] == FUTURE["promo"]
    assert channel(row, "holiday")[-HORIZON:] == [0, 0, 0, 1, 0]  # 4 July
    fair, fourth = event_code("Fair"), event_code("Independence Day")
    assert channel(row, "event_code")[-HORIZON:] == [0, fair, 0, fourth, 0]  # Spark's code is Python's
    assert channel(row, "open")[-HORIZON - 12 : -HORIZON - 10] == [1, 0]  # closed on 20 June
    assert dict(zip(row["statics"], row["static_values"], strict=True))["category_code"] == 1
    total = tables.read("series_profile").where("series_id = 's3'").head()
    assert total["total"] == sum(panel_rows()[3][6])
    assert total["category"] == "food"


def test_channels_exist_where_data_fill_them(spark, tmp_path):
    nan = [float("nan")]
    empty = [(nan * row[5], [0.0] * row[5], nan * HORIZON, nan * HORIZON) for row in panel_rows()]
    bare = [(*row[:10], *lists, row[14]) for row, lists in zip(panel_rows(), empty, strict=True)]
    frames = inputs(spark, bare, [])
    one = computed(frames, config(tmp_path, "calendar.holidays=false"))["s0"]
    assert one["channels"] == ["open"]
    assert set(one["channel_values"]) == {1.0}
    frames["locations"] = frame(spark, "locations", [("store", None, "store", "Atlantis", None)])
    with pytest.raises(DataError, match="'Atlantis'"):
        features.find_settings(frames["panel"], frames["locations"], frames["calendar"], config(tmp_path))


def test_the_future_changes_nothing_before_the_cutoff(spark, tmp_path):
    cfg = config(tmp_path)
    other = panel_rows(future={"price": [9.0] * HORIZON, "promo": [1.0] * HORIZON})
    calendar = [
        *CALENDAR[:2],
        ("store", date(2017, 7, 1), False, None, None),
        ("store", date(2017, 7, 3), True, "X", "y"),
    ]
    before, after = computed(inputs(spark), cfg), computed(inputs(spark, other, calendar), cfg)
    for name, row in before.items():
        past = row["n_past"]
        for one in row["channels"]:
            assert channel(row, one)[:past] == channel(after[name], one)[:past], one
        assert channel(row, "price_ratio")[past:] != channel(after[name], "price_ratio")[past:]
        for column in ("demand", "available", "static_values", "statistic_values", "start_date"):
            assert str(row[column]) == str(after[name][column])  # as text: NaN equals NaN
    assert profiles(inputs(spark), cfg) == profiles(inputs(spark, other, calendar), cfg)


def test_groups_and_classes_do_not_depend_on_names_order_or_partitions(spark, tmp_path):
    cfg = config(tmp_path, "train.max_group_mb=0.3", "train.high_volume_share=0.1", "train.group_by=[category]")
    plain = profiles(inputs(spark), cfg)
    renamed = list(reversed(panel_rows("other{}")))
    frames = inputs(spark, renamed)
    frames["panel"] = frames["panel"].repartition(7)
    other = profiles(frames, cfg)
    for k in range(N):
        first, second = plain[f"s{k}"], other[f"other{k}"]
        assert {**first, "series_id": ""} == {**second, "series_id": ""}
    assert any("#" in row["group_id"] for row in plain.values())
    assert {row["group_id"].split("#")[0] for row in plain.values()} == {"food", "toys", "none"}


def test_velocity_follows_cumulated_volume(spark, tmp_path):
    rows = profiles(inputs(spark), config(tmp_path, "train.high_volume_share=0.1"))
    ordered = sorted(rows.values(), key=lambda row: -row["recent_mean"])
    total, before = sum(row["recent_mean"] for row in ordered), 0.0
    for row in ordered:
        share = before / total
        assert row["velocity"] == ("A" if share < 0.8 else "B" if share < 0.95 else "C")
        before += row["recent_mean"]
    assert [row["high_volume"] for row in ordered] == [True] * 3 + [False] * (N - 3)


def test_groups_are_made_before_what_folds_judge(spark, tmp_path):
    cfg = config(tmp_path, "train.folds=2", "train.fold_step=7", "train.min_group_series=2")
    settings = features.find_settings(*(inputs(spark)[name] for name in ("panel", "locations", "calendar")), cfg)
    assert settings.judged == HORIZON + 7
    turned = [(*row[:6], row[6][:-12] + [40.0 if k % 2 else 0.0] * 12, *row[7:]) for k, row in enumerate(panel_rows())]
    before, after = profiles(inputs(spark), cfg), profiles(inputs(spark, turned), cfg)
    assert [row["group_id"] for row in before.values()] == [after[name]["group_id"] for name in before]
    assert [row["high_volume"] for row in before.values()] == [after[name]["high_volume"] for name in before]
    assert [row["velocity"] for row in before.values()] != [after[name]["velocity"] for name in before]
    assert len({row["group_id"] for row in before.values()}) > 3
    assert features.judged(12, cfg) == 0  # too short for a fold


def test_a_product_listed_twice_is_noticed(spark, tmp_path):
    cfg = config(tmp_path)
    frames = inputs(spark)
    frames["products"] = frames["products"].union(frames["products"].limit(1))
    with pytest.raises(DataError, match="one row in features.*24 series.*listed twice"):
        features.run(Memory(spark, cfg, frames), cfg)
