"""What a buyer makes of single orders: by hand, and as properties of random groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.evaluate.buyer import accepted, truck_costs
from parlevel.domain.replenish.base import Floats, Forecast
from parlevel.domain.replenish.constraints.resource import Row, usage
from parlevel.domain.replenish.rounding import round_order
from stock import forecast, states, terms


def row(kind: str, amount: float, measure: str = "units", step: int = 0, cost: float = 0.0) -> Row:
    return Row(kind, kind, measure, step, amount, cost)


def bought(
    wanted: list[float], limits: list[Row], on_hand: tuple[float, ...] = (0.0, 0.0), **of: object
) -> list[float]:
    t = terms(len(wanted), **of)
    return accepted(np.array(wanted), states(list(on_hand)), forecast([2.0, 1.0][: len(wanted)]), t, limits).tolist()


def test_what_fits_is_left_alone():
    assert bought([4.0, 3.0], [row("budget", 7.0, "value"), row("supplier_min", 7.0)]) == [4.0, 3.0]
    assert bought([0.0, 0.0], [row("supplier_min", 7.0)]) == [0.0, 0.0]


def test_a_capacity_strikes_what_lasts_longest():
    # covers 2 and 6 periods: the second item gives cases up until both last two periods
    assert bought([4.0, 6.0], [row("budget", 6.0, "value")]) == [4.0, 2.0]
    # below its smallest order an item orders nothing
    assert bought([4.0, 6.0], [row("budget", 9.0, "value")], min_order_qty=6.0)[1] == 0.0


def test_a_minimum_is_filled_with_what_runs_out_first_or_waits():
    # covers 1 and 4: all six go to the first
    assert bought([2.0, 4.0], [row("supplier_min", 12.0)]) == [8.0, 4.0]
    assert bought([2.0, 3.0], [row("supplier_min", 12.0)]) == [0.0, 0.0]  # less than half of it: it waits
    assert bought([2.0, 4.0], [row("supplier_min", 12.0)], max_stock=5.0) == [0.0, 0.0]  # cannot be filled up
    assert bought([2.0, 4.0], [row("supplier_min", 12.0), row("budget", 11.0)]) == [0.0, 0.0]
    # what perishes in four periods is no filling for longer: 8 and 4 are all that sells
    assert bought([2.0, 4.0], [row("supplier_min", 12.0)], shelf_life=4) == [8.0, 4.0]
    assert bought([2.0, 4.0], [row("supplier_min", 12.0)], shelf_life=3) == [0.0, 0.0]


def test_capacities_count_what_is_there_and_only_what_today_can_reach():
    assert bought([4.0, 6.0], [row("storage", 9.0)], on_hand=(3.0, 0.0)) == [3.0, 3.0]  # both last three periods
    late = row("inbound", 5.0, step=1)
    assert bought([4.0, 6.0], [late], lead_time=np.array([1, 2])) == [4.0, 6.0]
    assert bought([4.0, 6.0], [late], lead_time=1) == [3.0, 2.0]
    assert bought([4.0, 6.0], [row("budget", 1.0, step=3)]) == [4.0, 6.0]


def test_trucks_are_paid_by_what_they_carry():
    ordered = np.array([[3.0, 0.0, 1.0], [6.0, 0.0, 0.0]])
    limits = [row("truck", 5.0, cost=9.0), row("truck", 5.0, step=1, cost=9.0), row("budget", 1.0, cost=99.0)]
    assert truck_costs(limits, terms(2), ordered) == pytest.approx([6.0 + 9.0, 12.0])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_every_group_keeps_its_limits_and_terms(seed: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    t = terms(
        n, case_pack=rng.integers(1, 7, n).astype(float), min_order_qty=rng.integers(0, 12, n).astype(float),
        max_stock=np.where(rng.random(n) < 0.5, np.nan, rng.integers(5, 60, n)), unit_cost=rng.uniform(0.5, 5.0, n),
    )  # fmt: skip
    stock, known = states(rng.integers(0, 20, n).astype(float).tolist()), forecast(rng.uniform(0.1, 5.0, n).tolist())
    wanted = round_order(rng.uniform(-5.0, 30.0, n), stock.inventory_position, t)
    limits = [
        row("supplier_min", float(rng.uniform(1, 120)), "value"),
        row("budget", float(rng.uniform(1, 200)), "value"),
    ]
    units = accepted(wanted, stock, known, t, limits)
    value = float(usage(limits[1], t, units[:, None], None).sum())
    assert value <= limits[1].amount + 1e-6
    assert value == 0.0 or value >= limits[0].amount - 1e-6
    _kept(units, wanted, stock.inventory_position, t, known)


def _kept(units: Floats, wanted: Floats, position: Floats, t, known: Forecast) -> None:
    cases = units / t.case_pack
    assert cases == pytest.approx(np.rint(cases))
    assert ((units == 0) | (units >= t.min_order_qty - 1e-9)).all()
    over = position + units - np.nan_to_num(t.max_stock, nan=np.inf)
    assert (over[units > 0] <= 1e-9).all()
