"""Dynamic regression: what it learns of weeks, years and events, how its level moves, and what it is sure of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parlevel.domain.forecast.build import distribution
from parlevel.domain.forecast.drivers import DRIVERS
from parlevel.domain.forecast.dynamic import SPEEDS, Dynamic
from parlevel.domain.forecast.registry import forecaster
from parlevel.domain.panel import Panel
from parlevel.domain.periods import to_date, to_index

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
CUTOFF = int(to_index(np.array(["2020-06-30"], "datetime64[D]"), "day")[0])
PAST, AHEAD = 1000, 28


def sold(n: int = 6, level: float = 400.0, seed: int = 0) -> tuple[Panel, np.ndarray]:
    """Counts with a week, a year, a wandering level and an event every 40 days that adds half; and what comes after."""
    rng = np.random.default_rng(seed)
    periods = CUTOFF - PAST + 1 + np.arange(PAST + AHEAD)
    dates = to_date(periods, "day")
    year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) / 365.25
    event = np.arange(PAST + AHEAD) % 40 == 10
    walk = np.cumsum(rng.normal(0, 0.004, (n, PAST + AHEAD)), axis=1)
    log = np.log(level) + 0.3 * np.sin(2 * np.pi * periods / 7) + 0.2 * np.cos(2 * np.pi * year) + walk
    truth = np.exp(log + np.log(1.5) * event + rng.normal(0, 0.03, walk.shape))
    demand = rng.poisson(truth).astype(np.float32)
    code = np.where(event, 4711.0, 0.0).astype(np.float32)
    channels = {"event_code": np.tile(code, (n, 1))}
    names = np.array([f"s{k}" for k in range(n)], object)
    past = demand[:, :PAST]
    return Panel(names, past, np.ones(past.shape, bool), CUTOFF, "day", channels, frozenset(channels)), demand[:, PAST:]


def test_it_beats_the_seasonal_naive_by_a_third_and_knows_the_event() -> None:
    panel, actual = sold()
    mean, quantiles = distribution(Dynamic(horizon=AHEAD).fit(panel), AHEAD, LEVELS)
    floor = forecaster("seasonal_naive", horizon=AHEAD).fit(panel).predict_mean(AHEAD)
    error, naive = (np.abs(each - actual).mean() for each in (mean, floor))
    assert error < 0.67 * naive
    event = panel.channels["event_code"][0, PAST:] > 0
    assert event.sum() == 1
    assert (mean[:, event] / mean[:, ~event].mean(axis=1, keepdims=True)).mean() > 1.3
    inside = ((actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1])).mean()
    assert 0.8 < inside <= 1.0


def test_without_a_name_the_event_is_not_seen() -> None:
    panel, _ = sold()
    blind = replace(panel, channels={}, known_future=frozenset())
    event = panel.channels["event_code"][0, PAST:] > 0
    told, untold = (Dynamic(horizon=AHEAD).fit(each).predict_mean(AHEAD)[:, event].mean() for each in (panel, blind))
    assert told > 1.3 * untold


def test_levels_that_move_faster_get_a_faster_walk_and_wider_intervals() -> None:
    calm, _ = sold()
    rng = np.random.default_rng(5)
    wild = replace(calm, demand=(calm.demand * np.exp(np.cumsum(rng.normal(0, 0.03, calm.demand.shape), axis=1))))
    models = [Dynamic(horizon=AHEAD).fit(each) for each in (calm, wild)]
    speeds = [model.describe()["speed"] for model in models]
    assert speeds[0] < speeds[1]
    assert set(speeds) <= set(SPEEDS)
    ranges = []
    for model in models:
        mean, quantiles = distribution(model, AHEAD, LEVELS)
        ranges.append(((quantiles[..., -1] - quantiles[..., 0]) / mean).mean())
    assert ranges[1] > 1.5 * ranges[0]


def test_its_drivers_add_up_to_its_mean() -> None:
    panel, _ = sold(3)
    model = Dynamic(horizon=AHEAD).fit(panel)
    steps = np.array([1, 8, 11])
    effects = model.explain(steps, panel)
    np.testing.assert_allclose(effects.sum(axis=2), model.predict_mean(AHEAD)[:, steps - 1], rtol=1e-4)
    on_event = effects[:, 2, DRIVERS.index("holidays and events")]
    assert (on_event > 5 * np.abs(effects[:, 0, DRIVERS.index("holidays and events")])).all()


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    panel, _ = sold(3)
    model, again = Dynamic(horizon=AHEAD).fit(panel), Dynamic(horizon=AHEAD).fit(panel)
    whole = model.predict_mean(AHEAD)
    np.testing.assert_allclose(again.predict_mean(5), whole[:, :5], rtol=1e-5)
    np.testing.assert_array_equal(model.predict_mean(5), whole[:, :5])


@pytest.mark.parametrize("period", ["week", "month"])
def test_longer_periods_have_a_year_but_no_week(period: str) -> None:
    panel, _ = sold(4)
    longer = replace(panel, period=period, channels={}, known_future=frozenset(), demand=panel.demand[:, -200:],
                     available=panel.available[:, -200:], cutoff=600)  # fmt: skip
    mean = Dynamic(horizon=8).fit(longer).predict_mean(8)
    assert np.isfinite(mean).all()
    assert (np.abs(np.log(mean / longer.demand.mean(axis=1, keepdims=True))) < 1.5).all()


def test_the_days_after_an_event_are_its_own() -> None:
    panel, _ = sold(level=2000.0)
    on = panel.channels["event_code"][0] > 0
    after = np.concatenate([[False], on[:-1]]) | np.concatenate([[False, False], on[:-2]])
    slack = replace(panel, demand=np.where(after[:PAST], np.round(0.8 * panel.demand), panel.demand))
    plain, lower = (Dynamic(horizon=AHEAD).fit(each).predict_mean(AHEAD) for each in (panel, slack))
    assert after[PAST:].sum() == 2
    ratio = (lower / plain).mean(axis=0)
    assert ratio[after[PAST:]].max() < 0.9
    assert ratio[~after[PAST:]].min() > 0.96


def test_around_a_holiday_the_usual_week_fades() -> None:
    panel, _ = sold(level=4000.0)
    periods = CUTOFF - PAST + 1 + np.arange(PAST + AHEAD)
    fades = np.zeros(PAST + AHEAD, bool)
    holidays = np.arange(110, PAST + AHEAD, 150)  # each on another day of the week
    for day in holidays:
        fades[max(0, day - 10) : day + 7] = True
    code = np.where(np.isin(np.arange(PAST + AHEAD), holidays), 815.0, 0.0)
    week = np.exp(0.3 * np.sin(2 * np.pi * periods / 7))
    flat = np.where(fades[:PAST], panel.demand / week[:PAST], panel.demand)
    near = fades[PAST:]
    assert near.sum() == 17
    told = {"event_code": code, "holiday": (code > 0).astype(float)}
    swings = []
    for names in (["event_code", "holiday"], ["event_code"]):
        channels = {name: np.tile(told[name].astype(np.float32), (len(flat), 1)) for name in names}
        given = replace(panel, demand=flat.astype(np.float32), channels=channels, known_future=frozenset(channels))
        mean = Dynamic(horizon=AHEAD).fit(given).predict_mean(AHEAD)
        swings.append([np.log(mean[:, where]).std(axis=1).mean() for where in (near, ~near)])
    assert swings[0][0] < 0.6 * swings[1][0]
    assert swings[0][1] > 0.15


def test_a_benefit_may_be_spent_on_some_days_of_the_week() -> None:
    panel, _ = sold(level=4000.0)
    day = np.arange(PAST + AHEAD)
    sunday = (CUTOFF - PAST + 1 + day + 3) % 7 == 6
    paid = np.isin(day % 30, (1, 4, 8, 14, 17, 21))
    more = panel.demand * np.where(paid & sunday, 1.3, 1.0)[:PAST]
    channels = {"benefit": np.tile(paid.astype(np.float32), (len(more), 1))}
    given = replace(panel, demand=more.astype(np.float32), channels=channels, known_future=frozenset(channels))
    never = replace(given, channels={"benefit": np.where(np.arange(PAST + AHEAD) < PAST, channels["benefit"], 0.0)})
    with_it, without = (Dynamic(horizon=AHEAD).fit(given).predict_mean(AHEAD, each) for each in (given, never))
    ratio = (with_it / without).mean(axis=0)[paid[PAST:]]
    there = sunday[PAST:][paid[PAST:]]
    assert there.any()
    assert ratio[there].min() > 1.2
    assert ratio[~there].max() < 1.05
