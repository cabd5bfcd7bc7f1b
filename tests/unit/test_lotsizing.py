"""Capacitated lot sizing: bound below, feasible plan above, the format, the parts against small oracles."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.lotsizing.improve import solve, starting_point, window_program
from parlevel.domain.replenish.lotsizing.problem import LotSizing, appraise, read_trigeiro
from parlevel.domain.replenish.lotsizing.relax import overtime_price, price, relax
from parlevel.domain.replenish.lotsizing.smooth import smooth
from parlevel.domain.replenish.lotsizing.whole import _in_time, solve_whole
from parlevel.domain.replenish.solvers.lot_sizing import lot_sizes
from parlevel.errors import DataError

TEXT = """   2   3
    1
  100
 1.00 0.80  17.  37.
 2.00 0.50   8.  25.
    0   15
   20   11
    5    0

  Bi   hi   su   su
"""


def instance(seed: int = 0, n: int = 3, periods: int = 6, tightness: float = 1.25) -> LotSizing:
    draw = np.random.default_rng(seed)
    demand = draw.integers(0, 60, (n, periods)).astype(float)
    demand[:, 0] = 0
    unit, setup = np.ones(n), draw.integers(5, 15, n).astype(float)
    need = (demand.sum(axis=0).cumsum() / np.arange(1, periods + 1)).max()
    return LotSizing(
        demand,
        np.full(periods, (need + setup.sum() / 2) * tightness),
        unit,
        setup,
        draw.integers(50, 300, n).astype(float),
        draw.uniform(0.5, 1.5, n),
    )


def test_the_format() -> None:
    problem = read_trigeiro(TEXT)
    assert problem.demand.tolist() == [[0, 20, 5], [15, 11, 0]]
    assert problem.capacity.tolist() == [100, 100, 100]
    assert problem.unit_time.tolist() == [1, 2]
    assert problem.setup_time.tolist() == [17, 8]
    assert problem.setup_cost.tolist() == [37, 25]
    assert problem.holding_cost.tolist() == [0.8, 0.5]


def test_a_file_that_ends_early_is_refused() -> None:
    with pytest.raises(DataError, match="2 items and 3 periods has 18 numbers. Got 16"):
        read_trigeiro("\n".join(TEXT.splitlines()[:7]))


def test_cost_by_hand() -> None:
    problem = read_trigeiro(TEXT)
    plan = appraise(problem, np.array([[0.0, 25, 0], [26, 0, 0]]), 10.0)
    # Setups 37 + 25; item 1 holds 5 for a period, item 2 holds 11 for one.
    assert plan.cost == pytest.approx(62 + 0.8 * 5 + 0.5 * 11)
    assert plan.overtime == 0
    assert plan.gap == pytest.approx((71.5 - 10) / 10)
    late = appraise(replace(problem, capacity=np.array([40.0, 40, 40])), np.array([[0.0, 25, 0], [26, 0, 0]]), 10.0)
    assert late.overtime == pytest.approx((52 + 8 - 40) + (25 + 17 - 40))


def test_a_plan_that_comes_late_is_refused() -> None:
    with pytest.raises(DataError, match="Item 0 is 20 short in 1"):
        appraise(read_trigeiro(TEXT), np.array([[0.0, 0, 25], [26, 0, 0]]), 0.0)


def by_enumeration(demand: np.ndarray, setup: np.ndarray, unit: np.ndarray, holding: np.ndarray) -> float:
    """Oracle of one item: every set of setup periods, each demand from the cheapest of them."""
    periods, best = len(demand), np.inf
    for made in product([False, True], repeat=periods):
        cost = setup[list(made)].sum()
        for due in np.flatnonzero(demand):
            ways = [unit[t] + holding[t:due].sum() for t in range(due + 1) if made[t]]
            cost += demand[due] * min(ways, default=np.inf)
        best = min(best, cost)
    return float(best)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_recursion_is_exact(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = (3, 6)
    demand = draw.integers(0, 20, shape) * draw.integers(0, 2, shape) * 1.0
    setup, unit, holding = draw.uniform(0, 60, shape), draw.uniform(0, 3, shape), draw.uniform(0, 2, shape)
    plan = lot_sizes(demand, setup, unit, holding)
    for i in range(3):
        assert plan.cost[i] == pytest.approx(by_enumeration(demand[i], setup[i], unit[i], holding[i]))
    stock = (plan.lots - demand).cumsum(axis=1)
    paid = (setup * (plan.lots > 0) + unit * plan.lots + holding * stock).sum(axis=1)
    assert (stock > -1e-9).all()
    assert paid == pytest.approx(plan.cost)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_below_and_the_plan_at_the_optimum(seed: int) -> None:
    problem = instance(seed)
    best, _ = solve_whole(problem, 100)
    plan = solve(problem, 100)
    assert best is not None
    assert plan.overtime == 0
    assert plan.bound <= best.cost + 1e-6
    assert best.cost * (1 - 2e-3) <= plan.cost <= best.cost * 1.002


def test_any_prices_give_a_bound_and_the_best_are_no_worse() -> None:
    problem = instance(3)
    best, _ = solve_whole(problem, 30)
    relaxation = relax(problem)
    assert best is not None
    for level in (0.0, 0.5, 3.0):
        prices = np.full(6, level)
        bound = price(problem, prices)[1] - problem.capacity @ prices
        assert bound <= relaxation.bound + 1e-3
        assert bound <= best.cost
    assert relaxation.lots.sum() == pytest.approx(problem.demand.sum(), rel=1e-6)


def test_smoothing_meets_demand_and_capacity() -> None:
    problem = instance(1, n=8, periods=12)
    wild = price(problem, np.zeros(12))[0]
    assert appraise(problem, wild, 1.0).overtime > 0
    assert appraise(problem, smooth(problem, wild, np.full(12, 0.5)), 1.0).overtime == 0


def test_the_starting_point_of_a_window_is_the_plan_at_hand() -> None:
    problem = instance(2)
    lots = smooth(problem, price(problem, np.zeros(6))[0], np.zeros(6))
    free = np.zeros((3, 6), bool)
    free[:, 2:4] = True
    excess = np.maximum(problem.use(lots, lots > 0).sum(axis=0) - problem.capacity, 0)
    program, shares = window_program(problem, lots > 0, free, overtime_price(problem))
    point = starting_point(problem, lots, free, shares, excess)
    rows = program.matrix @ point
    assert (rows >= program.row_low - 1e-6).all()
    assert (rows <= program.row_high + 1e-6).all()
    outside = (problem.setup_cost[:, None] * ((lots > 0) & ~free)).sum()
    whole = problem.cost(lots, lots > 0).sum() + overtime_price(problem) * excess.sum()
    assert program.cost @ point + outside == pytest.approx(whole)


def test_a_real_instance_is_solved_within_its_gap(data_dir: Path) -> None:
    folder = data_dir / "inventory" / "trigeiro_x"
    if not folder.is_dir():
        pytest.skip("needs inventory/trigeiro_x of the reference data")
    problem = read_trigeiro((folder / "X12228D").read_text())
    # Enough for a start and some windows on a busy machine; the smoothed start alone is within 2 % here.
    plan = solve(problem, 8)
    assert plan.overtime == 0
    assert 0 <= plan.gap < 0.03


def test_a_surplus_that_a_solver_leaves_at_the_end_takes_nothing_from_earlier_periods():
    demand = np.array([[5.0, 5.0, 5.0]])
    np.testing.assert_allclose(_in_time(demand, np.array([[5.0, 10.0, 4.0]])), [[5.0, 10.0, 4.0]])
    np.testing.assert_allclose(_in_time(demand, np.array([[5.0, 10.0 - 1e-6, 0.0]])).sum(), 15.0)
