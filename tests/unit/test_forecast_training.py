"""Training a group: choice, honesty of the newest fold, candidates that fail, content against order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from panels import daily, with_hard
from parlevel.domain.forecast import registry
from parlevel.domain.forecast.apply import LAST_RESORT, Stored, forecast_group
from parlevel.domain.forecast.choose import choose
from parlevel.domain.forecast.crossval import CHOSEN, GroupResult, Spec, data_key, in_content_order, train_group
from parlevel.domain.forecast.scores import Backtest
from parlevel.domain.forecast.seasonal_naive import SeasonalNaive
from parlevel.errors import ConfigError, DataError

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
HORIZON = 14
FOREST = {"trees": 6, "max_rows": 1200}


class Breaks(SeasonalNaive):
    """Fails on short histories, so in the folds; `late` ones fail only on the whole history."""

    def __init__(self, *, horizon: int = 28, seed: int = 0, late: bool = False) -> None:
        super().__init__(horizon=horizon, seed=seed)
        self.parameters["late"] = late

    def fit(self, panel: Any) -> Any:
        whole = panel.n_periods >= 120
        if self.parameters["late"] == whole:
            raise DataError("this one breaks on purpose")
        return super().fit(panel)


@pytest.fixture(autouse=True)
def breakable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.FORECASTERS, "breaks", f"{__name__}:Breaks")


def spec(candidates: Sequence[tuple[str, dict]] = (("seasonal_naive", {}), ("forest", FOREST)), **more: Any) -> Spec:
    shared = {"lags": [1, 7], "windows": [7, 28], "halflives": [7.0]}
    return Spec(HORIZON, LEVELS, tuple(candidates), fold_step=14, seed=1, shared=shared, **more)


@pytest.fixture(scope="module")
def trained() -> GroupResult:
    return train_group(with_hard(daily(30, 120, horizon=HORIZON)), spec())


def stored(result: GroupResult) -> list[Stored]:
    return [
        Stored(m.model, m.chosen, m.weight, m.artifact, m.calibration, m.path_correlation, m.note or "")
        for m in result.models
    ]


def test_every_candidate_has_a_row_and_the_weights_add_to_one(trained: GroupResult) -> None:
    assert [row.model for row in trained.models] == ["seasonal_naive", "forest"]
    assert sum(row.weight for row in trained.models) == pytest.approx(1.0)
    assert all(row.chosen == (row.weight > 0) for row in trained.models)
    floor = trained.models[0]
    assert floor.artifact
    assert floor.calibration


def test_folds_are_scored_oldest_first_with_the_choice_from_the_second_on(trained: GroupResult) -> None:
    folds = {name: [each.fold for other, each, _ in trained.scores if other == name] for name in ("forest", CHOSEN)}
    assert folds == {"forest": [0, 1, 2], CHOSEN: [1, 2]}
    assert [(row.model, row.result.fold) for row in trained.backtest] == [
        ("seasonal_naive", 2), ("forest", 2), (CHOSEN, 1), (CHOSEN, 2)
    ]  # fmt: skip


def test_what_the_newest_fold_reports_does_not_know_the_newest_fold(trained: GroupResult) -> None:
    """Demand after the newest fold's cutoff may be anything: the forecasts judged there stay the same."""
    panel = with_hard(daily(30, 120, horizon=HORIZON))
    order = in_content_order(panel).series_id.tolist()
    demand = panel.demand.copy()
    demand[:, -HORIZON:] = np.where(np.isnan(demand[:, -HORIZON:]), np.nan, 100.0)
    spoiled = train_group(replace(panel, demand=demand), spec())
    first, second = (
        next(row for row in made.backtest if row.model == CHOSEN and row.result.fold == 2)
        for made in (trained, spoiled)
    )
    names = spoiled.panel.series_id.tolist()
    rows = [names.index(name) for name in order]
    keep = [k for k, name in enumerate(order) if not np.isnan(first.result.mean[k]).any() and name != "one"]
    expected = first.result.quantiles[keep]
    # rows are compared by name; content order changed with the content, and with it bootstrap draws of the forest
    got = second.result.quantiles[rows][keep]
    assert np.median(np.abs(got - expected) / (1 + expected)) < 0.1
    assert got.max() < 60


def test_the_forest_beats_the_floor_where_promotions_matter(trained: GroupResult) -> None:
    loss = {row.model: row.metrics["wql"] for row in trained.models}
    assert loss["forest"] < loss["seasonal_naive"]
    assert trained.models[1].chosen


