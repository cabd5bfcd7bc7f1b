"""The item model and its dynamic programme against brute force and textbooks."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.base import State, Terms
from parlevel.domain.replenish.course import course
from parlevel.domain.replenish.kernels.plans import cheapest
from parlevel.domain.replenish.model import build
from parlevel.domain.replenish.plan import Settings, item_model
from parlevel.domain.replenish.solvers import dp
from parlevel.domain.replenish.timeline import planning_periods
from stock import state, terms


def demand(*paths: list[float]) -> np.ndarray:
    return np.array([paths], dtype=float)


def test_newsvendor_orders_the_critical_ratio_quantile_of_the_sample():
    sample = np.random.default_rng(3).poisson(20, 99)
    for shortage in (0.5, 2.0, 9.0):
        t = terms(holding_cost=1.0, shortage_cost=shortage)
        plans = dp.solve(build(state(), t, sample[None, :, None].astype(float), 1))
        ratio = shortage / (shortage + 1.0)
        assert plans.units[0, 0, 0] == np.quantile(sample, ratio, method="inverted_cdf")


def wagner_whitin(demands: list[float], fixed: float, holding: float) -> float:
    """Least cost by trying every set of order periods."""
    n, best = len(demands), np.inf
    for later in itertools.product([0, 1], repeat=n - 1):
        orders = (1, *later)
        cost, last = 0.0, 0
        for t in range(n):
            last = t if orders[t] else last
            cost += fixed * orders[t] + holding * (t - last) * demands[t]
        best = min(best, cost)
    return best


@pytest.mark.parametrize(
    ("demands", "fixed", "holding", "cost"),
    [
        ([90, 120, 80, 70], 500, 2, 1380.0),  # Snyder & Shen, example 3.9
        ([30, 40, 20, 10, 50], 60, 1, None),
        ([7, 1, 1, 30, 2, 9], 25, 0.5, None),
    ],
)
def test_deterministic_demand_gives_the_wagner_whitin_plan(demands, fixed, holding, cost):
    t = terms(holding_cost=holding, order_cost=fixed, shortage_cost=1e4, backorder_cost=1e4)
    plans = dp.solve(build(state(), t, demand(demands), len(demands), max_levels=1000))
    want = wagner_whitin(demands, fixed, holding)
    assert plans.cost[0, 0] == pytest.approx(want)
    assert plans.priced[0, 0] == pytest.approx(want)
    if cost is not None:
        assert want == cost


def test_stockpyl_wagner_whitin_instances():
    root = Path(os.environ.get("PARLEVEL_DATA") or "../shared/data") / "inventory" / "stockpyl_instances.json"
    if not root.is_file():
        pytest.skip(f"no stockpyl instances at {root}")
    found = [i for i in json.loads(root.read_text())["instances"] if "Wagner-Whitin" in i.get("description", "")]
    plain = [i["data"] for i in found if "purchase_cost" not in i["data"]]
    assert len(plain) >= 3
    for data in plain:
        d = data["demand"]
        unit = float(np.gcd.reduce(np.array(d, int)))
        t = terms(holding_cost=data["holding_cost"], order_cost=data["fixed_cost"], backorder_cost=1e6, case_pack=unit)
        got = dp.solve(build(state(), t, demand(d), len(d), max_levels=5000)).cost[0, 0]
        assert got == pytest.approx(wagner_whitin(d, data["fixed_cost"], data["holding_cost"]), abs=1e-6)


def true_cost(t: Terms, s: State, paths: np.ndarray, orders: list[float], periods: int) -> float:
    """Expected cost of one item's plan by walking every path, backorders."""
    total, lead, review = 0.0, int(t.lead_time[0]), int(t.review_period[0])
    for path in paths[0]:
        level = s.on_hand[0] - s.backorders[0]
        for step in range(periods):
            level += s.receipts[0, step] if step < s.receipts.shape[1] else 0.0
            k, rest = divmod(step - lead, review)
            if step >= lead and rest == 0 and k < len(orders):
                level += orders[k]
            level -= path[step]
            total += t.holding_cost[0] * max(level, 0) + t.backorder_cost[0] * max(-level, 0)
    return total / len(paths[0]) + t.order_cost[0] * sum(q > 0 for q in orders)


