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

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Bools, Floats
from parlevel.domain.replenish.kernels import courses as kernels
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
    interval, count = model.time.loops
    return Course(*kernels.carried_out(model.net, interval, count, model.terms.lost_sales, ordered, gone))


def upto(model: ItemModel, periods: int) -> ItemModel:
    """The model as far as its first periods, to carry plans out in them alone; its tables of costs stay whole."""
    time = replace(model.time, interval=model.time.interval[:, :, :periods])
    return replace(model, net=plain(model.net[:, :, :periods]), need=plain(model.need[:, :, :periods]), time=time)


def follow(model: ItemModel, units: Floats) -> tuple[Floats, Floats]:
    """What is ordered and lost along each path.

    Args:
        model: of n items.
        units: (n, K) units ordered at each opportunity, on average.

    Returns: (n, n_paths, K + 1) units ordered before each opportunity, in total, the last column with all of them;
        (n, n_paths, T) units lost after the first possible receipt up to the end of each period; zero with backorders.
    """
    rule, review = Revision.of(model, units), plain(model.terms.review_period, np.int64)
    return kernels.follow(
        model.net, *model.time.loops, review, model.terms.lost_sales, rule.total, rule.planned, rule.allowed,
        rule.usual, plain(rule.pack), rule.least,
    )  # fmt: skip


@dataclass(frozen=True)
class Revision:
    """How a plan's orders follow what has sold.

    Attributes:
        total: (n, K) units that the plan has ordered by each opportunity, this one included.
        planned: (n, K) whether it orders there.
        usual: (n,) units of its mean order: a need as large is ordered also where the plan has none.
        pack, least: (n,) units of a case and of the smallest order.
        allowed: (n, K) whether an opportunity takes orders that are not planned.
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
        may = model.allowed if model.revisable is None else model.allowed & model.revisable
        return cls(units.cumsum(axis=1), planned, usual, pack, smallest, may)


def arrivals(model: ItemModel, units: Floats) -> Floats:
    """(n, T) units received by the end of each period if a plan (n, K) is not revised, expected over lead times."""
    time = model.time
    slot = np.minimum(time.interval + 1, time.count[:, None, None])
    total = np.broadcast_to(_totals(units)[:, None, :], (*slot.shape[:2], units.shape[1] + 1))
    return np.take_along_axis(total, slot, axis=2).mean(axis=1)


def revisions(model: ItemModel, units: Floats) -> Floats:
    """(n, n_paths, T) what revising a plan adds to stock by each period, with the units lost before its interval."""
    ordered, gone = follow(model, units)
    interval, count = model.time.loops
    return kernels.added(ordered, gone, _totals(units), interval, plain(model.time.arrival, np.int64), count)


def foreseen(net: Floats, time: Timeline) -> Floats:
    """(n, n_paths, T) the same for a plan not known yet, if every order could make up for all that it knows."""
    return kernels.made_up(net, plain(time.step - 1, np.int64), *time.loops)


def _totals(units: Floats) -> Floats:
    """(n, K + 1) units ordered before each opportunity by plans (n, K)."""
    return np.concatenate([np.zeros((len(units), 1)), units.cumsum(axis=1)], axis=1)
