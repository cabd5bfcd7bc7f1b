"""The design matrix against one-line oracles, and against a perturbed future."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.features.design import Design
from parlevel.domain.panel import Panel
from parlevel.domain.periods import to_index
from parlevel.errors import DataError

HORIZON = 28


def make_panel(seed: int, n: int = 6, width: int = 420, period: str = "day", horizon: int = HORIZON) -> Panel:
    rng = np.random.default_rng(seed)
    demand = rng.poisson(rng.uniform(0.2, 6, (n, 1)), (n, width)).astype(np.float32)
    demand[0, : width // 2] = np.nan
    available = (rng.random((n, width)) > 0.1) & ~np.isnan(demand)
    promo = (rng.random((n, width + horizon)) > 0.8).astype(np.float32)
    price = rng.uniform(0.6, 1, (n, width + horizon)).astype(np.float32)
    weather = rng.normal(size=(n, width + horizon)).astype(np.float32)
    return Panel(
        series_id=np.array([f"s{k}" for k in range(n)], dtype=object),
        demand=demand,
        available=available,
        cutoff=int(to_index(np.array(["2017-12-31"], "datetime64[D]"), period)[0]),
        period=period,
        channels={"price_ratio": price, "promo": promo, "weather": weather},
        known_future=frozenset({"price_ratio", "promo"}),
        statics={"category_code": np.arange(n, dtype=np.float32)},
    )


def make_design(period: str = "day", horizon: int = HORIZON) -> Design:
    return Design(lags=[1, 2, 7], windows=[7, 28, 91], halflives=[3.5, 14.0], horizon=horizon, period=period)


def one_row(design: Design, panel: Panel, series: int, origin: int, step: int) -> dict[str, float]:
    at = [np.array([each]) for each in (series, origin, step)]
    return dict(zip(design.names(panel), design.rows(panel, *at)[0].tolist(), strict=True))


def seen(panel: Panel, series: int, begin: int, stop: int) -> np.ndarray:
    return np.array(
        [
            float(panel.demand[series, t])
            for t in range(max(begin, 0), stop)
            if panel.available[series, t] and not np.isnan(panel.demand[series, t])
        ]
    )


@pytest.mark.parametrize(("series", "origin", "step"), [(0, 300, 1), (1, 417, 9), (2, 380, 28), (3, 90, 3)])
def test_rolling_columns_match_one_line_oracles(series, origin, step):
    panel, design = make_panel(3), make_design()
    row = one_row(design, panel, series, origin, step)
    scale = float(design.scale(panel, np.array([series]), np.array([origin]))[0])
    window = seen(panel, series, origin - 27, origin + 1)
    assert row["mean_28"] == pytest.approx(window.mean() / scale, rel=1e-5)
    assert row["sd_28"] == pytest.approx(window.std(ddof=1) / scale, rel=1e-5)
    assert row["zero_share_28"] == pytest.approx((window == 0).mean(), rel=1e-5)
    assert row["max_28"] == pytest.approx(window.max() / scale, rel=1e-5)
    assert row["available_share_28"] == pytest.approx(len(window) / 28, rel=1e-5)
    lag = panel.observed()[series, origin - 6]
    assert row["lag_7"] == pytest.approx(lag / scale, rel=1e-5, nan_ok=True)
    observed = panel.observed()[series, : origin + 1]
    weights = 0.5 ** (np.arange(origin, -1, -1) / 14.0) * ~np.isnan(observed)
    assert row["exponential_14"] == pytest.approx((weights @ np.nan_to_num(observed)) / weights.sum() / scale, rel=1e-4)
    assert row["since_sale"] == pytest.approx(np.log1p(origin - max(np.flatnonzero(observed > 0))), rel=1e-5)
    assert row["age"] == pytest.approx(np.log1p(origin - min(np.flatnonzero(observed > 0))), rel=1e-5)


@pytest.mark.parametrize("step", [1, 7, 8, 28])
def test_season_columns_match_one_line_oracles(step):
    panel, design, series, origin = make_panel(4), make_design(), 1, 410
    row = one_row(design, panel, series, origin, step)
    scale = float(design.scale(panel, np.array([series]), np.array([origin]))[0])
    target = origin + step
    back = [t for t in range(target - 7, -1, -7) if t <= origin][:4]
    same = [float(v) for v in panel.observed()[series, back] if not np.isnan(v)]
    assert row["same_weekday_mean_4"] == pytest.approx(np.mean(same) / scale, rel=1e-5)
    around = seen(panel, series, target - 364 - 3, target - 364 + 4)
    assert row["year_ago_mean"] == pytest.approx(around.mean() / scale, rel=1e-5)
    level = seen(panel, series, origin - 364 - 27, origin - 364 + 1)
    assert row["year_ago_ratio"] == pytest.approx(around.mean() / level.mean(), rel=1e-5)


def test_promotion_and_channel_columns():
    panel, design, series, origin, step = make_panel(5), make_design(), 2, 300, 5
    row = one_row(design, panel, series, origin, step)
    scale = float(design.scale(panel, np.array([series]), np.array([origin]))[0])
    promo, observed = panel.channels["promo"][series], panel.observed()[series, : origin + 1]
    on = observed[(promo[: origin + 1] > 0) & ~np.isnan(observed)]
    assert row["promo_mean"] == pytest.approx(on.mean() / scale, rel=1e-5)
    assert row["promo_share_28"] == pytest.approx(promo[origin - 27 : origin + 1].mean(), rel=1e-5)
    assert row["promo"] == promo[origin + step]
    price = panel.channels["price_ratio"][series]
    assert row["price_ratio"] == price[origin + step]
    assert row["price_change"] == pytest.approx(price[origin + step] / price[origin] - 1, rel=1e-5)
    assert np.isnan(row["weather"])
    assert row["category_code"] == 2


def test_calendar_columns_of_a_day():
    panel, design = make_panel(1), make_design()
    row = one_row(design, panel, 1, 419, 1)  # 2018-01-01, a Monday
    assert (row["dow"], row["day_of_month"], row["week_of_year"], row["month"], row["step"]) == (0, 1, 1, 1, 1)
    row = one_row(design, panel, 1, 417, 2)  # 2017-12-31, a Sunday
    assert (row["dow"], row["day_of_month"], row["week_of_year"], row["month"]) == (6, 31, 53, 12)


@pytest.mark.parametrize(("period", "present"), [("week", "same_week_lag_1"), ("month", "same_month_mean_3")])
def test_other_periods_have_their_own_season(period, present):
    panel, design = make_panel(2, width=60, period=period, horizon=6), make_design(period, 6)
    names = design.names(panel)
    assert present in names
    assert "dow" not in names
    season = 52 if period == "week" else 12
    row = one_row(design, panel, 1, 58, 2)
    scale = float(design.scale(panel, np.array([1]), np.array([58]))[0])
    lag = row[f"same_{period}_lag_1"]
    assert lag == pytest.approx(panel.observed()[1, 60 - season] / scale, rel=1e-5, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), origin=st.integers(0, 418), steps=st.integers(1, HORIZON))
def test_rows_do_not_change_when_the_future_does(seed, origin, steps):
    panel, design = make_panel(seed % 7), make_design()
    rng = np.random.default_rng(seed)
    demand, available = panel.demand.copy(), panel.available.copy()
    after = demand[:, origin + 1 :]
    after[:] = rng.choice([np.nan, 0.0, 1e6, -3.0], after.shape)
    available[:, origin + 1 :] = rng.random(after.shape) > 0.5
    weather = panel.channels["weather"].copy()
    weather[:, origin + 1 :] = 99
    promo = panel.channels["promo"].copy()
    promo[:, np.arange(promo.shape[1]) > origin] = 1
    unknown = frozenset({"price_ratio"})
    before = Panel(
        panel.series_id, panel.demand, panel.available, panel.cutoff, "day", panel.channels, unknown, panel.statics
    )
    changed = Panel(
        panel.series_id, demand, available, panel.cutoff, "day",
        {**panel.channels, "weather": weather, "promo": promo}, unknown, panel.statics,
    )  # fmt: skip
    at = np.arange(panel.n_series), np.full(panel.n_series, origin), np.full(panel.n_series, steps)
    assert design.rows(before, *at).tobytes() == design.rows(changed, *at).tobytes()
    assert design.scale(before, *at[:2]).tobytes() == design.scale(changed, *at[:2]).tobytes()


def test_an_earlier_cutoff_gives_the_same_rows_as_an_earlier_origin():
    panel, design = make_panel(8), make_design()
    series, steps = np.repeat(np.arange(6), HORIZON), np.tile(np.arange(1, HORIZON + 1), 6)
    whole = design.rows(panel, series, np.full(len(series), 391), steps)
    cut = panel.at(panel.cutoff - 28, HORIZON)
    assert np.array_equal(whole, design.rows(cut, series, np.full(len(series), 391), steps), equal_nan=True)


def test_padding_on_the_left_does_not_show():
    panel, design = make_panel(9), make_design()
    short, at = panel.take(np.array([0])), (np.zeros(3, int), np.array([250, 300, 419]), np.array([1, 2, 28]))
    trimmed = short.last(300)
    assert np.array_equal(design.rows(short, *at), design.rows(trimmed, at[0], at[1] - 120, at[2]), equal_nan=True)


def test_scale_is_positive_and_follows_the_level():
    demand = np.zeros((4, 200), np.float32)
    demand[1] = 5
    demand[2, -28:] = 50
    demand[3] = np.nan
    panel = Panel(np.array(list("abcd"), object), demand, ~np.isnan(demand), 17_000, "day")
    scale = make_design().scale(panel, np.arange(4), np.full(4, 199))
    assert scale[0] == scale[3] == 1
    assert scale[1] == pytest.approx(5)
    # 28 days at 50, shrunk with weight 7 to (28 x 50 + 45.5 x 7) / 227.5
    assert scale[2] == pytest.approx((28 * 50 + 7 * (28 * 50 + 45.5 * 7) / 227.5) / 35)


def test_names_are_unique_and_rows_have_their_width():
    panel, design = make_panel(1), make_design()
    names = design.names(panel)
    assert len(set(names)) == len(names)
    assert design.rows(panel, np.arange(6), np.full(6, 400), np.full(6, 1)).shape == (6, len(names))


def test_parameters_rebuild_the_design_and_pickling_drops_the_panel():
    panel, design = make_panel(1), make_design()
    at = np.arange(6), np.full(6, 400), np.full(6, 1)
    rows = design.rows(panel, *at)
    again = Design(**json.loads(json.dumps(design.parameters())))
    assert np.array_equal(rows, again.rows(panel, *at), equal_nan=True)
    assert len(pickle.dumps(design)) < 1000


@pytest.mark.parametrize(("origin", "step", "match"), [(420, 1, "origins must"), (400, 29, "steps must")])
def test_rows_outside_the_panel_are_refused(origin, step, match):
    with pytest.raises(DataError, match=match):
        make_design().rows(make_panel(1), np.array([0]), np.array([origin]), np.array([step]))
