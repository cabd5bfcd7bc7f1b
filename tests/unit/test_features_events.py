"""Lifts of named events: worked by hand, blind to what comes after the origin, 1 where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parlevel.domain.features.design import Design
from parlevel.domain.features.events import PRIOR_UNITS, SHIFTS, lifts
from parlevel.domain.features.history import History
from parlevel.domain.forecast.drivers import driver_of
from parlevel.domain.panel import Panel

WIDTH, HORIZON, CUTOFF = 140, 7, 17000
EVENT, OTHER = 7.0, 9.0


def make_panel() -> Panel:
    """Ten a day; thirty on the event, forty on its eve, five after it; the second series has no event."""
    demand = np.full((2, WIDTH), 10.0, np.float32)
    codes = np.zeros((2, WIDTH + HORIZON), np.float32)
    for day in (30, 75, 120):
        demand[0, day - 1 : day + 2] = [40.0, 30.0, 5.0]
        codes[0, day] = EVENT
    codes[:, 3] = codes[0, WIDTH + 2] = OTHER
    codes[0, WIDTH + 4] = EVENT
    names = np.array(["a", "b"], object)
    channels = {"event_code": codes}
    return Panel(names, demand, np.ones(demand.shape, bool), CUTOFF, "day", channels, frozenset(channels))


def lift(panel: Panel, series: int, origin: int, target: int, shift: int = 0) -> float:
    at = [np.array([each]) for each in (series, origin, target)]
    return float(lifts(History(panel), panel.channels["event_code"], *at, shift)[0])


def test_a_lift_is_demand_over_the_usual_on_the_occurrences_before_the_origin() -> None:
    panel = make_panel()
    last, ahead = WIDTH - 1, WIDTH + 4
    assert lift(panel, 0, last, ahead) == pytest.approx((90 + PRIOR_UNITS) / (30 + PRIOR_UNITS))
    assert lift(panel, 0, last, ahead - 1, 1) == pytest.approx((120 + PRIOR_UNITS) / (30 + PRIOR_UNITS))
    assert lift(panel, 0, last, ahead + 1, -1) == pytest.approx((15 + PRIOR_UNITS) / (30 + PRIOR_UNITS))
    assert lift(panel, 0, 74, 75) == pytest.approx((30 + PRIOR_UNITS) / (10 + PRIOR_UNITS))
    assert lift(panel, 0, 29, 30) == 1.0  # never seen before
    assert lift(panel, 0, last, WIDTH + 2) == 1.0  # seen once, with nothing to compare
    assert lift(panel, 1, last, ahead) == 1.0
    assert lift(panel, 0, last, WIDTH + HORIZON - 1, 1) == 1.0  # tomorrow's event is not known


def test_masked_days_tell_nothing_and_later_days_change_nothing() -> None:
    panel = make_panel()
    available = panel.available.copy()
    available[0, [75, 120]] = False
    masked = replace(panel, available=available)
    assert lift(masked, 0, WIDTH - 1, WIDTH + 4) == pytest.approx((30 + PRIOR_UNITS) / (10 + PRIOR_UNITS))
    demand = panel.demand.copy()
    demand[:, 100:] = 999.0
    assert lift(replace(panel, demand=demand), 0, 99, 120) == lift(panel, 0, 99, 120)


def test_models_see_lifts_where_events_are_known_ahead() -> None:
    design = Design(lags=[1], windows=[7], halflives=[7.0], horizon=HORIZON, period="day")
    panel = make_panel()
    names = design.names(panel)
    assert [name for name in names if "lift" in name] == list(SHIFTS)
    row = design.rows(panel, np.array([0]), np.array([WIDTH - 1]), np.array([5]))[0]
    assert row[names.index("event_lift")] == pytest.approx((90 + PRIOR_UNITS) / (30 + PRIOR_UNITS))
    assert not any("lift" in name for name in design.names(replace(panel, known_future=frozenset())))
    assert {driver_of(name) for name in SHIFTS} == {"holidays and events"}
