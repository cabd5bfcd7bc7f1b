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

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Bools, Floats, Ints, State, Terms
from parlevel.domain.replenish.kernels.stock import cost_tables, extremes, run_down
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
        most: (n, K) levels of the largest order of opportunity k.
        cap: (n, K) highest level that an order of opportunity k may reach.
        cost: (n, K, levels) expected holding and shortage cost of interval k when `level` is received by then, money.
        sunk: (n,) expected cost before the first possible receipt, money.
        end: when nothing counts any more.
        revisable: (n, K) whether an opportunity takes orders that are revised or not planned; None: as `allowed`.
    """

    terms: Terms
    time: Timeline
    net: Floats
    need: Floats
    lost: Floats
    unit: Floats
    least: Ints
    most: Ints
    cap: Ints
    cost: Floats
    sunk: Floats
    end: End = GOES_ON
    revisable: Bools | None = None

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
    n, _, periods = paths.shape
    due = np.zeros((n, periods))
    width = min(periods, state.receipts.shape[1])
    due[:, :width] = state.receipts[:, :width]
    level, counts = plain(state.on_hand - state.backorders), end.before(np.arange(periods))
    return run_down(level, due, plain(paths), plain(time.first, np.int64), terms.lost_sales, counts)


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
    paths = plain(paths)
    time = timeline(terms, horizon, periods, paths.shape[1])
    net, lost = project(state, terms, paths, time, end)
    need = net if added is None else net + (added(net, time) if callable(added) else added)
    counts, (interval, count) = end.before(np.arange(periods)), time.loops
    peak, stock, waiting = extremes(net, need, interval, count, counts)
    unit, least, top = _grid(terms, state, peak + terms.min_stock, max_levels)
    most = _most(terms, paths, time, unit, least)
    cap = np.minimum(_caps(state, terms, paths, need, time, unit, least), top[:, None])
    backorder = np.nan_to_num(terms.backorder_cost)
    # Lost sales are counted once, at the end of the interval; backorders at the end of every period.
    price = np.where(terms.lost_sales, terms.shortage_cost, backorder)[:, None] * end.weights(terms, time.receipt)
    cost = cost_tables(
        need, interval, count, counts, plain(unit), plain(terms.min_stock), plain(terms.holding_cost), plain(price),
        ~terms.lost_sales, int(top.max()) + 1,
    )  # fmt: skip
    short = np.where(terms.lost_sales, terms.shortage_cost * lost.mean(axis=1), 0.0)
    late = np.where(terms.lost_sales, 0.0, backorder * waiting)
    sunk = terms.holding_cost * stock + short + late
    return ItemModel(terms, time, net, need, lost, unit, least, most, cap, cost, sunk, end)


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


def _most(terms: Terms, paths: Floats, time: Timeline, unit: Floats, least: Ints) -> Ints:
    """(n, K) levels of the largest order: no more than the maximum stock, and what sells within the shelf life.

    What `_caps` bounds is all orders so far; sales lost meanwhile free no shelf and use up no stock, so an order that
    makes up for them could be larger than either.
    """
    n, _, periods = paths.shape
    limit = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)[:, None] + np.zeros((n, time.n_opportunities))
    for row in np.flatnonzero(terms.shelf_life > 0):
        sold = np.concatenate([np.zeros((len(paths[row]), 1)), paths[row].cumsum(axis=1)], axis=1)
        received = np.minimum(time.receipt[row], periods)
        within = sold[:, np.minimum(received + terms.shelf_life[row], periods)] - sold[:, received]
        limit[row] = np.minimum(limit[row], np.quantile(within, _worth(terms)[row], axis=0))
    whole = np.minimum(limit / unit[:, None] + SLACK, np.iinfo(np.int32).max)
    return np.maximum(np.floor(whole).astype(np.int64), least[:, None])


def _worth(terms: Terms) -> Floats:
    """(n,) share of demand that it pays to have stock for that may perish: the newsvendor's."""
    return terms.shortage_cost / np.maximum(terms.shortage_cost + terms.unit_cost, 1e-12)


def _caps(state: State, terms: Terms, paths: Floats, need: Floats, time: Timeline, unit: Floats, least: Ints) -> Ints:
    """(n, K) highest level that an order may reach under the maximum stock and the shelf life."""
    n, _, periods = paths.shape
    big = np.iinfo(np.int32).max
    gone = np.concatenate([np.zeros((n, 1)), paths.mean(axis=1).cumsum(axis=1)], axis=1)
    sold = np.take_along_axis(gone, np.minimum(time.step, periods), axis=1)
    room = (terms.max_stock - state.inventory_position)[:, None] + sold
    cap = np.where(np.isnan(room), big, np.floor(np.nan_to_num(room) / unit[:, None] + SLACK)).astype(np.int64)
    smallest = np.maximum(np.ceil(terms.min_order_qty / terms.case_pack - SLACK), 1.0) * terms.case_pack
    cap[terms.max_stock < smallest - SLACK] = 0  # no order ever fits, however much has sold by then
    perish = terms.shelf_life > 0
    if perish.any():
        rows = np.flatnonzero(perish)
        last = np.minimum(time.receipt[rows] + terms.shelf_life[rows, None], periods) - 1
        for row, share, columns in zip(rows, _worth(terms)[rows], last, strict=True):
            wanted = np.quantile(-need[row][:, columns], share, axis=0)
            before = -need[row].mean(axis=0)[np.clip(time.receipt[row] - 1, 0, periods - 1)]
            # An empty shelf may always be filled by the smallest order, even if some of it perishes.
            floor = np.floor(np.maximum(before, 0.0) / unit[row] + SLACK) + least[row]
            fits = np.maximum(np.floor(np.maximum(wanted, 0.0) / unit[row] + SLACK), floor)
            cap[row] = np.minimum(cap[row], fits.astype(np.int64))
    return np.maximum(cap, 0)
