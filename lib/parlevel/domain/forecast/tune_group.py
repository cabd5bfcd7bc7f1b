"""The search of `tune` inside the training of one group: what is tried, what it must leave time for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.evaluate.folds import Cut
from parlevel.domain.forecast.scores import Backtest, loss_of, metrics
from parlevel.domain.forecast.shared import is_shared
from parlevel.domain.forecast.spec import Spec, judged
from parlevel.domain.forecast.tune import Clock, Judge, Plan, Trial, older_cuts, search, tunable, tuned_name
from parlevel.domain.panel import Panel


def try_out(
    panel: Panel,
    spec: Spec,
    levels: NDArray[np.float64],
    folds: Mapping[str, Sequence[Backtest]],
    clock: Clock,
) -> list[Trial]:
    """Search for better hyperparameters of the group's own candidates that got through their folds.

    Args:
        panel: the group.
        spec: what the configuration says.
        levels: of the quantiles.
        folds: backtests of the candidates as they are: how long a fit takes.
        clock: of the group's training, running since it began.
    """
    mine = {name: given for name, given in spec.offered().items() if name in folds and not is_shared(name)}
    fit_s = {name: float(np.mean([each.seconds for each in made])) for name, made in folds.items() if made}
    # the tuned ones on every fold and on all of history; choosing, calibrating and the others' last fits are taken to
    # need as long as the folds have
    plan = Plan(refits=1.0 + spec.folds, after_s=clock.budget_s - clock.left(), fit_s=fit_s)
    at = older_cuts(panel, spec.horizon, spec.folds, spec.fold_step)
    wanted = {name: given for name, given in mine.items() if tunable(name)}
    return search(wanted, at, judge_on(panel, spec, levels), clock, plan, spec.seed)


def judge_on(panel: Panel, spec: Spec, levels: NDArray[np.float64]) -> Judge:
    """Scores hyperparameters on a panel by the loss that the choice minimises."""

    def judge(name: str, parameters: Mapping[str, Any], cut: Cut) -> float:
        made = judged(panel, spec, cut, levels, lambda past: spec.build_with(name, parameters).fit(past))
        return loss_of([metrics(made, levels, coverage=False)], spec.loss)

    return judge


def found_better(spec: Spec, trials: Sequence[Trial]) -> dict[str, Mapping[str, Any]]:
    """Further candidates: those whose hyperparameters were worth it, under their own names."""
    known = spec.offered()
    return {tuned_name(trial.model): {**known[trial.model], **trial.parameters} for trial in trials if trial.chosen}
