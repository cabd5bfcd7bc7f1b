"""The parts of cleaning against oracles: returns, fills, levels, runs, conditional means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from parlevel.domain.clean import flags as bits
from parlevel.domain.clean import rules
from parlevel.domain.clean.censoring import conditional_mean, zero_runs
from parlevel.domain.clean.level import expected, season_index, season_sums
from parlevel.domain.clean.missing import METHODS, fill, row_median
from parlevel.domain.clean.outliers import upper_bounds
from parlevel.domain.clean.returns import net_returns
from parlevel.errors import ConfigError


def netted_by_a_stack(sales: list[float]) -> list[float]:
    """The oracle: a return takes units from the newest sales first, unless it is of more than was ever sold."""
    out = [max(units, 0.0) for units in sales]
    for at, units in enumerate(sales):
        left = -units if -units <= sum(max(sold, 0.0) for sold in sales[:at]) else 0.0
        for earlier in range(at - 1, -1, -1):
            taken = min(max(left, 0.0), out[earlier])
            out[earlier] -= taken
            left -= taken
    return out


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=25))
def test_returns_are_netted_as_a_stack_would(sales):
    net, touched, unmatched = net_returns(np.array([sales], float))
    assert net[0].tolist() == netted_by_a_stack(sales)
    assert touched[0].tolist() == [s < 0 or n < s for s, n in zip(sales, net[0], strict=True)]
    lost = sum(net[0]) - sum(sales)
    assert unmatched.any() == (lost > 0)


def test_a_return_of_more_than_was_ever_sold_undoes_nothing():
    net, touched, unmatched = net_returns(np.array([[5.0, 3.0, -5000.0, 2.0, -1.0]]))
    assert net[0].tolist() == [5.0, 3.0, 0.0, 1.0, 0.0]
    assert unmatched[0].tolist() == [False, False, True, False, False]
    assert touched[0].tolist() == [False, False, True, True, True]


def test_a_series_without_returns_keeps_its_exact_numbers():
    sales = np.random.default_rng(1).gamma(0.5, 3.3, (3, 300))
    assert np.array_equal(net_returns(sales)[0], sales)
    assert np.isnan(net_returns(np.array([[1.0, np.nan, -1.0]]))[0][0, 1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["mean", "median", "interpolate", "zero"]))
def test_fills_match_the_library(seed, method):
    pd = pytest.importorskip("pandas")

    rng = np.random.default_rng(seed)
    values = rng.gamma(1, 5, (4, 30))
    known = rng.random((4, 30)) > 0.4
    known[0] = False
    known[1] = True
    got = fill(values, known, ~known, method, "day")
    for row, mask, out in zip(values, known, got, strict=True):
        series = pd.Series(np.where(mask, row, np.nan))
        want = {
            "mean": lambda s: s.fillna(s.mean()),
            "median": lambda s: s.fillna(s.median()),
            "zero": lambda s: s.fillna(0),
            "interpolate": lambda s: s.interpolate(limit_direction="both"),
        }[method](series)
        assert out == pytest.approx(want.to_numpy(), nan_ok=True)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_fills_holes_only_and_leaves_unknown_rows_unknown(method):
    values = np.random.default_rng(2).gamma(1, 5, (2, 40))
    known = np.ones((2, 40), bool)
    known[:, 10:13] = False
    known[1] = False
    holes = ~known
    out = fill(values, known, holes, method, "day")
    assert np.array_equal(out[0, known[0]], values[0, known[0]])
    assert np.isfinite(out[0]).all()
    assert (out[1] == 0).all() if method == "zero" else np.isnan(out[1]).all()


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="clean.missing must be one of.*magic"):
        fill(np.ones((1, 3)), np.ones((1, 3), bool), np.array([[False, True, False]]), "magic", "day")


def test_medians_match_numpy_row_by_row():
    rng = np.random.default_rng(5)
    values, known = rng.normal(size=(50, 13)), rng.random((50, 13)) > 0.5
    known[0] = False
    got = row_median(values, known)[:, 0]
    want = [np.median(v[k]) if k.any() else np.nan for v, k in zip(values, known, strict=True)]
    assert got == pytest.approx(want, nan_ok=True)


def test_season_sums_match_a_stride():
    values = np.random.default_rng(6).random((3, 40))
    got = season_sums(values, 7)
    want = np.array([[row[t % 7 :: 7].sum() for t in range(40)] for row in values])
    assert got == pytest.approx(want)
    assert season_sums(values[:, :4], 7) == pytest.approx(values[:, :4])


def test_season_index_is_one_without_season_and_shrunk_with_little_data():
    flat = season_index(np.full((1, 70), 3.0), np.ones((1, 70), bool), "day")
    assert flat == pytest.approx(np.ones((1, 70)))
    week = np.tile([7.0, 0, 0, 0, 0, 0, 0], 10)[None, :]
    index = season_index(week, np.ones((1, 70), bool), "day")
    assert index[0, 0] == pytest.approx((70 + 4 * 1) / 14)
    assert index[0, 1] == pytest.approx(4 / 14)


def test_expected_follows_a_level_shift_and_skips_masked_periods():
    values = np.concatenate([np.full(100, 2.0), np.full(100, 20.0)])[None, :]
    known = np.ones_like(values, bool)
    known[0, 150:160] = False
    values[0, 150:160] = 1e6
    out = expected(values, known, "day")
    assert out[0, 5] == pytest.approx(2, rel=0.1)
    assert out[0, 155] == pytest.approx(20, rel=0.2)


def test_zero_runs_need_their_length_and_an_end():
    zero = np.array([[0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1]], bool)
    assert zero_runs(zero, 3).astype(int).tolist() == [[0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]]
    assert not zero_runs(zero, 0).any()
    assert zero_runs(np.array([[True, True, False]]), 2).tolist() == [[True, True, False]]


@pytest.mark.parametrize(("mean", "sold"), [(2.0, 1), (2.0, 3), (10.0, 4), (0.3, 2), (50.0, 60)])
def test_conditional_mean_is_that_of_a_poisson_tail(mean, sold):
    k = np.arange(sold, 400)
    weights = poisson.pmf(k, mean)
    assert conditional_mean(np.array([mean]), np.array([float(sold)]))[0] == pytest.approx(
        (k @ weights) / weights.sum()
    )


def test_conditional_mean_never_falls_below_sales_or_unknown_means():
    assert conditional_mean(np.array([0.001]), np.array([500.0]))[0] == 500
    assert conditional_mean(np.array([np.nan]), np.array([7.0]))[0] == 7


def test_upper_bound_by_hand():
    sales = np.array([[0.0] * 5 + [2, 4, 4, 4, 6, 8, 4, 4]])
    # non-zero: median 4, MAD 0 -> Poisson sd 2
    assert upper_bounds(sales, np.ones_like(sales, bool), 3.0)[0, 0] == 4 + 3 * 2
    assert np.isinf(upper_bounds(sales[:, :12], np.ones((1, 12), bool), 3.0)[0, 0])


def test_rules_are_unique_and_flags_are_distinct_bits():
    keys = [(rule.table, rule.name) for rule in rules.ALL]
    assert len(set(keys)) == len(keys)
    values = list(bits.NAMES.values())
    assert values == [2**k for k in range(len(values))]
    assert rules.names("sales", hole=True) == ["not_finite", "too_large", "duplicate_key", "unreadable"]
    assert rules.names("prices", action="skipped") == ["outside_window"]
