"""What training a group needs to know, and one model's forecast at one past cutoff."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.evaluate.folds import Cut, naive_errors
from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.build import build, distribution
from parlevel.domain.forecast.calibrate import spread
from parlevel.domain.forecast.scores import Backtest
from parlevel.domain.forecast.shared import Ready, is_shared, load_shared
from parlevel.domain.panel import Panel


@dataclass(frozen=True)
class Spec:
    """What `train_group` needs to know of the configuration.

    Attributes:
        horizon, levels: periods ahead; quantile levels, increasing.
        candidates: (registry name, hyperparameters) of each model to try.
        floor: the model that must exist; added to the candidates when it is not among them.
        folds, fold_step: rolling cutoffs and the periods between them.
        loss, blend: what the choice minimises; whether blends are tried.
        seed: of every draw.
        shared: further settings offered to all models (lags, windows, halflives); `ready`: those learned already.
        stop_short: whether a candidate that runs out of memory ends the training, so that fewer series can be tried.
        budget_s: seconds that the training may take, other hyperparameters tried in what is left of them; 0: none are.
    """

    horizon: int
    levels: tuple[float, ...]
    candidates: tuple[tuple[str, Mapping[str, Any]], ...]
    floor: str = "seasonal_naive"
    folds: int = 3
    fold_step: int = 28
    loss: str = "pinball"
    blend: bool = True
    seed: int = 0
    shared: Mapping[str, Any] = field(default_factory=dict)
    ready: Ready = field(default_factory=dict)
    budget_s: float = 0.0
    stop_short: bool = False

    def offered(self) -> dict[str, Mapping[str, Any]]:
        """Candidates by name, the floor among them."""
        found = dict(self.candidates)
        return found if self.floor in found else {self.floor: {}, **found}

    def build(self, name: str) -> Forecaster:
        """A new model of that name with this spec's settings."""
        return self.build_with(name, self.offered()[name])

    def build_with(self, name: str, parameters: Mapping[str, Any]) -> Forecaster:
        """A new model of that name with other hyperparameters."""
        return build(name, parameters, {**self.shared, "horizon": self.horizon, "seed": self.seed})

    def fitted(self, name: str, panel: Panel) -> Forecaster:
        """That model fitted to a panel; one learned from all groups is only looked up."""
        return load_shared(name, panel.cutoff, self.ready) if is_shared(name) else self.build(name).fit(panel)


def backtest(panel: Panel, spec: Spec, name: str, cut: Cut, levels: NDArray[np.float64]) -> Backtest:
    """A candidate's forecasts at one past cutoff, beside what came."""
    return judged(panel, spec, cut, levels, lambda past: spec.fitted(name, past))


def judged(panel: Panel, spec: Spec, cut: Cut, levels: NDArray[np.float64], fit: Any) -> Backtest:
    """The forecasts at one past cutoff of the model that `fit` makes of the panel before it."""
    started = time.perf_counter()
    past = panel.at(cut.cutoff, spec.horizon)
    mean, quantiles = distribution(fit(past), spec.horizon, levels, past)
    seconds = time.perf_counter() - started
    actual, available = panel.after(cut.cutoff, spec.horizon)
    mae, mse = naive_errors(past)
    came = (actual, available, spread(past), mae, mse)
    return Backtest(cut.fold, cut.cutoff, mean, quantiles, *came, seconds, panel.stakes)
