"""Cold start: similar items, credibility, intervals that know how little is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panels import daily
from parlevel.domain.forecast.apply import forecast_group, forecast_left_out
from parlevel.domain.forecast.coldstart import SIMILAR_ITEMS, Donors, cold_start, distances, is_cold, mixture
from parlevel.domain.forecast.seasonal_naive import SeasonalNaive
from parlevel.domain.panel import Panel

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
H = 14
N, COLD = 100, 10


def shop() -> Panel:
    """Two categories: in the second one everything sells ten times as much; prices fall with sales."""
    rng = np.random.default_rng(4)
    code = np.arange(N) % 2
    level = rng.gamma(8.0, 0.25, N) * np.where(code == 1, 20.0, 2.0)
    base = daily(N, 120, horizon=H)
    demand = rng.poisson(level[:, None], (N, 120)).astype(np.float32)
    statics = {"category_code": code.astype(np.float32), "log_price": np.full(N, 1.0, np.float32)}
    return replace(base, demand=demand, statics=statics, channels={}, known_future=frozenset())


def cut(panel: Panel, n_known: int) -> Panel:
    """Only the last known periods left."""
    demand, available = panel.demand.copy(), panel.available.copy()
    begin = panel.n_periods - n_known
    demand[:, :begin], available[:, :begin] = np.nan, False
    return replace(panel, demand=demand, available=available)


def donors(panel: Panel) -> Donors:
    model = SeasonalNaive(horizon=H).fit(panel)
    return Donors(panel, *model.distribution(H, LEVELS, panel))


def split() -> tuple[Panel, Panel]:
    whole = shop()
    return whole.take(np.arange(COLD)), whole.take(np.arange(COLD, N))


def relative(mean: np.ndarray, quantiles: np.ndarray) -> float:
    """Width of the 90 % interval as a share of the mean, averaged."""
    return float(((quantiles[:, :, -1] - quantiles[:, :, 0]) / mean).mean())


def test_without_history_the_level_is_that_of_the_same_category() -> None:
    cold, rest = split()
    made = cold_start(cut(cold, 0), donors(rest), LEVELS, 0.1)
    code = cold.statics["category_code"]
    assert 1.5 < made.mean[code == 0].mean() < 12.0
    assert 25.0 < made.mean[code == 1].mean() < 60.0
    assert (np.diff(made.quantiles, axis=2) >= 0).all()


def test_own_periods_pull_the_forecast_to_the_own_level() -> None:
    cold, rest = split()
    truth = cold.demand.mean(axis=1)
    away = [
        np.abs(cold_start(cut(cold, n), donors(rest), LEVELS, 0.1).mean.mean(axis=1) - truth).sum() for n in (0, 3, 13)
    ]
    assert away[0] > away[1] > away[2]
    assert away[2] < 0.15 * truth.sum()


def test_the_less_is_known_the_wider_the_interval_and_the_more_do_steps_err_together() -> None:
    cold, rest = split()
    made = [cold_start(cut(cold, n), donors(rest), LEVELS, 0.1) for n in (0, 3, 13)]
    width = [relative(each.mean, each.quantiles) for each in made]
    assert width[0] > width[1] > width[2]
    assert (made[0].correlation > made[2].correlation).all()
    mean, own = SeasonalNaive(horizon=H).fit(rest).distribution(H, LEVELS, cold)
    assert width[0] > 1.2 * relative(mean, own)


def test_prices_near_by_weigh_more() -> None:
    _, rest = split()
    rest = replace(rest, statics={"log_price": np.linspace(0, 3, rest.n_series).astype(np.float32)})
    one = replace(rest.take(np.array([0])), statics={"log_price": np.array([0.1], np.float32)})
    assert distances(one, rest)[0].argmin() == 3
    unknown = replace(one, statics={"log_price": np.array([np.nan], np.float32)})
    assert np.isfinite(distances(unknown, rest)).all()


def test_too_few_similar_items_give_no_forecast() -> None:
    cold, rest = split()
    made = cold_start(cut(cold, 3), donors(rest.take(np.arange(4))), LEVELS, 0.1)
    assert np.isnan(made.mean).all()


def test_a_mixture_covers_what_its_parts_cover() -> None:
    rng = np.random.default_rng(0)
    grid = np.linspace(0.01, 0.99, 99)
    parts = np.stack([np.quantile(rng.normal(mean, 1, 4000), grid) for mean in (10, 10, 20)])[:, None, :]
    sample = np.concatenate([rng.normal(10, 1, 40_000), rng.normal(20, 1, 20_000)])
    np.testing.assert_allclose(
        mixture(parts, np.full(3, 1 / 3), grid)[0, [9, 30, 49, 89]],
        np.quantile(sample, grid[[9, 30, 49, 89]]),
        atol=0.15,
    )


def test_the_group_forecasts_cold_series_from_the_series_that_teach_and_says_so() -> None:
    cold, rest = split()
    taught = forecast_group(rest, [], H, LEVELS, "seasonal_naive")
    few, long = cut(cold, 3), 5
    few = replace(few, demand=few.demand.copy(), available=few.available.copy())
    few.demand[long], few.available[long] = cold.demand[long], True
    made = forecast_left_out(few, [], LEVELS, "seasonal_naive", rest, taught)
    is_few = is_cold(few)
    assert is_few.sum() == COLD - 1
    assert (made.model[is_few] == SIMILAR_ITEMS).all()
    assert made.reason[0] == "mixed from items similar in attributes and price, with 3 known periods of its own"
    assert made.model[long] == "seasonal_mean"
    assert not made.failed.any()
    off = forecast_left_out(few, [], LEVELS, "seasonal_naive", None, taught)
    assert SIMILAR_ITEMS not in off.model.tolist()


def test_a_series_that_nobody_knows_anything_of_is_not_invented() -> None:
    cold, rest = split()
    taught = forecast_group(rest, [], H, LEVELS, "seasonal_naive")
    made = forecast_left_out(cut(cold, 0), [], LEVELS, "seasonal_naive", rest, taught)
    assert made.failed.all()
    assert made.reason[0] == "no period with known demand"
