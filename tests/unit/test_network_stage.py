"""The glue between places: levels, what a node is asked for, what leaves tomorrow, lines that are cut."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packed_items import HORIZON, LEVELS, item, job
from parlevel.domain.replenish.group import plan_group
from parlevel.domain.replenish.network.cut import CUT, cut_lines
from parlevel.domain.replenish.network.levels import place_levels
from parlevel.domain.replenish.network.pooled import LINES, node_demand
from parlevel.domain.replenish.network.sharing import WAYS, share
from parlevel.domain.replenish.packed import PACKED
from parlevel.errors import DataError
from parlevel.schemas import Column, arrow_schema

FED = (*PACKED, *LINES, *WAYS, Column("source_interval", "int", ""), *CUT)


def fed(name: str, orders: dict[int, float], **given: object) -> dict[str, object]:
    """An item that dc/p supplies, with its planned orders by step."""
    plain = {
        "product_id": "p", "location_id": name, "supplier_id": "dc", "solve_group": f"dc @ {name}",
        "source_item": "dc/p", "source_interval": 4, "units": 1.0, "lane_kind": "distribution", "lane_cost": 0.25,
        "source_available": 1000.0, "line_steps": [0, *(s for s in orders if s)],
        "line_qty": [orders.get(0, 0.0), *(q for s, q in orders.items() if s)], "first_level": 12.0,
        "first_position": 6.0, "content_key": name,
    }  # fmt: skip
    return item(name, **{**plain, **given})


def table(*items: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(items), schema=arrow_schema(FED))


def demand(*items: dict[str, object], policy: str = "optimal") -> dict:
    return node_demand(table(*items), HORIZON, policy, LEVELS).to_pylist()[0]


def test_places_are_planned_from_the_stores_up() -> None:
    pairs = [("plant", "dc"), ("dc", "s1"), ("dc", "s2"), ("plant", "s2"), ("dc", "s1")]
    assert place_levels(pairs) == {"s1": 0, "s2": 0, "dc": 1, "plant": 2}
    with pytest.raises(DataError, match="must not run in a circle"):
        place_levels([("a", "b"), ("b", "a")])


def test_a_node_is_asked_for_the_sum_of_what_its_places_order_when_they_order_it() -> None:
    a, b = fed("a", {0: 12.0, 4: 6.0}, lead_time=2), fed("b", {0: 6.0, 2: 6.0, 4: 12.0}, units=2.0)
    made = demand(a, b)
    assert made["mean"] == [12 + 2 * 6, 0, 2 * 6, 0, 6 + 2 * 12, 0]
    quantiles = np.array(made["quantiles"]).reshape(HORIZON, len(LEVELS))
    assert (quantiles[0] == 24).all()  # tomorrow's orders are decided
    assert (np.diff(quantiles[4]) > 0).all()
    assert quantiles[1].tolist() == [0] * len(LEVELS)
    assert made["history"][0] == pytest.approx(4 + 2 * 4)
    assert made["drivers"] == ["the orders of 2 places that it supplies"]


def test_many_places_together_are_asked_for_less_spread_than_each_alone() -> None:
    def spread(n: int) -> float:
        made = demand(*(fed(f"s{k}", {0: 6.0, 2: 6.0}) for k in range(n)))
        quantiles = np.array(made["quantiles"]).reshape(HORIZON, len(LEVELS))[2]
        return float((quantiles[-1] - quantiles[0]) / made["mean"][2])

    one, many = spread(1), spread(16)
    assert 0 < many < one
    assert many == pytest.approx(one / 4, rel=0.1)


def test_places_that_order_less_than_they_sell_pass_on_no_more_than_their_share_of_the_spread() -> None:
    def absolute(units: float) -> float:
        made = demand(*(fed(f"s{k}", {0: 6.0, 2: units}) for k in range(4)))
        quantiles = np.array(made["quantiles"]).reshape(HORIZON, len(LEVELS))[2]
        return float(quantiles[-1] - quantiles[0])

    few, sold, filled = absolute(4.0), absolute(16.0), absolute(48.0)
    assert few == pytest.approx(sold / 4, rel=0.05)
    assert filled == pytest.approx(sold, rel=0.05)


def test_a_policy_that_decides_today_only_orders_again_what_is_sold() -> None:
    made = demand(fed("a", {0: 12.0}, first_position=0.0, first_level=12.0), policy="min_max")
    assert made["mean"] == [12, 0, 8, 0, 8, 0]
    idle = demand(fed("a", {0: 0.0}, first_position=22.0, first_level=12.0), policy="min_max")
    assert idle["mean"] == [0, 0, 0, 0, 6, 0]


def test_a_policy_that_decides_today_only_orders_again_on_the_days_that_take_orders() -> None:
    days = {"first_position": 0.0, "first_level": 12.0, "review_period": 1, "order_weekdays": [1, 4]}
    assert demand(fed("a", {0: 12.0}, **days), policy="min_max")["mean"] == [12, 0, 0, 12, 0, 0]
    frozen = demand(fed("a", {0: 0.0}, **{**days, "first_position": 12.0}, frozen_periods=4), policy="min_max")
    assert frozen["mean"] == [0] * 6  # the first day after the frozen window lies behind the horizon


def shipped(*items: dict[str, object]) -> list[dict]:
    return share(table(*items), job()).to_pylist()


def test_a_warehouse_with_plenty_sends_all_that_is_asked() -> None:
    made = shipped(fed("a", {0: 12.0}), fed("b", {0: 6.0, 2: 6.0}), fed("c", {0: 0.0, 2: 6.0}))
    assert [(r["target_id"], r["asked"], r["sent"]) for r in made] == [("a", 12, 12), ("b", 6, 6)]
    assert made[0]["cost"] == 12 * 0.25
    assert made[0]["saving"] is None
    assert made[0]["kind"] == "distribution"
    assert (made[0]["ship_date"], made[0]["receipt_date"]) == (dt.date(2024, 4, 1), dt.date(2024, 4, 2))
    assert made[0]["reason"] == "dc sends all that is ordered."


@pytest.mark.parametrize("units", [1.02, 1.03, 1.05, 1.1])
def test_what_is_lost_on_the_way_cuts_no_order_that_the_warehouse_can_send(units: float) -> None:
    for cases in range(1, 9):
        row = shipped(fed("a", {0: 6.0 * cases}, units=units))[0]
        assert (row["asked"], row["sent"], row["reason"]) == (6 * cases, 6 * cases, "dc sends all that is ordered.")


def test_a_short_warehouse_gives_each_its_share_in_whole_cases_and_says_why() -> None:
    made = shipped(*(fed(n, {0: 24.0}, source_available=40.0) for n in "abc"))
    assert sum(r["sent"] for r in made) == 36
    assert sorted(r["sent"] for r in made) == [12, 12, 12]
    assert made[0]["reason"] == "dc has 40 for the 72 of 3 orders, shared fairly in whole cases."


def test_what_is_owed_to_customers_comes_first_and_a_lane_carries_no_more_than_it_can() -> None:
    both = {"source_available": 30.0, "case_pack": 1.0}
    owed = shipped(fed("a", {0: 24.0}, backorders=18.0, **both), fed("b", {0: 24.0}, **both))
    assert [r["sent"] for r in owed] == [21, 9]
    full = shipped(fed("a", {0: 24.0}, lane_capacity=13.0))
    assert full[0]["sent"] == 12
    assert full[0]["reason"] == "the lane from dc carries at most 13 a period."


ASK = st.tuples(st.integers(0, 8), st.sampled_from([1.0, 4.0, 6.0]), st.sampled_from([1.0, 2.0]), st.integers(0, 20))


@settings(max_examples=40, deadline=None)
@given(st.lists(ASK, min_size=1, max_size=6), st.integers(-5, 120))
def test_no_more_leaves_than_there_is_and_nobody_gets_more_than_asked(asks: list[tuple], available: int) -> None:
    items = [
        fed(f"s{k}", {0: cases * pack}, case_pack=pack, units=units, backorders=float(owed),
            source_available=float(available))
        for k, (cases, pack, units, owed) in enumerate(asks)
    ]  # fmt: skip
    made = {r["target_id"]: r for r in shipped(*items)}
    assert len(made) == sum(cases > 0 for cases, *_ in asks)
    left = max(available, 0) - sum(made[f"s{k}"]["sent"] * u for k, (n, _, u, _) in enumerate(asks) if n)
    assert left >= -1e-6
    for k, (cases, pack, units, _) in enumerate(asks):
        if cases:
            row = made[f"s{k}"]
            assert 0 <= row["sent"] <= row["asked"] == cases * pack
            assert row["sent"] % pack == 0
            assert row["sent"] == row["asked"] or pack * units > left + 1e-6  # nothing that would fit stays behind


def helped(cost: float, lead: int = 0, **given: object) -> list[dict]:
    """b is empty until its next order; a has plenty, and a lane to b."""
    lane = {"helpers": ["a"], "helper_lead": [lead], "helper_cost": [cost], "helper_capacity": [None]}
    a = fed("a", {}, on_hand=100.0, source_item=None, **given)
    b = fed("b", {}, on_hand=0.0, source_item=None, **lane)
    return shipped(a, b)


def test_a_place_helps_another_where_that_saves_more_than_it_costs() -> None:
    moved = helped(0.5)
    assert [(r["source_id"], r["target_id"], r["kind"]) for r in moved] == [("a", "b", "transfer")]
    row = moved[0]
    assert 0 < row["sent"] <= row["asked"] <= 14
    assert 0.8 < row["saving"] / (row["sent"] * (3.0 - 0.5)) <= 1.0
    assert row["cost"] == pytest.approx(0.5 * row["sent"])
    assert row["ship_date"] == row["receipt_date"] == dt.date(2024, 4, 1)
    assert "is expected to miss" in row["reason"]
    assert helped(3.5) == []


def test_a_transfer_that_comes_too_late_or_that_the_sender_needs_is_not_made() -> None:
    assert helped(0.5, lead=3) == []
    assert helped(0.5, lead_time=5, review_period=40) == []
    assert helped(0.5, min_stock=100.0) == []


def test_a_slow_lane_takes_nothing_from_what_a_fast_one_saves() -> None:
    def moved(*lanes: tuple[str, int]) -> dict[str, float]:
        ways = {"helpers": [name for name, _ in lanes], "helper_lead": [lead for _, lead in lanes],
                "helper_cost": [0.5] * len(lanes), "helper_capacity": [None] * len(lanes)}  # fmt: skip
        plain = {"source_item": None, "product_id": "p"}
        places = (fed(name, {}, on_hand=units, **plain) for name, units in (("a", 100.0), ("c", 0.0), ("d", 40.0)))
        return {r["source_id"]: r["sent"] for r in shipped(*places, fed("b", {}, on_hand=0.0, **plain, **ways))}

    alone, late = moved(("a", 0))["a"], moved(("d", 2))["d"]
    assert alone > late > 0
    assert moved(("a", 0), ("c", 2)) == {"a": alone}  # c has nothing to spare
    assert moved(("a", 0), ("d", 2)) == {"a": alone}
    assert moved(("d", 2), ("c", 0)) == {"d": late}


def test_lines_that_are_cut_say_so_and_count_what_comes() -> None:
    asked = plan_group(_with_limits(fed("a", {})), job()).order_plan.to_pylist()[0]
    assert asked["order_date"] == dt.date(2024, 4, 1)
    quantity = asked["order_qty"]
    assert quantity > 6
    row = fed("a", {0: quantity}, sent=6.0, short="dc has 6 for the 12 of this order.")
    made = cut_lines(table(row), job())
    line = made.order_plan.to_pylist()[0]
    assert (line["order_qty"], line["order_value"]) == (6, 12)
    assert f"Cut from {quantity:.0f} to 6: dc has 6 for the 12 of this order." in line["reason"]
    assert line["stockout_probability"] > asked["stockout_probability"]
    ledger = made.order_ledger.to_pylist()[0]
    assert ledger["binding"] == "stock of p at dc"
    assert ledger["shadow_price"] > 0
    assert ledger["sentence"].startswith(line["reason"])
    none = cut_lines(table({**row, "sent": 0.0}), job()).order_plan.to_pylist()[0]
    assert none["order_qty"] == 0
    assert f"No order instead of {quantity:.0f}: dc has 6" in none["reason"]


def _with_limits(row: dict[str, object]) -> pa.Table:
    columns = (*PACKED, Column("resources", "string", ""), Column("grants", "string", ""))
    return pa.Table.from_pylist([row], schema=arrow_schema(columns))


def test_the_order_of_rows_does_not_show() -> None:
    rows = [fed(n, {0: 24.0, 2: 6.0}, source_available=50.0) for n in "abc"]
    assert shipped(*rows) == shipped(*reversed(rows))
    assert demand(*rows) == demand(*reversed(rows))