@settings(max_examples=25, deadline=None)
@given(
    lead=st.integers(0, 2), review=st.integers(1, 2), pack=st.sampled_from([1.0, 2.0]), moq=st.integers(0, 4),
    fixed=st.floats(0, 6), on_hand=st.integers(0, 5), due=st.integers(0, 3), seed=st.integers(0, 99),
)  # fmt: skip
def test_no_plan_is_cheaper_than_the_dynamic_programme(lead, review, pack, moq, fixed, on_hand, due, seed):
    horizon = 3
    t = terms(lead_time=lead, review_period=review, case_pack=pack, min_order_qty=float(moq), order_cost=fixed,
              backorder_cost=3.0)  # fmt: skip
    s = state(float(on_hand), [0.0, float(due), 0.0])
    periods = planning_periods(t, horizon)
    paths = np.random.default_rng(seed).integers(0, 4, (1, 3, periods)).astype(float)
    model = build(s, t, paths, horizon)
    got = dp.solve(model)
    count = int(model.time.count[0])
    choices = [q for q in np.arange(0, 14, pack) if q == 0 or q >= moq]
    best = min(
        true_cost(t, s, paths, list(orders), lead + count * review)
        for orders in itertools.product(choices, repeat=count)
    )
    assert got.priced[0, 0] == pytest.approx(best)
    assert true_cost(t, s, paths, list(got.units[0, 0]), lead + count * review) == pytest.approx(best)


def test_lost_sales_stop_the_stock_at_zero_until_the_first_receipt():
    t = terms(lead_time=2, shortage_cost=5.0, holding_cost=1.0)
    model = build(state(3.0, [0.0, 2.0]), t, demand([5.0, 1.0, 4.0]), 1)
    assert model.net[0, 0].tolist() == [0.0, 1.0, -3.0]  # 2 of 5 lost, then 0 + 2 - 1, then 1 - 4
    assert model.lost[0, 0] == 2.0
    plans = dp.solve(model)
    assert plans.units[0, 0].tolist() == [3.0]
    assert plans.cost[0, 0] == pytest.approx(2 * 5.0 + 1.0)  # lost before, one unit held at the end of period 2


