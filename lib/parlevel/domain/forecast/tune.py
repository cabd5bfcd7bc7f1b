"""Other hyperparameters, tried inside a budget of time.

They are judged at cutoffs older than the folds, so that choice, calibration and what the newest fold reports stay
as honest as without them: what is found becomes a further candidate beside the untouched one, and the folds decide.

The search is a random walk: the first trial is what the configuration says, every later one changes a few values of
the best so far. A trial that is behind after its first cutoff is not finished; none is begun that would not fit in
the time left, with what must follow it. Models take turns, but for those far behind the best.
Source: Bergstra, Bengio (2012), Random search for hyper-parameter optimization; Hyndman, Athanasopoulos (2021),
Forecasting: principles and practice, 5.10, for the rolling cutoffs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parlevel.domain.evaluate.folds import Cut, cuts
from parlevel.domain.forecast.registry import SHARED, TUNED, forecaster_class
from parlevel.domain.panel import Panel

log = logging.getLogger(__name__)

CUTOFFS = 2
"""Cutoffs before the folds that a trial is judged at."""

GAIN = 0.005
"""What a trial must lower the configuration's own loss by, as a share, to become a candidate: each costs fits."""

BEHIND = 1.02
"""A trial is given up when its loss at the first cutoff is this many times the best one's there."""

FAR = 1.1
"""Models whose loss is this many times the best model's get no further trials."""

CHANGES = 2
"""Values that a trial changes at most."""

MAX_TRIALS = 60
"""Trials of a model at most."""

DRAWS = 50
"""Draws until a model's search ends because nothing new came up that fits in the time."""

CAUTION = 1.25
"""Times are taken to be this many times what they were measured or predicted to be."""

Judge = Callable[[str, Mapping[str, Any], Cut], float]
"""(model, hyperparameters, cutoff) -> loss of its forecasts from there."""


