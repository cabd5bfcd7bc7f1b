"""Searching hyperparameters: the default comes first, the budget is kept, what was found must earn its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from panels import daily
from parlevel.domain.evaluate.folds import Cut
from parlevel.domain.forecast import tune
from parlevel.domain.forecast.build import build
from parlevel.domain.forecast.crossval import CHOSEN, Spec, train_group
from parlevel.domain.forecast.registry import FORECASTERS, forecaster_class
from parlevel.domain.forecast.tune import Clock, Plan, search, tunable, tuned_name

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
HORIZON = 7
AT = [Cut(1, 100), Cut(0, 93)]
SMALL = {"trees": 6, "max_rows": 1200}


def wants_wide_leaves(name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
    """A loss that falls with the size of the leaves, and nothing else."""
    return 10.0 - 0.1 * parameters.get("min_leaf", 10)


def tried(budget_s: float = 5.0, **more: Any) -> list[tune.Trial]:
    judge = more.pop("judge", wants_wide_leaves)
    return search({"forest": SMALL}, more.pop("at", AT), judge, Clock(budget_s), Plan(**more), seed=3)


def spec(**more: Any) -> Spec:
    shared = {"lags": [1, 7], "windows": [7, 28], "halflives": [7.0]}
    candidates = (("seasonal_naive", {}), ("forest", SMALL))
    return Spec(HORIZON, LEVELS, candidates, folds=2, fold_step=7, seed=1, shared=shared, **more)


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_every_value_that_may_be_tried_is_accepted_by_its_model(name: str) -> None:
    known = build(name, {}, {}).describe()["hyperparameters"]
    for key, values in tunable(name).items():
        assert key in known
        for value in values:
            assert build(name, {key: value}, {}).describe()["hyperparameters"][key] == value
    assert set(getattr(forecaster_class(name), "work", ())) <= set(known)


def test_the_first_trial_is_what_the_configuration_says() -> None:
    first = tried()[0]
    assert (first.number, first.parameters) == (0, SMALL)


def test_no_hyperparameters_are_tried_twice_and_the_best_is_the_one_chosen() -> None:
    trials = tried()
    assert len({str(sorted(trial.parameters.items())) for trial in trials}) == len(trials) <= tune.MAX_TRIALS
    best = min(trials, key=lambda trial: trial.loss)
    assert best.parameters["min_leaf"] == 40
    assert [trial for trial in trials if trial.chosen] == [best]


def test_what_gains_too_little_is_no_candidate() -> None:
    def hardly_better(name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
        return 1.0 - 0.004 * (parameters.get("min_leaf", 10) == 40)

    assert not any(trial.chosen for trial in tried(judge=hardly_better))


def test_the_same_seed_tries_the_same_in_the_same_order() -> None:
    assert [trial.parameters for trial in tried()] == [trial.parameters for trial in tried()]


def test_a_trial_behind_at_the_first_cutoff_is_not_finished() -> None:
    behind = [trial for trial in tried() if trial.stopped]
    assert behind
    assert {trial.stopped for trial in behind} == {"behind at the first cutoff"}
    assert all(len(trial.losses) == 1 and trial.loss == float("inf") for trial in behind)


def test_hyperparameters_that_fail_are_a_row() -> None:
    def fails(name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
        if parameters.get("min_leaf", 10) == 5:
            raise ValueError("too few rows in a leaf")
        return 1.0

    failed = [trial for trial in tried(judge=fails) if trial.stopped]
    assert failed
    assert all(trial.stopped == "failed: ValueError: too few rows in a leaf" for trial in failed)


class Watch:
    """A clock that moves only when a trial is judged: by the seconds that its hyperparameters take."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def judge(self, name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
        self.time += parameters["trees"] / 6 * parameters["max_rows"] / 1200
        return float(np.random.default_rng(len(str(parameters))).random())


@pytest.mark.parametrize("budget_s", [30.0, 100.0, 400.0])
def test_the_search_ends_in_time_for_what_must_follow(budget_s: float) -> None:
    watch, plan = Watch(), Plan(refits=3.0, after_s=5.0)
    trials = search({"forest": SMALL}, AT, watch.judge, Clock(budget_s, watch.now), plan, seed=3)
    assert 1 < len(trials) <= tune.MAX_TRIALS
    best = min(trials, key=lambda trial: trial.loss).parameters
    follows = plan.after_s + plan.refits * best["trees"] / 6 * best["max_rows"] / 1200
    assert watch.time + follows <= budget_s


def test_without_time_or_history_there_is_a_row_that_says_so() -> None:
    assert [(trial.number, trial.stopped) for trial in tried(0.0, fit_s={"forest": 1.0})] == [(0, "out of time")]
    assert tried(at=[])[0].stopped == "too little history before the folds"


def test_models_far_behind_the_best_get_no_further_trials() -> None:
    def linear_is_hopeless(name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
        return 2.0 if name == "linear" else 1.0

    trials = search({"forest": SMALL, "linear": {}}, AT, linear_is_hopeless, Clock(5.0), Plan(), seed=1)
    assert sum(trial.model == "linear" for trial in trials) == 1
    assert sum(trial.model == "forest" for trial in trials) > 1


def test_a_name_says_that_its_hyperparameters_were_searched_for() -> None:
    assert forecaster_class(tuned_name("global_boosting")) is forecaster_class("boosting")


def test_cutoffs_of_the_search_lie_before_those_of_the_folds() -> None:
    panel = daily(8, 120, horizon=HORIZON)
    found = tune.older_cuts(panel, HORIZON, 3, 7)
    assert [panel.cutoff - cut.cutoff for cut in found] == [28, 35]
    assert tune.older_cuts(daily(8, 30, horizon=HORIZON), HORIZON, 3, 7) == []


def test_a_group_with_a_budget_tries_more_and_never_loses_its_own_candidates() -> None:
    panel = daily(30, 150, horizon=HORIZON)
    plain, searched = train_group(panel, spec()), train_group(panel, spec(budget_s=12.0))
    assert plain.trials == []
    assert len(searched.trials) > 2
    assert {row.model for row in plain.models} <= {row.model for row in searched.models}
    assert searched.choice.loss <= plain.choice.loss
    chosen = [trial for trial in searched.trials if trial.chosen]
    assert [row.model for row in searched.models[2:]] == [tuned_name(trial.model) for trial in chosen]
    plain_scores = {(n, b.fold): m for n, b, m in plain.scores if n != CHOSEN}
    same = {(n, b.fold): m for n, b, m in searched.scores if (n, b.fold) in plain_scores}
    assert same == plain_scores
