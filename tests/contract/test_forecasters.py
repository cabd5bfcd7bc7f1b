"""What every forecaster promises, run over the whole registry: a new entry is tested without an edit."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from panels import HARD, daily, with_hard
from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.build import build, distribution
from parlevel.domain.forecast.registry import FORECASTERS, forecaster_class
from parlevel.domain.panel import Panel
from parlevel.errors import ConfigError, DataError

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
HORIZON = 14
SHARED = {"horizon": HORIZON, "seed": 3, "lags": [1, 7], "windows": [7, 28], "halflives": [7.0]}
SMALL = {
    "forest": {"trees": 8, "max_rows": 1500},
    "lstm": {"epochs": 2, "max_windows": 300, "units": 8, "hidden": 16},
    "gru": {"epochs": 2, "max_windows": 300, "units": 8, "hidden": 16},
    "transformer": {"epochs": 2, "max_windows": 300, "units": 8, "heads": 2, "blocks": 1, "hidden": 16},
    "boosting": {"rounds": 30, "leaves": 15, "learning_rate": 0.15},
    "arima": {"max_order": 1},
}
"""Settings that make the expensive ones quick; what is promised does not depend on them."""

NEVER_FORGETS = {"croston", "sba"}
"""They change their level only when something sells (Teunter, Syntetos, Babai 2011 mend that with TSB)."""


def made(name: str) -> Forecaster:
    return build(name, SMALL.get(name, {}), SHARED)


def panel() -> Panel:
    return with_hard(daily(24, 120, horizon=HORIZON))


@cache
def fitted(name: str) -> Forecaster:
    return made(name).fit(panel())


@cache
def forecast(name: str) -> tuple[np.ndarray, np.ndarray]:
    return distribution(fitted(name), HORIZON, LEVELS)


every = pytest.mark.parametrize("name", sorted(FORECASTERS))


@every
def test_quantiles_have_the_shape_do_not_cross_and_are_never_negative(name: str) -> None:
    mean, quantiles = forecast(name)
    assert mean.shape == (24, HORIZON)
    assert quantiles.shape == (24, HORIZON, len(LEVELS))
    known = np.isfinite(quantiles).all(axis=(1, 2))
    assert (np.diff(quantiles[known], axis=2) >= 0).all()
    assert (quantiles[known] >= 0).all()
    assert (mean[known] >= 0).all()
    assert known[len(HARD) :].all()


@every
def test_a_series_without_one_available_period_gets_nan_or_a_number_but_never_half_of_each(name: str) -> None:
    mean, quantiles = forecast(name)
    row = HARD.index("masked")
    assert np.isfinite(mean[row]).all() == np.isfinite(quantiles[row]).all()
    assert np.isnan(mean[row]).all() == (not np.isfinite(mean[row]).any())


@every
def test_short_series_get_a_sensible_forecast_or_none_and_the_floor_always_one(name: str) -> None:
    mean, _ = forecast(name)
    for case in ("one", "three", "new"):
        row = mean[HARD.index(case)]
        if name == "seasonal_naive" or np.isfinite(row).any():
            assert np.isfinite(row).all(), case
            own = np.nanmean(panel().observed()[HARD.index(case)])
            assert 0.05 * own - 0.05 < row.mean() < 5 * own + 5, case  # next to nothing is sensible of 0.3 a day


@every
def test_a_series_that_never_sold_or_stopped_selling_is_forecast_far_below_the_others(name: str) -> None:
    mean, _ = forecast(name)
    usual = np.median(mean[len(HARD) :])
    assert mean[HARD.index("zero")].mean() < 0.35 * usual
    if name not in NEVER_FORGETS:
        assert mean[HARD.index("dying")].mean() < 0.35 * usual


@every
def test_a_constant_series_stays_near_its_constant(name: str) -> None:
    mean, _ = forecast(name)
    assert 2.0 < mean[HARD.index("constant")].mean() < 8.0


@every
def test_it_learns_more_than_the_overall_mean(name: str) -> None:
    """The level of each series is in its forecast: errors far below those of one number for all."""
    whole = daily(24, 134, horizon=0)
    past = daily(24, 120, horizon=HORIZON)
    actual = whole.demand[:, 120:]
    mean, _ = distribution(made(name).fit(past), HORIZON, LEVELS)
    truth = actual.mean(axis=1)
    assert np.abs(mean.mean(axis=1) - truth).mean() < 0.5 * np.abs(truth.mean() - truth).mean()


@every
def test_a_stored_model_gives_identical_forecasts(name: str) -> None:
    model = fitted(name)
    payload = model.to_bytes()
    loaded = forecaster_class(name).from_bytes(payload)
    mean, quantiles = distribution(loaded, HORIZON, LEVELS, panel())
    expected_mean, expected = forecast(name)
    np.testing.assert_array_equal(mean, expected_mean)
    np.testing.assert_array_equal(quantiles, expected)
    assert type(loaded).format in ("skops", "lightgbm", "keras", "json")
    assert not payload.startswith(b"\x80"), "a pickle"


@every
def test_names_do_not_matter_and_the_same_seed_repeats(name: str) -> None:
    renamed = panel()
    names = np.array([f"other {k}" for k in range(24)], dtype=object)
    again = made(name).fit(Panel(**{**vars(renamed), "series_id": names}))
    mean, quantiles = distribution(again, HORIZON, LEVELS)
    np.testing.assert_array_equal(mean, forecast(name)[0])
    np.testing.assert_array_equal(quantiles, forecast(name)[1])


@every
def test_masked_periods_do_not_reach_the_forecast(name: str) -> None:
    """A stockout's sales may be anything: where a period is masked its value must not matter."""
    base = panel()
    available = base.available.copy()
    available[10:, 100:110] = False
    spoiled = base.demand.copy()
    spoiled[10:, 100:110] = 9_999.0
    first, second = (
        Panel(**{**vars(base), "demand": demand, "available": available}) for demand in (base.demand, spoiled)
    )
    a, _ = distribution(made(name).fit(first), HORIZON, LEVELS)
    b, _ = distribution(made(name).fit(second), HORIZON, LEVELS)
    np.testing.assert_array_equal(a, b)


