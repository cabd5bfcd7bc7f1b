"""What a capacity leaves is used: plans cut to the room of the others', in place of no order at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.fill import fitted
from parlevel.domain.replenish.solvers.outcome import Effort
from stock import forecast, states, terms

EFFORT = Effort(max_gap=0.01, rounds=60)


def test_what_is_cut_waits_for_the_next_step_with_room() -> None:
    own = terms(1, case_pack=2.0, min_order_qty=4.0)
    wanted, room = np.array([[[10.0, 0.0, 4.0, 0.0]]]), np.array([[5.0, 3.0, 9.0, 9.0]])
    # 4 of 10; a room of 3 takes no order of 4; 8 of 6 + 4; the last 2 are less than the smallest order
    assert fitted(wanted, room, np.zeros((1, 4)), np.ones((1, 4), bool), own)[0, 0].tolist() == [4.0, 0.0, 8.0, 0.0]


def test_what_is_too_little_for_a_minimum_waits() -> None:
    own = terms(1, case_pack=2.0)
    wanted, room, lowest = np.array([[[10.0, 0.0, 4.0, 2.0]]]), np.full((1, 4), 6.0), np.array([[0.0, 0.0, 0.0, 8.0]])
    # 6 of 10, the rest at the next step, then 4; the last 2 would break the minimum
    assert fitted(wanted, room, lowest, np.ones((1, 4), bool), own)[0, 0].tolist() == [6.0, 4.0, 4.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(pack=st.sampled_from([1.0, 3.0]), moq=st.integers(0, 7), seed=st.integers(0, 99), scale=st.floats(0.5, 20.0))
def test_plans_fit_the_room_in_whole_orders(pack: float, moq: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    own = terms(5, case_pack=pack, min_order_qty=float(moq))
    wanted = pack * rng.integers(0, 9, (3, 5, 6)).astype(float)
    room, allowed = scale * rng.random((5, 6)), rng.random((5, 6)) < 0.7
    found = fitted(wanted, room, np.zeros_like(room), allowed, own)
    assert (found <= room + 1e-9).all()
    assert (found.sum(axis=2) <= wanted.sum(axis=2) + 1e-9).all()
    assert not found[:, ~allowed].any()
    np.testing.assert_allclose(np.mod(found + 1e-9, pack), 0.0, atol=1e-6)
    assert ((found == 0) | (found >= moq)).all()


@pytest.mark.parametrize("tightness", [0.55, 0.8])
def test_a_budget_a_step_is_used_to_near_the_bound(tightness: float) -> None:
    mean = [40.0, 30.0, 9.0, 8.0, 6.0, 5.0]
    own = terms(6, case_pack=[24.0, 24.0, 24.0, 12.0, 6.0, 6.0], review_period=3, lead_time=3, holding_cost=0.01,
                shortage_cost=4.0, order_cost=0.2, unit_cost=[2.0, 2.5, 3.0, 1.0, 4.0, 1.5])  # fmt: skip
    batch = Batch(states([120.0, 90.0, 30.0, 30.0, 20.0, 15.0], 28), forecast(mean, 28), own, Settings(28, 7, 32))
    free = (batch.solve().units[0] * own.unit_cost[:, None]).sum(axis=0)
    limit = tightness * float(free.max())
    rows = [Row("budget", "budget", "value", step, limit, 0.0) for step in range(28)]
    plan = solve_group(batch, rows, EFFORT)
    spent = (plan.units * own.unit_cost[:, None]).sum(axis=0)
    assert (spent <= limit * (1 + 1e-6)).all()
    if tightness > 0.6:
        assert (plan.units.sum(axis=1) > 0).all()
        assert plan.objective <= 1.15 * plan.bound
    else:  # half of what is wanted: one may well go without, but the money is spent
        assert spent[::3].sum() >= 0.9 * limit * len(spent[::3])


def test_a_minimum_and_a_capacity_do_not_keep_a_fast_item_from_ordering() -> None:
    """Its own best orders are larger than the dock takes, and what is left of them smaller than the minimum."""
    mean = [170.0, 8.5, 1.0, 0.9, 0.6, 0.3]
    own = terms(6, case_pack=[24.0, 6.0, 4.0, 6.0, 1.0, 6.0], lead_time=5, unit_cost=[2.5, 2.9, 1.5, 2.0, 10.6, 2.0],
                holding_cost=[0.008, 0.01, 0.03, 0.016, 0.05, 0.015], shortage_cost=[1.2, 1.6, 0.9, 1.0, 4.7, 1.0],
                order_cost=[4.0, 0.5, 0.2, 0.2, 0.2, 0.1])  # fmt: skip
    job = Settings(28, 7, 64, shortage_weight=0.6)
    batch = Batch(states([0.0, 2.0, 2.0, 5.0, 6.0, 2.0], 28), forecast(mean, 28), own, job)
    rows = [Row("dock", "inbound", "units", step, 300.0) for step in range(28)]
    rows += [Row("least", "supplier_min", "value", step, 158.0) for step in range(28)]
    plan = solve_group(batch, rows, EFFORT)
    assert plan.units[0].sum() > 20 * 170.0
    assert plan.objective <= 1.1 * plan.bound


def test_items_reach_a_minimum_together_where_the_fast_one_does_not_order_yet() -> None:
    mean = [78.0, 10.0, 9.0, 8.0, 4.0, 3.0, 3.0]
    own = terms(7, case_pack=[6.0, 12.0, 12.0, 12.0, 24.0, 24.0, 12.0], lead_time=4, holding_cost=0.012,
                shortage_cost=[4.9, 1.3, 2.0, 2.1, 2.2, 1.1, 2.0], order_cost=[11.0, 3.0, 2.3, 1.3, 1.3, 0.7, 0.5],
                unit_cost=[12.5, 2.2, 4.0, 4.8, 4.9, 2.1, 5.0])  # fmt: skip
    batch = Batch(states([700.0, 18.0, 20.0, 30.0, 15.0, 10.0, 3.0], 28), forecast(mean, 28), own, Settings(28, 7, 64))
    rows = [Row("dock", "inbound", "units", step, 300.0) for step in range(28)]
    rows += [Row("least", "supplier_min", "value", step, 574.0) for step in range(28)]
    plan = solve_group(batch, rows, EFFORT)
    assert plan.units[1:, :3].sum() > 0  # before the fast one must order
    assert plan.objective <= 1.1 * plan.bound
