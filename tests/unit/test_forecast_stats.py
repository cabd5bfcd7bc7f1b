"""ETS, ARIMA and Theta: statsforecast's own numbers, gaps, hard series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels import HARD, daily, with_hard
from parlevel.domain.forecast.registry import forecaster, forecaster_class
from parlevel.domain.forecast.stats import Local, filled
from parlevel.errors import DataError

NAMES = ("ets", "theta", "arima")
LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Local:
    fast = {"max_order": 1} if request.param == "arima" else {}
    return forecaster(request.param, horizon=7, **fast)


def test_equals_statsforecast() -> None:
    from statsforecast.models import AutoETS

    panel = daily(3, 80, seed=1)
    mean, quantiles = forecaster("ets").fit(panel).distribution(7, LEVELS)
    for k, row in enumerate(panel.demand):
        want = AutoETS(season_length=7).forecast(y=row.astype(np.float64), h=7, level=[80, 95])
        np.testing.assert_allclose(mean[k], np.maximum(want["mean"], 0), rtol=1e-5)
        columns = np.stack([want[c] for c in ("lo-95", "lo-80", "mean", "hi-80", "hi-95")], axis=1)
        np.testing.assert_allclose(quantiles[k], np.maximum(columns, 0), rtol=1e-5)


def test_hard_series_and_round_trip(model: Local) -> None:
    panel = with_hard(daily(8, 60, seed=2))
    mean, quantiles = model.fit(panel).distribution(7, LEVELS)
    row = {name: k for k, name in enumerate(HARD)}
    assert np.isnan(quantiles[row["masked"]]).all()
    others = np.delete(quantiles, row["masked"], axis=0)
    assert np.isfinite(others).all()
    assert (others >= 0).all()
    assert (np.diff(others, axis=-1) >= 0).all()
    assert not quantiles[row["zero"]].any()
    assert (quantiles[row["constant"]] == 4.0).all()
    assert (mean[row["one"]] == 3.0).all()
    assert quantiles[row["one"], 0, -1] > 5.0
    loaded = forecaster_class(model.name).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(loaded.predict(7, LEVELS, panel), quantiles)
    with pytest.raises(DataError, match="needs a panel"):
        loaded.predict(7, LEVELS)


def test_masked_values_and_names_do_not_show(model: Local) -> None:
    panel = daily(3, 60, seed=3)
    available = panel.available.copy()
    available[:, 20:25] = False
    spoiled = panel.demand.copy()
    spoiled[:, 20:25] = 1e6
    want = model.fit(replace(panel, available=available)).predict(7, LEVELS)
    shuffle = np.array([2, 0, 1])
    moved = replace(panel, available=available, demand=spoiled).take(shuffle)
    moved = replace(moved, series_id=np.array(["x", "y", "z"], dtype=object))
    np.testing.assert_array_equal(model.fit(moved).predict(7, LEVELS), want[shuffle])


def test_learns_the_week(model: Local) -> None:
    column = np.arange(91)
    rng = np.random.default_rng(4)
    demand = (20 + 8 * np.sin(2 * np.pi * column / 7) + rng.normal(0, 0.5, (2, 91))).astype(np.float32)
    panel = replace(daily(2, 84), demand=demand[:, :84])
    np.testing.assert_allclose(model.fit(panel).predict_mean(7), demand[:, 84:], atol=2.5)


def test_gaps_are_filled_from_the_same_place_in_the_season() -> None:
    row = np.array([np.nan, 1, 10, 2, np.nan, 3, 30, np.nan, 40], float)
    # every second period is large; the neighbours two away count
    assert filled(row, 2).tolist() == [1, 10, 2, 20, 3, 30, 3, 40]
    assert filled(np.array([2.0, np.nan, 4.0]), 7).tolist() == [2.0, 3.0, 4.0]


def test_one_bad_series_gives_its_own_row_up(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = daily(3, 60, seed=5)
    good = forecaster("ets").fit(panel).predict(7, LEVELS)

    class Breaks:
        def __init__(self, inner: object, bad: float) -> None:
            self.inner, self.bad = inner, bad

        def forecast(self, y: np.ndarray, **rest: object) -> object:
            if y[0] == self.bad and y[1] == panel.demand[1, 1]:
                raise ValueError("no model able to be fitted")
            return self.inner.forecast(y=y, **rest)

    model = forecaster("ets")
    real = model.library_model
    monkeypatch.setattr(model, "library_model", lambda season: Breaks(real(season), panel.demand[1, 0]))
    got = model.fit(panel).predict(7, LEVELS)
    assert np.isnan(got[1]).all()
    np.testing.assert_array_equal(got[[0, 2]], good[[0, 2]])
