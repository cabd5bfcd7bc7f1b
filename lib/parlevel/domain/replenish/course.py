"""Plans carried out along demand paths by a planner who sees what has sold and revises later orders.

A plan is one number of units per opportunity: what is ordered on average. At a review the demand since today is known,
and the order makes up for it: the inventory position after it is the same on every path, except where that would take
an order below zero or below the smallest one. So only the first order is the same on all paths, as in the shop, and
stock does not have to guard against what will be known in time.

Source: recourse as a linear decision rule in past demand, Ben-Tal, Goryashko, Guslitzer & Nemirovski (2004),
Mathematical Programming 99; Zipkin (2000), Foundations of Inventory Management, ch. 9, for base stock under lost sales.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints
from parlevel.domain.replenish.model import ItemModel
from parlevel.domain.replenish.rounding import SLACK
from parlevel.domain.replenish.timeline import Timeline


@dataclass(frozen=True)
class Course:
    """What happens along each path when a plan is carried out and revised at each review.

    Attributes:
        stock: (n, n_paths, T) units at the end of each period, >= 0.
        lost: (n, n_paths, T) units lost (or waiting, with backorders) per period.
        received: (n, n_paths, T) units of the plan received per period.
        ordered: (n, n_paths, K) units ordered at each opportunity.
    """

    stock: Floats
    lost: Floats
    received: Floats
    ordered: Floats


def course(model: ItemModel, units: Floats) -> Course:
    """Carry a plan out along the model's own paths, with true lost sales.

    Args:
        model: of n items.
        units: (n, K) units ordered at each opportunity, on average.
    """
    ordered, gone = follow(model, units)
    total = received(model, ordered)
    level = model.net + total
    stops = model.terms.lost_sales[:, None, None]
    lost = np.where(stops, np.diff(gone, axis=2, prepend=0.0), np.maximum(-level, 0.0))
    stock = np.maximum(level + np.where(stops, gone, 0.0), 0.0)
    return Course(stock, lost, np.diff(total, axis=2, prepend=0.0), np.diff(ordered, axis=2))


def upto(model: ItemModel, periods: int) -> ItemModel:
    """The model as far as its first periods, to carry plans out in them alone; its tables of costs stay whole."""
    time = replace(model.time, interval=model.time.interval[:, :, :periods])
    return replace(model, net=model.net[:, :, :periods], need=model.need[:, :, :periods], time=time)


def follow(model: ItemModel, units: Floats) -> tuple[Floats, Floats]:
    """What is ordered and lost along each path.

    Args:
        model: of n items.
        units: (n, K) units ordered at each opportunity, on average.

    Returns: (n, n_paths, K + 1) units ordered before each opportunity, in total, the last column with all of them;
        (n, n_paths, T) units lost after the first possible receipt up to the end of each period; zero with backorders.
    """
    n, n_paths, periods = model.net.shape
    time, stops = model.time, model.terms.lost_sales[:, None]
    # opportunities and periods come first here: what is read together then lies together
    ordered, gone = np.zeros((units.shape[1] + 1, n, n_paths)), np.zeros((periods, n, n_paths))
    lost, plan = np.zeros((n, n_paths)), Revision.of(model, units)
    slot = _opened(time)
    for t in range(periods):
        k, due = np.divmod(t, model.terms.review_period)
        rows = np.flatnonzero((due == 0) & (k < time.count))
        if len(rows):
            known = model.net[rows, :, t - 1] + lost[rows] if t else np.zeros((len(rows), n_paths))
            ordered[k[rows] + 1, rows] = plan.at(rows, k[rows], ordered[k[rows], rows], known)
        lost = np.where(stops, np.maximum(lost, -(model.net[:, :, t] + _picked(ordered, slot[t]))), 0.0)
        gone[t] = lost
    np.maximum.accumulate(ordered, axis=0, out=ordered)
    return np.moveaxis(ordered, 0, 2), np.moveaxis(gone, 0, 2)


def _opened(time: Timeline) -> Ints:
    """(T, n, 1 or n_paths) column of `ordered` with what has arrived by each period."""
    return np.ascontiguousarray(np.moveaxis(np.minimum(time.interval + 1, time.count[:, None, None]), 2, 0))


def _picked(values: Floats, index: Ints) -> Floats:
    """(..., n, n_paths) values (m, n, n_paths) at index (..., n, 1 or n_paths)."""
    items = np.arange(values.shape[1])
    if index.shape[-1] == 1:  # whole rows of paths: no index for each of them
        return np.asarray(values[index[..., 0], items])
    return np.asarray(values[index, items[:, None], np.arange(values.shape[2])])


@dataclass(frozen=True)
class Revision:
    """How a plan's orders follow what has sold.

    Attributes:
        total: (n, K) units that the plan has ordered by each opportunity, this one included.
        planned: (n, K) whether it orders there.
        usual: (n,) units of its mean order: a need as large is ordered also where the plan has none.
        pack, least: (n,) units of a case and of the smallest order.
        allowed: (n, K) whether an opportunity takes orders.
    """

    total: Floats
    planned: Bools
    usual: Floats
    pack: Floats
    least: Floats
    allowed: Bools

    @classmethod
    def of(cls, model: ItemModel, units: Floats) -> Revision:
        """The rule for a plan (n, K)."""
        planned = units > 0
        pack = model.terms.case_pack
        smallest = np.maximum(np.ceil(model.terms.min_order_qty / pack - SLACK), 1.0) * pack
        usual = np.maximum(units.sum(axis=1) / np.maximum(planned.sum(axis=1), 1), smallest)
        return cls(units.cumsum(axis=1), planned, usual, pack, smallest, model.allowed)

    def at(self, rows: Ints, k: Ints, before: Floats, known: Floats) -> Floats:
        """(m, n_paths) units ordered in total, with opportunity k of the items `rows`.

        Args:
            rows: (m,) items.
            k: (m,) the opportunity of each.
            before: (m, n_paths) units ordered so far.
            known: (m, n_paths) stock without orders at the end of the period before, as the planner sees it.
        """
        total, pack, least = self.total[rows, k, None], self.pack[rows, None], self.least[rows, None]
        gap = total + known.mean(axis=1, keepdims=True) - known - before
        cases = np.floor(gap / pack + 0.5) * pack
        lot = np.where(cases >= least, cases, np.where(gap >= least / 2, least, 0.0))
        now = self.planned[rows, k, None] | (self.allowed[rows, k, None] & (gap >= self.usual[rows, None]))
        lot = np.where((k == 0)[:, None], total, lot)  # today's order is decided, not revised
        result: Floats = before + np.where(now, np.maximum(lot, 0.0), 0.0)
        return result


def received(model: ItemModel, ordered: Floats) -> Floats:
    """(n, n_paths, T) units received by the end of each period, of `ordered` (n, n_paths, K + 1) from `follow`."""
    return np.moveaxis(_picked(np.moveaxis(ordered, 2, 0), _opened(model.time)), 0, 2)


def as_planned(units: Floats, n_paths: int) -> Floats:
    """(n, n_paths, K + 1) units ordered before each opportunity if nothing is revised, like `ordered` of `follow`."""
    total = np.concatenate([np.zeros((len(units), 1)), units.cumsum(axis=1)], axis=1)
    return np.broadcast_to(total[:, None, :], (len(units), n_paths, total.shape[1]))


def revisions(model: ItemModel, units: Floats) -> Floats:
    """(n, n_paths, T) what revising a plan adds to stock by each period, with the units lost before its interval."""
    ordered, gone = follow(model, units)
    extra = received(model, ordered - as_planned(units, model.net.shape[1]))
    return np.where(model.time.interval >= 0, extra + _at_opening(model.time, gone), 0.0)


def foreseen(net: Floats, time: Timeline) -> Floats:
    """(n, n_paths, T) the same for a plan not known yet, if every order could make up for all that it knows."""
    last = np.concatenate([time.step, time.step[:, -1:]], axis=1) - 1
    seen = _picked(np.moveaxis(net, 2, 0), np.clip(last, 0, net.shape[2] - 1).T[:, :, None])  # (K + 1, n, n_paths)
    makes_up = np.where((last < 0).T[:, :, None], 0.0, seen.mean(axis=2, keepdims=True) - seen)
    slot = np.moveaxis(np.clip(time.interval, 0, (time.count - 1)[:, None, None]), 2, 0)
    return np.where(time.interval >= 0, np.moveaxis(_picked(makes_up, slot), 0, 2), 0.0)


def _at_opening(time: Timeline, gone: Floats) -> Floats:
    """(n, n_paths, T) units lost before the interval of each period began."""
    n, n_paths, periods = gone.shape
    before = np.concatenate([np.zeros((1, n, n_paths)), np.moveaxis(gone, 2, 0)])
    begin = np.take_along_axis(time.arrival, np.clip(time.interval, 0, time.n_opportunities), axis=2)
    return np.moveaxis(_picked(before, np.moveaxis(np.clip(begin, 0, periods - 1), 2, 0)), 0, 2)
