"""Drivers of a group's forecasts: the chosen models' explanations, weighed as the models are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.apply import GroupForecast, Stored
from parlevel.domain.forecast.coldstart import SIMILAR_ITEMS
from parlevel.domain.forecast.drivers import DRIVERS, LEVEL, SIMILAR, Explains, plain, steps_of
from parlevel.domain.panel import Panel

Floats = NDArray[np.floating]

LEAST = 1e-5
"""Effects below this, in units per period, are none."""


@dataclass(frozen=True)
class Drivers:
    """Rows of drivers, one per series and driver that has an effect.

    Attributes:
        series: (k,) row of the panel.
        driver: (k,) position in DRIVERS.
        rank: (k,) 0 for the level, then 1 for the largest effect.
        effect: (k,) units per period, mean over the steps looked at.
        share: (k,) of all effects but the level's; NaN for the level.
    """

    series: NDArray[np.int64]
    driver: NDArray[np.int64]
    rank: NDArray[np.int64]
    effect: Floats
    share: Floats


def explain_group(panel: Panel, stored: Sequence[Stored], made: GroupForecast, floor: str) -> Drivers:
    """The drivers of every forecast of a group; the effects of a series add up to its mean at `steps_of` the horizon.

    Args:
        panel, made: the series and their forecasts.
        stored: the models that made them.
        floor: registry name of the fallback.
    """
    steps = steps_of(made.mean.shape[1])
    mean = made.mean[:, steps - 1].astype(np.float64)
    effects: Floats = plain(mean)
    cold = made.model == SIMILAR_ITEMS
    effects[cold] = plain(mean[cold], SIMILAR)
    for models, rows in (
        ([each for each in stored if each.chosen], ~made.fallback & ~made.failed),
        ([each for each in stored if each.model == floor and not each.chosen], made.model == floor),
    ):
        if models and rows.any():
            # the same panel that was forecast where it can be: some models keep what they estimated of it
            effects[rows] = _combined(panel if rows.all() else panel.take(rows), models, steps)
    # what was decided after the models: a day on which the location is closed sells nothing
    effects[..., DRIVERS.index("holidays and events")] += mean - effects.sum(axis=2)
    return _rows(effects.mean(axis=1), ~made.failed)


def _combined(panel: Panel, models: Sequence[Stored], steps: NDArray[np.int64]) -> Floats:
    """(n, n_steps, len(DRIVERS)) of a weighted combination; a model that cannot explain has its mean as level."""
    weights = np.array([each.weight if each.chosen else 1.0 for each in models])
    parts: list[Floats] = []
    known: list[NDArray[np.bool_]] = []
    for each in models:
        model = each.forecaster
        if isinstance(model, Explains):
            part = model.explain(steps, panel)
        else:
            part = plain(model.predict_mean(int(steps.max()), panel)[:, steps - 1].astype(np.float64))
        # a model without a forecast for a series leaves its weight to the others, as in `quantiles.blend`
        known.append(np.isfinite(model.predict_mean(1, panel)[:, 0]) if len(models) > 1 else np.ones(len(part), bool))
        parts.append(np.where(known[-1][:, None, None], part, 0.0))
    share = weights[:, None] * np.array(known)
    share = share / np.maximum(share.sum(axis=0), 1e-12)
    return np.asarray(np.einsum("kn,knsd->nsd", share, np.array(parts)))


def _rows(effects: Floats, good: NDArray[np.bool_]) -> Drivers:
    """Long rows of (n, len(DRIVERS)) effects."""
    level = DRIVERS.index(LEVEL)
    size = np.abs(effects)
    size[:, level] = 0.0
    rank = np.argsort(np.argsort(-size, axis=1, kind="stable"), axis=1, kind="stable") + 1
    rank[:, level] = 0
    total = size.sum(axis=1, keepdims=True)
    share = size / np.where(total > 0, total, 1.0)
    share[:, level] = np.nan
    keep = good[:, None] & (size > LEAST)
    keep[:, level] = good
    series, driver = np.nonzero(keep)
    return Drivers(series, driver, rank[keep], effects[keep], share[keep])
