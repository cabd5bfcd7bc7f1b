"""Order days and the frozen window: orders only where they may be placed, at the least cost among those plans."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_replenish_group import item, packed, plan_group, plans

from packed_items import CUTOFF, HORIZON, job
from parlevel.domain.evaluate.simulate import play
from parlevel.domain.periods import to_date
from parlevel.domain.replenish.base import State
from parlevel.domain.replenish.model import build
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.registry import policy
from parlevel.domain.replenish.rounding import least
from parlevel.domain.replenish.solvers import dp
from stock import forecast, state, states, terms


def calendar(days: list[int], n: int = 1) -> np.ndarray:
    return np.full(n, sum(1 << day for day in days))


def test_weekdays_count_from_the_day_after_the_cutoff():
    items = unpack(packed(item("a", order_weekdays=[2, 5]), item("b", 3.0)), HORIZON)
    of = {name: k for k, name in enumerate(items.names["series_id"])}
    step = np.arange(14)[None] + np.zeros((2, 1), int)
    days = [d.item().isoweekday() for d in to_date(CUTOFF + 1 + step[0], "day")]
    assert [d for d, on in zip(days, items.terms.open(step)[of["a"]], strict=True) if on] == [2, 5, 2, 5]
    assert items.terms.open(step)[of["b"]].all()
    assert items.terms.review_period[[of["a"], of["b"]]].tolist() == [1, 2]
    # Tuesday to Friday is 3 days, Friday to Tuesday 4; the lead time is 1.
    assert items.terms.protection_interval[[of["a"], of["b"]]].tolist() == [5, 3]


def test_an_order_waits_for_its_day_and_the_reason_says_so():
    made = plan_group(packed(item("a", order_weekdays=[3]), item("b", 3.0)), job())
    rows = [r for r in made.order_plan.to_pylist() if r["series_id"] == "a"]
    assert rows[0]["order_qty"] == 0
    assert (
        "No order can be placed: the supplier takes no orders that day; the next can be in 2 days" in rows[0]["reason"]
    )
    assert {r["order_date"] for r in rows[1:]} == {dt.date(2024, 4, 3)}
    assert plans(made)["b"]["order_qty"] > 0


def test_a_frozen_window_orders_nothing_new_before_its_end():
    made = plan_group(packed(item("a", frozen_periods=2, review_period=1), item("b", 3.0)), job())
    rows = [r for r in made.order_plan.to_pylist() if r["series_id"] == "a"]
    assert rows[0]["order_qty"] == 0
    assert "orders of the first 2 days are fixed; the next can be in 2 days" in rows[0]["reason"]
    assert min(r["order_date"] for r in rows if r["order_qty"]) == dt.date(2024, 4, 3)


def test_a_policy_by_name_keeps_the_calendar_and_covers_the_time_to_the_next_day():
    shut = plans(plan_group(packed(item("a", order_weekdays=[3])), job(policy="base_stock")))["a"]
    assert shut["order_qty"] == 0
    weekly = plans(plan_group(packed(item("a", order_weekdays=[1])), job(policy="base_stock")))["a"]
    daily = plans(plan_group(packed(item("a", review_period=1)), job(policy="base_stock")))["a"]
    assert weekly["order_qty"] > daily["order_qty"]


@settings(max_examples=40, deadline=None)
@given(
    days=st.sets(st.integers(0, 6), max_size=7), frozen=st.integers(0, 3), pack=st.sampled_from([1.0, 2.0, 3.0]),
    moq=st.integers(0, 5), top=st.integers(0, 14), on_hand=st.integers(0, 6), seed=st.integers(0, 99),
)  # fmt: skip
def test_orders_keep_calendar_rounding_and_maximum_at_the_least_cost(days, frozen, pack, moq, top, on_hand, seed):
    horizon = 4
    t = terms(order_days=calendar(sorted(days)), frozen=np.array([frozen]), case_pack=pack, min_order_qty=float(moq),
              max_stock=float(top), order_cost=0.5, backorder_cost=4.0)  # fmt: skip
    paths = np.random.default_rng(seed).integers(0, 4, (1, 3, horizon)).astype(float)
    model = build(state(float(on_hand)), t, paths, horizon)
    plan = dp.solve(model)
    units = plan.units[0, 0]
    open_ = t.open(np.arange(horizon)[None])[0]
    smallest = float((least(t) * t.case_pack)[0])
    assert not units[~open_].any()
    assert all(q == 0 or (q >= smallest and q % pack == 0) for q in units)
    assert (units <= max(top, smallest)).all()
    if units[0] > 0:
        assert on_hand + units[0] <= top
    levels = model.n_levels
    best = np.inf
    for choice in itertools.product(range(levels), repeat=horizon):
        total = np.cumsum(choice)
        fits = all(
            c == 0 or (open_[k] and model.least[0] <= c <= model.most[0, k] and total[k] <= model.cap[0, k])
            for k, c in enumerate(choice)
        )
        if fits and total[-1] < levels:
            best = min(best, float(dp.appraise(model, total[None, None])[0, 0]))
    assert plan.priced[0, 0] == pytest.approx(best)


@pytest.mark.parametrize("name", ["optimal", "base_stock", "min_max"])
def test_the_simulation_orders_on_the_days_that_take_orders(name):
    t = terms(2, order_days=np.array([0b0000100, 0b1111111]), lead_time=1)
    demand = np.full((2, 21), 2.0)
    expected = forecast([2.0, 2.0], horizon=14)
    played = play(policy(name), states([4.0, 4.0]), demand, lambda _: expected, t)
    assert {k % 7 for k in np.flatnonzero(played.ordered[0])} == {2}
    assert played.sales[0].sum() > 20


def test_what_is_decided_in_a_frozen_window_comes_after_it():
    plain, frozen = terms(1, lead_time=3), terms(1, lead_time=1, frozen=np.array([2]))
    expected = forecast([2.0], horizon=14)
    start = State(np.array([8.0]), np.zeros(1), np.zeros((1, 1)))
    one, two = (
        play(policy("base_stock"), start, np.full((1, 12), 2.0), lambda _: expected, t) for t in (plain, frozen)
    )
    np.testing.assert_array_equal(one.stock, two.stock)
