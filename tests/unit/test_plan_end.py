"""Plans that end: what a season, a lease or a game changes in the last orders."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.config import load
from parlevel.domain.replenish.base import Forecast
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.model import build
from parlevel.domain.replenish.plan import Settings, item_model
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.fill import fitted
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.domain.replenish.timeline import End
from parlevel.errors import ConfigError
from parlevel.pipeline.check import check
from stock import states, terms

HORIZON = 8
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def weekly(n: int) -> Forecast:
    """Demand of 0 to 80 units a week, every week the same."""
    mean = np.full((n, HORIZON), 40.0)
    quantiles = np.tile(np.array([5.0, 20.0, 40.0, 60.0, 80.0]), (n, HORIZON, 1))
    return Forecast(mean, LEVELS, quantiles, np.zeros(n), np.zeros((n, 1)))


def batch(end: int, weight: float = 0.6) -> Batch:
    own = terms(1, lead_time=2, holding_cost=0.2, shortage_cost=1.0)
    settings = Settings(HORIZON, 52, n_paths=128, shortage_weight=weight, end=end)
    return Batch(states([60.0], HORIZON), weekly(1), own, settings)


def test_nothing_is_ordered_that_would_arrive_after_the_end() -> None:
    units = batch(end=5).solve().units[0, 0]
    assert (units[:3] > 0).any()
    assert (units[3:] == 0).all()  # lead time 2: step 3 arrives in period 5, the first that does not count
    assert (batch(end=0).solve().units[0, 0, 3:] > 0).any()


def test_what_a_capacity_cuts_is_not_ordered_after_the_end() -> None:
    own = terms(3, lead_time=2, holding_cost=0.2, shortage_cost=1.0, case_pack=30.0)
    settings = Settings(HORIZON, 52, n_paths=64, shortage_weight=0.6, end=5)
    made = Batch(states([10.0] * 3, HORIZON), weekly(3), own, settings)
    dock = [Row("dock", "inbound", "units", step, 60.0) for step in range(HORIZON)]
    plan = solve_group(made, dock, Effort(max_gap=0.0))
    assert plan.units[:, :3].sum() > 0
    assert (plan.units[:, 3:] == 0).all()
    assert plan.units.sum(axis=0).max() <= 60.0
    # the columns that room is looked for with, too
    wanted, room = np.full((1, 3, HORIZON), 30.0), np.full((3, HORIZON), np.inf)
    room[:, 2] = 0.0
    allowed = made.allowed()
    assert not allowed[:, 3:].any()
    assert (fitted(wanted, room, np.zeros_like(room), allowed, own)[0, :, 2:] == 0).all()


def test_units_lost_after_the_end_are_no_cost() -> None:
    own = terms(1, lead_time=3, holding_cost=0.2, shortage_cost=1.0)
    paths = np.full((1, 4, 12), 10.0)
    assert build(states([0.0], HORIZON), own, paths, HORIZON, end=End(2)).sunk.tolist() == [20.0]
    assert build(states([0.0], HORIZON), own, paths, HORIZON).sunk.tolist() == [30.0]


def test_an_end_is_refused_where_the_policy_does_not_know_it() -> None:
    with pytest.raises(ConfigError, match=r"replenish\.end is known to the policy optimal alone.*'min_max'"):
        check(load(sets=["replenish.end=2018-02-01", "replenish.policy=min_max"]))


def test_the_only_order_left_is_the_newsvendors_at_full_cost() -> None:
    """End 3, lead time 2: one week is served. At the weight .6 the plan that goes on guards against what stays."""
    last, rolling = batch(end=3), batch(end=0)
    paths = last.paths[0][0].astype(float)
    left = np.maximum(np.maximum(60.0 - paths[:, 0], 0.0) - paths[:, 1], 0.0)
    need = paths[:, 2] - left
    ordered = last.solve().units[0, 0, 0]
    served = [(need <= ordered + unit).mean() for unit in (-1, 1)]  # the best whole unit is at most one away
    assert served[0] < 1 / 1.2 <= served[1]
    assert rolling.solve().units[0, 0, 0] < ordered


def test_an_end_beyond_all_orders_changes_nothing() -> None:
    far = batch(end=40).solve()
    np.testing.assert_array_equal(far.units, batch(end=0).solve().units)


def test_weights_are_one_until_fewer_intervals_are_left_than_a_unit_stays() -> None:
    """A weight of .25 says four intervals: the last three openings count more, the last of all in full."""
    own = terms(1, review_period=2)
    receipt = np.array([[0, 2, 4, 6, 8]])
    found = End(10, 0.25).weights(own, receipt)
    assert found.tolist() == [[1.0, 1.0, (1 / 3) / 0.25, 0.5 / 0.25, 4.0]]
    assert End().weights(own, receipt).tolist() == [[1.0] * 5]


@pytest.mark.parametrize("end", [3, 4, 6])
def test_costs_are_of_the_periods_that_count(end: int) -> None:
    """The table's cost of a plan is that of its paths, counted by hand up to the end."""
    made = batch(end=end, weight=1.0)
    model = made.models[0]
    paths = made.paths[0].astype(float)
    plain = build(states([60.0], HORIZON), model.terms, paths, HORIZON, end=End(end))
    level = 50
    interval = 0  # opened by the first receipt, in period 2
    stock = np.maximum(plain.net[0, :, 2] + level * plain.unit[0], 0.0)
    short = np.maximum(-(plain.net[0, :, 2] + level * plain.unit[0]), 0.0)
    assert plain.cost[0, interval, level] == pytest.approx(0.2 * stock.mean() + 1.0 * short.mean())
    assert (plain.cost[0, end - 2 :] == 0).all()
    assert item_model(states([60.0], HORIZON), model.terms, paths, Settings(HORIZON, 52, end=end)).end.periods == end