class Clock:
    """A budget of wall time that runs from now on.

    Args:
        budget_s: seconds.
        now: tells the time, seconds.
    """

    def __init__(self, budget_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.budget_s, self.now = budget_s, now
        self._began = now()

    def left(self) -> float:
        """Seconds left; negative once it has run out."""
        return self.budget_s - (self.now() - self._began)


@dataclass(frozen=True)
class Trial:
    """Hyperparameters that were tried: a row of the table `tuning`.

    Attributes:
        model: candidate that they belong to.
        number: 0 is what the configuration says.
        parameters: hyperparameters given to the model; the others are its defaults.
        losses: `train.loss` at each cutoff that it got to, the newest first.
        seconds: fits and forecasts.
        chosen: became the candidate `tuned_<model>`.
        stopped: why it was not judged at all cutoffs; None where it was.
    """

    model: str
    number: int
    parameters: Mapping[str, Any]
    losses: tuple[float, ...] = ()
    seconds: float = 0.0
    chosen: bool = False
    stopped: str | None = None

    @property
    def loss(self) -> float:
        """Mean loss; infinite where a cutoff is missing."""
        return float(np.mean(self.losses)) if self.losses and not self.stopped else float("inf")


@dataclass(frozen=True)
class Plan:
    """What a search must know of what comes after it.

    Attributes:
        refits: fits of each model that must follow it.
        after_s: seconds of everything else that must follow it.
        fit_s: model -> seconds of a fit and forecast, where they are known already.
    """

    refits: float = 0.0
    after_s: float = 0.0
    fit_s: Mapping[str, float] = field(default_factory=dict)


def tunable(name: str) -> Mapping[str, Sequence[Any]]:
    """Hyperparameter -> values to try, of a candidate; empty where its model has none."""
    return getattr(forecaster_class(name), "tunable", {})


def tuned_name(name: str) -> str:
    """Name of the candidate with the values that were found.

    >>> tuned_name("forest"), tuned_name("global_boosting")
    ('tuned_forest', 'global_tuned_boosting')
    """
    return SHARED * name.startswith(SHARED) + TUNED + name.removeprefix(SHARED)


def older_cuts(panel: Panel, horizon: int, folds: int, step: int) -> list[Cut]:
    """Up to `CUTOFFS` cutoffs before those of the folds, the newest first."""
    oldest = panel.cutoff - horizon - (folds - 1) * step
    found = cuts(panel, horizon, folds + CUTOFFS, step)
    return [cut for cut in reversed(found) if cut.cutoff < oldest]


def search(
    candidates: Mapping[str, Mapping[str, Any]], at: Sequence[Cut], judge: Judge, clock: Clock, plan: Plan, seed: int
) -> list[Trial]:
    """Try hyperparameters of some candidates until the time is up.

    Args:
        candidates: name -> what the configuration says of its hyperparameters.
        at: cutoffs, the newest first.
        judge: scores hyperparameters at one of them.
        clock: the budget, running.
        plan: what must fit in it after the search.
        seed: of the draws.

    Returns: every trial; those with `chosen` are worth a place among the candidates.
    """
    walks = [_Walk(name, given, seed, plan.fit_s.get(name, 0.0)) for name, given in candidates.items()]
    if not at:
        reason = "too little history before the folds"
        return [Trial(walk.name, 0, walk.given, stopped=reason) for walk in walks]
    task = _Task(at, judge, clock, plan)
    for walk in walks:
        walk.run(walk.given, task, _room(walk, walks, task))
    best = min((walk.best.loss for walk in walks), default=float("inf"))
    active = [walk for walk in walks if np.isfinite(walk.best.loss) and walk.best.loss <= best * FAR]
    while active:
        for walk in list(active):
            room = _room(walk, walks, task)
            drawn = walk.draw(room, len(at) + plan.refits)
            if drawn is None:
                active.remove(walk)
            else:
                walk.run(drawn, task, room)
    return [trial for walk in walks for trial in walk.result()]


@dataclass(frozen=True)
class _Task:
    """What all walks of a search share; see `search`."""

    at: Sequence[Cut]
    judge: Judge
    clock: Clock
    plan: Plan


class _Walk:
    """The trials of one model."""

    def __init__(self, name: str, given: Mapping[str, Any], seed: int, fit_s: float) -> None:
        self.name, self.given, self.fit_s = name, dict(given), fit_s
        self.values = tunable(name)
        defaults = forecaster_class(name)().describe()["hyperparameters"]
        self.start = {key: given.get(key, defaults[key]) for key in defaults}
        self.rng = np.random.default_rng([seed, *name.encode()])
        self.trials: list[Trial] = []
        self.best = Trial(name, 0, self.given, stopped="not tried")

    def run(self, parameters: Mapping[str, Any], task: _Task, room: float) -> None:
        """Judge hyperparameters at the cutoffs, as far as they and the time (seconds, refits included) allow."""
        refit_s = max(self.seconds(parameters), self.seconds(self.best.parameters))
        left = room - CAUTION * task.plan.refits * refit_s
        losses: list[float] = []
        stopped, began, used = None, task.clock.now(), 0.0
        for k, cut in enumerate(task.at):
            expected = max(self.seconds(parameters), used / k if k else 0.0)
            if stopped := self._hindrance(losses, expected, left - used):
                break
            try:
                losses.append(task.judge(self.name, parameters, cut))
            except Exception as error:  # hyperparameters that do not work are a finding, not the group's end
                log.warning("%s with %s failed: %s", self.name, dict(parameters), error)
                stopped = f"failed: {type(error).__name__}: {error}"
                break
            used = task.clock.now() - began
        trial = Trial(self.name, len(self.trials), dict(parameters), tuple(losses), used, stopped=stopped)
        self.trials.append(trial)
        if not trial.number and losses:
            self.fit_s = used / len(losses)
        if trial.loss < self.best.loss:
            self.best = trial

    def _hindrance(self, losses: Sequence[float], expected: float, left: float) -> str | None:
        """Why not to go on to the next cutoff."""
        if losses and self.best.losses and losses[0] > BEHIND * self.best.losses[0]:
            return "behind at the first cutoff"
        return "out of time" if CAUTION * expected > left else None

    def draw(self, room: float, fits: float) -> dict[str, Any] | None:
        """Hyperparameters near the best so far that were not tried yet; None where none come up.

        Args:
            room: seconds for them.
            fits: how many fits must go into that.
        """
        tried = [{**self.start, **trial.parameters} for trial in self.trials]
        names = list(self.values)
        for _ in range(DRAWS if len(self.trials) < MAX_TRIALS else 0):
            n = min(len(names), int(self.rng.integers(1, CHANGES + 1)))
            found = dict(self.best.parameters)
            for k in self.rng.choice(len(names), n, replace=False):
                values = self.values[names[k]]
                found[names[k]] = values[int(self.rng.integers(len(values)))]
            if {**self.start, **found} not in tried and CAUTION * fits * self.seconds(found) <= room:
                return found
        return None

    def seconds(self, parameters: Mapping[str, Any]) -> float:
        """What one fit and forecast will take, predicted from the first trial's."""
        ratio = 1.0
        for key in getattr(forecaster_class(self.name), "work", ()):
            ratio *= parameters.get(key, self.start[key]) / self.start[key]
        return float(self.fit_s * ratio)

    def result(self) -> list[Trial]:
        """The trials, the best one marked where it is worth it."""
        first = self.trials[0]
        worth = self.best.number > 0 and self.best.loss <= first.loss * (1 - GAIN)
        return [replace(trial, chosen=worth and trial is self.best) for trial in self.trials]


def _room(walk: _Walk, walks: Sequence[_Walk], task: _Task) -> float:
    """Seconds that a walk may use: what is left but for what must follow, the fits of the others' best among it."""
    others = sum(other.seconds(other.best.parameters) for other in walks if other is not walk)
    return task.clock.left() - CAUTION * (task.plan.after_s + task.plan.refits * others)
