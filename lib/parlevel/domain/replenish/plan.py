"""Plans of single items over demand paths: paths -> model -> dynamic programme, and what a plan leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.replenish.base import Bools, Floats, Forecast, State, Terms
from parlevel.domain.replenish.course import foreseen, revisions
from parlevel.domain.replenish.model import ItemModel, build
from parlevel.domain.replenish.pathbook import draw
from parlevel.domain.replenish.solvers.dp import solve
from parlevel.domain.replenish.timeline import End


@dataclass(frozen=True)
class Settings:
    """How plans are computed.

    Attributes:
        horizon: order steps planned, periods.
        season: periods in a season; the forecast is extended beyond its horizon by its last one.
        n_paths: demand sample paths.
        max_levels: of the dynamic programme's grid.
        passes: builds of the model; from the second on with the revisions and lost sales of the pass before.
        seed: of the paths.
        shortage_weight: what a lost or late unit counts when a plan is chosen, in shares of what it costs. Below 1
            orders guard against a forecast that is too high as a whole: what was not needed stays longer than a period.
        end: periods from now after which nothing counts any more, neither stock nor demand; 0: it goes on.
    """

    horizon: int
    season: int
    n_paths: int = 64
    max_levels: int = 192
    passes: int = 2
    seed: int = 0
    shortage_weight: float = 1.0
    end: int = 0


def demand_paths(forecast: Forecast, periods: int, settings: Settings) -> NDArray[np.float32]:
    """(n, n_paths, periods) demand paths as they are drawn; an item's depend on its own forecast and the seed alone."""
    found = None
    if forecast.book is not None:
        found = forecast.book.read(periods, settings.season, settings.n_paths, settings.seed)
    return draw(forecast.extend(periods, settings.season), settings.n_paths, settings.seed) if found is None else found


def item_model(state: State, terms: Terms, paths: Floats, settings: Settings) -> ItemModel:
    """The item model, knowing how the items' own best plans would be revised and what they lose."""
    terms, end = weighted(terms, settings.shortage_weight), End(settings.end, settings.shortage_weight)
    model = build(state, terms, paths, settings.horizon, settings.max_levels, foreseen, end)
    for _ in range(settings.passes - 1):
        added = revisions(model, solve(model).units[0])
        model = build(state, terms, paths, settings.horizon, settings.max_levels, added, end)
    return model


def revised_model(
    model: ItemModel, state: State, paths: Floats, settings: Settings, units: Floats, revisable: Bools
) -> ItemModel:
    """The model again, knowing how given plans (n, K) would be revised and what they lose; see `item_model`.

    Args:
        model: of n items.
        state, paths, settings: it was made from.
        units: ordered at each opportunity.
        revisable: (n, K) whether an opportunity takes orders that are not planned.
    """
    added = revisions(replace(model, revisable=revisable), units)
    built = build(state, model.terms, paths, settings.horizon, settings.max_levels, added, model.end)
    return replace(built, revisable=revisable)


def weighted(terms: Terms, weight: float) -> Terms:
    """Terms under which a lost or late unit costs `weight` times as much."""
    if weight == 1.0:
        return terms
    return replace(terms, shortage_cost=weight * terms.shortage_cost, backorder_cost=weight * terms.backorder_cost)
