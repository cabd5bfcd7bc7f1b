"""Plans carried out by a planner who sees what sold: later orders follow demand, the first one does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.course import course, follow, foreseen, upto
from parlevel.domain.replenish.explain import explain
from parlevel.domain.replenish.model import ItemModel, build
from parlevel.domain.replenish.plan import Settings, item_model
from parlevel.domain.replenish.solvers.dp import solve
from parlevel.domain.replenish.timeline import planning_periods
from stock import forecast, state, states, terms


def model_of(demand: list[list[float]], horizon: int, on_hand: float = 0.0, **given: object) -> ItemModel:
    return build(state(on_hand), terms(**given), np.array([demand], float), horizon)


def test_the_second_order_makes_up_for_what_the_first_day_sold():
    model = model_of([[1, 4], [7, 4]], 2, backorder_cost=5.0)
    run = course(model, np.array([[8.0, 4.0]]))
    assert run.ordered[0].tolist() == [[8.0, 1.0], [8.0, 7.0]]  # up to 8 again on both paths
    assert run.stock[0].tolist() == [[7.0, 4.0], [1.0, 4.0]]


def test_what_is_lost_is_not_ordered_afterwards():
    model = model_of([[2, 3], [9, 3]], 2, shortage_cost=5.0)
    run = course(model, np.array([[4.0, 4.0]]))
    assert run.lost[0].tolist() == [[0.0, 0.0], [5.0, 0.0]]
    # After the first day 2 and 0 are left, 1 on average; the plan's 4 bring both paths to 5.
    assert run.ordered[0].tolist() == [[4.0, 3.0], [4.0, 5.0]]
    assert run.stock[0].tolist() == [[2.0, 2.0], [0.0, 2.0]]


def test_an_order_is_never_negative_and_never_below_the_smallest():
    model = model_of([[0, 1], [0, 1], [30, 1]], 2, backorder_cost=5.0, min_order_qty=6.0, case_pack=2.0)
    run = course(model, np.array([[10.0, 6.0]]))
    assert run.ordered[0, :, 1].tolist() == [0.0, 0.0, 26.0]


def test_a_large_need_is_ordered_where_the_plan_has_no_order():
    model = model_of([[0, 1, 1], [0, 1, 1], [0, 1, 1], [24, 1, 1]], 3, backorder_cost=5.0, case_pack=6.0)
    run = course(model, np.array([[6.0, 0.0, 0.0]]))
    assert run.ordered[0].tolist() == [[6, 0, 0], [6, 0, 0], [6, 0, 0], [6, 18, 0]]


@settings(max_examples=60, deadline=None)
@given(
    lead=st.integers(0, 3), review=st.integers(1, 3), pack=st.sampled_from([1.0, 4.0]), moq=st.integers(0, 9),
    lost=st.booleans(), sd=st.sampled_from([0.0, 0.8]), seed=st.integers(0, 99),
)  # fmt: skip
def test_stock_is_conserved_on_every_path(lead, review, pack, moq, lost, sd, seed):
    rng = np.random.default_rng(seed)
    t = terms(lead_time=lead, lead_time_sd=sd, review_period=review, case_pack=pack, min_order_qty=float(moq),
              backorder_cost=np.nan if lost else 3.0)  # fmt: skip
    paths = rng.integers(0, 9, (1, 8, planning_periods(t, 6))).astype(float)
    model = build(state(5.0), t, paths, 6)
    units = solve(model).units[0]
    run = course(model, units)
    np.testing.assert_allclose(run.ordered[0, :, 0], units[0, 0])
    assert (run.ordered >= 0).all()
    np.testing.assert_allclose(np.mod(run.ordered, pack), 0)
    assert ((run.ordered == 0) | (run.ordered >= moq)).all()
    lost_early = model.lost[:, :, None] if lost else 0.0
    sold = paths.cumsum(axis=2)[..., -1:] - lost_early - (run.lost.sum(axis=2, keepdims=True) if lost else 0.0)
    owed = 0.0 if lost else run.lost[..., -1:]
    np.testing.assert_allclose(run.stock[..., -1:] - owed, 5.0 + run.received.sum(axis=2, keepdims=True) - sold)


def test_before_a_plan_is_known_every_order_makes_up_for_all_that_was_seen():
    model = model_of([[1, 4, 2], [7, 4, 2]], 3, backorder_cost=5.0)
    added = foreseen(model.net, model.time)
    assert added[0].tolist() == [[0.0, -3.0, -3.0], [0.0, 3.0, 3.0]]


@pytest.mark.parametrize("lost", [True, False])
def test_the_plan_of_a_horizon_orders_what_it_expects_to_sell(lost: bool):
    # Without revision, the spread of a month's demand is stocked up for by its end.
    own = terms(4, lead_time=2, review_period=2, holding_cost=0.01, shortage_cost=2.0, case_pack=2.0,
                backorder_cost=np.nan if lost else 0.5)  # fmt: skip
    mean = [2.0, 5.0, 9.0, 14.0]
    known = forecast(mean, 28, spread=2.0, correlation=0.3)
    start = [6 * m for m in mean]
    batch = Batch(states(start, 28), known, own, Settings(28, 7, 64))
    units = batch.solve().units[0]
    found = explain(batch, units)[0]
    ends = found.stock_mean
    np.testing.assert_allclose(found.receipts.sum(axis=1), units[:, :26].sum(axis=1))  # the last arrives later
    assert units.sum() == pytest.approx(28 * sum(mean), rel=0.15)
    assert ends[:, -1].sum() < 1.5 * ends[:, 9].sum()


def test_today_is_not_revised_and_more_passes_change_little():
    paths = np.random.default_rng(1).poisson(4.0, (1, 64, 12)).astype(float)
    own = terms(lead_time=2, review_period=2, shortage_cost=3.0, holding_cost=0.1)
    first = [solve(item_model(state(9.0), own, paths, Settings(8, 7, passes=p))).units[0, 0, 0] for p in (2, 3, 4)]
    assert max(first) - min(first) <= 1.0
    model = item_model(state(9.0), own, paths, Settings(8, 7))
    ordered, _ = follow(model, solve(model).units[0])
    assert (ordered[0, :, 1] == first[0]).all()


@pytest.mark.parametrize(("lost", "late"), [(True, 0.0), (True, 1.0), (False, 0.0)])
def test_the_first_periods_alone_go_as_they_do_in_the_whole(lost: bool, late: float):
    own = terms(lead_time=1, review_period=2, lead_time_sd=late, shortage_cost=3.0, holding_cost=0.1,
                backorder_cost=np.nan if lost else 1.0)  # fmt: skip
    paths = np.random.default_rng(2).poisson(4.0, (1, 16, planning_periods(own, 8))).astype(float)
    model = item_model(state(9.0), own, paths, Settings(8, 7, n_paths=16))
    units = solve(model).units[0]
    whole, near = course(model, units), course(upto(model, 3), units)
    np.testing.assert_array_equal(near.lost, whole.lost[:, :, :3])
    np.testing.assert_array_equal(near.stock, whole.stock[:, :, :3])