def test_second_pass_does_not_reorder_what_was_lost():
    # Two equally likely paths; the big one is not worth serving, so its loss must not be ordered afterwards.
    paths = demand([0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [20.0, 2.0])
    t = terms(shortage_cost=1.0, holding_cost=1.0)
    one = item_model(state(), t, paths, Settings(2, 1, passes=1))
    two = item_model(state(), t, paths, Settings(2, 1, passes=2))
    assert dp.solve(two).units[0, 0].tolist() == [0.0, 2.0]
    run = course(two, dp.solve(two).units[0])
    assert run.lost[0].tolist() == [[0, 0], [0, 0], [0, 0], [20.0, 0]]
    assert run.stock.max() == 0.0
    assert dp.solve(two).cost[0, 0] == pytest.approx(5.0)
    assert dp.solve(one).units[0, 0].tolist() == [0.0, 7.0]  # 2 and, on average, the 5 that were lost


def test_maximum_stock_caps_the_first_order_and_leaves_room_for_what_will_be_sold():
    t = terms(max_stock=6.0, backorder_cost=10.0, order_cost=0.0)
    model = build(state(2.0), t, demand([5.0, 5.0, 5.0]), 3)
    plan = dp.solve(model).units[0, 0]
    assert plan[0] <= 4.0
    assert 2.0 + plan[0] - 5.0 + plan[1] <= 6.0


def test_a_maximum_below_the_smallest_order_forbids_later_orders_too():
    for rule in ({"case_pack": 12.0}, {"min_order_qty": 9.0}):
        t = terms(max_stock=8.0, shortage_cost=50.0, order_cost=0.0, holding_cost=0.01, **rule)
        assert not dp.solve(build(state(0.0), t, demand([5.0] * 8), 8)).units.any()
        fits = terms(max_stock=12.0, shortage_cost=50.0, order_cost=0.0, holding_cost=0.01, **rule)
        assert dp.solve(build(state(0.0), fits, demand([5.0] * 8), 8)).units.any()


def test_shelf_life_limits_the_cover_but_never_forbids_the_smallest_order():
    flat = [1.0] * 12
    long = terms(order_cost=5.0, holding_cost=0.01, shortage_cost=10.0)
    short = terms(order_cost=5.0, holding_cost=0.01, shortage_cost=10.0, shelf_life=3)
    assert dp.solve(build(state(), long, demand(flat), 12)).units[0, 0].max() == 12.0
    assert dp.solve(build(state(), short, demand(flat), 12)).units[0, 0].max() <= 3.0
    packed = terms(order_cost=5.0, holding_cost=0.01, shortage_cost=10.0, shelf_life=3, min_order_qty=5.0)
    assert dp.solve(build(state(), packed, demand(flat), 12)).units[0, 0, 0] == 5.0


@pytest.mark.parametrize("limit", [{"max_stock": 8.0}, {"shelf_life": 3}])
def test_what_was_lost_meanwhile_does_not_make_later_orders_larger(limit):
    """Orders open on one day in six: what sells out between them frees no shelf and uses up no stock."""
    t = terms(order_cost=0.1, holding_cost=0.01, shortage_cost=50.0, order_days=np.array([0b0000010]), **limit)
    model = build(state(), t, demand([3.0] * 21), 21)
    found = dp.solve(model).units[0, 0]
    assert found.sum() > 0
    assert found.max() <= (8.0 if "max_stock" in limit else 9.0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), least=st.integers(1, 3), premium=st.floats(-2, 2))
def test_the_largest_order_is_kept_at_the_least_cost(seed, least, premium):
    rng = np.random.default_rng(seed)
    n_k, levels = 3, 7
    cost, cap = rng.uniform(0, 9, (1, n_k, levels)), rng.integers(-1, levels, (1, n_k))
    most = rng.integers(least, levels + 1, (1, n_k))
    slope, fixed = np.full((1, 1, n_k), premium), rng.uniform(0, 3, (1, 1, n_k))
    level, alone, priced = cheapest(
        cost, cap, np.array([least]), most, slope, fixed, np.zeros(1), np.zeros((0, 0, 0, 0))
    )
    best = np.inf
    for path in itertools.product(range(levels), repeat=n_k):
        order = np.diff(path, prepend=0)
        may = [q == 0 or (least <= q <= most[0, k] and path[k] <= cap[0, k]) for k, q in enumerate(order)]
        if all(may):
            paid = sum(cost[0, k, at] for k, at in enumerate(path)) + float((slope[0, 0] * order).sum())
            best = min(best, paid + float(fixed[0, 0][order > 0].sum()))
    assert priced[0, 0] == pytest.approx(best)
    order = np.diff(level[0, 0], prepend=0)
    assert alone[0, 0] + (slope[0, 0] * order).sum() + fixed[0, 0][order > 0].sum() == pytest.approx(best)


def test_display_stock_is_kept_above_what_is_sold():
    plain = dp.solve(build(state(), terms(), demand([4.0]), 1)).units[0, 0, 0]
    display = dp.solve(build(state(), terms(min_stock=3.0), demand([4.0]), 1)).units[0, 0, 0]
    assert (plain, display) == (4.0, 7.0)


