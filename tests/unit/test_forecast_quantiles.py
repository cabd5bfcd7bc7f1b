"""Quantile functions and sample paths against closed forms and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import expon, gamma, norm

from parlevel.domain.forecast.paths import (
    _by_rank,
    content_keys,
    estimate_correlation,
    interval_sums,
    sample_paths,
    sum_quantiles,
)
from parlevel.domain.forecast.quantiles import _right, blend, enforce, mean_of, read_at, to_levels

LEVELS = np.array([0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975])


def gamma_forecast(mean: np.ndarray, horizon: int, shape: float = 4.0) -> np.ndarray:
    """(n, horizon, n_levels) quantiles of gamma demand, the same in every step."""
    row = gamma.ppf(LEVELS[None, :], shape, scale=mean[:, None] / shape)
    return np.repeat(row[:, None, :], horizon, axis=1)


def correlated_demand(mean: np.ndarray, horizon: int, correlation: float, seed: int, shape: float = 4.0) -> np.ndarray:
    """(n, horizon) gamma demand whose steps share one normal factor."""
    rng = np.random.default_rng(seed)
    n = len(mean)
    z = np.sqrt(correlation) * rng.normal(size=(n, 1)) + np.sqrt(1 - correlation) * rng.normal(size=(n, horizon))
    return gamma.ppf(norm.cdf(z), shape, scale=mean[:, None] / shape)


def test_enforce_sorts_clips_and_spreads_nan() -> None:
    got = enforce(np.array([[3.0, -1.0, 2.0], [1.0, np.nan, 2.0]]))
    np.testing.assert_array_equal(got[0], [0.0, 2.0, 3.0])
    assert np.isnan(got[1]).all()


def test_reading_between_levels_is_a_straight_line() -> None:
    got = read_at(np.array([[0.0, 10.0, 30.0]]), np.array([0.1, 0.5, 0.9]), np.array([[0.3, 0.5, 0.7]]))
    np.testing.assert_allclose(got, [[5.0, 10.0, 20.0]])


def test_the_upper_tail_of_an_exponential_is_exact_and_the_mean_close() -> None:
    quantiles = expon.ppf(LEVELS, scale=2.0)[None, :]
    far = np.array([[0.99, 0.999]])
    np.testing.assert_allclose(read_at(quantiles, LEVELS, far), expon.ppf(far, scale=2.0), rtol=1e-9)
    assert mean_of(quantiles, LEVELS)[0] == pytest.approx(2.0, rel=0.02)


def test_the_mean_of_a_constant_is_the_constant() -> None:
    np.testing.assert_allclose(mean_of(np.full((2, len(LEVELS)), 7.0), LEVELS), 7.0)


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, (3, 5), elements=st.floats(0, 1e5)), st.lists(st.floats(0.001, 0.999), min_size=2, max_size=9)
)
def test_reading_is_monotone_and_never_negative(raw: np.ndarray, wanted: list[float]) -> None:
    got = to_levels(enforce(raw), np.array([0.05, 0.25, 0.5, 0.75, 0.95]), sorted(wanted))
    assert (got >= 0).all()
    assert (np.diff(got, axis=1) >= -1e-9 * (1 + got[:, 1:])).all()


def test_a_blend_is_the_weighted_mean_and_a_missing_part_leaves_its_weight() -> None:
    first, second = np.array([[2.0], [np.nan], [np.nan]]), np.array([[6.0], [4.0], [np.nan]])
    got = blend([first, second], [0.75, 0.25])
    np.testing.assert_allclose(got[:2], [[3.0], [4.0]])
    assert np.isnan(got[2])


def test_paths_have_the_forecasts_marginals() -> None:
    mean = np.array([2.0, 20.0])
    paths = sample_paths(gamma_forecast(mean, 3), LEVELS, 4000, 0.3, seed=5)
    for k in range(2):
        got = np.quantile(paths[k], [0.1, 0.5, 0.9], axis=0)
        want = gamma.ppf([0.1, 0.5, 0.9], 4, scale=mean[k] / 4)
        np.testing.assert_allclose(got, np.repeat(want[:, None], 3, axis=1), rtol=0.03)


def test_paths_depend_on_content_and_seed_and_not_on_order() -> None:
    forecast = gamma_forecast(np.array([1.0, 5.0, 9.0]), 4)
    order = np.array([2, 0, 1])
    first = sample_paths(forecast, LEVELS, 16, 0.2, seed=1)
    np.testing.assert_array_equal(first[order], sample_paths(forecast[order], LEVELS, 16, 0.2, seed=1))
    assert not np.array_equal(first, sample_paths(forecast, LEVELS, 16, 0.2, seed=2))
    assert len(set(content_keys(forecast).tolist())) == 3


def test_dependence_widens_sums_and_not_steps() -> None:
    forecast = gamma_forecast(np.array([10.0]), 14)
    loose, tight = (sample_paths(forecast, LEVELS, 2000, r, seed=3)[0] for r in (0.0, 0.6))
    assert tight.std(axis=0).mean() == pytest.approx(loose.std(axis=0).mean(), rel=0.02)
    # variance of a sum of equally correlated steps: 1 + (h - 1) r times that of independent ones
    assert tight.sum(axis=1).std() / loose.sum(axis=1).std() == pytest.approx(np.sqrt(1 + 13 * 0.6), rel=0.1)


def test_interval_sums_and_their_quantiles_by_hand() -> None:
    paths = np.array([[[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]]])
    np.testing.assert_allclose(interval_sums(paths, np.array([1]), np.array([5])), [[6.0, 60.0]])
    np.testing.assert_allclose(sum_quantiles(np.array([[1.0, 2.0, 3.0]]), [0.5]), [[2.0]])


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.4])
def test_the_estimated_correlation_is_near_the_true_one(truth: float) -> None:
    mean = np.random.default_rng(0).gamma(2.0, 5.0, 400)
    actual = correlated_demand(mean, 14, truth, seed=1)
    got = estimate_correlation(gamma_forecast(mean, 14), LEVELS, actual, np.ones_like(actual, bool), max_rows=400)
    assert got == pytest.approx(truth, abs=0.1)


def test_sums_cover_what_they_promise_where_independent_steps_are_too_narrow() -> None:
    """The steps' intervals are right in both cases; only the right dependence makes the sum's right."""
    rng = np.random.default_rng(2)
    mean = rng.gamma(2.0, 5.0, 400)
    forecast = gamma_forecast(mean, 14)
    past, new = (correlated_demand(mean, 14, 0.25, seed) for seed in (10, 11))
    found = estimate_correlation(forecast, LEVELS, past, np.ones_like(past, bool))
    steps_inside = (new >= forecast[:, :, 2]) & (new <= forecast[:, :, 10])
    assert steps_inside.mean() == pytest.approx(0.8, abs=0.02)
    cover = {}
    for name, correlation in (("learned", found), ("independent", 0.0)):
        sums = sample_paths(forecast, LEVELS, 200, correlation, seed=4).sum(axis=2)
        low, high = sum_quantiles(sums, [0.1, 0.9]).T
        cover[name] = float(((new.sum(axis=1) >= low) & (new.sum(axis=1) <= high)).mean())
    assert cover["learned"] == pytest.approx(0.8, abs=0.06)
    assert cover["independent"] < 0.6


def test_without_rows_the_correlation_is_the_prior() -> None:
    nothing = np.zeros((0, 5, len(LEVELS)))
    assert estimate_correlation(nothing, LEVELS, np.zeros((0, 5)), np.zeros((0, 5), bool), prior=0.2) == 0.2


@pytest.mark.parametrize("n_levels", [2, 3, 7, 60])
def test_segments_are_those_of_a_search(n_levels: int):
    levels = np.linspace(0.02, 0.98, n_levels)
    wanted = np.concatenate([np.random.default_rng(0).random(500), levels, [1e-6, 1 - 1e-6]])
    found = np.clip(np.searchsorted(levels, wanted), 1, n_levels - 1)
    np.testing.assert_array_equal(_right(levels, wanted), found)


@pytest.mark.parametrize("count", [1, 7, 64, 3000])
def test_the_order_of_words_is_that_of_an_indirect_sort(count: int):
    words = np.random.default_rng(1).integers(0, 2**64, (3, 2, count), np.uint64)
    words[0, 0, : count // 2] = words[0, 0, 0]  # ties keep their order
    upper = words >> np.uint64(11)
    np.testing.assert_array_equal(_by_rank(words), np.argsort(upper, axis=-1, kind="stable"))
