"""Explanations add up to the forecast, and name the driver that was built in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels import daily
from parlevel.domain.forecast import boosting, drivers
from parlevel.domain.forecast.build import build
from parlevel.domain.forecast.drivers import DRIVERS, Explains, inner_values, multiplied, path_effects, switched
from parlevel.domain.panel import Panel

H = 14
SHARED = {"horizon": H, "seed": 3, "lags": [1, 7], "windows": [7, 28], "halflives": [7.0]}
MODELS = {
    "seasonal_naive": {},
    "forest": {"trees": 8, "max_rows": 2000},
    "tree": {"max_rows": 2000, "min_leaf": 20},
    "boosting": {"rounds": 40, "leaves": 15, "learning_rate": 0.15, "max_rows": 4000},
    "linear": {"max_rows": 4000},
    "mlp": {"epochs": 4, "max_rows": 2000},
    "lstm": {"epochs": 4, "max_windows": 400, "units": 8, "hidden": 16},
    "gru": {"epochs": 1, "max_windows": 200, "units": 8, "hidden": 16},
}


def promoted() -> Panel:
    """Ordinary series; all are promoted on the first day after the cutoff, none on the others."""
    panel = daily(30, 160, seed=2, horizon=H)
    promo = panel.channels["promo"].copy()
    promo[:, 160:] = 0.0
    promo[:, 160] = 1.0
    return replace(panel, channels={"promo": promo})


@pytest.mark.parametrize("name", sorted(MODELS))
def test_effects_add_up_to_the_mean_and_a_promotion_is_named(name: str) -> None:
    panel, steps = promoted(), drivers.steps_of(H)
    model = build(name, MODELS[name], SHARED).fit(panel)
    assert isinstance(model, Explains)
    effects = model.explain(steps, panel)
    assert effects.shape == (30, len(steps), len(DRIVERS))
    np.testing.assert_allclose(effects.sum(axis=2), model.predict_mean(H)[:, steps - 1], rtol=2e-4, atol=1e-4)
    if name not in ("seasonal_naive", "gru", "lstm"):  # a network of one or four epochs has not learned it
        promotion = effects[:, :, DRIVERS.index("promotion")].mean(axis=0)
        assert promotion[0] > 3 * abs(promotion[1:].mean())
        assert promotion[0] > 0.4 * effects.sum(axis=2)[:, 1:].mean()


def test_paths_of_boosters_add_up_as_treeshap_does(monkeypatch: pytest.MonkeyPatch) -> None:
    panel, steps = promoted(), drivers.steps_of(H)
    model = build("boosting", MODELS["boosting"], SHARED).fit(panel)
    shap = model.explain(steps, panel)
    monkeypatch.setattr(boosting, "SHAP_ROWS", 0)
    paths = model.explain(steps, panel)
    np.testing.assert_allclose(paths.sum(axis=2), shap.sum(axis=2), rtol=1e-5)
    promotion = DRIVERS.index("promotion")
    assert np.corrcoef(paths[:, 0, promotion], shap[:, 0, promotion])[0, 1] > 0.9


def test_the_path_through_a_tree_by_hand() -> None:
    """Root 5 asks feature 0, its right child 8 asks feature 1."""
    left, right = np.array([1, -1, 3, -1, -1]), np.array([2, -1, 4, -1, -1])
    value = np.array([5.0, 2.0, 8.0, 6.0, 10.0])
    found = path_effects(left, right, np.array([0, -2, 1, -2, -2]), value, np.array([4, 3]))
    assert found[4, [0, 4, 3]].tolist() == [5.0, 3.0, 2.0]
    assert found.sum(axis=1).tolist() == value.tolist()
    leaves = np.array([0.0, 2.0, 0.0, 6.0, 10.0])
    weight = np.array([0.0, 3.0, 0.0, 1.0, 3.0])
    assert inner_values(left, right, leaves, weight).tolist() == pytest.approx([6, 2, 9, 6, 10])


def test_factors_become_effects_that_add_up() -> None:
    logs = np.zeros((3, len(DRIVERS)))
    logs[:, 0] = np.log([2.0, 4.0, 3.0])
    logs[0, 3], logs[1, 3], logs[1, 4] = np.log(3.0), np.log(2.0), np.log(0.5)
    found = multiplied(logs)
    np.testing.assert_allclose(found.sum(axis=1), [6.0, 4.0, 3.0])
    np.testing.assert_allclose(found[0, [0, 3]], [2.0, 4.0])
    np.testing.assert_allclose(found[1, 3], -found[1, 4])
    assert found[2, 1:].tolist() == [0.0] * (len(DRIVERS) - 1)


def test_switching_shares_an_interaction_equally() -> None:
    def predict(actual: list[int]) -> np.ndarray:
        return np.array([1.0 + 2.0 * (3 in actual) + 4.0 * (3 in actual and 4 in actual)])

    found = switched(predict, [3, 4])
    assert found[0, [0, 3, 4]].tolist() == [1.0, 4.0, 2.0]


def test_every_feature_has_a_driver() -> None:
    assert {driver for _, driver in drivers.PREFIXES} <= set(DRIVERS)
    assert drivers.steps_of(3).tolist() == [1, 2, 3]
    assert drivers.steps_of(100).max() <= 100
