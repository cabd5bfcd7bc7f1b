"""A group from packed rows to the rows of its tables: decisions, reasons, limits, policies by name."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

import packed_items
from packed_items import HORIZON, job
from parlevel.domain.replenish import group
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.group import plan_group
from parlevel.domain.replenish.output import GroupTables
from parlevel.domain.replenish.packed import PACKED, unpack
from parlevel.domain.replenish.price_search import PriceSearch
from parlevel.domain.replenish.shared import answer, first_prices, purchases
from parlevel.errors import SolverError
from parlevel.schemas import Column, arrow_schema


def item(name: str, mean: float = 4.0, **given: object) -> dict[str, object]:
    """A plain item, in an order that depends on its mean alone."""
    return packed_items.item(name, mean, **{"content_key": f"{mean:08.2f}", **given})


def packed(
    *items: dict[str, object], resources: list[dict] | None = None, grants: list[dict] | None = None
) -> pa.Table:
    columns = (*PACKED, Column("resources", "string", ""), Column("grants", "string", ""))
    own = {"resources": json.dumps(resources) if resources else None, "grants": json.dumps(grants) if grants else None}
    return pa.Table.from_pylist([{**i, **own} for i in items], schema=arrow_schema(columns))


def limit(name: str, kind: str, measure: str, amount: float, period: int = 0) -> dict[str, object]:
    return {"resource_id": name, "period": period, "kind": kind, "measure": measure, "amount": amount, "cost": 0.0}


def plans(made: GroupTables) -> dict[str, dict]:
    """Tomorrow's decisions by series."""
    rows = made.order_plan.to_pylist()
    return {r["series_id"]: r for r in rows if r["order_date"] == dt.date(2024, 4, 1)}


def test_reasons_say_position_cover_and_what_the_order_buys():
    made = plans(plan_group(packed(item("a"), item("b", 1.0, on_hand=60.0)), job()))
    a, b = made["a"], made["b"]
    assert a["order_qty"] > 0
    assert a["reason"].startswith("Stock and open orders of 6: they cover 1.5 of 3 days; ")
    assert "of 6) lift the chance of no stockout from <1 %" in a["reason"]
    assert a["receipt_date"] == dt.date(2024, 4, 2)
    assert a["order_up_to_level"] == a["inventory_position"] + a["order_qty"]
    assert a["safety_stock"] == pytest.approx(a["order_up_to_level"] - 12.0)
    assert a["protection_demand"] == pytest.approx(12.0)
    assert b["order_qty"] == 0
    assert "The chance of no stockout is >99 % without an order; no order is needed." in b["reason"]


def test_open_orders_count_once_and_overdue_ones_arrive_first():
    items = unpack(packed(item("a", due_steps=[-2, 3], due_qty=[6.0, 12.0])), HORIZON)
    assert items.state.receipts[0, :4].tolist() == [6.0, 0.0, 12.0, 0.0]
    assert items.state.inventory_position.tolist() == [24.0]
    made = plans(plan_group(packed(item("a", due_steps=[-2, 3], due_qty=[6.0, 12.0])), job()))
    assert made["a"]["inventory_position"] == 24.0


def test_a_series_without_forecast_has_a_row_that_says_why():
    made = plan_group(packed(item("a"), item_without("b")), job())
    row = plans(made)["b"]
    assert row["order_qty"] == 0
    assert row["reason"] == "No order: there is no forecast (no sales)."
    assert made.plan_report.to_pylist()[0]["n_items"] == 2
    assert made.projection["series_id"].to_pylist() == ["a"]


def item_without(name: str) -> dict[str, object]:
    return {**item(name), "missing": "no sales", "mean": None, "levels": None, "quantiles": None}


def test_a_group_without_any_forecast_is_reported_as_failed():
    made = plan_group(packed(item_without("a")), job())
    report = made.plan_report.to_pylist()[0]
    assert (report["status"], report["bound"], report["order_value"]) == ("failed", None, 0.0)
    assert "no series of the group has a forecast" in report["reason"]


def test_the_suppliers_minimum_raises_an_order_and_says_so():
    free = plans(plan_group(packed(item("a"), item("b", 2.0)), job()))
    total = sum(r["order_value"] for r in free.values())
    made = plan_group(packed(item("a"), item("b", 2.0), resources=[limit("min", "supplier_min", "value", total + 20)]),
                      job())  # fmt: skip
    rows = plans(made)
    spent = sum(r["order_value"] for r in rows.values())
    assert spent == 0 or spent >= total + 20
    moved = [n for n in rows if rows[n]["order_qty"] != free[n]["order_qty"]]
    assert moved
    assert all("the supplier's minimum of" in rows[n]["reason"] for n in moved)
    report = made.plan_report.to_pylist()[0]
    assert report["bound"] <= report["objective"]


def test_a_granted_share_of_the_budget_cuts_an_order_and_says_so():
    grants = [limit("budget (share)", "budget", "value", 12.0, period=1)]
    free = plans(plan_group(packed(item("a")), job()))["a"]
    row = plans(plan_group(packed(item("a"), grants=grants), job()))["a"]
    assert free["order_qty"] > 6 >= row["order_qty"]
    assert "its share of the budget, 12 (value)" in row["reason"]
    assert f"Cut from {free['order_qty']:g} to {row['order_qty']:g}" in row["reason"] or row["order_qty"] == 0


def test_an_order_that_cannot_fit_says_which_limit():
    row = plans(plan_group(packed(item("a", max_stock=10.0, min_order_qty=12.0)), job()))["a"]
    assert row["order_qty"] == 0
    assert "No order fits: the smallest of 12 would pass the maximum stock of 10." in row["reason"]


