"""Smaller models behind a gate: a variant ships only where the loss stays under a bound.

Original and variant forecast the newest period of history that could be scored. Both have seen it, so the gate is
strict: what a pruned tree forgets of its own training rows counts against it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.evaluate.folds import cuts, naive_errors
from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.build import distribution
from parlevel.domain.forecast.calibrate import spread
from parlevel.domain.forecast.crossval import GroupResult, ModelRow, Spec
from parlevel.domain.forecast.registry import forecaster_class
from parlevel.domain.forecast.scores import Backtest, loss_of, metrics
from parlevel.domain.panel import Panel


@runtime_checkable
class Shrinks(Protocol):
    """A forecaster that has smaller variants of itself."""

    def smaller(self) -> Iterator[tuple[str, Forecaster]]:
        """(what was done, variant), the smallest first; a variant forecasts as it will once it is stored."""
        ...


@dataclass(frozen=True)
class Variant:
    """One variant and what it costs.

    Attributes:
        name: what was done; empty for the original.
        model: the variant.
        n_bytes: length of its artifact.
        loss: as `train.loss` names it.
        seconds: to forecast the group once.
    """

    name: str
    model: Forecaster
    n_bytes: int
    loss: float
    seconds: float


def variants(model: Forecaster, panel: Panel, horizon: int, levels: NDArray[np.float64], loss: str) -> list[Variant]:
    """The original and every variant, the smallest first, with their losses on the newest scored period."""
    newest = cuts(panel, horizon, 1, 1)
    if not newest or not isinstance(model, Shrinks):
        return []
    past, (actual, available) = panel.at(newest[0].cutoff, horizon), panel.after(newest[0].cutoff, horizon)
    mae, mse = naive_errors(past)
    found = []
    for name, each in (*model.smaller(), ("", model)):
        started = time.perf_counter()
        mean, quantiles = distribution(each, horizon, levels, past)
        seconds = time.perf_counter() - started
        made = Backtest(
            0, newest[0].cutoff, mean, quantiles, actual, available, spread(past), mae, mse, stakes=past.stakes
        )
        found.append(Variant(name, each, len(each.to_bytes()), loss_of([metrics(made, levels)], loss), seconds))
    return found


def compressed(
    model: Forecaster, panel: Panel, horizon: int, levels: NDArray[np.float64], loss: str, max_loss_pct: float
) -> tuple[Forecaster, str]:
    """The smallest variant whose loss is at most `max_loss_pct` percent above the original's, and what was done.

    Returns: the model itself and no words where there is nothing smaller that is good enough.
    """
    found = variants(model, panel, horizon, levels, loss)
    if not found or not np.isfinite(found[-1].loss):
        return model, ""
    whole = found[-1]
    limit = whole.loss * (1 + max_loss_pct / 100)
    fits = [each for each in found if each.loss <= limit and each.n_bytes < whole.n_bytes]
    if not fits:
        return model, ""
    best = min(fits, key=lambda each: each.n_bytes)
    change = 100 * (best.loss / whole.loss - 1) if whole.loss > 0 else 0.0
    return best.model, f"{best.name}: {best.n_bytes:,} bytes instead of {whole.n_bytes:,}, {loss} {change:+.2f} %"


def smaller_rows(result: GroupResult, spec: Spec, max_loss_pct: float) -> list[ModelRow]:
    """A group's models, each as its smallest variant that passes the gate; the note says what was done.

    Args:
        result: of training.
        spec: of the training: horizon, levels and loss.
        max_loss_pct: see `compressed`.
    """
    levels, out = np.asarray(spec.levels, np.float64), []
    for row in result.models:
        done = ""
        if row.artifact and isinstance(loaded := load(row), Shrinks):
            model, done = compressed(loaded, result.panel, spec.horizon, levels, spec.loss, max_loss_pct)
        out.append(replace(row, artifact=model.to_bytes(), note=f"{row.note}; {done}") if done else row)
    return out


def load(row: ModelRow) -> Forecaster:
    """The model of a row."""
    return forecaster_class(row.model).from_bytes(row.artifact)
