"""The stock simulator against hand-worked weeks, and KPI sums against one-line oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parlevel.domain.evaluate.inventory import SUMS, order_cycles, point_costs, ratios, sums
from parlevel.domain.evaluate.simulate import Played, play, recent_mean, start_state
from parlevel.domain.replenish.base import Forecast, State
from parlevel.domain.replenish.registry import policy
from stock import forecast, state, states, terms


class Fixed:
    """Orders the quantities it was given, one a decision; remembers what it saw."""

    def __init__(self, *orders: float) -> None:
        self.orders, self.seen, self.histories = list(orders), [], []

    def order(self, at: State, known: Forecast, _terms: object) -> np.ndarray:
        self.seen.append(float(at.inventory_position[0]))
        self.histories.append(known.history[0].tolist())
        return np.array([self.orders.pop(0)])


def game(orders: list[float], demand: list[float], start: State, **given: object) -> tuple[Played, Fixed]:
    t = terms(1, **given)
    who = Fixed(*orders)
    flat = Forecast(np.ones((1, 1)), np.array([0.5]), np.ones((1, 1, 1)), np.zeros(1), np.array([[7.0]]))
    return play(who, start, np.array([demand]), lambda _t: flat, t), who


def test_lost_sales_by_hand():
    # stock 5; order 4 now (arrives in period 2), 3 in period 1 (period 3), 0, 2 (too late)
    got, who = game([4, 3, 0, 2], [3.0, 4.0, 1.0, 9.0], state(5.0), lead_time=2)
    assert got.stock[0].tolist() == [2.0, 0.0, 3.0, 0.0]
    assert got.unmet[0].tolist() == [0.0, 2.0, 0.0, 3.0]
    assert got.sales[0].tolist() == [3.0, 2.0, 1.0, 6.0]
    assert who.seen == [5.0, 6.0, 7.0, 6.0]  # on hand + on order before each decision
    assert got.ordered[0].tolist() == [4, 3, 0, 2]


def test_backorders_by_hand():
    got, who = game([0, 5, 0], [3.0, 2.0, 1.0], state(2.0), lead_time=1, backorder_cost=1.0)
    assert got.waiting[0].tolist() == [1.0, 3.0, 0.0]
    assert got.stock[0].tolist() == [0.0, 0.0, 1.0]
    assert got.unmet[0].tolist() == [1.0, 2.0, 0.0]
    assert got.sales[0].tolist() == [2.0, 0.0, 4.0]
    assert who.seen == [2.0, -1.0, 2.0]


def test_lead_time_zero_is_sold_from_in_the_same_period_and_reviews_wait_their_turn():
    got, who = game([3, 4], [3.0, 0.0, 4.0], state(0.0), lead_time=0, review_period=2)
    assert got.sales[0].tolist() == [3.0, 0.0, 4.0]
    assert got.unmet.sum() == 0
    assert len(who.seen) == 2


def test_open_orders_arrive_and_history_shows_no_demand_of_stockouts():
    start = State(np.array([1.0]), np.zeros(1), np.array([[0.0, 2.0]]))
    got, who = game([0, 0, 0], [4.0, 1.0, 1.0], start)
    assert got.stock[0].tolist() == [0.0, 1.0, 0.0]
    assert who.histories[0] == [7.0]
    assert np.isnan(who.histories[1][-1])
    assert who.histories[2][-1] == 1.0


def test_needed_is_what_perfect_knowledge_would_have_ordered_in_total():
    got, _ = game([1, 8, 5], [4.0, 1.0, 6.0], state(2.0), lead_time=1, review_period=1)
    # the decisions at 0 and 1 protect periods 0..2: 11 wanted, 2 there; the one at 2 looks beyond known demand
    assert got.judged.tolist() == [9.0]
    assert got.needed.tolist() == [9.0]
    long, _ = game([4, 0, 0], [4.0, 1.0, 6.0], state(2.0), lead_time=5)
    assert (long.judged.tolist(), long.needed.tolist()) == ([0.0], [0.0])


def test_the_start_is_one_protection_interval_in_whole_cases_below_the_maximum():
    history = np.array([[np.nan, 2.0, 4.0]] * 3)
    assert recent_mean(history, 28).tolist() == [3.0, 3.0, 3.0]
    t = terms(3, lead_time=2, review_period=2, case_pack=[1.0, 5.0, 5.0], max_stock=[np.nan, np.nan, 11.0])
    assert start_state(history, t).on_hand.tolist() == [12.0, 15.0, 10.0]


def test_stock_is_conserved_for_every_policy():
    rng = np.random.default_rng(1)
    demand = rng.poisson(4, (3, 20)).astype(float)
    t = terms(3, lead_time=[0, 1, 3], review_period=[1, 3, 7], case_pack=[1.0, 4, 6], order_cost=1.0)
    f = forecast([4.0, 4.0, 4.0], 20)
    start = states([10.0, 10.0, 10.0])
    for name in ("min_max", "optimal"):
        got = play(policy(name), start, demand, lambda _t: f, t)
        received = np.stack([
            sum(np.pad(got.ordered[i], (int(t.lead_time[i]), 0))[:20]) for i in range(3)
        ])  # fmt: skip
        np.testing.assert_allclose(start.on_hand + received - got.sales.sum(1), got.stock[:, -1])
        np.testing.assert_allclose(got.sales + got.unmet, demand)


def test_what_perishes_is_sold_oldest_first_and_thrown_away_by_hand():
    # life 2: a unit of period t sells in t and t + 1. Start 3; 4 arrive in period 0, 5 in period 2.
    got, who = game([4, 0, 5, 0], [2.0, 1.0, 3.0, 0.0], state(3.0), lead_time=0, shelf_life=2, unit_cost=2.5)
    assert got.perished[0].tolist() == [0.0, 4.0, 0.0, 2.0]
    assert got.stock[0].tolist() == [5.0, 0.0, 2.0, 0.0]
    assert got.unmet.sum() == 0
    assert who.seen == [3.0, 5.0, 0.0, 2.0]  # what was thrown away is not counted on
    assert sums(got, terms(1, unit_cost=2.5), np.ones((1, 4)))["leftover_cost"].tolist() == [2.5 * 6]


def test_the_oldest_batch_is_sold_first():
    # 2 of period 0 (life 3) and 3 of period 1: the sale of period 1 takes both of period 0 first
    got, _ = game([2, 3, 0, 0], [0.0, 2.0, 0.0, 0.0], state(0.0), lead_time=0, shelf_life=3)
    assert got.perished[0].tolist() == [0.0, 0.0, 0.0, 3.0]


def test_only_what_perishes_within_the_periods_played_does():
    # life 0: never; life 9 in 4 periods: not yet; a late delivery of what is owed leaves no stock to perish
    for life in (0, 9):
        got, _ = game([0, 0, 0, 0], [1.0, 0.0, 0.0, 0.0], state(5.0), shelf_life=life)
        assert got.perished.sum() == 0
        assert got.stock[0, -1] == 4.0
    got, _ = game([3, 0], [2.0, 0.0], state(0.0), lead_time=1, shelf_life=1, backorder_cost=1.0)
    assert got.perished[0].tolist() == [0.0, 1.0]
    assert got.waiting[0].tolist() == [2.0, 0.0]


def test_conserved_with_what_perished_for_every_policy():
    rng = np.random.default_rng(2)
    demand = rng.poisson(4, (4, 30)).astype(float)
    t = terms(4, lead_time=[0, 1, 3, 1], review_period=[1, 3, 7, 7], shelf_life=[1, 4, 3, 0], order_cost=1.0)
    f, start = forecast([4.0] * 4, 30), states([10.0] * 4)
    for name in ("min_max", "base_stock", "optimal"):
        got = play(policy(name), start, demand, lambda _t: f, t)
        received = np.stack([sum(np.pad(got.ordered[i], (int(t.lead_time[i]), 0))[:30]) for i in range(4)])
        left = start.on_hand + received - got.sales.sum(1) - got.perished.sum(1)
        np.testing.assert_allclose(left, got.stock[:, -1], atol=1e-9)
        np.testing.assert_allclose(got.sales + got.unmet, demand)
        assert (got.stock[0] == 0).all()  # of a life of one period nothing is left at its end
        assert (got.perished[:3].sum(axis=1) > 0).all()
        assert got.perished[3].sum() == 0


def test_the_start_and_the_baseline_hold_no_more_than_sells_within_its_life():
    history = np.array([[3.0] * 7] * 2)
    t = terms(2, lead_time=1, review_period=7, shelf_life=[3, 0])
    assert start_state(history, t).on_hand.tolist() == [9.0, 24.0]
    flat = forecast([3.0, 3.0], 7)
    low, high = policy("min_max").levels(replace(flat, history=history), t)
    assert low.tolist() == [12.0, 36.0]  # 4 periods of 3: an order of today sells in periods 1 to 3
    assert high.tolist() == [12.0, 57.0]


def test_sums_and_ratios_by_hand():
    got, _ = game([4, 3, 0, 2], [3.0, 4.0, 1.0, 9.0], state(5.0), lead_time=2)
    t = terms(1, lead_time=2, unit_cost=2.0, holding_cost=0.5, shortage_cost=4.0, order_cost=1.5)
    total = {k: float(v.sum()) for k, v in sums(got, t, np.array([[1.0, 1.0, 0.0, 1.0]])).items()}
    assert set(total) == set(SUMS)
    assert (total["demand"], total["unmet"], total["short_cells"], total["n_cells"]) == (17.0, 5.0, 2.0, 3.0)
    assert (total["holding_cost"], total["shortage_cost"], total["order_cost"]) == (2.5, 20.0, 4.5)
    kpi = ratios(total, 4, 365.25, 1.0)
    assert kpi["fill_rate"] == pytest.approx(12 / 17)
    assert kpi["stockout_rate"] == pytest.approx(2 / 3)
    assert kpi["days_of_supply"] == pytest.approx(5 / 17)
    assert kpi["stock_value"] == pytest.approx(2.5)
    assert kpi["turnover"] == pytest.approx(12 * 2 * 365.25 / 4 / 2.5)
    assert kpi["total_cost"] == pytest.approx(27.0)
    # decisions at 0 and 1 see all of their protection interval: ordered 4 + 3, needed 17 - 5
    assert kpi["replenishment_accuracy"] == pytest.approx(1 - 5 / 12)


def test_ratios_without_a_denominator_are_unknown_not_perfect():
    kpi = ratios(dict.fromkeys(SUMS, 0.0), 4, 365.25, 1.0)
    assert kpi["fill_rate"] is None
    assert kpi["turnover"] is None
    assert kpi["replenishment_accuracy"] is None
    assert kpi["total_cost"] == 0.0


def test_the_optimal_policy_beats_the_baseline_on_poisson_demand():
    rng = np.random.default_rng(7)
    n, periods = 40, 56
    mean = rng.gamma(2, 3, n) + 1
    demand = rng.poisson(mean[:, None], (n, periods)).astype(float)
    t = terms(n, lead_time=2, review_period=3, case_pack=6.0, holding_cost=0.02, shortage_cost=1.5, order_cost=0.5)
    f = forecast(list(mean), 28)
    start = start_state(f.history, t)
    costs = {}
    for name in ("min_max", "optimal"):
        got = play(policy(name), start, demand, lambda _t: f, t)
        found = sums(got, t, np.ones((n, periods)))
        costs[name] = sum(found[k].sum() for k in ("holding_cost", "shortage_cost", "order_cost"))
    assert costs["optimal"] < 0.95 * costs["min_max"]


def test_order_cycles_count_from_the_first_possible_receipt_and_only_whole_ones() -> None:
    t = terms(2, lead_time=1, review_period=2)
    unmet = np.array([[5.0, 0.0, 1.0, 0.0, 0.0, 3.0], [9.0, 0.0, 0.0, 0.0, 0.0, 9.0]])
    cycles, served = order_cycles(unmet, t)
    assert cycles.tolist() == [2.0, 2.0]  # periods 2-3 and 4-5; the sixth belongs to a cycle that is cut off
    assert served.tolist() == [1.0, 2.0]


def test_a_point_of_service_is_priced_against_the_setting_below() -> None:
    assert point_costs([0.90, 0.95, None, 0.97], [20.0, 30.0, 1.0, 40.0]) == [None, 2.0, None, 5.0]
