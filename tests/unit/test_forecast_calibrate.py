"""Conformal calibration on generated data: what was wrong becomes right on data it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma

from panels import daily
from parlevel.domain.forecast.calibrate import Calibration, Fold, calibrate, spread

LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
HORIZON = 8


def fold(seed: int, n: int = 200, narrow: float = 0.5, zeros: float = 0.0) -> Fold:
    """Gamma demand beside a forecast with the right median and `narrow` times the right width."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 10.0, n) + 1
    actual = gamma.rvs(4, scale=mean[:, None] / 4, size=(n, HORIZON), random_state=rng)
    actual[rng.random((n, HORIZON)) < zeros] = 0.0
    right = gamma.ppf(np.array(LEVELS)[None, :], 4, scale=mean[:, None] / 4)
    wrong = right[:, 3:4] + narrow * (right - right[:, 3:4])
    available = rng.random((n, HORIZON)) < 0.9
    return Fold(np.repeat(wrong[:, None, :], HORIZON, axis=1), actual, available, mean / 2)


def share_below(quantiles: np.ndarray, made: Fold) -> np.ndarray:
    below = made.actual[:, :, None] <= quantiles
    return below[made.available].mean(axis=0)


def test_coverage_becomes_right_on_a_fold_it_has_not_seen() -> None:
    found = calibrate([fold(1), fold(2)], LEVELS)
    new = fold(3)
    before, after = share_below(new.quantiles, new), share_below(found.apply(new.quantiles, new.spread), new)
    assert abs(before - LEVELS).max() > 0.1
    np.testing.assert_allclose(after, LEVELS, atol=0.04)


def test_levels_move_apart_from_each_other() -> None:
    found = calibrate([fold(1)], LEVELS)
    assert (found.offsets[..., 0] < 0).all()
    assert (found.offsets[..., -1] > 0).all()
    assert (np.abs(found.offsets[..., -1]) > np.abs(found.offsets[..., 0])).all()


def test_a_forecast_that_is_right_stays_where_it_is() -> None:
    found = calibrate([fold(1, narrow=1.0), fold(2, narrow=1.0)], LEVELS)
    wrong = calibrate([fold(1), fold(2)], LEVELS)
    assert np.abs(found.offsets).mean() < 0.2 * np.abs(wrong.offsets).mean()


def test_zero_heavy_demand_keeps_its_zero_quantiles() -> None:
    made = fold(4, zeros=0.6)
    zeroed = Fold(np.maximum(made.quantiles - 1e9, 0.0), made.actual, made.available, made.spread)
    moved = calibrate([zeroed], LEVELS).apply(zeroed.quantiles, zeroed.spread)
    assert (moved[:, :, :4] == 0).all()
    assert (moved[:, :, -1] > 0).all()


def test_few_series_move_little() -> None:
    many, few = calibrate([fold(1, n=400)], LEVELS), calibrate([fold(1, n=3)], LEVELS)
    assert np.abs(few.offsets).mean() < np.abs(many.offsets).mean()


def mixed(seed: int) -> Fold:
    """Slow series whose forecast is far too narrow beside fast ones whose forecast is right."""
    slow, fast = fold(seed, narrow=0.2), fold(seed + 100, narrow=1.0)
    parts = (np.concatenate([a, b]) for a, b in zip(vars(slow).values(), vars(fast).values(), strict=True))
    quantiles, actual, available, spread_ = parts
    times = np.repeat([1.0, 1000.0], len(slow.spread))
    return Fold(quantiles * times[:, None, None], actual * times[:, None], available, spread_ * times)


def test_slow_and_fast_series_are_calibrated_apart() -> None:
    new = mixed(3)
    moved = calibrate([mixed(1), mixed(2)], LEVELS).apply(new.quantiles, new.spread)
    half = len(new.spread) // 2
    for part in (slice(0, half), slice(half, None)):
        made = Fold(*(each[part] for each in vars(new).values()))
        np.testing.assert_allclose(share_below(moved[part], made), LEVELS, atol=0.06)


def test_nothing_known_changes_nothing_and_json_keeps_everything() -> None:
    made = fold(1)
    np.testing.assert_allclose(calibrate([], LEVELS).apply(made.quantiles, made.spread), made.quantiles)
    found = calibrate([made], LEVELS, bounds=[2, HORIZON])
    again = Calibration.from_json(found.to_json())
    assert again.bounds == (2, HORIZON)
    np.testing.assert_allclose(again.offsets, found.offsets, atol=1e-6)
    np.testing.assert_allclose(again.edges, found.edges)


def test_rows_without_forecast_or_spread_are_left_out() -> None:
    made = fold(1)
    spoiled = made.quantiles.copy()
    spoiled[:50] = np.nan
    flat = made.spread.copy()
    flat[50:100] = 0.0
    found = calibrate([Fold(spoiled, made.actual, made.available, flat)], LEVELS)
    rest = calibrate([Fold(*(each[100:] for each in vars(made).values()))], LEVELS)
    np.testing.assert_allclose(found.offsets, rest.offsets)


def test_spread_is_the_sd_but_at_least_counting_noise_and_skips_masked_periods() -> None:
    panel = daily(2, 100)
    panel.demand[0], panel.demand[1] = 4.0, np.tile([0.0, 20.0], 50)
    panel.demand[0, 90], panel.available[0, 90] = 500.0, False
    got = spread(panel)
    assert got[0] == pytest.approx(2.0)
    assert got[1] == pytest.approx(10.0, rel=0.01)


def test_a_series_that_sold_nothing_of_late_may_still_do_so() -> None:
    panel = daily(2, 400)
    panel.demand[:] = 0.0
    panel.demand[0, 100] = 6.0
    got = spread(panel)
    assert got[0] == pytest.approx(6.0 / 92**0.5)
    assert got[1] == 0.0
