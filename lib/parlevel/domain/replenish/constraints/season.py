"""The end of an item's season: no order beyond what can still be sold, since what is left then is marked down.

A case more is worth ordering while what it earns, unit by unit and path by path, is more than what its leftovers lose.
Source: Arrow, Harris & Marschak (1951), "Optimal inventory policy": the newsvendor's marginal argument, on sample paths
and in whole cases; the last orders of a season after Fisher & Raman (1996), Operations Research 44.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parlevel.domain.forecast.paths import sample_paths
from parlevel.domain.replenish.base import Floats, Forecast, Ints, State, Terms
from parlevel.domain.replenish.model import project
from parlevel.domain.replenish.rounding import packs_up
from parlevel.domain.replenish.timeline import timeline

# Seasons that last longer than so many horizons hold no order down: it is sold long before.
REACH = 2
PATHS = 128


def closing(state: State, forecast: Forecast, terms: Terms, season: int, seed: int = 0) -> Terms:
    """Terms under which no order of today exceeds what is worth having until the season ends.

    The limit is a maximum stock, so that every policy keeps it: the inventory position and the cases of an order that
    arrives in time to be sold. An item's limit does not depend on which items it is asked with.

    Args:
        state, forecast, terms: of n items; `forecast.ends` says when seasons end.
        season: periods that a forecast repeats beyond its horizon.
        seed: of the demand paths.
    """
    near = np.flatnonzero(forecast.ends <= REACH * forecast.horizon) if len(forecast.ends) else np.zeros(0, np.int64)
    if not len(near):
        return terms
    most = terms.max_stock.copy()
    for periods in np.unique(forecast.ends[near]).tolist():
        rows = near[forecast.ends[near] == periods]
        own = terms.take(rows)
        cases = worth(sellable(state.take(rows), forecast.take(rows), own, periods, season, seed), own)
        most[rows] = np.fmin(most[rows], state.inventory_position[rows] + cases * own.case_pack)
    return replace(terms, max_stock=most)


def sellable(state: State, forecast: Forecast, terms: Terms, periods: int, season: int, seed: int) -> Floats:
    """(n, paths) units of an order placed now that would be sold before the season ends in `periods` periods."""
    if periods < 1:
        return np.zeros((len(state.on_hand), PATHS))
    terms = terms.at_once()
    longer = forecast.extend(periods, season)
    drawn = sample_paths(longer.quantiles, forecast.levels, PATHS, forecast.path_correlation, seed)
    net, _ = project(state, terms, drawn.astype(np.float64), timeline(terms, 1, periods, PATHS))
    return np.maximum(-net[:, :, -1], 0.0)


def worth(sold: Floats, terms: Terms) -> Ints:
    """(n,) cases of which each is expected to earn more than its leftovers lose.

    Args:
        sold: (n, paths) units that could be sold.
        terms: a unit sold earns `shortage_cost` (the margin, where unmet demand waits), one left loses `wasted`.
    """
    earned = np.where(terms.lost_sales, terms.shortage_cost, np.maximum(terms.unit_price - terms.unit_cost, 0.0))
    pack, lost = terms.case_pack, terms.wasted

    def gain(case: Ints) -> Floats:
        begun = np.clip(sold - ((case - 1) * pack)[:, None], 0.0, pack[:, None]).mean(axis=1)
        return earned * begun - lost * (pack - begun)

    # The next case never earns more than the one before it.
    low = np.zeros(len(pack), np.int64)
    high = packs_up(sold.max(axis=1), pack).astype(np.int64)
    while (low < high).any():
        middle = (low + high + 1) // 2
        good = gain(middle) > 0
        low, high = np.where(good, middle, low), np.where(good, high, middle - 1)
    return low
