"""What an order must bring: demand over the protection interval, path by path, less the stock that is there.

Every rule-based policy asks the same question - how much must arrive so that the shelf lasts until the next order
can arrive? With backorders the answer on a path is D(L + R) - inventory position; with lost sales what was lost
before the arrival is not owed any more, so the stock is run down with a floor at zero first.
Source: Silver, Pyke & Thomas (2017), "Inventory and Production Management in Supply Chains", 4th ed., ch. 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parlevel.domain.forecast.paths import content_keys, sample_paths
from parlevel.domain.replenish.base import Floats, Forecast, Ints, State, Terms
from parlevel.domain.replenish.model import project
from parlevel.domain.replenish.timeline import timeline


@dataclass(frozen=True)
class Cover:
    """Needs of n items on p demand paths, units; one path is one future of demand and of the lead time.

    Attributes:
        need: (n, p) the order that keeps min_stock on the shelf to the end of the interval; <= 0: none.
        owed: (n, p) the part of `need` that is already there when the order arrives; > 0 only with backorders.
        demand: (n, p) demand between the order's arrival and the next possible one.
        rate: (n,) mean demand per period over the protection interval, units / period.
        last: (n, p) the order that is used up when its shelf life ends; inf where nothing perishes.
        stock: (n, p, t) net stock at the end of each period of the interval if nothing is ordered, then NaN.
    """

    need: Floats
    owed: Floats
    demand: Floats
    rate: Floats
    last: Floats
    stock: Floats


def cover(state: State, forecast: Forecast, terms: Terms, n_paths: int, season: int, seed: int) -> Cover:
    """The needs of n items; an item's answer does not depend on which items it is asked with.

    Args:
        state, forecast, terms: of the items.
        n_paths: sample paths per item.
        season: periods in a season; what the forecast repeats beyond its horizon.
        seed: of the paths.
    """
    n = len(terms.lead_time)
    interval = int(terms.review_period.max(initial=1))
    parts = [np.empty((n, n_paths)) for _ in range(4)]
    stock, rate = np.full((n, n_paths, interval), np.nan), np.empty(n)
    for rows, periods in _same_length(terms, forecast.horizon):
        some = _cover(state.take(rows), forecast.take(rows), terms.take(rows), periods, (n_paths, season, seed))
        for whole, part in zip(parts, (some.need, some.owed, some.demand, some.last), strict=True):
            whole[rows] = part
        rate[rows] = some.rate
        stock[rows, :, : some.stock.shape[2]] = some.stock
    need, owed, demand, last = parts
    return Cover(need, owed, demand, rate, last, stock)


def row_quantile(samples: Floats, level: Floats) -> Floats:
    """A quantile per row, at each row's own level.

    Args:
        samples: (n, p) units.
        level: (n,) inside [0, 1].

    Returns: (n,) units, median-unbiased (type 8 of Hyndman & Fan, 1996).

    >>> row_quantile(np.array([[3.0, 1.0, 2.0], [30.0, 10.0, 20.0]]), np.array([0.5, 1.0])).tolist()
    [2.0, 30.0]
    """
    return ordered_quantile(np.sort(samples, axis=1), level)


def ordered_quantile(ordered: Floats, level: Floats) -> Floats:
    """The same of samples (n, p) that lie in order of size already."""
    p = ordered.shape[1]
    place = np.clip(np.asarray(level) * (p + 1 / 3) + 1 / 3 - 1, 0.0, p - 1.0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, p - 1)
    rows = np.arange(len(ordered))
    share, left, right = place - low, ordered[rows, low], ordered[rows, high]
    # Infinite samples ("never") stay infinite instead of inf - inf.
    apart = (share > 0) & (right > left)
    return np.where(apart, left * (1 - share) + np.where(apart, right, 0.0) * share, left)


def _same_length(terms: Terms, horizon: int) -> Iterator[tuple[Ints, int]]:
    """Rows by the number of periods that their paths must cover, so that paths do not depend on the neighbours."""
    late = np.ceil(6 * terms.lead_time_sd).astype(np.int64)
    shelf = np.minimum(terms.lead_time + terms.shelf_life, np.maximum(horizon, terms.protection_interval))
    periods = np.maximum(terms.protection_interval + late, shelf)
    for length in np.unique(periods):
        yield np.flatnonzero(periods == length), int(length)


def _cover(state: State, forecast: Forecast, terms: Terms, periods: int, draw: tuple[int, int, int]) -> Cover:
    n_paths, season, seed = draw
    longer = forecast.extend(periods, season)
    paths = sample_paths(
        longer.quantiles, forecast.levels, n_paths, forecast.path_correlation, seed, content_keys(forecast.quantiles)
    ).astype(np.float64)
    time = timeline(terms, 1, periods, n_paths)
    net, _ = project(state, terms, paths, time)
    inside = np.broadcast_to(time.interval == 0, net.shape)
    lowest = np.where(inside, -net, -np.inf).max(axis=2)
    display = terms.min_stock[:, None]
    before = np.broadcast_to(time.interval < 0, net.shape)
    arrival = np.where(before, np.arange(periods), -1).max(axis=2)
    start = (state.on_hand - state.backorders)[:, None] * np.ones((1, n_paths))
    at = np.take_along_axis(net, np.maximum(arrival, 0)[..., None], axis=2)[..., 0]
    owed = np.maximum(-np.where(arrival >= 0, at, start), 0.0)
    demand = np.where(inside, paths, 0.0).sum(axis=2)
    step = np.arange(periods)
    rate = np.where(step < terms.protection_interval[:, None], longer.mean, 0.0).sum(axis=1)
    return Cover(
        need=lowest + display,
        owed=owed,
        demand=demand,
        rate=rate / terms.protection_interval,
        last=_last(net, terms, periods),
        stock=_window(net, time.first, terms.review_period),
    )


def _last(net: Floats, terms: Terms, periods: int) -> Floats:
    """(n, p) see `Cover.last`; a shelf life that ends beyond the paths does not bind."""
    end = terms.lead_time + terms.shelf_life
    binds = (terms.shelf_life > 0) & (end <= periods)
    column = np.clip(end - 1, 0, periods - 1)[:, None, None]
    sold = -np.take_along_axis(net, np.broadcast_to(column, (*net.shape[:2], 1)), axis=2)[..., 0]
    return np.where(binds[:, None], sold, np.inf)


def _window(net: Floats, first: Ints, review_period: Ints) -> Floats:
    """(n, p, longest review period) each path's own interval, from the first possible receipt on; NaN after it."""
    step = np.arange(int(review_period.max()))
    column = np.minimum(first[:, :, None] + step, net.shape[2] - 1)
    stock = np.take_along_axis(net, np.broadcast_to(column, (*net.shape[:2], len(step))), axis=2)
    return np.where(step < review_period[:, None, None], stock, np.nan)
