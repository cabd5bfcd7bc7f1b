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
    assert fitted(wanted, room, np.ones((1, 4), bool), own)[0, 0].tolist() == [4.0, 0.0, 8.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(pack=st.sampled_from([1.0, 3.0]), moq=st.integers(0, 7), seed=st.integers(0, 99), scale=st.floats(0.5, 20.0))
def test_plans_fit_the_room_in_whole_orders(pack: float, moq: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    own = terms(5, case_pack=pack, min_order_qty=float(moq))
    wanted = pack * rng.integers(0, 9, (3, 5, 6)).astype(float)
    room, allowed = scale * rng.random((5, 6)), rng.random((5, 6)) < 0.7
    found = fitted(wanted, room, allowed, own)
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
    assert ((plan.units * own.unit_cost[:, None]).sum(axis=0) <= limit * (1 + 1e-6)).all()
    assert tightness < 0.6 or (plan.units.sum(axis=1) > 0).all()  # at half of what is wanted, one may well go without
    assert plan.objective <= 1.15 * plan.bound
