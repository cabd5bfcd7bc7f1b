"""Plans of single items over demand paths: paths -> model -> dynamic programme, and what a plan leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from parlevel.domain.forecast.paths import sample_paths
from parlevel.domain.replenish.base import Floats, Forecast, Ints, State, Terms
from parlevel.domain.replenish.model import ItemModel, build
from parlevel.domain.replenish.solvers.dp import solve

# Series a call of the path sampler: its work arrays then stay in the processor's cache.
PATH_CHUNK = 32


@dataclass(frozen=True)
class Settings:
    """How plans are computed.

    Attributes:
        horizon: order steps planned, periods.
        season: periods in a season; the forecast is extended beyond its horizon by its last one.
        n_paths: demand sample paths.
        max_levels: of the dynamic programme's grid.
        passes: builds of the model; from the second on, lost sales of the pass before are taken out of the need.
        seed: of the paths.
        shortage_weight: what a lost or late unit counts when a plan is chosen, in shares of what it costs. Below 1
            it makes up for what the open-loop model does not see: stock that was not needed stays longer than a
            period, because later orders cannot be negative.
    """

    horizon: int
    season: int
    n_paths: int = 64
    max_levels: int = 192
    passes: int = 2
    seed: int = 0
    shortage_weight: float = 1.0


def demand_paths(forecast: Forecast, periods: int, settings: Settings) -> Floats:
    """(n, n_paths, periods) demand paths; an item's paths depend on its own forecast and the seed alone."""
    longer = forecast.extend(periods, settings.season)
    parts = [
        sample_paths(
            longer.quantiles[rows], longer.levels, settings.n_paths, longer.path_correlation[rows], settings.seed
        )
        for rows in (slice(k, k + PATH_CHUNK) for k in range(0, len(longer.mean), PATH_CHUNK))
    ]
    return np.concatenate(parts).astype(np.float64)


def item_model(state: State, terms: Terms, paths: Floats, settings: Settings) -> ItemModel:
    """The item model, with the lost sales of the items' own best plans taken out of later need."""
    terms = weighted(terms, settings.shortage_weight)
    model = build(state, terms, paths, settings.horizon, settings.max_levels)
    for _ in range(settings.passes - 1):
        if not terms.lost_sales.any():
            break
        served = losses_before(model, solve(model).units[0])
        if not served.any():
            break
        model = build(state, terms, paths, settings.horizon, settings.max_levels, served)
    return model


def weighted(terms: Terms, weight: float) -> Terms:
    """Terms under which a lost or late unit costs `weight` times as much."""
    if weight == 1.0:
        return terms
    return replace(terms, shortage_cost=weight * terms.shortage_cost, backorder_cost=weight * terms.backorder_cost)


@dataclass(frozen=True)
class Course:
    """What happens along each path when a plan is carried out without being revised.

    Attributes:
        stock: (n, n_paths, T) units at the end of each period, >= 0.
        lost: (n, n_paths, T) units lost (or waiting, with backorders) per period.
        received: (n, n_paths, T) units of the plan received per period.
    """

    stock: Floats
    lost: Floats
    received: Floats


def course(model: ItemModel, units: Floats) -> Course:
    """Carry a plan out along the model's own paths, with true lost sales.

    Args:
        model: of n items.
        units: (n, K) units ordered at each opportunity.
    """
    total = _received(model, units)
    level = model.net + total
    below = np.maximum(-level, 0.0)
    stops = model.terms.lost_sales[:, None, None]
    gone = np.where(stops, np.maximum.accumulate(below, axis=2), below)
    lost = np.where(stops, np.diff(gone, axis=2, prepend=0.0), below)
    stock = np.where(stops, level + gone, np.maximum(level, 0.0))
    return Course(stock, lost, np.diff(total, axis=2, prepend=0.0))


def losses_before(model: ItemModel, units: Floats) -> Floats:
    """(n, n_paths, T) units that a plan had lost, after its first receipt, before the interval of each period began."""
    total = _received(model, units)
    gone = np.maximum.accumulate(np.maximum(-(model.net + total), 0.0), axis=2)
    gone = np.concatenate([np.zeros((*gone.shape[:2], 1)), gone], axis=2)
    time = model.time
    open_ = np.clip(time.interval, 0, time.n_opportunities)
    begin = np.take_along_axis(time.arrival, open_, axis=2)
    begin = np.broadcast_to(np.clip(begin, 0, gone.shape[2] - 1), model.net.shape)
    before = np.take_along_axis(gone, begin, axis=2)
    return np.where(model.terms.lost_sales[:, None, None] & (time.interval >= 0), before, 0.0)


def _received(model: ItemModel, units: Floats) -> Floats:
    """(n, n_paths, T) units of the plan received so far at the end of each period."""
    n, n_k = units.shape
    total = np.concatenate([np.zeros((n, 1)), units.cumsum(axis=1)], axis=1)
    at: Ints = np.minimum(model.time.interval + 1, n_k)
    return np.broadcast_to(total[np.arange(n)[:, None, None], at], model.net.shape)
