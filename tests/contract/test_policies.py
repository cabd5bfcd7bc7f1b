"""What every policy of the registry promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.base import Policy, State
from parlevel.domain.replenish.registry import POLICIES, policy
from parlevel.domain.replenish.rounding import least, room
from parlevel.errors import RegistryError
from stock import forecast, states, terms

NAMES = sorted(POLICIES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_policy(name):
    assert isinstance(policy(name), Policy)


def test_an_unknown_policy_names_the_nearest():
    with pytest.raises(RegistryError, match="min_max"):
        policy("minmax")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_orders_obey_the_terms(name, data):
    n = 4
    draw = data.draw

    def numbers(low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), float)

    pack, moq = numbers(1, 12), numbers(0, 40)
    most = np.where(numbers(0, 1) > 0, numbers(0, 80), np.nan)
    t = terms(n, case_pack=pack, min_order_qty=moq, max_stock=most, order_cost=numbers(0, 5), lead_time=numbers(0, 4),
              review_period=numbers(1, 7), shelf_life=numbers(0, 9))  # fmt: skip
    s = State(numbers(0, 30), np.zeros(n), np.stack([numbers(0, 5), numbers(0, 5)], axis=1))
    f = forecast(list(numbers(0, 9)))
    orders = policy(name).order(s, f, t)
    assert orders.shape == (n,)
    assert np.isfinite(orders).all()
    assert (orders >= 0).all()
    np.testing.assert_allclose(orders / pack, np.rint(orders / pack), atol=1e-9)
    placed = orders > 0
    assert (orders[placed] >= moq[placed]).all()
    limited = placed & ~np.isnan(most)
    assert (s.inventory_position[limited] + orders[limited] <= most[limited] + 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_shelf_is_filled_wherever_the_smallest_order_fits(name):
    t = terms(3, case_pack=[6.0, 6.0, 6.0], min_order_qty=[10.0, 10.0, 10.0], max_stock=[np.nan, 13.0, 11.0],
              review_period=7, lead_time=1, holding_cost=0.01)  # fmt: skip
    s = states([0.0, 0.0, 0.0])
    orders = policy(name).order(s, forecast([5.0, 5.0, 5.0]), t)
    assert orders[0] >= 12.0
    assert orders[1] == 12.0
    assert orders[2] == 0.0  # 10 units take two cases of 6, and 12 exceed the maximum of 11
    assert (room(s.inventory_position, t) >= least(t)).tolist() == [True, True, False]


@pytest.mark.parametrize("name", NAMES)
def test_plenty_of_stock_orders_nothing(name):
    orders = policy(name).order(states([1000.0]), forecast([3.0]), terms(1, lead_time=2))
    assert orders.tolist() == [0.0]


@pytest.mark.parametrize("name", NAMES)
def test_items_are_decided_each_by_itself(name):
    t = terms(3, lead_time=[0, 2, 5], review_period=[1, 7, 3], case_pack=[1.0, 4, 6], order_cost=2.0)
    s, f = states([3.0, 10.0, 0.0]), forecast([2.0, 4.0, 1.0])
    whole = policy(name).order(s, f, t)
    for rows in ([2, 0, 1], [1], [2, 0]):
        some = np.array(rows)
        assert policy(name).order(s.take(some), f.take(some), t.take(some)).tolist() == whole[some].tolist()
