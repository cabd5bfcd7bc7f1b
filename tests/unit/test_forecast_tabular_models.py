"""Boosting, linear, tree and MLP: what they learn, on hard series too, and that nothing but content shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels import HARD, daily, with_hard
from parlevel.domain.forecast.boosting import Boosting
from parlevel.domain.forecast.encode import Encoder
from parlevel.domain.forecast.linear import Linear, least_squares
from parlevel.domain.forecast.mlp import MLP
from parlevel.domain.forecast.pooled import Pooled, content_order
from parlevel.domain.forecast.registry import forecaster
from parlevel.domain.forecast.seasonal_naive import SeasonalNaive
from parlevel.domain.forecast.spread import GRID, Spread
from parlevel.domain.forecast.tabular import UNKNOWN, forecast_rows
from parlevel.domain.forecast.tree import Tree, descend
from parlevel.domain.panel import Panel
from parlevel.errors import ConfigError, DataError

HORIZON = 14
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
SMALL: dict[str, object] = {
    "horizon": HORIZON,
    "lags": [1, 2, 7],
    "windows": [7, 28],
    "halflives": [14.0],
    "max_rows": 4000,
}


def boosting(**more: object) -> Boosting:
    return Boosting(**{**SMALL, "rounds": 40, "learning_rate": 0.15, "leaves": 15, "min_leaf": 20, **more})


MAKERS = {
    "boosting": boosting,
    "boosting_quantile": lambda: boosting(objective="quantile", rounds=15),
    "linear": lambda: Linear(**SMALL),
    "tree": lambda: Tree(**SMALL),
    "mlp": lambda: MLP(**{**SMALL, "epochs": 8}),
}


@pytest.fixture(params=list(MAKERS))
def model(request: pytest.FixtureRequest) -> Pooled:
    return MAKERS[request.param]()


def future(panel: Panel, cut: int) -> tuple[Panel, np.ndarray]:
    """The panel as known `cut` periods before its end, and what came."""
    past = panel.at(panel.cutoff - cut, cut)
    return past, panel.after(panel.cutoff - cut, cut)[0]


def test_shape_order_and_accuracy_on_known_structure(model: Pooled) -> None:
    past, actual = future(daily(40, 300, seed=3), HORIZON)
    mean, quantiles = model.fit(past).distribution(HORIZON, LEVELS)
    assert quantiles.shape == (40, HORIZON, len(LEVELS))
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    naive = SeasonalNaive(horizon=HORIZON).fit(past).predict_mean(HORIZON)
    # promotions are known ahead and double demand: a model that reads them beats one that cannot
    assert np.abs(mean - actual).mean() < 0.95 * np.abs(naive - actual).mean()
    assert abs((mean - actual).sum() / actual.sum()) < 0.09
    inside = (actual[..., None] <= quantiles).mean(axis=(0, 1))
    # counts: P(X <= q) is at least the level
    assert inside[-1] > 0.95
    assert inside[0] < 0.14
    assert 0.70 < ((actual >= quantiles[..., 1]) & (actual <= quantiles[..., 5])).mean() < 0.92


def test_hard_series_among_good_ones(model: Pooled) -> None:
    panel = with_hard(daily(30, 200, seed=1))
    mean, quantiles = model.fit(panel).distribution(HORIZON, LEVELS)
    row = {name: k for k, name in enumerate(HARD)}
    assert np.isnan(mean[row["masked"]]).all()
    assert np.isnan(quantiles[row["masked"]]).all()
    others = np.arange(30) != row["masked"]
    assert np.isfinite(quantiles[others]).all()
    assert (quantiles[others] >= 0).all()
    assert (np.diff(quantiles[others], axis=-1) >= 0).all()
    # 200 periods without a sale: at most three times 1 in 201
    assert mean[row["zero"]].max() < 0.015
    assert 1.5 < mean[row["constant"]].mean() < 8.0
    assert mean[row["dying"]].max() < 0.031 * panel.demand[row["dying"], :100].mean()
    assert 0.5 < mean[row["one"]].mean() < 12.0
    assert 0.5 < mean[row["new"]].mean() / np.nanmean(panel.demand[row["new"]]) < 2.0


def test_a_dormant_item_is_let_go_and_a_seasonal_one_may_come_back() -> None:
    panel = daily(24, 620, seed=6)
    demand = panel.demand.copy()
    # the first item sells in the last 150 days of each 364 only
    demand[0] *= (np.arange(620) % 364) >= 214
    panel = replace(panel, demand=demand)
    model = boosting().fit(panel.at(panel.cutoff - 120, HORIZON))
    resting = model.predict_mean(HORIZON)[0]
    size = demand[0][demand[0] > 0].mean()
    assert resting.max() < 3.2 * size / (500 - 364 + 1)
    before = panel.at(panel.cutoff - 620 + 364 + 214, HORIZON)
    assert before.demand[0, -200:].max() == 0
    features, _, _ = forecast_rows(before, model._design(before), HORIZON)
    limit = model._ceiling(before, features, HORIZON)[:HORIZON]
    assert limit[7:].min() > size


def test_masked_periods_teach_nothing(model: Pooled) -> None:
    panel = daily(24, 160, seed=2)
    available = panel.available.copy()
    available[:12, 100:110] = False
    hidden = replace(panel, available=available)
    spoiled = panel.demand.copy()
    spoiled[:12, 100:110] = 1e5
    unknown = panel.demand.copy()
    unknown[:12, 100:110] = np.nan
    want = model.fit(hidden).predict(HORIZON, LEVELS)
    for demand in (spoiled, unknown):
        got = type(model)(**model.parameters).fit(replace(hidden, demand=demand)).predict(HORIZON, LEVELS)
        np.testing.assert_array_equal(got, want)


def test_round_trip_is_exact_and_carries_no_panel(model: Pooled) -> None:
    panel = with_hard(daily(26, 150, seed=4))
    want = model.fit(panel).distribution(HORIZON, LEVELS)
    payload = model.to_bytes()
    loaded = type(model).from_bytes(payload)
    for ours, theirs in zip(loaded.distribution(HORIZON, LEVELS, panel), want, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.parameters == model.parameters
    assert b"s010" not in payload
    with pytest.raises(DataError, match="given a panel"):
        loaded.predict(HORIZON, LEVELS)


def test_names_and_order_of_series_do_not_show(model: Pooled) -> None:
    panel = with_hard(daily(25, 150, seed=5))
    want = model.fit(panel).predict(HORIZON, LEVELS)
    shuffle = np.random.default_rng(0).permutation(25)
    moved = panel.take(shuffle)
    moved = replace(moved, series_id=np.array([f"other{k}" for k in range(25)], dtype=object))
    got = type(model)(**model.parameters).fit(moved).predict(HORIZON, LEVELS)
    np.testing.assert_array_equal(got, want[shuffle])


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_group_that_never_changes(model: Pooled, value: float) -> None:
    panel = daily(6, 60)
    panel = replace(panel, demand=np.full_like(panel.demand, value))
    mean, quantiles = model.fit(panel).distribution(HORIZON, LEVELS)
    # a network is smooth, not exact; the others are
    tolerance = (0.4 if model.name == "mlp" else 0.05) * value
    np.testing.assert_allclose(mean, value, atol=tolerance)
    assert np.abs(quantiles - value).max() <= 2 * tolerance


def test_three_observations_are_enough_and_one_is_refused(model: Pooled) -> None:
    short = daily(3, 3)
    assert np.isfinite(model.fit(short).predict(HORIZON, LEVELS)).all()
    with pytest.raises(DataError, match="at least two available periods"):
        type(model)(**model.parameters).fit(short.last(1))


@pytest.mark.parametrize("name", ["boosting", "linear", "tree", "mlp", "croston", "tsb", "ets"])
def test_unknown_hyperparameters_name_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match=r"Got 'horizn'\. Did you mean 'horizon'"):
        forecaster(name, horizn=3)
    with pytest.raises(ConfigError, match=r"horizon must be a whole number, such as 28\. Got 'x'"):
        forecaster(name, horizon="x")


def test_unknown_objective_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'tweedie'"):
        Boosting(objective="tweedy")


@pytest.mark.parametrize("objective", ["tweedie", "poisson", "l2"])
def test_every_objective_learns_the_week(objective: str) -> None:
    past, actual = future(daily(30, 250, seed=7), HORIZON)
    mean = boosting(objective=objective).fit(past).predict_mean(HORIZON)
    flat = np.nanmean(past.demand[:, -56:], axis=1, keepdims=True)
    assert np.abs(mean - actual).mean() < 0.85 * np.abs(flat - actual).mean()


def test_least_squares_equals_numpy_also_where_columns_nearly_depend() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6))
    x[:, 5] = x[:, 4] + 1e-6 * rng.normal(size=200)
    y = x[:, :3] @ [1.0, -2.0, 0.5] + 3.0 + rng.normal(size=200)
    intercept, slopes = least_squares(x, y, np.ones(200), 0.0)
    want = np.linalg.lstsq(np.c_[np.ones(200), x], y, rcond=None)[0]
    np.testing.assert_allclose(np.r_[intercept, slopes], want, rtol=1e-5)


def test_ridge_equals_the_penalised_normal_equations() -> None:
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(50, 4)), rng.normal(size=50), rng.uniform(0.5, 2, 50)
    intercept, slopes = least_squares(x, y, w, 7.0)
    full = np.c_[np.ones(50), x]
    penalty = np.diag([0.0, 7.0, 7.0, 7.0, 7.0])
    want = np.linalg.solve(full.T @ (w[:, None] * full) + penalty, full.T @ (w * y))
    np.testing.assert_allclose(np.r_[intercept, slopes], want, rtol=1e-9)


def test_a_stored_tree_answers_as_scikit_learn_does() -> None:
    from sklearn.tree import DecisionTreeRegressor

    model = Tree(**{**SMALL, "depth": 5}).fit(daily(25, 120, seed=8))
    rows = model._draw(model._panel.take(content_order(model._panel)))
    grown = DecisionTreeRegressor(max_depth=5, min_samples_leaf=100, random_state=0)
    grown.fit(rows.features, rows.target, sample_weight=rows.weight)
    np.testing.assert_allclose(model.apply(model.members[0], rows.features), grown.predict(rows.features))
    np.testing.assert_array_equal(descend(model.members[0], rows.features), grown.apply(rows.features))
    shares = np.array(list(model.describe()["importances"].values()))
    np.testing.assert_allclose(shares, grown.feature_importances_, atol=1e-6)


def test_encoder_makes_indicators_fills_and_clips() -> None:
    features = np.array([[0, 1, 10, 5], [1, 2, UNKNOWN, 5], [2, 3, 20, 5], [2, 2, 90, 5]], np.float32)
    encoder = Encoder.fit(features, ["dow", "step", "lag_1", "constant"])
    columns = encoder.apply(features)
    assert encoder.names(["dow", "step", "lag_1", "constant"]) == ["step", "lag_1", "dow=0", "dow=1", "dow=2"]
    assert columns[:, 2:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert columns[1, 1] == 0.0
    np.testing.assert_allclose(columns[[0, 2, 3], 1], (np.array([10, 20, 90]) - 40) / np.std([10, 20, 90]))
    # beyond what was seen a feature says no more, an unknown code says nothing
    strange = np.array([[7, 1e9, np.inf, 5]], np.float32)
    assert encoder.apply(strange).tolist() == [[columns[2, 0], 0.0, 0.0, 0.0, 0.0]]


def test_spread_recovers_a_negative_binomial() -> None:
    rng = np.random.default_rng(2)
    mean = rng.uniform(2, 40, 60_000)
    actual = rng.negative_binomial(4, 4 / (4 + mean))
    unknown, share = np.full(60_000, np.nan), np.ones(60_000)
    spread = Spread.fit(mean, actual, unknown, share)
    q = spread.quantiles(mean, unknown, share, LEVELS)
    np.testing.assert_allclose((actual[:, None] <= q).mean(axis=0), LEVELS, atol=0.02)
    large = mean > 30
    np.testing.assert_allclose((actual[large, None] <= q[large]).mean(axis=0), LEVELS, atol=0.02)
    assert spread.shape.shape[1] == len(GRID)
    again = Spread.load(spread.facts()).quantiles(mean[:9], unknown[:9], share[:9], LEVELS)
    np.testing.assert_allclose(again, q[:9], rtol=1e-4)


def test_boosting_says_what_it_used() -> None:
    facts = boosting(features_share=1.0).fit(daily(30, 200, seed=9)).describe()
    ranked = sorted(facts["importances"], key=facts["importances"].get, reverse=True)
    assert "promo" in ranked[:2]
    assert sum(facts["importances"].values()) == pytest.approx(1.0, abs=1e-4)
    assert facts["trees"] == 80
