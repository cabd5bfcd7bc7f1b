"""The preset with warehouses, from generated sales to what leaves tomorrow."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from small import places

from parlevel.config import load
from parlevel.pipeline.runner import run
from parlevel.report.data import order_lines
from parlevel.report.fans import projections
from parlevel.report.warehouse import open_warehouse

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FEW = [
    "source.options={series: 36, stores: 3, warehouses: 2, days: 240}",
    "calendar.horizon=14",
    "train.fold_step=14",
    "train.candidates=[{model: seasonal_naive}]",
    "replenish.n_paths=16",
    "evaluate.frontier_series=0",
]


def test_warehouses_order_from_their_stores_orders_and_send_what_they_have(spark: SparkSession, project, tmp_path):
    files = [project / "conf" / "base.yaml", project / "conf" / "presets" / "two_echelon.yaml"]
    cfg = load(files, sets=[*FEW, *places(tmp_path)])
    run(spark, cfg)
    house = open_warehouse(tmp_path)
    first = "(SELECT min(order_date) FROM order_plan)"
    today = house.rows(f"SELECT * FROM order_plan WHERE order_date = {first}")
    assert len(today) == len({r["series_id"] for r in today}) == 36 + 24
    assert {r["supplier_id"] for r in today if r["location_id"].startswith("S")} == {"W00", "W01"}
    assert all(r["supplier_id"].startswith("M") for r in today if r["location_id"].startswith("W"))
    sent = house.rows(
        "SELECT source_id, s.product_id, sum(sent) AS sent, max(on_hand) AS on_hand FROM shipments s JOIN nodes n "
        "ON n.product_id = s.product_id AND n.location_id = s.source_id WHERE kind = 'distribution' GROUP BY ALL"
    )
    assert sent
    assert all(r["sent"] <= r["on_hand"] + 1e-9 for r in sent)
    wrong = house.rows(
        f"SELECT * FROM shipments s JOIN order_plan o ON o.series_id = s.series_id AND o.order_date = {first} "
        "WHERE kind = 'distribution' AND o.order_qty <> s.sent"
    )
    assert wrong == []
    assert house.rows("SELECT sum(order_value) AS v FROM order_plan WHERE location_id LIKE 'W%'")[0]["v"] > 0
    assert 'id="shipments"' in (tmp_path / "report.html").read_text()
    assert all(r["cases"] >= 1 for r in order_lines(house, 200))
    assert {r["location_id"][0] for r in order_lines(house, 200)} == {"S", "W"}
    assert [r["location_id"][0] for r in projections(house, 6)] == ["S"] * 6