def test_a_solver_that_breaks_leaves_the_items_own_plans(monkeypatch):
    def fail(*_args: object) -> None:
        raise SolverError("no licence")

    monkeypatch.setattr(group, "solve_group", fail)
    report = plan_group(packed(item("a")), job()).plan_report.to_pylist()[0]
    assert report["status"] == "failed"
    assert "each item by itself" in report["reason"]
    assert "no licence" in report["reason"]


def test_a_policy_by_name_says_which_limits_it_breaks():
    rows = packed(item("a"), resources=[limit("min", "supplier_min", "value", 1e5)])
    made = plan_group(rows, job(policy="min_max"))
    report = made.plan_report.to_pylist()[0]
    assert report["status"] == "heuristic"
    assert "min@1 by" in report["reason"]
    assert report["bound"] <= report["objective"]
    assert plans(made)["a"]["policy"] == "min_max"


def test_shared_use_and_prices_reach_only_groups_in_scope():
    shared = ({**limit("budget", "budget", "value", 10.0), "supplier_id": None, "location_id": None},
              {**limit("other", "budget", "value", 10.0), "supplier_id": "else", "location_id": None})  # fmt: skip
    made = plan_group(packed(item("a")), job(shared=shared, prices={"budget@1": 0.01}))
    use = made.shared_use.to_pylist()
    assert {r["label"].split("@")[0] for r in use} == {"budget"}
    spent = plans(made)["a"]["order_value"]
    first = next(r for r in use if r["label"] == "budget@1")
    assert first["used"] == spent > 0
    assert first["urgency"] > 0
    assert made.plan_report.to_pylist()[0]["prices"] == [("budget@1", 0.01)]
    asked = answer(packed(item("a")), job(shared=shared), ["budget@1"], np.array([[0.0], [100.0]])).to_pylist()
    used = {r["point"]: r["used"] for r in asked if r["label"]}
    assert used == {0: spent, 1: 0.0}


def test_the_price_search_climbs_to_the_dual_of_a_small_knapsack():
    # Items save s_i per unit of u_i used; the best price of 10 units is that of the item that is split, 3.
    saves, uses = np.array([8.0, 5.0, 3.0, 1.0]), np.array([4.0, 4.0, 4.0, 4.0])

    def ask(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        take = saves[None] > points[:, [0]]
        return (take * uses).sum(1, keepdims=True), -(np.maximum(saves[None] - points[:, [0]], 0) * uses).sum(1)

    search = PriceSearch(["b@1"], np.array([10.0]), np.array([8.0]))
    for _ in range(12):
        points = search.points()
        search.update(points, *ask(points))
    assert not search.fits
    best = -(8.0 * 4 + 5.0 * 4 + 3.0 * 2)
    assert search.value <= best + 1e-9
    assert search.value == pytest.approx(best, rel=0.01)
    loose = PriceSearch(["b@1"], np.array([100.0]), np.array([8.0]))
    loose.update(loose.points(), *ask(loose.points()))
    assert loose.fits
    assert loose.price.tolist() == [0.0]


def test_the_price_search_finds_the_prices_of_many_limits_at_once():
    # 28 days, 10 units wanted on each of them: bought that day, the day after (worth half a unit of money less) or not.
    worth = 1.0 + np.arange(28) % 5

    def ask(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        choices = np.stack([np.zeros_like(points), points - worth, np.roll(points, -1, axis=1) + 0.5 - worth])
        taken = choices.argmin(axis=0)
        used = 10.0 * (taken == 1) + np.roll(10.0 * (taken == 2), 1, axis=1)
        return used, 10.0 * choices.min(axis=0).sum(axis=1)

    search = PriceSearch([f"b@{k}" for k in range(28)], np.full(28, 6.0), np.full(28, 4.0), 1e-3)
    for _ in range(40):
        points = search.points()
        search.update(points, *ask(points))
        if search.settled:
            break
    assert search.rounds < 40
    assert search.top - search.value < 0.02 * abs(search.value)


def test_a_small_sample_names_prices_only_where_the_budget_binds():
    scarce, enough = (
        [{"resource_id": "b", "period": 0, "kind": "budget", "supplier_id": None, "location_id": None,
          "measure": "value", "amount": amount, "cost": 0.0}]
        for amount in (5.0, 1e6)
    )  # fmt: skip
    rows = packed(item("a"), item("b", 2.0)).append_column("_drawn", pa.array([0, 1]))
    value, bought = {"b@1": "value"}, purchases(rows)
    for few in (0, 1, 2):
        priced = first_prices(rows, job(shared=scarce), value, np.array([5.0]), bought, few, 6).to_pylist()[0]
        free = first_prices(rows, job(shared=enough), value, np.array([1e6]), bought, few, 6).to_pylist()[0]
        assert priced["price"] > 0 == free["price"]
        assert free["fits"]
        assert not priced["fits"]
        assert priced["rounds"] <= 6


def test_content_orders_items_and_names_change_nothing():
    one = plan_group(packed(item("a"), item("b", 2.0), resources=[limit("min", "supplier_min", "value", 60.0)]), job())
    two = plan_group(packed(item("a", 2.0), item("x"), resources=[limit("min", "supplier_min", "value", 60.0)]), job())
    drop = ["series_id", "product_id"]
    assert one.order_plan.drop_columns(drop).equals(two.order_plan.drop_columns(drop))


def test_labels_count_periods_from_one():
    assert Row("budget", "budget", "value", 0, 1.0).label == "budget@1"
