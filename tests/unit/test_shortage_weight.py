"""What a lost unit counts when orders are chosen: it moves orders, never the costs that are reported of a game."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.replenish.plan import weighted
from parlevel.domain.replenish.policies.optimal import Optimal
from parlevel.domain.replenish.registry import policy
from stock import forecast, states, terms


def first_orders(weight: float) -> np.ndarray:
    known = forecast([0.5, 1.0, 4.0, 40.0], horizon=8, spread=1.5)
    own = terms(4, lead_time=2, holding_cost=0.2, shortage_cost=1.0)
    return Optimal(season=7, shortage_weight=weight).order(states([1.0, 2.0, 8.0, 80.0]), known, own)


def test_orders_grow_with_what_a_lost_unit_counts():
    low, even, high = (first_orders(weight) for weight in (0.3, 1.0, 3.0))
    assert (low <= even).all()
    assert (even <= high).all()
    assert low[3] < even[3] < high[3]


def test_a_weight_is_the_same_as_other_terms():
    known = forecast([3.0], horizon=8)
    at = states([4.0])
    scaled = Optimal(shortage_weight=0.5).order(at, known, terms(1, shortage_cost=10.0, lead_time=2))
    direct = Optimal().order(at, known, terms(1, shortage_cost=5.0, lead_time=2))
    assert scaled.tolist() == direct.tolist()


def test_the_weight_of_one_changes_nothing_and_backorders_are_weighed_too():
    own = terms(2, backorder_cost=[4.0, np.nan])
    assert weighted(own, 1.0) is own
    half = weighted(own, 0.5)
    assert half.backorder_cost[0] == 2.0
    assert np.isnan(half.backorder_cost[1])
    assert half.shortage_cost.tolist() == [5.0, 5.0]
    assert half.holding_cost.tolist() == own.holding_cost.tolist()


def test_the_policy_takes_it_from_the_configuration():
    assert policy("optimal", shortage_weight=0.5).settings.shortage_weight == pytest.approx(0.5)