def test_a_spread_of_the_lead_time_orders_more():
    flat = np.full((1, 64, 8), 5.0)
    t = {"lead_time": 3, "review_period": 2, "shortage_cost": 20.0, "holding_cost": 0.2}
    sure = dp.solve(build(state(20.0), terms(**t), flat, 4)).units[0, 0, 0]
    spread = dp.solve(build(state(20.0), terms(**t, lead_time_sd=1.0), flat, 4)).units[0, 0, 0]
    assert sure == 5.0
    assert spread > sure


def test_prices_shift_orders_and_the_priced_value_is_cost_plus_prices():
    t = terms(holding_cost=0.1, backorder_cost=5.0)
    model = build(state(), t, demand([3.0, 3.0, 3.0]), 3)
    unit = np.zeros((2, 1, 3))
    unit[1, 0, 1] = 1.0
    plans = dp.solve(model, dp.Prices(unit, np.zeros((2, 1, 3))))
    assert plans.units[0, 0].tolist() == [3.0, 3.0, 3.0]
    assert plans.units[1, 0].tolist() == [6.0, 0.0, 3.0]
    paid = (plans.units * unit).sum(axis=2)
    np.testing.assert_allclose(plans.priced, plans.cost + paid)


def test_a_barred_opportunity_is_not_used():
    t = terms(backorder_cost=5.0)
    model = build(state(), t, demand([3.0, 3.0]), 2)
    fixed = np.array([[[np.inf, 0.0]]])
    assert dp.solve(model, dp.Prices(np.zeros((1, 1, 2)), fixed)).units[0, 0].tolist() == [0.0, 6.0]


def test_items_do_not_depend_on_their_neighbours_nor_on_their_order():
    rng = np.random.default_rng(0)
    n, periods = 5, 10
    paths = rng.poisson(rng.gamma(1, 4, n)[:, None, None], (n, 16, periods)).astype(float)
    t = Terms(**{**vars(terms(n, order_cost=2.0)), "lead_time": np.array([0, 1, 2, 0, 3]),
                 "review_period": np.array([1, 2, 3, 7, 1]), "case_pack": np.array([1.0, 2, 6, 4, 1])})  # fmt: skip
    s = State(rng.integers(0, 9, n).astype(float), np.zeros(n), np.zeros((n, periods)))
    whole = dp.solve(build(s, t, paths, 6))
    for i in range(n):
        one = dp.solve(build(s.take(np.array([i])), t.take(np.array([i])), paths[[i]], 6))
        width = one.units.shape[2]
        assert whole.units[0, i, :width].tolist() == one.units[0, 0].tolist()
        assert not whole.units[0, i, width:].any()
        assert whole.cost[0, i] == pytest.approx(one.cost[0, 0], rel=1e-12)


def test_a_fast_mover_is_planned_in_several_cases_a_level_at_little_cost():
    paths = np.random.default_rng(2).poisson(900, (1, 16, 8)).astype(float)
    t = terms(case_pack=6.0, min_order_qty=20.0, holding_cost=0.1, shortage_cost=2.0, order_cost=5.0)
    fine, coarse = (dp.solve(build(state(), t, paths, 8, max_levels=m)) for m in (4000, 192))
    assert build(state(), t, paths, 8, max_levels=192).n_levels <= 192
    assert (coarse.units % 6 == 0).all()
    placed = coarse.units[coarse.units > 0]
    assert (placed >= 20).all()
    assert fine.cost[0, 0] <= coarse.cost[0, 0] <= 1.05 * fine.cost[0, 0]


def test_a_tight_maximum_is_met_in_single_cases_even_by_a_fast_mover():
    paths = np.full((1, 4, 8), 300.0)
    t = terms(case_pack=1.0, min_order_qty=101.0, max_stock=103.0, shortage_cost=2.0, holding_cost=0.01)
    first = dp.solve(build(state(), t, paths, 8, max_levels=192)).units[0, 0, 0]
    assert 101.0 <= first <= 103.0