@every
def test_a_shorter_horizon_is_the_beginning_of_the_longer_one(name: str) -> None:
    np.testing.assert_allclose(fitted(name).predict_mean(5), forecast(name)[0][:, :5], rtol=1e-5)


@every
def test_predict_and_predict_mean_agree_with_the_joint_forecast(name: str) -> None:
    mean, quantiles = forecast(name)
    np.testing.assert_allclose(fitted(name).predict_mean(HORIZON), mean, rtol=1e-5)
    np.testing.assert_allclose(fitted(name).predict(HORIZON, LEVELS), quantiles, rtol=1e-5)


@every
def test_it_describes_itself_in_json(name: str) -> None:
    about = json.loads(json.dumps(fitted(name).describe()))
    assert about["hyperparameters"]["horizon"] == HORIZON
    assert isinstance(about["features"], list)


@every
def test_an_unknown_parameter_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        build(name, {"no_such_thing": 1}, SHARED)


def outcome_on_nothing(name: str) -> str:
    """What a model makes of a group without one available period: the words of its error, or "no forecast"."""
    empty = panel().take(np.array([HARD.index("masked")]))
    try:
        model = made(name).fit(empty)
    except DataError as error:
        return str(error)
    return "no forecast" if np.isnan(model.predict_mean(HORIZON)).all() else "a forecast from nothing"


@every
def test_nothing_to_learn_from_is_said_or_gives_no_forecast(name: str) -> None:
    outcome = outcome_on_nothing(name)
    assert outcome == "no forecast" or "Got" in outcome
