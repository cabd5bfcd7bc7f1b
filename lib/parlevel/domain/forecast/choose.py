"""Which model, or blend of models, a group uses: the one with the smallest loss on past folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.calibrate import Calibration, Fold, calibrate
from parlevel.domain.forecast.paths import estimate_correlation
from parlevel.domain.forecast.scores import Backtest, combine, loss_of, metrics

PARTS = 12
"""A blend is made of so many equal parts at most: finer weights would fit the folds' noise."""

PATIENCE = 3
"""Parts added without a lower loss before the search ends."""

BLEND_GAIN = 0.002
"""What a further model must lower the loss by, as a share: it costs a fit and time at every forecast."""

TOO_FAR = 1.5
"""Models whose loss is this many times the best one's are no members."""

SAMPLE = 400
"""Series per fold that weights are judged on, evenly spaced in the group's content order."""

PRIOR_CORRELATION = 0.1
"""Dependence between steps where nothing can be measured: typical of daily retail demand."""

Folds = Mapping[str, Sequence[Backtest]]


@dataclass(frozen=True)
class Choice:
    """Weights per model (they add to 1), the loss they had, and why."""

    weights: Mapping[str, float]
    loss: float
    reason: str
    losses: Mapping[str, float] = field(default_factory=dict)


def choose(folds: Folds, floor: str, loss: str, blending: bool, levels: NDArray[np.float64]) -> Choice:
    """The model or blend with the smallest mean loss over the folds given.

    A blend grows from the best model: the model is added, again and again, whose equal share lowers the loss
    most, with replacement, so that the counts become weights (>= 0, adding to 1).
    Source: Caruana, Niculescu-Mizil, Crew, Ksikes (2004), Ensemble selection from libraries of models.

    Args:
        folds: model -> its backtests at the same cutoffs; only models that forecast all of them.
        floor: what is chosen where there are no folds.
        loss: a key of `scores.LOSSES`.
        blending: try blends.
        levels: of the quantiles.
    """
    losses = {name: loss_of([metrics(each, levels) for each in made], loss) for name, made in folds.items() if made}
    if not losses or not np.isfinite(min(losses.values())):
        return Choice({floor: 1.0}, float("inf"), f"{floor}: no past fold could be scored", losses)
    best = min(losses, key=lambda name: (losses[name], name != floor))
    choice = Choice({best: 1.0}, losses[best], f"{best}: {loss} {losses[best]:.4g}", losses)
    members = [name for name in sorted(losses) if losses[name] <= TOO_FAR * losses[best]]
    if not blending or len(members) < 2:
        return choice
    weights = _grow({name: [_thin(each) for each in folds[name]] for name in members}, best, loss, levels)
    if len(weights) == 1:
        return choice
    value = loss_of([metrics(each, levels) for each in blended(folds, weights)], loss)
    if value >= losses[best] * (1 - BLEND_GAIN):
        return choice
    mix = " + ".join(f"{share:.2g} {name}" for name, share in sorted(weights.items(), key=lambda pair: -pair[1]))
    return Choice(weights, value, f"{mix}: {loss} {value:.4g} against {losses[best]:.4g}", losses)


def _grow(folds: Folds, best: str, loss: str, levels: NDArray[np.float64]) -> dict[str, float]:
    """Weights of the greedy blend that starts from `best`; a model that adds too little is not in it."""

    def loss_with(counts: Mapping[str, int]) -> float:
        total = sum(counts.values())
        weights = {name: count / total for name, count in counts.items()}
        return loss_of([metrics(each, levels, coverage=False) for each in blended(folds, weights)], loss)

    counts = {best: 1}
    kept, lowest, idle = dict(counts), loss_with(counts), 0
    while sum(counts.values()) < PARTS and idle < PATIENCE:
        tried = {name: loss_with({**counts, name: counts.get(name, 0) + 1}) for name in folds}
        # a newcomer is charged for what it costs
        name = min(tried, key=lambda each: (tried[each] * (1 + BLEND_GAIN * (each not in counts)), each))
        counts = {**counts, name: counts.get(name, 0) + 1}
        bar = lowest * (1 - BLEND_GAIN * (len(counts) - len(kept)))
        idle += 1
        if tried[name] < bar:
            kept, lowest, idle = dict(counts), tried[name], 0
    total = sum(kept.values())
    return {name: count / total for name, count in kept.items()}


def _thin(each: Backtest) -> Backtest:
    """A backtest of at most `SAMPLE` series."""
    n = len(each.mean)
    if n <= SAMPLE:
        return each
    rows = np.linspace(0, n - 1, SAMPLE).astype(np.int64)
    names = ("mean", "quantiles", "actual", "available", "spread", "naive_mae", "naive_mse")
    stakes = each.stakes.take(rows) if each.stakes else None
    return replace(each, stakes=stakes, **{name: getattr(each, name)[rows] for name in names})


def blended(folds: Folds, weights: Mapping[str, float]) -> list[Backtest]:
    """The backtests of a choice, fold by fold."""
    n_folds = len(next(iter(folds.values())))
    return [combine({name: folds[name][k] for name in weights}, weights) for k in range(n_folds)]


def learn_spread(past: Sequence[Backtest], levels: NDArray[np.float64], seed: int) -> tuple[Calibration, float]:
    """Calibration and path correlation from past backtests of one model or blend.

    Returns: what `Calibration.none` and `PRIOR_CORRELATION` say where there are none.
    """
    found = calibrate(
        [Fold(each.quantiles, each.actual, each.available, each.spread) for each in past], levels.tolist()
    )
    if not past:
        return found, PRIOR_CORRELATION
    moved = np.concatenate([found.apply(each.quantiles, each.spread) for each in past])
    actual = np.concatenate([each.actual for each in past])
    available = np.concatenate([each.available for each in past]) & ~np.isnan(actual)
    return found, estimate_correlation(moved, levels, actual, available, seed, PRIOR_CORRELATION)
