"""Policies that keep the limits of a group, alone and played over periods."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.evaluate import together
from parlevel.domain.evaluate.simulate import play
from parlevel.domain.evaluate.together import Together
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import policy
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.errors import SolverError
from parlevel.pipeline.evaluate_limits import at_least
from stock import forecast, states, terms

MEANS = [6.0, 3.0, 1.0]
SETTINGS = Settings(7, 7, n_paths=32)
ITEMS = {"case_pack": 2.0, "holding_cost": 0.02, "shortage_cost": 2.0, "order_cost": 0.1, "lead_time": 1}


def limits(least: float, most: float) -> list[Row]:
    return [Row("min", "supplier_min", "value", step, least) for step in range(7)] + [
        Row("budget", "budget", "value", step, most) for step in range(7)
    ]


def group(names: list[str], rows: list[Row]) -> Together:
    rules = {name: policy(name) for name in set(names) - {"optimal"}}
    return Together(names, rules, rows, SETTINGS, Effort(time_limit=5.0))


@pytest.mark.parametrize("names", [["optimal"] * 3, ["min_max"] * 3, ["min_max", "optimal", "optimal"]])
def test_what_is_ordered_in_every_period_keeps_the_limits(names):
    demand = np.random.default_rng(3).poisson(np.array(MEANS)[:, None], (3, 14)).astype(float)
    t, rows = terms(3, **ITEMS, review_period=np.array([1, 1, 3])), limits(16.0, 24.0)
    made = play(group(names, rows), states([10.0, 6.0, 2.0]), demand, lambda _t: forecast(MEANS, 7), t)
    value = made.ordered.sum(axis=0)
    assert value.sum() > 0
    assert all(v == 0 or 16.0 - 1e-6 <= v <= 24.0 + 1e-6 for v in value)
    assert not made.ordered[2, [1, 2, 4, 5]].any()  # not reviewed then
    free = play(group(names, []), states([10.0, 6.0, 2.0]), demand, lambda _t: forecast(MEANS, 7), t)
    assert any(0 < v < 16.0 or v > 24.0 for v in free.ordered.sum(axis=0))


def test_without_limits_items_order_what_they_would_alone():
    known, stock, t = forecast(MEANS, 7), states([4.0, 0.0, 2.0]), terms(3, **ITEMS)
    alone = policy("min_max").order(stock, known, t)
    assert group(["min_max"] * 3, []).order(stock, known, t) == pytest.approx(alone)
    best = policy("optimal", n_paths=32, horizon=7).order(stock, known, t)
    assert group(["optimal"] * 3, []).order(stock, known, t) == pytest.approx(best)


def test_a_solver_that_fails_is_counted_and_a_buyer_goes_on(monkeypatch):
    def fail(*_args: object) -> None:
        raise SolverError("no time left")

    monkeypatch.setattr(together, "solve_group", fail)
    who = group(["optimal"] * 3, limits(16.0, 24.0))
    units = who.take(np.arange(3)).order(states([0.0, 0.0, 0.0]), forecast(MEANS, 7), terms(3, **ITEMS))
    assert who.failed == ["no time left"]
    assert 16.0 <= units.sum() <= 24.0


def test_a_part_of_a_shared_limit_lets_the_minimum_be_filled() -> None:
    own = terms(2, case_pack=[6.0, 4.0], unit_cost=[2.0, 1.0])
    cash = {"resource_id": "cash", "kind": "budget", "measure": "value", "amount": 10.0, "shared": True}
    mine = {**cash, "resource_id": "mine", "shared": False}
    least = {"resource_id": "least", "kind": "supplier_min", "measure": "units", "amount": 40.0, "shared": False}
    assert [row["amount"] for row in at_least([cash, mine], own)] == [16.0, 10.0]  # a case of each
    # 40 units at 1.5 on average, and a case more of the dearer
    assert [row["amount"] for row in at_least([cash, mine, least], own)] == [72.0, 10.0, 40.0]
    assert at_least([{**cash, "amount": 100.0}, least], own)[0]["amount"] == 100.0
