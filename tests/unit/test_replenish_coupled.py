"""Shared resources: the certificate against enumeration of every plan of tiny groups."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.base import State
from parlevel.domain.replenish.batch import Batch, StepPrices
from parlevel.domain.replenish.constraints.resource import Row, expand, usage
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.solvers import coupled, linear
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.master import Columns, Master, make_columns
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.domain.replenish.solvers.repair import repair
from parlevel.errors import DataError, SolverError
from stock import forecast, states, terms

SETTINGS = Settings(horizon=3, season=1, n_paths=8, passes=1)


def batch(n: int = 3, seed: int = 0, with_stock: bool = False, **given: object) -> Batch:
    rng = np.random.default_rng(seed)
    plain = {"holding_cost": 0.5, "shortage_cost": 6.0, "case_pack": 4.0, "order_cost": 1.0}
    t = terms(n, **{**plain, **given})
    s = State(rng.integers(0, 4, n).astype(float), np.zeros(n), np.zeros((n, 3)))
    return Batch(s, forecast(list(rng.integers(1, 6, n)), 3), t, SETTINGS, with_stock)


def every_plan(b: Batch) -> tuple[np.ndarray, np.ndarray]:
    """All plans of every item on the grid: units (p, n, h) and cost (p, n), inf where an item cannot."""
    cases = int(max((m.n_levels - 1) for m in b.models))
    plans = [p for p in itertools.product(range(cases + 1), repeat=b.horizon) if sum(p) <= cases]
    units = np.repeat(np.array(plans, float)[:, None, :], b.n, axis=1) * b.terms.case_pack[None, :, None]
    cost = b.appraise(units)
    for rows, model in zip(b.rows, b.models, strict=True):
        total = np.array(plans).cumsum(axis=1)[:, None, :]
        ordered = np.array(plans)[:, None, :] > 0
        over = (ordered & (total > model.cap[None])).any(axis=2) | (total[..., -1] > model.n_levels - 1)
        cost[:, rows] = np.where(over, np.inf, cost[:, rows])
    return units, cost


def best_of_all(b: Batch, rows: list[Row]) -> float:
    """Least cost over all combinations of plans that keep every row."""
    units, cost = every_plan(b)
    stock = None
    master = Master(b.n, rows)
    use = np.stack([usage(r, b.terms, units, stock) for r in rows], axis=-1)
    best = np.inf
    good = [np.flatnonzero(np.isfinite(cost[:, i])) for i in range(b.n)]
    for pick in itertools.product(*good):
        total = use[pick, range(b.n)].sum(axis=0)
        if not master.violation(total).any():
            best = min(best, cost[pick, range(b.n)].sum() + master.extra_cost(total))
    return best


ROWS = {
    "supplier_min": [Row("min", "supplier_min", "units", t, 16.0) for t in range(3)],
    "budget": [Row("budget", "budget", "value", t, 8.0) for t in range(3)],
    "inbound": [Row("dock", "inbound", "units", t, 8.0) for t in range(3)],
    "truck": [Row("truck", "truck", "units", t, 12.0, 9.0) for t in range(3)],
}


@pytest.mark.parametrize("solver", ["SCIP", "CP_SAT", "HIGHS"])
@pytest.mark.parametrize("kind", sorted(ROWS))
def test_the_plan_costs_what_the_best_of_all_plans_costs(kind, solver):
    b = batch(2, seed=3)
    rows = ROWS[kind]
    plan = solve_group(b, rows, Effort(solver=solver, max_gap=1e-6, rounds=30))
    best = best_of_all(b, rows)
    assert plan.bound <= best + 1e-6
    assert plan.objective >= best - 1e-6
    assert plan.objective <= best * 1.03  # the bound of an integer program may leave a little
    total = make_columns(rows, b.terms, plan.units[None], np.zeros((1, 2)), None).use.sum(axis=0)
    assert not Master(2, rows).violation(total).any()
    cost = b.appraise(plan.units[None]).sum() + Master(2, rows).extra_cost(total)
    assert plan.objective == pytest.approx(cost)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 200),
    kinds=st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=3, unique=True),
    scale=st.floats(0.3, 3.0),
)
@example(seed=79, kinds=["budget", "supplier_min", "truck"], scale=0.5)  # no plan reaches the minimum
def test_a_bound_never_exceeds_the_best_plan_and_no_row_is_broken(seed, kinds, scale):
    b = batch(2, seed)
    rows = [Row(r.name, r.kind, r.measure, r.step, r.amount * scale, r.cost) for kind in kinds for r in ROWS[kind]]
    plan = solve_group(b, rows, Effort(max_gap=0.0, rounds=20))
    best = best_of_all(b, rows)
    assert plan.bound <= best + 1e-6
    assert best - 1e-6 <= plan.objective
    total = make_columns(rows, b.terms, plan.units[None], np.zeros((1, 2)), None).use.sum(axis=0)
    assert not Master(2, rows).violation(total).any()


def test_nothing_shared_is_the_items_own_plans():
    b = batch(3)
    plan = solve_group(b, [], Effort())
    assert plan.status == "optimal"
    assert plan.gap == 0.0
    assert plan.units.tolist() == b.solve().units[0].tolist()


def test_a_loose_budget_changes_nothing():
    b = batch(3)
    plan = solve_group(b, [Row("budget", "budget", "value", 0, 1e6)], Effort())
    assert (plan.status, plan.rounds, plan.reason) == ("optimal", 0, "nothing shared binds")


def test_an_outside_price_moves_the_plan_and_the_bound_is_of_plans_that_use_no_more():
    b = batch(2, seed=3)
    free = solve_group(b, [], Effort())
    rows = [Row("budget", "budget", "value", t, 0.0, price=3.0 if t == 0 else 0.0) for t in range(3)]
    plan = solve_group(b, rows, Effort())
    used = (plan.units * b.terms.unit_cost[:, None]).sum(axis=0)
    assert used[0] < (free.units * b.terms.unit_cost[:, None]).sum(axis=0)[0]
    limits = [Row("budget", "budget", "value", t, float(used[t])) for t in range(3)]
    assert plan.bound <= best_of_all(b, limits[:1]) + 1e-6
    assert plan.objective == pytest.approx(b.appraise(plan.units[None]).sum())
    assert plan.prices == {"budget@1": 3.0}
    both = solve_group(b, [*rows, *ROWS["supplier_min"]], Effort(max_gap=1e-6))
    total = both.units.sum(axis=0)
    assert all(q == 0 or q >= 16 for q in total)


def test_storage_prices_stock_and_is_kept():
    b = batch(2, seed=1, with_stock=True)
    free = b.solve()
    held = free.stock[0].sum(axis=0)
    rows = [Row("room", "storage", "units", t, 0.6 * held[:3].max()) for t in range(3)]
    plan = solve_group(b, rows, Effort(max_gap=1e-4, rounds=20))
    stock = b.expected_stock(plan.units[None])
    assert (stock[0].sum(axis=0)[:3] <= 0.6 * held[:3].max() + 1e-6).all()
    assert plan.objective > free.cost.sum()
    assert plan.bound > free.cost.sum()


def test_priced_value_is_cost_plus_prices_of_orders_and_stock():
    b = batch(3, seed=2, with_stock=True, lead_time=1)
    rng = np.random.default_rng(0)
    unit, fixed = rng.random((2, 3, 3)), rng.random((2, 3, 3))
    stock = np.zeros((2, 3, b.periods))
    stock[:, :, :3] = rng.random((2, 3, 3))
    plans = b.solve(StepPrices(unit, fixed, stock))
    paid = (unit * plans.units).sum(2) + (fixed * (plans.units > 0)).sum(2) + (stock * plans.stock).sum(2)
    np.testing.assert_allclose(plans.priced, plans.cost + paid)


def test_stock_that_is_there_already_raises_the_storage_limit_and_says_so():
    t = terms(1, case_pack=1.0)
    b = Batch(states([50.0], 3), forecast([2.0], 3), t, SETTINGS, with_stock=True)
    plan = solve_group(b, [Row("room", "storage", "units", 0, 10.0)], Effort())
    assert plan.status == "relaxed"
    assert len(plan.relaxed) == 1
    assert plan.relaxed[0].startswith("room@1 by 38.")
    assert not plan.units.any()


def test_open_orders_count_against_the_dock():
    t = terms(1, case_pack=1.0, shortage_cost=6.0, holding_cost=0.5)
    s = State(np.array([0.0]), np.array([0.0]), np.array([[1.0, 0.0, 0.0]]))
    b = Batch(s, forecast([5.0], 3), t, SETTINGS)
    plan = solve_group(b, [Row("dock", "inbound", "units", 0, 3.0)], Effort(max_gap=1e-6))
    assert plan.units[0, 0] <= 2.0
    over = solve_group(b, [Row("dock", "inbound", "units", 0, 0.5)], Effort())
    assert over.relaxed == ["dock@1 by 0.50 units (already on hand or on order)"]


def test_a_failing_solver_leaves_a_repaired_plan_and_its_words(monkeypatch):
    def fail(*_args: object, **_given: object) -> None:
        raise SolverError("SCIP must end with a feasible plan. Got NOT_SOLVED after 0.01 s allowed.")

    monkeypatch.setattr(coupled, "solve_integer", fail)
    b, seen = batch(3, seed=5), []
    for kind in sorted(ROWS):
        rows = [Row(r.name, r.kind, r.measure, r.step, r.amount / 2, r.cost) for r in ROWS[kind]]
        rows = [Row("min", "supplier_min", "units", t, 40.0) for t in range(3)] if kind == "supplier_min" else rows
        plan = solve_group(b, rows, Effort(max_gap=0.0))
        seen.append((plan.status, "NOT_SOLVED" in plan.reason))
        assert plan.gap <= 1e-9 or seen[-1] == ("heuristic", True)
        assert plan.bound <= plan.objective + 1e-9
        total = make_columns(rows, b.terms, plan.units[None], np.zeros((1, 3)), None).use.sum(axis=0)
        assert not Master(3, rows).violation(total).any()
    assert ("heuristic", True) in seen


def test_repair_without_a_good_swap_stops_orders():
    b = batch(2, seed=4)
    rows = [Row("min", "supplier_min", "units", 0, 1e6)]
    free = b.solve()
    columns = make_columns(rows, b.terms, free.units, free.cost, None)
    columns.add(make_columns(rows, b.terms, np.zeros((1, 2, 3)), b.appraise(np.zeros((1, 2, 3))), None))
    assert Master(2, rows).violation(columns.use[:2].sum(axis=0)).any()
    chosen = repair(Master(2, rows), columns, np.arange(2))
    assert columns.units[chosen][:, 0].sum() == 0


def test_repair_gives_up_the_step_of_a_minimum_that_nobody_can_reach_and_no_other_step():
    b = batch(4, seed=1, order_cost=0.2)
    rows = [Row("min", "supplier_min", "units", 2, 1e6), *(Row("dock", "inbound", "units", t, 8.0) for t in range(3))]
    units, cost = every_plan(b)
    every = make_columns(rows, b.terms, units, cost, None)
    can = np.isfinite(every.cost)
    columns = Columns(every.item[can], every.units[can], every.cost[can], every.use[can])
    late = np.flatnonzero(columns.units[:, 2] > 0)  # everybody orders at the last step
    start = np.array([late[columns.item[late] == k][0] for k in range(b.n)])
    chosen = repair(Master(b.n, rows), columns, start)
    total = columns.units[chosen].sum(axis=0)
    assert not Master(b.n, rows).violation(columns.use[chosen].sum(axis=0)).any()
    assert total[2] == 0
    assert total[0] == total[1] == 8
    quiet = np.flatnonzero(columns.units[:, 2] == 0)
    docked = [
        sum(columns.cost[c] for c in picked)
        for picked in itertools.product(*(quiet[columns.item[quiet] == k] for k in range(b.n)))
        if (columns.units[list(picked)].sum(axis=0) <= 8).all()
    ]
    assert columns.cost[chosen].sum() <= 1.05 * min(docked)


@pytest.mark.parametrize("kind", ["supplier_min", "truck"])
def test_held_gates_cost_what_the_whole_program_costs_with_its_gates_fixed(kind):
    """The small program has neither gate variables nor closed plans, and the same optimum; so has the dual simplex."""
    b, rows = batch(3, seed=4), ROWS[kind]
    units, cost = every_plan(b)
    good = np.isfinite(cost).ravel()
    made = make_columns(rows, b.terms, units, np.where(np.isfinite(cost), cost, 0.0), None)
    columns = Columns(made.item[good], made.units[good], made.cost[good], made.use[good])
    master = Master(b.n, rows)
    whole = master.program(columns)
    assert linear.solve_linear(whole, 5.0, dual=True).value == pytest.approx(linear.solve_linear(whole, 5.0).value)
    gates = np.array([2.0, 0.0, 1.0]) if kind == "truck" else np.array([1.0, 0.0, 1.0])
    low, high = whole.low.copy(), whole.high.copy()
    low[-3:] = high[-3:] = gates
    fixed = linear.solve_linear(replace(whole, low=low, high=high), 5.0)
    small, kept = master.with_gates(columns, gates, 1e4)
    held = linear.solve_linear(small, 5.0, dual=True)
    assert (columns.units[kept][:, 1] == 0).all()
    assert held.value + sum(r.cost * g for r, g in zip(rows, gates, strict=True)) == pytest.approx(fixed.value)


def test_a_missing_solver_and_an_unknown_one_are_named():
    program = linear.Program(
        np.ones(1), np.zeros(1), np.ones(1), linear.csr_matrix(np.ones((1, 1))), np.array([2.0]), np.array([3.0]),
        np.ones(1, bool),
    )  # fmt: skip
    with pytest.raises(SolverError, match="GUROBI"):
        linear.solve_integer(program, "GUROBI", 0.01, 1.0)
    with pytest.raises(SolverError, match="INFEASIBLE"):
        linear.solve_integer(program, "SCIP", 0.01, 1.0)
    with pytest.raises(SolverError, match="GLOP must end with an optimum"):
        linear.solve_linear(program, 1.0)


def test_rows_expand_over_the_horizon_and_own_periods_win():
    base = {"resource_id": "budget", "kind": "budget", "measure": "value", "cost": 0.0}
    rows = expand([{**base, "period": 0, "amount": 5.0}, {**base, "period": 2, "amount": 9.0}], 3)
    assert [(r.step, r.amount) for r in rows] == [(0, 5.0), (1, 9.0), (2, 5.0)]
    assert rows[1].label == "budget@2"
    named = [[{**base, "resource_id": n, "period": 0, "amount": a} for n, a in pair]
             for pair in ([("a", 5.0), ("b", 7.0)], [("z", 5.0), ("b", 7.0)])]  # fmt: skip
    assert [[r.amount for r in expand(each, 2)] for each in named] == [[5.0, 7.0, 5.0, 7.0]] * 2
    with pytest.raises(DataError, match="Did you mean 'budget'"):
        expand([{**base, "kind": "budgit", "period": 0, "amount": 1.0}], 3)


def test_a_plan_is_added_once_and_plans_keep_their_order():
    def columns(item: list[int], units: list[list[float]]) -> Columns:
        n = len(item)
        return Columns(np.array(item), np.array(units), np.arange(n, dtype=float), np.zeros((n, 1)))

    known = columns([0, 1], [[4.0, 0.0], [4.0, 0.0]])
    more = columns([1, 0, 0, 0], [[4.0, -0.0], [0.0, 8.0], [0.0, 8.0], [0.0, 4.0]])
    assert known.add(more) == 2
    assert known.item.tolist() == [0, 1, 0, 0]
    assert known.units[2:].tolist() == [[0.0, 8.0], [0.0, 4.0]]
    assert known.cost[2:].tolist() == [1.0, 3.0]
    assert known.add(more) == 0


@pytest.mark.parametrize("with_stock", [False, True])
def test_prices_are_answered_without_the_demand_paths(with_stock: bool):
    whole, slim = (batch(5, seed=1, with_stock=with_stock) for _ in range(2))
    slim.forget_paths()
    for expected, found in zip(vars(whole.solve()).values(), vars(slim.solve()).values(), strict=True):
        np.testing.assert_array_equal(found, expected)
