"""Baskets on Spark: pairs counted as by hand, rules of counting, and what a lost unit costs with its basket."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pyspark.sql import SparkSession
from stock_tables import frame, shop, written

from parlevel.config import load
from parlevel.errors import ConfigError, DataError
from parlevel.pipeline import features_baskets
from parlevel.pipeline.replenish_baskets import basket_terms, with_baskets
from parlevel.spark.scratch import Scratch

pytestmark = pytest.mark.spark
SETS = ("signals.baskets=true", "signals.min_together=5", "signals.max_basket=4", "calendar.horizon=14")
PRODUCTS = ["bun", "sausage", "milk", "cream", "soap"]


def baskets() -> list[set[str]]:
    """Buns go with sausages; milk and cream of one department are never bought together; soap with anything."""
    draw = np.random.default_rng(3)
    found = []
    for k in range(300):
        basket = {"bun", "sausage"} if k % 4 == 0 else {{1: "bun", 5: "sausage"}.get(k % 8, "rice")}
        basket.add(("milk", "cream")[k // 8 % 2])
        found.append(basket | ({"soap"} if draw.random() < 0.3 else set()))
    return found


def lines(spark: SparkSession, found: list[set[str]], order: int = 1):
    rows = [
        {"order_id": f"o{k}", "line": n, "date": date(2024, 1, 1), "product_id": name, "location_id": "l",
         "quantity": 2.0, "value": 1.0}
        for k, basket in enumerate(found) for n, name in enumerate(sorted(basket))
    ]  # fmt: skip
    # a line twice, a return: neither is another basket
    rows += [dict(rows[0], line=90), {**rows[0], "order_id": "o_back", "quantity": -1.0}]
    return frame(spark, "order_lines", rows[::order])


def products(spark: SparkSession):
    kinds = {"milk": "dairy", "cream": "dairy", "soap": None}
    return spark.createDataFrame([(p, kinds.get(p, "food")) for p in PRODUCTS], "product_id string, department string")


def recommended(spark: SparkSession, tmp_path, found: list[set[str]], order: int = 1) -> list[dict]:
    cfg = load(sets=[*SETS, f"paths.warehouse={tmp_path}"])
    with Scratch(spark, cfg, "test") as scratch:
        made = features_baskets.transform(lines(spark, found, order), products(spark), scratch, cfg=cfg)
        return sorted((r.asDict() for r in made.collect()), key=lambda r: (r["product_id"], r["kind"], r["rank"]))


def test_pairs_are_counted_as_by_hand(spark: SparkSession, tmp_path) -> None:
    found = baskets()
    crowd = [set(PRODUCTS) | {"rice"}] * 3  # five of the products: a trader's basket, counted among all baskets alone
    made = recommended(spark, tmp_path, found + crowd)
    by = {(r["product_id"], r["other_id"]): r for r in made}
    with_bun, both = sum("bun" in b for b in found), sum({"bun", "sausage"} <= b for b in found)
    row = by["bun", "sausage"]
    assert (row["kind"], row["together"], row["n_product"]) == ("complement", both, with_bun)
    assert row["support"] == pytest.approx(both / 303)
    assert row["confidence"] == pytest.approx(both / with_bun)
    assert row["lift"] == pytest.approx(row["confidence"] / (row["n_other"] / 303))
    assert by["milk", "cream"]["kind"] == by["cream", "milk"]["kind"] == "substitute"
    assert by["milk", "cream"]["together"] == 0
    assert not any("soap" in pair for pair in by)
    assert not any("rice" in pair for pair in by)  # not one of the products asked for
    assert made == recommended(spark, tmp_path, found + crowd, order=-1)


def test_without_baskets_the_source_is_named(spark: SparkSession, tmp_path) -> None:
    cfg = load(sets=[*SETS, f"paths.warehouse={tmp_path}"])
    tables = written(spark, cfg, {})
    with pytest.raises(DataError, match="needs the table order_lines"):
        features_baskets.run(tables, products(spark), 0, cfg)


def test_a_lost_unit_costs_its_basket_too(spark: SparkSession) -> None:
    shown = shop(spark, 14, n=6)
    profile = shown["series_profile"]
    first, second = profile.where("location_id = 'loc0'").orderBy("series_id").limit(2).collect()
    pair = {"product_id": first["product_id"], "kind": "complement", "rank": 1, "together": 50, "n_product": 100,
            "n_other": 100, "support": 0.1, "confidence": 0.5, "lift": 2.0, "attached": 0.25}  # fmt: skip
    back = {**pair, "product_id": second["product_id"], "other_id": first["product_id"], "kind": "substitute"}
    rows = [{**pair, "other_id": second["product_id"]}, {**pair, "other_id": "elsewhere"}, back]
    made = with_baskets(shown["supply_terms"], profile, frame(spark, "recommendations", rows), 0.4)
    assert made.columns == shown["supply_terms"].columns
    cost = {r["series_id"]: r["shortage_cost"] for r in made.collect()}
    # 0.4 of a quarter of a unit with a margin of 3 - 2
    assert cost.pop(first["series_id"]) == pytest.approx(1.0 + 0.4 * 0.25 * 1.0)
    assert set(cost.values()) == {1.0}


def test_a_share_without_baskets_is_refused(spark: SparkSession, tmp_path) -> None:
    cfg = load(sets=[f"paths.warehouse={tmp_path}", "replenish.basket_share=0.2"])
    tables = written(spark, cfg, {"supply_terms": shop(spark, 14, n=3)["supply_terms"]})
    with pytest.raises(ConfigError, match=r"Set signals\.baskets=true"):
        basket_terms(tables, cfg)
