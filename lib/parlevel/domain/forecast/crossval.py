"""Train a group: judge every candidate on rolling folds, choose, calibrate, fit on everything.

The newest fold is held back: what is reported for `chosen` there was chosen and calibrated on older
folds only. The model that ships repeats the same procedure with all folds.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.evaluate.folds import cuts
from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.choose import PRIOR_CORRELATION, Choice, blended, choose, learn_spread
from parlevel.domain.forecast.memory import out_of_memory
from parlevel.domain.forecast.paths import content_keys
from parlevel.domain.forecast.scores import Backtest, metrics
from parlevel.domain.forecast.spec import Spec, backtest
from parlevel.domain.forecast.tune import Clock, Trial
from parlevel.domain.forecast.tune_group import found_better, try_out
from parlevel.domain.panel import Panel

__all__ = ["CHOSEN", "BacktestRow", "GroupResult", "ModelRow", "Spec", "data_key", "in_content_order", "train_group"]

CHOSEN = "chosen"
"""Name under which the group's combination is scored."""

log = logging.getLogger(__name__)


ON_A_FOLD = "failed on a fold"
"""How the note of a candidate begins that did not get through its folds."""


@dataclass(frozen=True)
class ModelRow:
    """A candidate after training; the fields of the contract `models`."""

    model: str
    chosen: bool
    weight: float
    format: str
    artifact: bytes
    fit_seconds: float
    features: list[str]
    hyperparameters: Mapping[str, Any]
    metrics: dict[str, float]
    calibration: str
    path_correlation: float
    note: str | None
    importances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BacktestRow:
    """A model's calibrated forecasts at one past cutoff, for all series of the group."""

    model: str
    path_correlation: float
    result: Backtest


@dataclass(frozen=True)
class GroupResult:
    """What a group's training leaves behind; `panel` is the group in content order."""

    panel: Panel
    models: list[ModelRow]
    scores: list[tuple[str, Backtest, dict[str, float]]]
    backtest: list[BacktestRow]
    data_key: str
    choice: Choice
    trials: list[Trial] = field(default_factory=list)


def train_group(panel: Panel, spec: Spec) -> GroupResult:
    """Train one group; row order and names of its series have no influence.

    Raises:
        DataError: not even the floor could be fitted.
    """
    clock = Clock(spec.budget_s)
    panel = in_content_order(panel)
    levels = np.asarray(spec.levels, np.float64)
    folds, failed = _run_folds(panel, spec, levels, spec.offered())
    trials = try_out(panel, spec, levels, folds, clock) if spec.budget_s else []
    if better := found_better(spec, trials):
        spec = replace(spec, candidates=(*spec.candidates, *better.items()))
        more, broken = _run_folds(panel, spec, levels, better)
        folds, failed = {**folds, **more}, {**failed, **broken}
    scores = [(name, each, metrics(each, levels)) for name, made in folds.items() for each in made]
    rows = [row for name, made in folds.items() for row in _judged(name, made, levels, spec.seed)]
    for row in _judged_choice(folds, spec, levels):
        rows.append(row)
        scores.append((CHOSEN, row.result, metrics(row.result, levels)))
    models, choice = _fit_chosen(panel, spec, levels, folds, failed)
    return GroupResult(panel, models, scores, rows, data_key(panel), choice, trials)


def in_content_order(panel: Panel) -> Panel:
    """The panel's rows sorted by a hash of what they hold, so that neither names nor row order can matter."""
    # the last block decides first: codes come early, since one category more renumbers them
    blocks = [values[:, None] for values in panel.statics.values()]
    blocks = [*([panel.stakes.matrix().astype(np.float32)] if panel.stakes else []), *blocks]
    blocks += [*panel.channels.values(), panel.available.astype(np.float32), panel.demand]
    keys = [content_keys(block) for block in blocks if block.shape[1]]
    return panel.take(np.lexsort(keys)) if keys else panel


def data_key(panel: Panel) -> str:
    """Hash of everything a model can learn from or is chosen by."""
    digest = hashlib.sha256(f"{panel.cutoff} {panel.period} {sorted(panel.known_future)}".encode())
    for name, values in (("demand", panel.demand), ("available", panel.available), *panel.channels.items()):
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    if panel.stakes:
        digest.update(np.ascontiguousarray(panel.stakes.matrix()).tobytes())
    for name, values in panel.statics.items():
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:32]


def _run_folds(
    panel: Panel, spec: Spec, levels: NDArray[np.float64], names: Iterable[str]
) -> tuple[dict[str, list[Backtest]], dict[str, str]]:
    """Backtests of every candidate named that got through all folds, and what stopped the others."""
    found: dict[str, list[Backtest]] = {}
    failed: dict[str, str] = {}
    rolling = cuts(panel, spec.horizon, spec.folds, spec.fold_step)
    for name in names:
        try:
            found[name] = [backtest(panel, spec, name, cut, levels) for cut in rolling]
        except Exception as error:  # one candidate's failure is a fact to record, not the group's end
            if spec.stop_short and out_of_memory(error):
                raise
            log.warning("candidate %s failed on a fold: %s", name, error)
            failed[name] = f"{ON_A_FOLD}: {type(error).__name__}: {error}"
    return found, failed


