"""Order lines that explain themselves: chances, demand and the price of a case, against playing the plan out."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.replenish.base import State
from parlevel.domain.replenish.batch import Batch, to_opportunities
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.course import course
from parlevel.domain.replenish.explain import explain
from parlevel.domain.replenish.lines import QUANTILES, binding
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.outcome import Effort
from stock import forecast, terms

SETTINGS = Settings(horizon=6, season=1, n_paths=64)


def batch(n: int = 6, seed: int = 0, **given: object) -> Batch:
    rng = np.random.default_rng(seed)
    plain = {"holding_cost": 0.2, "shortage_cost": 4.0, "case_pack": 4.0, "order_cost": 1.0, "lead_time": 1}
    s = State(rng.integers(0, 9, n).astype(float), np.zeros(n), np.zeros((n, 6)))
    return Batch(s, forecast(list(rng.integers(1, 9, n)), 6), terms(n, **{**plain, **given}), SETTINGS)


@pytest.mark.parametrize("given", [{}, {"backorder_cost": 1.0}, {"lead_time_sd": 0.7, "review_period": 2}])
def test_the_chance_without_a_line_is_that_of_the_plan_without_it(given):
    b = batch(**given)
    units = b.solve().units[0]
    found = explain(b, units)[1]
    assert (units > 0).sum() + (units[:, 0] == 0).sum() == len(found.item)
    np.testing.assert_allclose(found.risk, explain(b, units)[0].risk[found.item, found.step])
    for line in range(len(found.item)):
        item, step = int(found.item[line]), int(found.step[line])
        with_line, without = replayed(b, units, item, step)
        assert found.risk[line] == pytest.approx(with_line)
        assert found.risk_without[line] == pytest.approx(without)
        assert found.risk_without[line] >= found.risk[line]


def replayed(b: Batch, units: np.ndarray, item: int, step: int) -> tuple[float, float]:
    """Chance of a stockout over the protection interval of a line with and without it, path by path, day by day.

    Orders are those of the revised plan; what is lost before the first possible receipt no order can change.
    """
    chunk = next(i for i, rows in enumerate(b.rows) if item in rows)
    row, model = list(b.rows[chunk]).index(item), b.models[chunk]
    at = to_opportunities(model, units[b.rows[chunk]][None])[0]
    ordered, lost_sales = course(model, at).ordered[row], bool(model.terms.lost_sales[row])
    arrival = np.broadcast_to(model.time.arrival[row], (ordered.shape[0], model.time.arrival.shape[2]))
    line, last = step // int(model.terms.review_period[row]), step + int(model.terms.protection_interval[row])
    short = np.zeros((2, ordered.shape[0]), bool)
    for path, demand in enumerate(b.paths[chunk][row].astype(float)):
        for left_out in (0, 1):
            stock = float(b.state.on_hand[item])
            for t in range(min(last, len(demand))):
                arrives = [k for k in range(ordered.shape[1]) if arrival[path, k] == t]
                stock += sum(ordered[path, k] for k in arrives if not (left_out and k == line))
                stock -= demand[t]
                counts = t >= (max(step, arrival[path, 0]) if lost_sales else step)
                short[left_out, path] |= counts and stock < -1e-9
                stock = max(stock, 0.0) if lost_sales else stock
    return float(short[0].mean()), float(short[1].mean())


def test_demand_quantiles_are_those_of_the_paths_over_the_protection_interval():
    b = batch(1)
    found = explain(b, b.solve().units[0])[1]
    paths = b.paths[0][0]
    whole = paths[:, :2].sum(axis=1)
    expected = np.quantile(whole, QUANTILES, method="median_unbiased")
    np.testing.assert_allclose(found.demand[0], expected, rtol=1e-6)
    assert (np.diff(found.demand, axis=1) >= 0).all()


def test_a_case_more_or_less_costs_what_the_changed_plan_costs_and_never_saves_at_the_optimum():
    b = batch(8, seed=3)
    units = b.solve().units[0]
    found = explain(b, units)[1]
    assert (found.more[found.can_more] >= -1e-9).all()
    assert (found.less[found.can_less] >= -1e-9).all()
    base = b.appraise(units[None])[0]
    for line in np.flatnonzero(found.can_less):
        item, step = int(found.item[line]), int(found.step[line])
        plain = units.copy()
        plain[item, step] -= 4.0
        best = b.appraise(plain[None])[0, item]
        later = np.flatnonzero(units[item, step + 1 :] > 0)
        if len(later):
            plain[item, step + 1 + later[0]] += 4.0
            best = min(best, b.appraise(plain[None])[0, item])
        assert found.less[line] == pytest.approx(best - base[item])


def test_terms_that_forbid_a_case_more_or_less_leave_no_price():
    b = batch(4, max_stock=12.0, min_order_qty=8.0)
    units = b.solve().units[0]
    found = explain(b, units)[1]
    position = b.state.inventory_position[found.item] + found.quantity
    first = found.step == 0
    assert not found.can_more[first & (position > 8.0)].any()
    assert not found.can_less[(found.quantity <= 8.0)].any()


def test_binding_names_the_row_that_moved_an_order_and_its_price():
    b = batch(4, seed=1)
    free = b.solve().units[0, :, 0].sum()
    rows = [Row("budget", "budget", "units", t, float(free) / 2) for t in range(6)]
    plan = solve_group(b, rows, Effort())
    found = explain(b, plan.units)[1]
    label, price = binding(found, explain(b, plan.units)[0], b.terms, plan, rows)
    moved = {found.item[k] for k in range(len(label)) if found.step[k] == 0 and label[k].startswith("budget@")}
    changed = np.flatnonzero(np.abs(plan.units[:, 0] - plan.alone[:, 0]) > 1e-9)
    assert set(changed.tolist()) <= moved
    assert all(price[k] >= 0 for k in range(len(label)) if label[k])
    assert all(np.isnan(price[k]) for k in range(len(label)) if not label[k])


def test_where_a_minimum_keeps_the_door_shut_it_is_named_not_the_dearer_budget():
    b = batch(4, seed=1)
    wanted = float(b.solve().units[0, :, 0].sum())
    assert wanted > 0
    rows = [Row("least", "supplier_min", "units", t, 20.0 * wanted) for t in range(6)]
    rows += [Row("cash", "budget", "units", 0, 1e6, price=0.5)]
    plan = solve_group(b, rows, Effort())
    moved = np.flatnonzero(np.abs(plan.units[:, 0] - plan.alone[:, 0]) > 1e-9)
    assert plan.units[:, 0].sum() == 0
    assert {plan.binding[k] for k in moved} == {"least@1"}


def test_a_maximum_that_stops_an_order_is_named_with_what_a_unit_more_would_save():
    b = batch(2, seed=2, max_stock=8.0, min_order_qty=0.0)
    plan = solve_group(b, [], Effort())
    found = explain(b, plan.units)[1]
    label, price = binding(found, explain(b, plan.units)[0], b.terms, plan, [])
    held = [k for k in range(len(label)) if label[k] == "max_stock"]
    assert held
    assert any(price[k] > 0 for k in held)
