"""Which model, or blend of two, a group uses: the one with the smallest loss on past folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.calibrate import Calibration, Fold, calibrate
from parlevel.domain.forecast.paths import estimate_correlation
from parlevel.domain.forecast.scores import Backtest, combine, loss_of, metrics

WEIGHTS = (0.25, 0.4, 0.5, 0.6, 0.75)
"""Shares of the better model that a blend tries."""

BLEND_GAIN = 0.002
"""A blend must lower the loss by this share: it costs a second model."""

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
    """The model or blend of two with the smallest mean loss over the folds given.

    Args:
        folds: model -> its backtests at the same cutoffs; only models that forecast all of them.
        floor: what is chosen where there are no folds.
        loss: "wape", "rmsse", "mase" or "pinball".
        blending: try blends of the best model with each other one.
        levels: of the quantiles.
    """
    losses = {name: loss_of([metrics(each, levels) for each in made], loss) for name, made in folds.items() if made}
    if not losses or not np.isfinite(min(losses.values())):
        return Choice({floor: 1.0}, float("inf"), f"{floor}: no past fold could be scored", losses)
    best = min(losses, key=lambda name: (losses[name], name != floor))
    choice = Choice({best: 1.0}, losses[best], f"{best}: {loss} {losses[best]:.4g}", losses)
    if not blending:
        return choice
    bar = losses[best] * (1 - BLEND_GAIN)
    for other in sorted(losses):
        if other == best or losses[other] > 2 * losses[best]:
            continue
        for share in WEIGHTS:
            weights = {best: share, other: 1 - share}
            mixed = [combine({best: a, other: b}, weights) for a, b in zip(folds[best], folds[other], strict=True)]
            value = loss_of([metrics(each, levels) for each in mixed], loss)
            if value < min(bar, choice.loss):
                words = f"{share:.2g} {best} + {1 - share:.2g} {other}: {loss} {value:.4g} against {losses[best]:.4g}"
                choice = Choice(weights, value, words, losses)
    return choice


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
