"""Smaller models: what they keep, what they cost, and the gate that stands before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels import daily
from parlevel.domain.forecast.build import build, distribution
from parlevel.domain.forecast.compress import Shrinks, compressed, smaller_rows, variants
from parlevel.domain.forecast.crossval import Spec, train_group
from parlevel.domain.forecast.prune import prune
from parlevel.domain.forecast.registry import forecaster_class

H = 14
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
SHARED = {"horizon": H, "seed": 3, "lags": [1, 7], "windows": [7, 28], "halflives": [7.0]}
MODELS = {
    "forest": {"trees": 6, "max_rows": 2000},
    "gru": {"epochs": 2, "max_windows": 300, "units": 16, "hidden": 16},
}


@pytest.fixture(scope="module", params=sorted(MODELS))
def fitted(request: pytest.FixtureRequest) -> tuple[str, Shrinks]:
    return request.param, build(request.param, MODELS[request.param], SHARED).fit(daily(30, 200, horizon=H))


def test_variants_are_smaller_stored_as_they_forecast_and_close_to_the_original(fitted: tuple[str, Shrinks]) -> None:
    name, model = fitted
    panel = daily(30, 200, horizon=H)
    whole = distribution(model, H, LEVELS, panel)[0]
    sizes = []
    for _, small in model.smaller():
        payload = small.to_bytes()
        sizes.append(len(payload))
        mean, quantiles = distribution(small, H, LEVELS, panel)
        again = distribution(forecaster_class(name).from_bytes(payload), H, LEVELS, panel)
        np.testing.assert_array_equal(mean, again[0])
        np.testing.assert_array_equal(quantiles, again[1])
        assert np.abs(mean - whole).mean() < 0.15 * whole.mean()
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.7 * len(model.to_bytes())


def test_a_variant_is_the_same_bytes_whatever_lies_in_memory(fitted: tuple[str, Shrinks]) -> None:
    _, model = fitted
    made = []
    for seed in range(4):
        junk = [np.random.default_rng(seed).random(500 * (k + 1)) for k in range(40)]
        del junk
        made.append([small.to_bytes() for _, small in model.smaller()])
    assert all(each == made[0] for each in made[1:])


def test_the_gate_lets_through_what_costs_little_and_stops_the_rest(fitted: tuple[str, Shrinks]) -> None:
    _, model = fitted
    panel = daily(30, 200, horizon=H)
    found = variants(model, panel, H, LEVELS, "pinball")
    whole = found[-1]
    assert whole.name == ""
    small, done = compressed(model, panel, H, LEVELS, "pinball", 50.0)
    assert len(small.to_bytes()) == found[0].n_bytes
    assert done.startswith(found[0].name)
    least = min(100 * (each.loss / whole.loss - 1) for each in found[:-1])
    if least > 0:
        assert compressed(model, panel, H, LEVELS, "pinball", least / 2) == (model, "")


def test_a_group_ships_its_smaller_models_and_says_so() -> None:
    spec = Spec(H, tuple(LEVELS), (("seasonal_naive", {}), ("forest", MODELS["forest"])), folds=2, fold_step=H,
                shared={key: SHARED[key] for key in ("lags", "windows", "halflives")})  # fmt: skip
    result = train_group(daily(30, 160, horizon=H), spec)
    before, after = ({row.model: row for row in rows} for rows in (result.models, smaller_rows(result, spec, 40.0)))
    assert after["seasonal_naive"] == before["seasonal_naive"]
    if before["forest"].artifact:
        assert len(after["forest"].artifact) < len(before["forest"].artifact)
        assert "bytes instead of" in (after["forest"].note or "")
    row = replace(before["seasonal_naive"], model="forest", artifact=b"")
    assert smaller_rows(replace(result, models=[row]), spec, 1.0) == [row]


def test_pruning_keeps_the_mean_of_what_it_merges() -> None:
    model = build("forest", MODELS["forest"], SHARED).fit(daily(30, 200, horizon=H))
    tree, values = model._forest.estimators_[0].tree_, model._values[0]
    rows = tree.weighted_n_node_samples
    same, kept = prune(tree, values, 0)
    assert same.node_count == tree.node_count
    np.testing.assert_array_equal(kept, values)
    stump, one = prune(tree, values, 1e9)
    leaf = tree.children_left < 0
    assert stump.node_count == 1
    assert one[0, 0] == pytest.approx(float(values[leaf, 0] @ rows[leaf] / rows[leaf].sum()), rel=1e-5)
    assert (np.diff(one[0, 1:]) >= 0).all()
