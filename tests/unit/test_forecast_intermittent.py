"""Croston's family: hand-worked numbers, statsforecast's, hard series and the hurdle distribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels import HARD, daily, with_hard
from parlevel.domain.forecast.registry import forecaster, forecaster_class
from parlevel.domain.forecast.smoothing import best_ses, compress, mean_interval, ses
from parlevel.domain.panel import Panel
from parlevel.errors import ConfigError, DataError

FAMILY = ("croston", "sba", "tsb", "adida", "imapa")
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def intermittent(n: int, width: int, seed: int) -> Panel:
    rng = np.random.default_rng(seed)
    sold = rng.random((n, width)) < rng.uniform(0.05, 0.8, (n, 1))
    demand = np.where(sold, 1 + rng.poisson(4, (n, width)), 0).astype(np.float32)
    return replace(daily(n, width), demand=demand)


def one(values: list[float]) -> Panel:
    panel = daily(1, len(values))
    return replace(panel, demand=np.array([values], np.float32))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # sizes 4 then 2: 4 + .5 (2 - 4) = 3; intervals 2 then 2: 2
        ("croston", 3 / 2),
        ("sba", 3 / 2 * 0.75),
        # probability of a sale 0, 0.5, .25, .625, .3125
        ("tsb", 0.3125 * 3),
    ],
)
def test_hand_worked(name: str, expected: float) -> None:
    extra = {"alpha_probability": 0.5} if name == "tsb" else {}
    model = forecaster(name, alpha=0.5, **extra).fit(one([0, 4, 0, 2, 0]))
    np.testing.assert_allclose(model.predict_mean(3), expected, rtol=1e-6)


def test_hand_worked_aggregation() -> None:
    # intervals 2, 2: sums over blocks of 2 that end at the last period: (4 + 0), (2 + 0)
    alpha_at_its_bound = 4 + 0.3 * (2 - 4)
    panel = one([0, 4, 0, 2, 0])
    adida = forecaster("adida").fit(panel).predict_mean(1)[0, 0]
    assert adida == pytest.approx((4 + 0.1 * (2 - 4)) / 2, rel=1e-4) or adida == pytest.approx(
        alpha_at_its_bound / 2, rel=1e-4
    )


@pytest.mark.parametrize("name", FAMILY)
def test_equals_statsforecast(name: str) -> None:
    from statsforecast import models

    reference = {
        "croston": models.CrostonClassic(),
        "sba": models.CrostonSBA(),
        "tsb": models.TSB(alpha_d=0.1, alpha_p=0.05),
        "adida": models.ADIDA(),
        "imapa": models.IMAPA(),
    }[name]
    panel = intermittent(40, 150, seed=1)
    got = forecaster(name).fit(panel).predict_mean(1)[:, 0]
    want = [reference.forecast(y=row.astype(np.float64), h=1)["mean"][0] for row in panel.demand]
    np.testing.assert_allclose(got, want, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILY)
def test_masked_periods_are_skipped(name: str) -> None:
    panel = intermittent(6, 80, seed=2)
    demand, available = panel.demand.copy(), panel.available.copy()
    demand[:, 30:40], available[:, 30:40] = 1e6, False
    got = forecaster(name).fit(replace(panel, demand=demand, available=available)).predict(4, LEVELS)
    without = np.delete(panel.demand, np.s_[30:40], axis=1)
    bare = replace(panel, demand=without, available=np.ones_like(without, bool), channels={})
    np.testing.assert_allclose(got, forecaster(name).fit(bare).predict(4, LEVELS), rtol=1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_hard_series(name: str) -> None:
    panel = with_hard(daily(12, 120, seed=3))
    mean, quantiles = forecaster(name).fit(panel).distribution(5, LEVELS)
    row = {label: k for k, label in enumerate(HARD)}
    assert np.isnan(quantiles[row["masked"]]).all()
    assert not quantiles[row["zero"]].any()
    np.testing.assert_allclose(mean[row["constant"]], 4.0 * (0.95 if name == "sba" else 1.0), rtol=1e-5)
    assert np.isfinite(np.delete(quantiles, row["masked"], axis=0)).all()
    assert (np.diff(np.delete(quantiles, row["masked"], axis=0), axis=-1) >= 0).all()
    np.testing.assert_allclose(mean[row["one"]], 3.0 * (0.95 if name == "sba" else 1.0), rtol=1e-5)


def test_tsb_forgets_what_croston_does_not() -> None:
    panel = with_hard(daily(12, 120, seed=3))
    dying = HARD.index("dying")
    croston = forecaster("croston").fit(panel).predict_mean(1)[dying, 0]
    tsb = forecaster("tsb").fit(panel).predict_mean(1)[dying, 0]
    assert tsb < 0.1 * croston


@pytest.mark.parametrize("name", FAMILY)
def test_quantiles_cover_and_keep_the_mean(name: str) -> None:
    panel = intermittent(300, 260, seed=4)
    past, actual = panel.last(200), None
    past = replace(panel, demand=panel.demand[:, :250], available=panel.available[:, :250], channels={})
    actual = panel.demand[:, 250:]
    fine = (np.arange(400) + 0.5) / 400
    mean, quantiles = forecaster(name).fit(past).distribution(10, fine)
    np.testing.assert_allclose(quantiles.mean(axis=-1), mean, rtol=0.03, atol=0.01)
    for level in (0.75, 0.95):
        covered = (actual <= np.ceil(quantiles[..., int(level * 400)] - 0.5)).mean()
        assert level - 0.04 < covered < level + 0.12


@pytest.mark.parametrize("name", FAMILY)
def test_round_trip_order_and_names(name: str) -> None:
    panel = with_hard(intermittent(20, 90, seed=5))
    model = forecaster(name).fit(panel)
    want = model.predict(6, LEVELS)
    loaded = forecaster_class(name).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(loaded.predict(6, LEVELS, panel), want)
    shuffle = np.random.default_rng(1).permutation(20)
    moved = replace(panel.take(shuffle), series_id=np.array([f"z{k}" for k in range(20)], dtype=object))
    np.testing.assert_array_equal(forecaster(name).fit(moved).predict(6, LEVELS), want[shuffle])
    with pytest.raises(DataError, match="needs a panel"):
        loaded.predict(6, LEVELS)


def test_smoothing_against_loops() -> None:
    rng = np.random.default_rng(6)
    observed = np.where(rng.random((5, 30)) < 0.3, np.nan, rng.gamma(1.0, 3.0, (5, 30)))
    values, lengths = compress(observed, 12)
    for k, row in enumerate(observed):
        known = row[~np.isnan(row)][-12:]
        np.testing.assert_array_equal(values[k, : lengths[k]], known)
        level = known[0]
        for x in known[1:]:
            level += 0.2 * (x - level)
        assert ses(values, lengths, 0.2)[k] == pytest.approx(level)
        grid = np.linspace(0.1, 0.3, 401)
        losses = []
        for alpha in grid:
            fit, loss = known[0], 0.0
            for x in known[1:]:
                loss += (x - fit) ** 2
                fit += alpha * (x - fit)
            losses.append(loss)
        best = ses(values, lengths, float(grid[np.argmin(losses)]))[k]
        assert best_ses(values, lengths, 0.1, 0.3)[k] == pytest.approx(best, abs=0.02)


def test_mean_interval_counts_from_the_beginning() -> None:
    values = np.array([[0, 0, 1, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0, 0], [0] * 7], float)
    assert mean_interval(values, np.array([7, 7, 7])).tolist() == [3, 1, 0]


def test_refuses_an_unknown_method_and_an_empty_group() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'croston'"):
        forecaster("croston", method="crostn")
    panel = daily(2, 10)
    with pytest.raises(DataError, match="needs one available period"):
        forecaster("tsb").fit(replace(panel, available=np.zeros_like(panel.available)))
