"""The end of a season: demand stops there, the last orders are worth their leftovers, every policy keeps to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_replenish_group import item, packed, plan_group, plans

from packed_items import HORIZON, job
from parlevel.domain.evaluate.inventory import sums
from parlevel.domain.evaluate.simulate import play
from parlevel.domain.replenish.base import Forecast, State
from parlevel.domain.replenish.constraints.season import closing, worth
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.registry import POLICIES, policy
from stock import forecast, states, terms


def ending(mean: list[float], ends: list[int], **given: object) -> Forecast:
    return replace(forecast(mean, **given), ends=np.array(ends)).extend(14, 7)


def test_nobody_buys_after_the_end_whatever_the_forecast_repeats() -> None:
    f = ending([2.0, 2.0], [3, 20])
    longer = f.extend(30, 7)
    assert longer.mean.sum(axis=1).tolist() == [6.0, 40.0]
    assert (longer.quantiles[0, 3:] == 0).all()
    later = f.after(2)
    assert later.ends.tolist() == [1, 18]
    assert later.extend(30, 7).mean.sum(axis=1).tolist() == [2.0, 36.0]
    assert f.take(np.array([1])).ends.tolist() == [20]


@settings(max_examples=30, deadline=None)
@given(
    pack=st.integers(1, 12),
    earned=st.floats(0.1, 5.0),
    left=st.floats(0.0, 1.0),
    sold=st.lists(st.integers(0, 60), min_size=3, max_size=12),
)
def test_cases_are_those_of_the_highest_expected_profit(pack, earned, left, sold) -> None:
    t = terms(1, case_pack=float(pack), shortage_cost=earned, unit_cost=1.0, leftover_value=np.array([left]))
    got = int(worth(np.array([sold], float), t)[0])
    cases = np.arange(62)
    met = np.minimum(np.array(sold)[:, None], cases * pack)
    profit = (earned * met - (1.0 - left) * (cases * pack - met)).mean(axis=0)
    assert profit[got] == pytest.approx(profit.max(), abs=1e-9)


def test_what_a_leftover_brings_buys_more_and_a_late_receipt_nothing() -> None:
    f = ending([5.0] * 4, [6] * 4)
    t = terms(4, lead_time=[0, 0, 5, 6], shortage_cost=1.0, unit_cost=[1.0, 1.0, 1.0, 1.0],
              leftover_value=np.array([0.0, 0.9, 0.0, 0.0]))  # fmt: skip
    most = closing(states([0.0] * 4), f, t, 7).max_stock
    assert most[1] > most[0] > 20  # 30 expected
    assert 0 < most[2] <= 7  # one period is left when it arrives
    assert most[3] == 0  # the season is over when it arrives


def test_a_far_end_and_no_end_hold_nothing_down() -> None:
    f = ending([5.0, 5.0], [6, 10**6])
    assert np.isnan(closing(states([0.0, 0.0]), f, terms(2), 7).max_stock).tolist() == [False, True]
    plain = terms(2)
    assert closing(states([0.0, 0.0]), forecast([5.0, 5.0]), plain, 7) is plain


def test_a_maximum_of_the_terms_stays() -> None:
    f = ending([5.0], [6])
    assert closing(states([0.0]), f, terms(1, max_stock=4.0), 7).max_stock[0] == 4.0


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_no_policy_orders_what_cannot_be_sold(name: str) -> None:
    t = terms(2, lead_time=2, review_period=2, case_pack=3.0, shortage_cost=1.0, holding_cost=0.001)
    demand = np.full((2, 12), 2.0)
    f = ending([2.0, 2.0], [6, 10**6])
    got = play(policy(name), states([6.0, 6.0]), demand, f.after, t)
    assert got.demand[0].tolist() == [2.0] * 6 + [0.0] * 6
    assert got.ordered[0, 4:].sum() == 0  # would arrive when the season is over
    assert got.ordered[1, 4:].sum() > 0
    assert got.stock[0, 5:].sum() == 0
    assert got.leftover[1].sum() == 0
    got_in = 6.0 + got.ordered[0].sum()
    assert got_in == got.sales[0].sum() + got.leftover[0].sum()
    assert got.leftover[0].sum() <= 3.0
    cost = sums(got, t, np.ones((2, 12)))["leftover_cost"]
    assert cost[0] == pytest.approx(got.leftover[0].sum() * 1.0)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_an_items_limit_is_its_own(data) -> None:
    n = 3
    ends = data.draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    held = np.array(data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)), float)
    t = terms(n, lead_time=data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), case_pack=[1.0, 4.0, 6.0])
    f, s = ending([1.0, 4.0, 9.0], ends), State(held, np.zeros(n), np.zeros((n, 1)))
    whole = closing(s, f, t, 7).max_stock
    for k in range(n):
        one = np.array([k])
        alone = closing(s.take(one), f.take(one), t.take(one), 7).max_stock
        np.testing.assert_array_equal(alone, whole[one])
    limited = ~np.isnan(whole)
    assert (whole[limited] >= held[limited]).all()
    assert not limited[np.array(ends) > 28].any()


def test_the_plan_says_that_the_season_holds_it() -> None:
    last = item("a", season_steps=3, on_hand=0.0, case_pack=1.0)
    gone = item("b", 3.0, season_steps=1, on_hand=0.0)
    free = item("c", 5.0, on_hand=0.0, case_pack=1.0)
    items = unpack(packed(last, gone, free), HORIZON)
    of = {name: k for k, name in enumerate(items.names["series_id"])}
    assert items.forecast.mean[of["a"]].tolist() == [4.0, 4.0, 4.0, 0.0, 0.0, 0.0]
    made = plan_group(packed(last, gone, free), job())
    first = plans(made)
    assert first["b"]["order_qty"] == 0
    assert "would pass the stock of 0 that can still be sold before the season ends" in first["b"]["reason"]
    assert 0 < first["a"]["order_qty"] <= 9
    assert first["c"]["order_qty"] > 0
    lines = made.order_ledger.to_pylist()
    assert {r["series_id"] for r in lines if r["binding"] == "season_end"} <= {"a", "b"}
    assert {r["order_date"] for r in lines if r["series_id"] == "b" and r["order_qty"]} == set()


def test_tight_seasons_are_named_in_the_ledger() -> None:
    poor = item("a", season_steps=3, on_hand=0.0, case_pack=1.0, shortage_cost=0.3, holding_cost=0.0001, order_cost=0.0)
    line = plan_group(packed(poor), job()).order_ledger.to_pylist()[0]
    assert line["binding"] == "season_end"
    assert "can still be sold before the season ends allows no more" in line["sentence"]