def test_shuffled_and_renamed_series_give_identical_models_and_forecasts(trained: GroupResult) -> None:
    panel = with_hard(daily(30, 120, horizon=HORIZON))
    order = np.random.default_rng(5).permutation(30)
    shuffled = panel.take(order)
    renamed = replace(shuffled, series_id=np.array([f"n{k}" for k in range(30)], dtype=object))
    again = train_group(renamed, spec())
    assert again.data_key == trained.data_key
    assert again.choice.weights == trained.choice.weights
    levels = np.array(LEVELS)
    first = forecast_group(in_content_order(panel), stored(trained), HORIZON, levels, "seasonal_naive")
    second = forecast_group(in_content_order(renamed), stored(again), HORIZON, levels, "seasonal_naive")
    np.testing.assert_array_equal(first.quantiles, second.quantiles)
    np.testing.assert_array_equal(first.mean, second.mean)
    back = [panel.series_id.tolist().index(name) for name in in_content_order(panel).series_id]
    assert [f"n{order.tolist().index(k)}" for k in back] == in_content_order(renamed).series_id.tolist()


def test_content_changes_the_data_key() -> None:
    panel = daily(3, 60)
    other = replace(panel, demand=panel.demand + np.float32(1))
    assert data_key(panel) != data_key(other)


@pytest.mark.parametrize(("late", "words"), [(False, "failed on a fold"), (True, "failed on the whole history")])
def test_a_candidate_that_raises_is_recorded_and_the_others_go_on(late: bool, words: str) -> None:
    panel = daily(12, 120, horizon=HORIZON)
    # with equal losses the first of the two is chosen, so the breaking one would be used if it could
    result = train_group(panel, spec([("breaks", {"late": late}), ("seasonal_naive", {"shrink": 50.0})], blend=False))
    rows = {row.model: row for row in result.models}
    assert not rows["breaks"].chosen
    assert words in (rows["breaks"].note or "")
    assert "on purpose" in (rows["breaks"].note or "")
    assert rows["breaks"].artifact == b""
    assert rows["seasonal_naive"].chosen


def test_the_floor_is_added_and_its_failure_is_the_groups() -> None:
    panel = daily(12, 120, horizon=HORIZON)
    assert list(spec([("forest", FOREST)]).offered()) == ["seasonal_naive", "forest"]
    with pytest.raises(DataError, match="on purpose"):
        train_group(panel, spec([("breaks", {"late": True})], floor="breaks"))


def test_too_little_history_for_a_fold_leaves_the_floor_and_says_so() -> None:
    result = train_group(daily(6, 16, horizon=HORIZON), spec())
    assert result.choice.weights == {"seasonal_naive": 1.0}
    assert "too little history" in (result.models[0].note or "")
    assert result.backtest == []


def test_one_fold_is_chosen_and_judged_on_itself_and_says_so() -> None:
    result = train_group(daily(6, 60, horizon=HORIZON), spec(folds=1))
    assert "judged on the one fold that it was chosen on" in (result.models[0].note or "")
    assert [row.result.fold for row in result.backtest if row.model == CHOSEN] == [0]


def test_an_unknown_parameter_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'trees'"):
        spec([("forest", {"tree": 3})]).build("forest")


def made_fold(mean: float, width: float) -> Backtest:
    """Forecasts of demand 10 in every period."""
    n = 4
    quantiles = np.full((n, 2, 3), mean) + np.array([-width, 0.0, width])
    shape = (n, 2)
    return Backtest(
        0, 0, np.full(shape, mean), quantiles, np.full(shape, 10.0), np.ones(shape, bool), *[np.ones(n)] * 3
    )


def test_the_choice_is_the_smallest_loss_and_a_blend_where_errors_cancel() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    low, high, far = [made_fold(9.0, 1.0)], [made_fold(11.5, 1.0)], [made_fold(30.0, 1.0)]
    assert choose({"a": high, "b": low}, "a", "wape", False, levels).weights == {"b": 1.0}
    blended = choose({"a": high, "b": low, "c": far}, "a", "wape", True, levels)
    assert blended.weights == {"b": 0.6, "a": 0.4}
    assert blended.loss == pytest.approx(0.0)
    same = [made_fold(9.0, 1.0)]
    assert choose({"a": low, "b": same}, "b", "wape", True, levels).weights == {"b": 1.0}


def test_a_blend_has_as_many_members_as_pay_for_themselves() -> None:
    levels = np.array([0.1, 0.5, 0.9])

    def noisy(seed: int) -> list[Backtest]:
        made, n = made_fold(10.0, 1.0), 100
        noise = np.random.default_rng(seed).normal(0, 2, (n, 2))
        arrays = {name: value for name, value in vars(made).items() if isinstance(value, np.ndarray)}
        many = replace(made, **{name: np.repeat(value[:1], n, axis=0) for name, value in arrays.items()})
        return [replace(many, mean=many.mean + noise, quantiles=many.quantiles + noise[:, :, None])]

    folds = {name: noisy(seed) for seed, name in enumerate("abcd")}
    choice = choose(folds, "a", "pinball", True, levels)
    assert len(choice.weights) >= 3
    assert sum(choice.weights.values()) == pytest.approx(1.0)
    assert choice.loss < min(choice.losses.values())
    doubled = {**folds, "e": folds["a"]}  # a copy brings nothing that pays for a further model
    assert {"a", "e"} - set(choose(doubled, "a", "pinball", True, levels).weights)


