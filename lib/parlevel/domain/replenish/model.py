"""The item model: what a plan of orders is expected to cost, as a table over cumulative receipts.

Orders are decided at steps 0, R, 2R ... and arrive L periods later. Until the first of them can arrive the stock
runs down path by path, exactly; from then on an item's state is what it has received in total, and the expected
cost of the periods between two possible receipts is a table over that total: a sample average over demand paths
(and over lead times: each order of a path draws its delay; orders do not cross).

Lost sales: the table of an interval counts units short at its end once. Losses of earlier intervals leave less to
serve later, and later orders answer what has sold: `course` measures both under a reference plan, the second build
takes them as given.

Source: sample average approximation after Shapiro, Dentcheva & Ruszczynski (2009), ch. 5; the path of a stock
that cannot fall below zero by reflection, Harrison (1985).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.replenish.base import Bools, Floats, Ints, State, Terms
from parlevel.domain.replenish.rounding import SLACK
from parlevel.domain.replenish.timeline import GOES_ON, End, Timeline, timeline


@dataclass(frozen=True)
class ItemModel:
    """Tables of n items, ready for the dynamic programme.

    Attributes:
        terms: of the items.
        time: their opportunities.
        net: (n, n_paths, T) stock at the end of each period if nothing more is ordered; below zero = needed. With
            lost sales it stops at zero until the first possible receipt.
        need: (n, n_paths, T) the same with what revised orders and lost sales add to it.
        lost: (n, n_paths) units lost before the first possible receipt.
        unit: (n,) units in one level: a case, or several where the horizon needs very many.
        least: (n,) levels of the smallest order.
        cap: (n, K) highest level that an order of opportunity k may reach.
        cost: (n, K, levels) expected holding and shortage cost of interval k when `level` is received by then, money.
        sunk: (n,) expected cost before the first possible receipt, money.
        end: when nothing counts any more.
    """

    terms: Terms
    time: Timeline
    net: Floats
    need: Floats
    lost: Floats
    unit: Floats
    least: Ints
    cap: Ints
    cost: Floats
    sunk: Floats
    end: End = GOES_ON

    @property
    def n_items(self) -> int:
        """Items."""
        return int(self.net.shape[0])

    @property
    def allowed(self) -> Bools:
        """(n, K) whether an opportunity is one: within the horizon and before the end, open by the order calendar."""
        k = np.arange(self.time.n_opportunities)
        in_time = (k < self.time.count[:, None]) & self.end.before(self.time.receipt)
        return in_time & self.terms.open(self.time.step)

    @property
    def n_levels(self) -> int:
        """Levels 0..n_levels - 1."""
        return int(self.cost.shape[2])


def project(state: State, terms: Terms, paths: Floats, time: Timeline, end: End = GOES_ON) -> tuple[Floats, Floats]:
    """Run the stock down along each demand path with the receipts already on order.

    Args:
        state: of n items; open receipts due after the paths' end are left out.
        terms: of the items.
        paths: (n, n_paths, T) demand, units.
        time: says when the first new order could arrive.
        end: units lost after it do not count.

    Returns: (net, lost) as in `ItemModel`.
    """
    n, n_paths, periods = paths.shape
    due = np.zeros((n, periods))
    width = min(periods, state.receipts.shape[1])
    due[:, :width] = state.receipts[:, :width]
    stops = terms.lost_sales[:, None] & np.ones((n, n_paths), bool)
    level = np.repeat((state.on_hand - state.backorders)[:, None], n_paths, axis=1)
    lost = np.zeros((n, n_paths))
    net = np.empty_like(paths)
    last, counts = int(time.first.max()), end.before(np.arange(periods))
    for t in range(periods):
        level = level + due[:, t, None] - paths[:, :, t]
        if t < last:
            short = np.where(stops & (t < time.first), np.maximum(-level, 0.0), 0.0)
            level += short
            lost += short * counts[t]
        net[:, :, t] = level
    return net, lost


def build(
    state: State,
    terms: Terms,
    paths: Floats,
    horizon: int,
    max_levels: int = 192,
    added: Floats | Callable[[Floats, Timeline], Floats] | None = None,
    end: End = GOES_ON,
) -> ItemModel:
    """The item model of n items.

    Args:
        state: stock and open orders.
        terms: how they are ordered.
        paths: (n, n_paths, T) demand paths, T >= `planning_periods`.
        horizon: orders are planned at steps 0..horizon - 1.
        max_levels: of the grid; where cases need more, a level is several cases.
        added: (n, n_paths, T) units by which a period's stock is higher than `net` plus the plan's receipts, because
            orders were revised and sales were lost, or a function of (net, time) for it; default none.
        end: when nothing counts any more.
    """
    periods = paths.shape[2]
    # a period's paths are read together, here and where plans are played: they lie together
    paths = np.moveaxis(np.ascontiguousarray(np.moveaxis(paths, 2, 0)), 0, 2)
    time = timeline(terms, horizon, periods, paths.shape[1])
    net, lost = project(state, terms, paths, time, end)
    need = net if added is None else net + (added(net, time) if callable(added) else added)
    counts = end.before(np.arange(periods))
    inside = (time.interval >= 0) & (time.interval < time.count[:, None, None]) & counts
    peak = np.where(inside, -need, 0.0).max(axis=(1, 2)) + terms.min_stock
    unit, least, top = _grid(terms, state, np.maximum(peak, 0.0), max_levels)
    cap = np.minimum(_caps(state, terms, paths, need, time, unit, least), top[:, None])
    levels = int(top.max()) + 1
    cost = _tables(terms, time, need, inside, unit, levels, end)
    early = (time.interval < 0) & counts
    stock = np.where(early, np.maximum(net, 0.0), 0.0).sum(axis=2).mean(axis=1)
    waiting = np.where(early, np.maximum(-net, 0.0), 0.0).sum(axis=2).mean(axis=1)
    short = np.where(terms.lost_sales, terms.shortage_cost * lost.mean(axis=1), 0.0)
    late = np.where(terms.lost_sales, 0.0, np.nan_to_num(terms.backorder_cost) * waiting)
    sunk = terms.holding_cost * stock + short + late
    return ItemModel(terms, time, net, need, lost, unit, least, cap, cost, sunk, end)


def _grid(terms: Terms, state: State, peak: Floats, max_levels: int) -> tuple[Floats, Ints, Ints]:
    """(unit, least, top): size of a level, levels of the smallest order, highest level worth a column."""
    pack = terms.case_pack
    cases = np.ceil(peak / pack - SLACK)
    smallest = np.maximum(np.ceil(terms.min_order_qty / pack - SLACK), 1.0)
    coarse = np.maximum(np.ceil((cases + smallest) / (max_levels - 1)), 1.0)
    # A maximum that leaves little more than the smallest order needs single cases to be met exactly.
    free = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock - state.inventory_position) / pack
    tight = (free < smallest + 8 * coarse) & (cases + smallest < 20 * max_levels)
    coarse = np.where(tight, 1.0, coarse)
    least = np.ceil(smallest / coarse).astype(np.int64)
    top = np.ceil(cases / coarse).astype(np.int64) + least
    return pack * coarse, least, top


def _caps(state: State, terms: Terms, paths: Floats, need: Floats, time: Timeline, unit: Floats, least: Ints) -> Ints:
    """(n, K) highest level that an order may reach under the maximum stock and the shelf life."""
    n, _, periods = paths.shape
    big = np.iinfo(np.int32).max
    gone = np.concatenate([np.zeros((n, 1)), paths.mean(axis=1).cumsum(axis=1)], axis=1)
    sold = np.take_along_axis(gone, np.minimum(time.step, periods), axis=1)
    room = (terms.max_stock - state.inventory_position)[:, None] + sold
    cap = np.where(np.isnan(room), big, np.floor(np.nan_to_num(room) / unit[:, None] + SLACK)).astype(np.int64)
    perish = terms.shelf_life > 0
    if perish.any():
        rows = np.flatnonzero(perish)
        worth = terms.shortage_cost[rows] / np.maximum(terms.shortage_cost[rows] + terms.unit_cost[rows], 1e-12)
        last = np.minimum(time.receipt[rows] + terms.shelf_life[rows, None], periods) - 1
        for row, share, columns in zip(rows, worth, last, strict=True):
            wanted = np.quantile(-need[row][:, columns], share, axis=0)
            before = -need[row].mean(axis=0)[np.clip(time.receipt[row] - 1, 0, periods - 1)]
            # An empty shelf may always be filled by the smallest order, even if some of it perishes.
            floor = np.floor(np.maximum(before, 0.0) / unit[row] + SLACK) + least[row]
            fits = np.maximum(np.floor(np.maximum(wanted, 0.0) / unit[row] + SLACK), floor)
            cap[row] = np.minimum(cap[row], fits.astype(np.int64))
    return np.maximum(cap, 0)


def _tables(
    terms: Terms, time: Timeline, need: Floats, inside: NDArray[np.bool_], unit: Floats, levels: int, end: End
) -> Floats:
    """(n, K, levels) expected holding plus shortage cost, money."""
    n, n_paths, periods = need.shape
    shape = (n, time.n_opportunities, levels)
    cell = np.moveaxis(np.arange(n)[:, None, None] * shape[1] + time.interval, 2, 0)
    wanted = np.moveaxis(-need / unit[:, None, None], 2, 0)
    over, _ = _expected(*_samples(cell, wanted, np.moveaxis(inside, 2, 0)), shape)
    cost = over * (terms.holding_cost * unit / n_paths)[:, None, None]
    # Lost sales are counted once, at the end of the interval; backorders at the end of every period.
    ends = np.ones_like(inside)
    ends[:, :, :-1] = (time.interval[:, :, 1:] != time.interval[:, :, :-1]) | ~end.before(np.arange(1, periods))
    counted = inside & (ends | ~terms.lost_sales[:, None, None])
    display = wanted + (terms.min_stock / unit)[:, None]
    _, short = _expected(*_samples(cell, display, np.moveaxis(counted, 2, 0)), shape)
    price = np.where(terms.lost_sales, terms.shortage_cost, np.nan_to_num(terms.backorder_cost))
    cost += short * ((price * unit / n_paths)[:, None] * end.weights(terms, time.receipt))[:, :, None]
    return cost


def _samples(cell: Ints, wanted: Floats, counted: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """((m,), (m,)) cells and values of the samples that count.

    Args:
        cell, counted: (T, n, 1 or n_paths).
        wanted: (T, n, n_paths).
    """
    if cell.shape[2] > 1:
        return cell[counted], wanted[counted]
    some = wanted[counted[:, :, 0]]  # whole rows of paths
    return np.repeat(cell[:, :, 0][counted[:, :, 0]], some.shape[1]), some.ravel()


def _expected(cell: Ints, wanted: Floats, shape: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Sums of (level - wanted)+ and of (wanted - level)+ at every level, per cell (item, interval).

    Args:
        cell: (m,) item * K + interval of each sample.
        wanted: (m,) the sample, in levels.
        shape: (n, K, levels) of the results.
    """
    levels = shape[2]
    bin_ = np.clip(np.ceil(wanted), 0, levels).astype(np.int64)
    flat = cell * (levels + 1) + bin_
    size = shape[0] * shape[1] * (levels + 1)
    count = np.bincount(flat, minlength=size).reshape(*shape[:2], levels + 1)
    total = np.bincount(flat, weights=wanted, minlength=size).reshape(*shape[:2], levels + 1)
    below, weight = count.cumsum(axis=2), total.cumsum(axis=2)
    level = np.arange(levels)
    over = level * below[..., :-1] - weight[..., :-1]
    short = (weight[..., -1:] - weight[..., :-1]) - level * (below[..., -1:] - below[..., :-1])
    return np.maximum(over, 0.0), np.maximum(short, 0.0)
