"""Compiled loops say what the plain arithmetic says, and what they are handed is of one kind."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from parlevel.domain.compiled import compiled, plain
from parlevel.domain.forecast import draws
from parlevel.domain.forecast.paths import content_keys, sample_paths
from parlevel.domain.forecast.quantiles import read_at, tail_slopes
from parlevel.domain.replenish.kernels.stock import cost_tables, run_down


def test_the_normal_quantile_is_that_of_scipy_over_the_whole_range() -> None:
    tails = 10.0 ** -np.arange(1.0, 10.0)
    wanted = np.concatenate([np.linspace(0.001, 0.999, 999), tails, 1 - tails])
    found = [draws.normal_quantile(p) for p in wanted]
    np.testing.assert_allclose(found, ndtri(wanted), rtol=1e-13, atol=1e-13)


def test_words_are_mixed_as_splitmix64_does() -> None:
    # the published sequence of splitmix64 from seed 1234567
    state, words = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        words.append(int(draws.mixed(np.uint64(state))))
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_paths_are_the_copula_read_on_the_quantiles() -> None:
    rng = np.random.default_rng(4)
    levels = np.array([0.05, 0.3, 0.5, 0.8, 0.95])
    quantiles = np.sort(rng.gamma(2.0, 4.0, (6, 9, 5)), axis=2)
    share = rng.random(6)
    normal = rng.normal(0.0, 1.5, (6, 40, 10))
    lower, upper = tail_slopes(quantiles, levels)
    found = draws.values(normal, share, quantiles, levels, plain(lower), plain(upper))
    z = np.sqrt(share)[:, None, None] * normal[:, :, :1] + np.sqrt(1 - share)[:, None, None] * normal[:, :, 1:]
    chance = np.clip(ndtr(z), 1e-6, 1 - 1e-6)
    expected = np.swapaxes(read_at(quantiles, levels, np.swapaxes(chance, 1, 2)), 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_every_step_draws_once_from_every_stratum() -> None:
    keys = content_keys(np.random.default_rng(0).random((3, 5, 2)))
    words = draws.orders(keys, 16, 6)
    normal = draws.normals(keys, np.argsort(words, axis=2).astype(np.int64))
    strata = np.sort(np.floor(ndtr(normal) * 16), axis=1)
    np.testing.assert_array_equal(strata, np.broadcast_to(np.arange(16.0)[None, :, None], strata.shape))


def test_a_forecast_of_one_level_has_paths_of_that_value() -> None:
    quantiles = np.array([[[3.0], [5.0]]])
    paths = sample_paths(quantiles, np.array([0.5]), 4, 0.3)
    assert paths.shape == (1, 4, 2)
    np.testing.assert_array_equal(paths, np.broadcast_to([[[3.0, 5.0]]], (1, 4, 2)))


@pytest.mark.parametrize("every_period", [True, False])
def test_tables_are_the_mean_cost_over_the_samples(every_period: bool) -> None:
    rng = np.random.default_rng(2)
    need = rng.normal(-4.0, 5.0, (3, 8, 7))
    interval = np.array([-1, -1, 0, 0, 0, 1, 1])[None, None, :].repeat(3, axis=0)
    counts = np.array([True] * 6 + [False])
    unit, display = np.array([1.0, 2.0, 0.5]), np.array([0.0, 3.0, 1.0])
    holding, price = rng.random(3), rng.random((3, 2)) * 9
    found = cost_tables(
        need, interval, np.full(3, 2), counts, unit, display, holding, price, np.full(3, every_period), 30
    )
    ends = {0: [2, 3, 4], 1: [5]} if every_period else {0: [4], 1: [5]}
    for i in range(3):
        for k, periods in ((0, [2, 3, 4]), (1, [5])):
            for level in range(30):
                stock = need[i] + level * unit[i]
                held = holding[i] * np.maximum(stock[:, periods], 0.0).sum(axis=1)
                short = price[i, k] * np.maximum(display[i] - stock[:, ends[k]], 0.0).sum(axis=1)
                assert found[i, k, level] == pytest.approx((held + short).mean(), rel=1e-9, abs=1e-9)


def test_lost_sales_stop_at_zero_only_before_the_first_receipt() -> None:
    paths, due = np.full((2, 1, 4), 3.0), np.zeros((2, 4))
    first, counts = np.full((2, 1), 2), np.ones(4, bool)
    net, lost = run_down(np.full(2, 4.0), due, paths, first, np.array([True, False]), counts)
    np.testing.assert_array_equal(net[:, 0], [[1, 0, -3, -6], [1, -2, -5, -8]])
    np.testing.assert_array_equal(lost[:, 0], [2.0, 0.0])


def test_what_loops_are_handed_is_of_one_kind() -> None:
    for values in (np.arange(6.0).reshape(2, 3).T, np.broadcast_to(1.0, (2, 2)), np.arange(3, dtype=np.float32)):
        found = plain(values)
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, values)
    own = np.zeros(3)
    assert plain(own) is own, "nothing is copied that need not be"


def test_a_machine_without_a_folder_for_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = numba.njit

    def refuses(*args: object, cache: bool = False, **options: object) -> object:
        if cache:
            return lambda loop: (_ for _ in ()).throw(RuntimeError("cannot cache function: no locator available"))
        return made(*args, **options)

    monkeypatch.setattr(numba, "njit", refuses)
    assert compiled(lambda x: x + 1)(2) == 3


def test_loops_run_without_the_compiler_to_the_same_paths() -> None:
    code = (
        "import numpy as np; from parlevel.domain.forecast.paths import sample_paths; "
        "q = np.cumsum(np.ones((1, 2, 3)), axis=2); np.seterr(over='ignore'); "
        "print(sample_paths(q, np.array([.1, .5, .9]), 4, .2).sum())"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": off}, check=True,
                       capture_output=True, text=True, timeout=120).stdout
        for off in ("0", "1")
    ]  # fmt: skip
    assert said[0] == said[1]
