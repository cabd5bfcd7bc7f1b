"""Order lines, each with what explains it: demand it protects against, its risk, its constraint, its price per case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms
from parlevel.domain.replenish.batch import Batch, to_opportunities
from parlevel.domain.replenish.constraints.resource import Row, order_step, weights
from parlevel.domain.replenish.course import Course
from parlevel.domain.replenish.cover import ordered_quantile
from parlevel.domain.replenish.kernels.facts import interval_demand, line_chances
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.model import ItemModel
from parlevel.domain.replenish.rounding import least, room
from parlevel.domain.replenish.solvers.outcome import GroupPlan

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
"""Levels at which a line's demand over its protection interval is told."""


@dataclass(frozen=True)
class Lines:
    """m order lines: every item's first decision, and every later order of the plan.

    Attributes:
        item: (m,) position of the item in the batch.
        step: (m,) order step.
        quantity: (m,) units.
        demand: (m, q) demand over the protection interval at `QUANTILES`, units.
        risk_without: (m,) chance of a stockout over that interval if the line is left out; chances without what is
            lost before the line can arrive, which no order of this step changes.
        risk: (m,) the same with the line.
        more: (m,) money that one case more would cost (negative: save), later orders giving way where that is
            cheaper.
        less: (m,) the same for one case less.
        can_more, can_less: (m,) whether the item's terms allow it.
    """

    item: Ints
    step: Ints
    quantity: Floats
    demand: Floats
    risk_without: Floats
    risk: Floats
    more: Floats
    less: Floats
    can_more: Bools
    can_less: Bools


class LineBook:
    """Lines of a plan, explained chunk by chunk.

    Args:
        batch: n items.
        units: (n, h) units ordered at each step.
    """

    def __init__(self, batch: Batch, units: Floats) -> None:
        self._batch, self._units = batch, units
        listed = units > 0
        listed[:, :1] = True
        item, step = np.nonzero(listed)
        m, quantity, terms = len(item), units[item, step], batch.terms.take(item)
        smallest = least(terms) * terms.case_pack
        single = smallest <= terms.case_pack
        fits = (step > 0) | (room(batch.state.inventory_position[item] + quantity, terms) >= 1)
        can_more = fits & ((quantity > 0) | single)
        can_less = (quantity > 0) & (single | (quantity > smallest))
        zero = [np.zeros(m) for _ in range(4)]
        self.lines = Lines(item, step, quantity, np.zeros((m, len(QUANTILES))), zero[0], zero[1], zero[2], zero[3],
                           can_more, can_less)  # fmt: skip

    def add(self, number: int, run: Course) -> None:
        """Explain the lines of a chunk from its own demand paths and from the plan's course along them."""
        batch, out = self._batch, self.lines
        rows, model = batch.rows[number], batch.models[number]
        place = np.full(batch.n, -1)
        place[rows] = np.arange(len(rows))
        at = np.flatnonzero(place[out.item] >= 0)
        inside, when = place[out.item[at]], out.step[at]
        out.demand[at] = _demand(model, batch.paths[number], inside, when)
        out.risk_without[at], out.risk[at] = _risks(model, run, inside, when)
        out.more[at], out.less[at] = _cases(model, self._units[rows], inside, when)


def _demand(model: ItemModel, paths: np.ndarray, item: Ints, step: Ints) -> Floats:
    """(m, q) quantiles of demand over the protection interval."""
    end = np.minimum(step + model.terms.protection_interval[item], paths.shape[2])
    ordered = interval_demand(plain(paths, np.float32), plain(item, np.int64), plain(step, np.int64), end)
    return np.stack([ordered_quantile(ordered, np.full(len(item), level)) for level in QUANTILES], axis=1)