def test_the_fallback_chain_ends_at_the_mean_of_what_there_is(trained: GroupResult) -> None:
    panel = with_hard(daily(30, 120, horizon=HORIZON))
    levels = np.array(LEVELS)
    usual = forecast_group(panel, stored(trained), HORIZON, levels, "seasonal_naive")
    assert not usual.failed.any()
    assert usual.model[4] == LAST_RESORT
    assert usual.fallback.tolist() == [k == 4 for k in range(30)]
    broken = [replace(each, artifact=b"not a model") if each.model == "forest" else each for each in stored(trained)]
    floors = [replace(each, chosen=each.model == "forest", weight=1.0) for each in broken]
    got = forecast_group(panel, floors, HORIZON, levels, "seasonal_naive")
    assert got.fallback.all()
    assert got.model[0] == "seasonal_naive"
    assert "forest failed" in got.reason[0]
    alone = forecast_group(panel, [], HORIZON, levels, "seasonal_naive")
    assert set(alone.model) == {LAST_RESORT}
    assert "no trained model" in alone.reason[0]


def test_a_series_without_any_known_demand_is_a_failure_with_its_reason(trained: GroupResult) -> None:
    panel = with_hard(daily(30, 120, horizon=HORIZON))
    panel.demand[4] = np.nan
    got = forecast_group(panel, stored(trained), HORIZON, np.array(LEVELS), "seasonal_naive")
    assert np.flatnonzero(got.failed).tolist() == [4]
    assert got.reason[4] == "no period with known demand"


def test_a_closed_day_ahead_sells_nothing(trained: GroupResult) -> None:
    panel = daily(6, 120, horizon=HORIZON)
    opened = np.ones((6, 120 + HORIZON), np.float32)
    opened[2, 120 + 3] = 0.0
    closed = replace(panel, channels={**panel.channels, "open": opened})
    got = forecast_group(closed, [], HORIZON, np.array(LEVELS), "seasonal_naive")
    assert got.mean[2, 3] == 0.0
    assert (got.quantiles[2, 3] == 0.0).all()
    assert (np.delete(got.mean[2], 3) > 0).all()
    assert (got.mean[[0, 1, 3, 4, 5]] > 0).all()


def test_other_levels_than_the_trained_ones_are_read_off_the_trained_ones(trained: GroupResult) -> None:
    panel = daily(5, 120, horizon=HORIZON)
    fine = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    usual = forecast_group(panel, stored(trained), HORIZON, np.array(LEVELS), "seasonal_naive")
    other = forecast_group(panel, stored(trained), HORIZON, fine, "seasonal_naive")
    np.testing.assert_allclose(other.quantiles[:, :, [0, 2, 4]], usual.quantiles[:, :, [1, 3, 5]], rtol=1e-5)


def test_a_model_of_all_groups_is_judged_and_stored_like_a_groups_own() -> None:
    everything = daily(60, 120, horizon=HORIZON)
    group, shared = everything.take(np.arange(20)), f"{registry.SHARED}forest"
    wide = spec((("seasonal_naive", {}), (shared, FOREST)))
    backs = (0, *(HORIZON + k * wide.fold_step for k in range(wide.folds)))
    pasts = [everything.at(everything.cutoff - back, HORIZON) for back in backs]
    ready = {(shared, past.cutoff): wide.build(shared).fit(past).to_bytes() for past in pasts}
    result = train_group(group, replace(wide, ready=ready))
    row = next(row for row in result.models if row.model == shared)
    assert row.chosen
    judged = next(each for name, each, _ in result.scores if name == shared)
    past = everything.at(judged.cutoff, HORIZON).take(np.arange(20))
    alone = registry.forecaster_class(shared).from_bytes(ready[shared, judged.cutoff])
    expected = alone.predict_mean(HORIZON, in_content_order(past))
    assert np.allclose(np.sort(judged.mean.sum(axis=1)), np.sort(expected.sum(axis=1)))
    made = forecast_group(result.panel, stored(result), HORIZON, np.array(LEVELS), "seasonal_naive")
    assert not made.fallback.any()
    assert shared in made.model[0]
    lost = train_group(group, replace(wide, ready={}))
    assert [row.chosen for row in lost.models] == [True, False]
    assert "could not be learned from all groups" in (lost.models[1].note or "")