def _judged(name: str, made: Sequence[Backtest], levels: NDArray[np.float64], seed: int) -> list[BacktestRow]:
    """The newest fold of a candidate, calibrated on the older ones."""
    if not made:
        return []
    calibration, correlation = learn_spread(made[:-1], levels, seed)
    newest = made[-1]
    calibrated = replace(newest, quantiles=calibration.apply(newest.quantiles, newest.spread))
    return [BacktestRow(name, correlation, calibrated)]


def _judged_choice(
    folds: Mapping[str, Sequence[Backtest]], spec: Spec, levels: NDArray[np.float64]
) -> list[BacktestRow]:
    """The group's combination on every fold that has older ones to choose and calibrate on.

    With a single fold there is nothing older: the choice is made on it, and the models' notes say so.
    """
    n_folds = len(next(iter(folds.values()), []))
    rows = []
    for k in range(min(1, n_folds - 1), n_folds) if n_folds else []:
        older = {name: list(made[:k]) or list(made) for name, made in folds.items()}
        choice = choose(older, spec.floor, spec.loss, spec.blend, levels)
        combined = blended(folds, choice.weights)
        rows += _judged(CHOSEN, combined[: k + 1], levels, spec.seed)
    return rows


def _fit_chosen(
    panel: Panel,
    spec: Spec,
    levels: NDArray[np.float64],
    folds: Mapping[str, Sequence[Backtest]],
    failed: dict[str, str],
) -> tuple[list[ModelRow], Choice]:
    """Choose on all folds and fit on all history; a model that cannot be fitted is left out and chosen again."""
    left = dict(folds)
    fitted: dict[str, tuple[Forecaster, float]] = {}
    while True:
        choice = choose(left, spec.floor, spec.loss, spec.blend, levels)
        wanted = dict.fromkeys((*choice.weights, spec.floor))
        broken = None
        for name in wanted:
            if name in fitted:
                continue
            try:
                started = time.perf_counter()
                fitted[name] = (spec.fitted(name, panel), time.perf_counter() - started)
            except Exception as error:
                if name == spec.floor or (spec.stop_short and out_of_memory(error)):
                    raise
                log.warning("candidate %s failed on the whole history: %s", name, error)
                broken, failed[name] = name, f"failed on the whole history: {type(error).__name__}: {error}"
        if broken is None:
            break
        left.pop(broken)
    return _model_rows(spec, levels, left, failed, fitted, choice), choice


def _model_rows(
    spec: Spec,
    levels: NDArray[np.float64],
    folds: Mapping[str, Sequence[Backtest]],
    failed: Mapping[str, str],
    fitted: Mapping[str, tuple[Forecaster, float]],
    choice: Choice,
) -> list[ModelRow]:
    made = blended(folds, choice.weights) if all(name in folds for name in choice.weights) else []
    together = learn_spread(made, levels, spec.seed)
    rows = []
    for name in spec.offered():
        model, seconds = fitted.get(name, (None, 0.0))
        weight = float(choice.weights.get(name, 0.0))
        own = together if weight else learn_spread(folds.get(name, []), levels, spec.seed) if model else None
        calibration, correlation = own if own else (None, PRIOR_CORRELATION)
        about = model.describe() if model else {}
        kind = model.format if model else "json"
        rows.append(
            ModelRow(
                model=name,
                chosen=weight > 0,
                weight=weight,
                format=kind,
                artifact=model.to_bytes() if model else b"",
                fit_seconds=seconds,
                features=list(about.get("features", [])),
                hyperparameters=about.get("hyperparameters", dict(spec.offered()[name])),
                metrics=_mean_metrics(folds.get(name, []), levels),
                calibration=calibration.to_json() if calibration else "",
                path_correlation=correlation,
                importances=importances(about),
                note=failed.get(name) or _note(name, choice, len(next(iter(folds.values()), []))),
            )
        )
    return rows


def importances(about: Mapping[str, Any]) -> dict[str, float]:
    """Share of each feature in what a model learned, from its description; empty where it cannot say.

    >>> importances({"slopes": {"a": -3.0, "b": 1.0}})
    {'a': 0.75, 'b': 0.25}
    """
    found = about.get("importances") or {name: abs(slope) for name, slope in about.get("slopes", {}).items()}
    total = sum(found.values())
    return {name: float(value) / total for name, value in found.items() if value > 0} if total > 0 else {}


def _note(name: str, choice: Choice, n_folds: int) -> str:
    words = choice.reason if name in choice.weights else f"not chosen ({choice.reason})"
    if n_folds == 0:
        return f"{words}; too little history for a fold, the floor stands unjudged"
    return f"{words}; judged on the one fold that it was chosen on" if n_folds == 1 else words


def _mean_metrics(made: Sequence[Backtest], levels: NDArray[np.float64]) -> dict[str, float]:
    found = [metrics(each, levels) for each in made]
    names = sorted({name for each in found for name in each})
    return {name: float(np.mean([each[name] for each in found if name in each])) for name in names}