def _risks(model: ItemModel, run: Course, item: Ints, step: Ints) -> tuple[Floats, Floats]:
    """((m,), (m,)) chance of a stockout over the protection interval without and with the line."""
    opened = np.minimum(step // model.terms.review_period[item], model.time.n_opportunities - 1)
    return line_chances(
        run.stock, run.lost, model.terms.lost_sales, run.ordered, plain(model.time.arrival, np.int64),
        plain(item, np.int64), plain(step, np.int64), plain(model.terms.protection_interval[item], np.int64),
        plain(opened, np.int64),
    )  # fmt: skip


def _cases(model: ItemModel, units: Floats, item: Ints, step: Ints) -> tuple[Floats, Floats]:
    """((m,), (m,)) money that one case more and one less cost, from the item's own table of expected costs."""
    n_k = model.time.n_opportunities
    case = model.terms.case_pack / model.unit
    total = to_opportunities(model, units[None])[0].cumsum(axis=1) / model.unit[:, None]
    base = _value(model, item, total[item])
    k = np.arange(n_k)
    first = step // model.terms.review_period[item]
    steps = np.diff(total, axis=1, prepend=0.0)[item]
    later = np.where((k > first[:, None]) & (steps > 1e-9), k, n_k).min(axis=1)
    found = []
    for sign in (1.0, -1.0):
        lasting = (k >= first[:, None]) * sign * case[item][:, None]
        # The next order makes good what this one has less or more; without one the change lasts.
        until = np.where(k[None] < later[:, None], lasting, 0.0)
        fits = np.take_along_axis(steps, np.minimum(later, n_k - 1)[:, None], axis=1)[:, 0] >= case[item] - 1e-9
        swapped = _value(model, item, total[item] + until)
        swapped = np.where((sign < 0) | fits, swapped, np.inf)
        found.append(np.minimum(_value(model, item, total[item] + lasting), swapped) - base)
    return found[0], found[1]


def _value(model: ItemModel, item: Ints, total: Floats) -> Floats:
    """(m,) expected cost of cumulative levels (m, K), between two levels by their mean; with the order costs."""
    level = np.clip(total, 0.0, model.n_levels - 1.0)
    low = np.minimum(np.floor(level + 1e-9).astype(np.int64), model.n_levels - 1)
    high = np.minimum(low + 1, model.n_levels - 1)
    share = np.maximum(level - low, 0.0)
    k = np.arange(total.shape[1])
    row = item[:, None]
    running = (1 - share) * model.cost[row, k, low] + share * model.cost[row, k, high]
    orders = (np.diff(total, axis=1, prepend=0.0) > 1e-9).sum(axis=1) * model.terms.order_cost[item]
    over = np.maximum(total - (model.n_levels - 1.0), 0.0) * model.unit[item][:, None]
    reviews = (model.terms.holding_cost * model.terms.review_period)[item][:, None]
    counted = k < model.time.count[item][:, None]
    return (np.where(counted, running + over * reviews, 0.0)).sum(axis=1) + orders


def binding(found: Lines, facts: Facts, terms: Terms, plan: GroupPlan, limits: list[Row]) -> tuple[list[str], Floats]:
    """What holds each line where it is, and what one more unit of it would save.

    A shared row holds a first order that it moved, and a later order by its price; else the item's own terms: a
    maximum, a minimum order or a case that cannot be made smaller.

    Returns: labels (m,), empty where nothing binds; (m,) money per unit of the constraint's measure, NaN there.
    """
    label, price = [""] * len(found.item), np.full(len(found.item), np.nan)
    horizon = plan.units.shape[1]
    by_step: dict[int, list[tuple[Row, Floats]]] = {}
    for row in limits:
        each = abs(plan.prices.get(row.label, 0.0)) * weights(terms, row.measure)
        if row.basis != "stock" and each.any():
            at = order_step(row, terms, horizon)
            for step in np.unique(at[at >= 0]).tolist():
                by_step.setdefault(step, []).append((row, np.where(at == step, each, 0.0)))
    position = facts.position[found.item, found.step] + found.quantity
    top, case = terms.max_stock[found.item], terms.case_pack[found.item]
    smallest = (least(terms) * terms.case_pack)[found.item]
    for line, (item, step) in enumerate(zip(found.item.tolist(), found.step.tolist(), strict=True)):
        moved = plan.binding[item] if step == 0 and plan.binding else ""
        priced = max(by_step.get(step, []), key=lambda pair: pair[1][item], default=None)
        if moved:
            label[line], price[line] = moved, abs(plan.prices.get(moved, 0.0))
        elif priced and priced[1][item] > 0:
            label[line], price[line] = priced[0].label, abs(plan.prices[priced[0].label])
        elif not np.isnan(top[line]) and step == 0 and position[line] > top[line] - case[line]:
            label[line], price[line] = "max_stock", max(-found.more[line], 0.0) / case[line]
        elif found.quantity[line] == smallest[line] > case[line]:
            label[line], price[line] = "min_order_qty", max(-found.less[line], 0.0) / case[line]
    return label, price
