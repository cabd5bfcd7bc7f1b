"""How steady plans are: what was planned for a review against what was ordered then."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.evaluate.inventory import ratios, sums
from parlevel.domain.evaluate.planned import Planner, after_mean, decide
from parlevel.domain.evaluate.simulate import play
from parlevel.domain.replenish.base import State
from parlevel.domain.replenish.registry import POLICIES, policy
from stock import forecast, state, states, terms


class Scripted:
    """Orders and plans what it was told, decision by decision."""

    def __init__(self, *plans: tuple[float, ...]) -> None:
        self.plans = list(plans)

    def order(self, state: State, forecast: object, terms: object) -> np.ndarray:
        return self.plan(state, forecast, terms)[:, 0]

    def plan(self, _state: State, _forecast: object, _terms: object) -> np.ndarray:
        return np.array([self.plans.pop(0)], float)


def nervousness(who: object, periods: int, **given: object) -> float | None:
    t = terms(1, unit_cost=2.0, **given)
    f = forecast([3.0], 14)
    played = play(who, state(0.0), np.full((1, periods), 3.0), lambda _t: f, t, ahead=True)
    total = {name: float(value.sum()) for name, value in sums(played, t, np.ones((1, periods))).items()}
    return ratios(total, periods, 365.25, 1.0)["nervousness"]


def test_changes_are_summed_by_hand() -> None:
    # period 1: 4 planned, 5 ordered; period 2: 6 planned, 2 ordered; period 3: 1 planned, 1 ordered
    assert nervousness(Scripted((9, 4), (5, 6), (2, 1), (1, 0)), 4) == pytest.approx((1 + 4 + 0) / (5 + 2 + 1))


def test_a_plan_that_is_kept_is_calm_and_one_without_orders_unknown() -> None:
    assert nervousness(Scripted((9, 0, 4), (4, 0, 6), (6, 0, 0)), 6, review_period=2) == 0.0
    assert nervousness(Scripted((9, 0), (0, 0)), 2) is None


def test_the_shop_runs_down_by_mean_demand_until_the_next_review() -> None:
    f = forecast([3.0, 3.0], 14)
    t = terms(2, lead_time=1, backorder_cost=[np.nan, 1.0])
    then, seen = after_mean(states([4.0, 4.0]), f, t, np.array([5.0, 0.0]), 3, 7)
    # lost: 4 -> 1 -> (1 + 5 - 3) 3 -> 0; waiting: 4 -> 1 -> -2 -> -5
    assert then.on_hand.tolist() == [0.0, 0.0]
    assert then.backorders.tolist() == [0.0, 5.0]
    assert then.receipts.sum() == 0
    assert seen.horizon == 14
    assert seen.history.shape[1] == f.history.shape[1] + 3
    late, _ = after_mean(states([4.0, 4.0]), f, terms(2, lead_time=5), np.array([5.0, 0.0]), 3, 7)
    assert late.receipts[0, 2] == 5.0


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_plans_as_it_orders(name: str) -> None:
    t = terms(3, lead_time=[0, 2, 5], review_period=[1, 7, 3], case_pack=[1.0, 4, 6], order_cost=2.0)
    s, f = states([3.0, 10.0, 0.0]), forecast([2.0, 4.0, 1.0])
    now, then, gap = decide(policy(name), s, f, t, 7)
    assert now.tolist() == policy(name).order(s, f, t).tolist()
    assert gap.tolist() == [1, 7, 3]
    assert (then >= 0).all()
    for k in range(3):
        one = np.array([k])
        alone = decide(policy(name), s.take(one), f.take(one), t.take(one), 7)
        assert (alone[0][0], alone[1][0]) == (now[k], then[k])


def test_sure_demand_gives_calm_plans() -> None:
    f = forecast([3.0], 28, spread=0.0)
    t = terms(1, lead_time=1, review_period=2, shortage_cost=5.0, holding_cost=0.1)
    for name in ("optimal", "base_stock", "min_max"):
        played = play(policy(name), state(6.0), np.full((1, 14), 3.0), lambda _t: f, t, ahead=True)
        told = ~np.isnan(played.planned[0])
        assert told.sum() == 6
        assert played.planned[0][told].tolist() == played.ordered[0][told].tolist()
    assert isinstance(policy("optimal"), Planner)
