"""Many items of a group, in chunks of bounded memory; plans and prices on the group's own order steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.replenish.base import Bools, Floats, Forecast, Ints, State, Terms
from parlevel.domain.replenish.model import ItemModel
from parlevel.domain.replenish.plan import Settings, demand_paths, item_model, revised_model
from parlevel.domain.replenish.solvers import dp
from parlevel.domain.replenish.timeline import planning_periods

CHUNK = 128
"""Items of a chunk at most."""

CELLS = 2**20
"""Items x paths x periods of a chunk at most: 8 MiB an array, so that a task's memory does not grow with its groups."""


@dataclass(frozen=True)
class StepPrices:
    """What shared resources add to the costs of n items, for p price vectors; h = order steps.

    Attributes:
        unit: (p, n, h) money per unit ordered at a step; negative = a premium.
        fixed: (p, n, h) money per order at a step; inf = no order allowed.
        stock: (p, n, T) money per unit expected in stock at the end of a period, or None; 0 beyond the order steps.
    """

    unit: Floats
    fixed: Floats
    stock: Floats | None = None


@dataclass(frozen=True)
class StepPlans:
    """Plans of n items under p price vectors.

    Attributes:
        units: (p, n, h) units ordered at each step.
        cost: (p, n) expected cost without prices, money.
        priced: (p, n) the minimum of cost plus prices.
        stock: (p, n, T) units expected in stock at the end of each period, or None where not asked for.
    """

    units: Floats
    cost: Floats
    priced: Floats
    stock: Floats | None = None


class Batch:
    """Item models of n items, built chunk by chunk.

    Args:
        state, forecast, terms: of n items.
        settings: how plans are computed.
        with_stock: keep what is needed to price stock (storage).
    """

    def __init__(
        self, state: State, forecast: Forecast, terms: Terms, settings: Settings, with_stock: bool = False
    ) -> None:
        self.state, self.forecast, self.terms, self.settings = state, forecast, terms, settings
        self.n, self.horizon = len(state.on_hand), settings.horizon
        self.rows = self._chunks()
        self.paths = [self._paths(rows) for rows in self.rows]
        self.models: list[ItemModel] = [
            item_model(state.take(rows), terms.take(rows), paths.astype(np.float64), settings)
            for rows, paths in zip(self.rows, self.paths, strict=True)
        ]
        self.periods = max((m.net.shape[2] for m in self.models), default=0)
        self._stock = [stock_tables(m) for m in self.models] if with_stock else None

    def solve(self, prices: StepPrices | None = None) -> StepPlans:
        """Every item's cheapest plan under each price vector."""
        p = 1 if prices is None else prices.unit.shape[0]
        units = np.zeros((p, self.n, self.horizon))
        cost, priced = np.zeros((p, self.n)), np.zeros((p, self.n))
        stock = np.zeros((p, self.n, self.periods)) if self._stock is not None else None
        for number, (rows, model) in enumerate(zip(self.rows, self.models, strict=True)):
            plans = dp.solve(model, None if prices is None else self.prices(number, prices))
            units[:, rows] = self._to_steps(model, plans.units)
            cost[:, rows], priced[:, rows] = plans.cost, plans.priced
            if stock is not None and self._stock is not None:
                table = self._stock[number]
                stock[:, rows, : table.shape[1]] = _stock_of(model, table, plans.level)
                if prices is not None and prices.stock is not None:
                    priced[:, rows] += _price_before(model, table, prices.stock[:, rows])
        return StepPlans(units, cost, priced, stock)

    def refer(self, units: Floats, opened: Bools) -> None:
        """Build the models again about given plans: what those lose is then not counted as still to be served.

        Costs are right near the plans that a model was built about; where limits that items share keep them far from
        their own best plans, those of the items' own are not.

        Args:
            units: (n, h) ordered at each step.
            opened: (h,) steps at which the group orders, and what has sold can be made up for.
        """
        models = []
        for rows, paths, model in zip(self.rows, self.paths, self.models, strict=True):
            own = to_opportunities(model, units[rows][None])[0]
            may = opened[np.minimum(model.time.step, self.horizon - 1)]
            some = self.state.take(rows), paths.astype(np.float64), self.settings
            models.append(revised_model(model, *some, own, may))
        self.use(models)

    def use(self, models: list[ItemModel]) -> None:
        """Take other models of the same items, as `refer` or an earlier state left them."""
        self.models = models
        self._stock = [stock_tables(m) for m in models] if self._stock is not None else None

    def forget_paths(self) -> None:
        """Let go of demand paths and the stock along them, most of the memory: `solve` and `appraise` need none."""
        self.paths = []
        none = np.zeros((1, 0, 0))
        self.models = [replace(m, net=np.repeat(none, m.n_items, axis=0), need=none, lost=none[0]) for m in self.models]

    def appraise(self, units: Floats) -> Floats:
        """(p, n) expected cost of given plans (p, n, h); plans off the grid count at the next lower level."""
        cost = np.zeros(units.shape[:2])
        for rows, model in zip(self.rows, self.models, strict=True):
            cost[:, rows] = dp.appraise(model, self.levels(model, units[:, rows]))
        return cost

    def expected_stock(self, units: Floats) -> Floats:
        """(p, n, T) units expected in stock at the end of each period under given plans (p, n, h)."""
        out = np.zeros((*units.shape[:2], self.periods))
        for rows, model in zip(self.rows, self.models, strict=True):
            level = self.levels(model, units[:, rows])
            out[:, rows, : model.net.shape[2]] = _stock_of(model, stock_tables(model), level)
        return out

    def allowed(self) -> Bools:
        """(n, h) whether an item may order at a step: what its model says of its order opportunities."""
        out = np.zeros((self.n, self.horizon), bool)
        for rows, model in zip(self.rows, self.models, strict=True):
            item, k = np.nonzero(model.allowed)
            out[rows[item], model.time.step[item, k]] = True
        return out

    def largest(self) -> Floats:
        """(n, h) units of the largest order that an item may place at a step; 0 where it may place none."""
        out = np.zeros((self.n, self.horizon))
        for rows, model in zip(self.rows, self.models, strict=True):
            item, k = np.nonzero(model.allowed)
            out[rows[item], model.time.step[item, k]] = (model.most * model.unit[:, None])[item, k]
        return out

    def levels(self, model: ItemModel, units: Floats) -> Ints:
        """(p, n, K) cumulative levels of plans (p, n, h) of one chunk."""
        total = to_opportunities(model, units).cumsum(axis=2) / model.unit[:, None]
        return np.minimum(np.rint(total).astype(np.int64), model.n_levels - 1)

    def _chunks(self) -> list[Ints]:
        """Rows of each chunk: items with the same opportunities and of like size.

        Demand paths depend on the periods that they cover, so only items that need the same periods go together:
        an item's plan must not depend on its neighbours. Like sizes leave little of the tables to padding.
        """
        count = -(-self.horizon // self.terms.review_period)
        late = np.ceil(2.0 * self.terms.lead_time_sd).astype(np.int64)
        periods = count * self.terms.review_period + self.terms.lead_time + late
        size = np.minimum(self.forecast.mean.sum(axis=1) / self.terms.case_pack, self.settings.max_levels)
        order = np.lexsort((np.rint(8 * np.log2(1.0 + size)), late > 0, periods, count))
        keys = np.stack([count, periods, late > 0], axis=1)[order]
        breaks = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
        most = np.clip(CELLS // (self.settings.n_paths * np.maximum(periods, 1)), 1, CHUNK)
        return [
            part[k : k + most[part[0]]]
            for part in np.split(order, breaks)
            if len(part)
            for k in range(0, len(part), int(most[part[0]]))
        ]

    def _paths(self, rows: Ints) -> NDArray[np.float32]:
        """(n, n_paths, T) demand paths of one chunk."""
        periods = planning_periods(self.terms.take(rows), self.horizon)
        return demand_paths(self.forecast.take(rows), periods, self.settings)

    def prices(self, number: int, prices: StepPrices) -> dp.Prices:
        """Prices at order steps as the programme of one chunk's items takes them."""
        rows, model = self.rows[number], self.models[number]
        unit = to_opportunities(model, prices.unit[:, rows])
        fixed = to_opportunities(model, prices.fixed[:, rows])
        if prices.stock is None or self._stock is None:
            return dp.Prices(unit, fixed)
        return dp.Prices(unit, fixed, _price_stock(model, self._stock[number], prices.stock[:, rows]))

    def _to_steps(self, model: ItemModel, units: Floats) -> Floats:
        """(p, n, K) at opportunities -> (p, n, h) at order steps."""
        p, n, n_k = units.shape
        out = np.zeros((p, n, self.horizon))
        item, k = np.nonzero(np.arange(n_k) < model.time.count[:, None])
        out[:, item, model.time.step[item, k]] = units[:, item, k]
        return out


def to_opportunities(model: ItemModel, values: Floats) -> Floats:
    """(p, n, h) at order steps -> (p, n, K) at an item's own opportunities; 0 beyond its last one."""
    h = values.shape[2]
    index = np.minimum(model.time.step, h - 1)
    found = np.take_along_axis(values, index[None], axis=2)
    return np.where(np.arange(index.shape[1]) < model.time.count[:, None], found, 0.0)


def stock_tables(model: ItemModel) -> Floats:
    """(n, T, levels) units expected in stock at the end of a period when `level` is received by then."""
    n, _, periods = model.net.shape
    level = np.arange(model.n_levels)
    out = np.empty((n, periods, model.n_levels))
    for t in range(periods):
        held = model.need[:, None, :, t] + (level * model.unit[:, None])[:, :, None]
        out[:, t] = np.maximum(held, 0.0).mean(axis=2)
    return out


def _price_stock(model: ItemModel, table: Floats, price: Floats) -> Floats:
    """(p, n, K, levels) money for the stock of each interval; by the interval of the expected receipt."""
    inside = _opened(model, table.shape[1])
    return np.einsum("pnt,nkt,ntl->pnkl", price[:, :, : table.shape[1]], inside, table, optimize=True)


def _price_before(model: ItemModel, table: Floats, price: Floats) -> Floats:
    """(p, n) money for the stock before the first receipt, which no order can change."""
    early = np.arange(table.shape[1]) < model.terms.lead_time[:, None]
    return np.einsum("pnt,nt,nt->pn", price[:, :, : table.shape[1]], early.astype(float), table[:, :, 0])


def _stock_of(model: ItemModel, table: Floats, level: Ints) -> Floats:
    """(p, n, T) units expected in stock under plans given by levels (p, n, K)."""
    p, n, _ = level.shape
    periods = table.shape[1]
    padded = np.concatenate([np.zeros((p, n, 1), np.int64), level], axis=2)
    interval = (np.arange(periods) - model.terms.lead_time[:, None]) // model.terms.review_period[:, None]
    index = np.clip(interval + 1, 0, level.shape[2])
    at = np.take_along_axis(padded, np.broadcast_to(index, (p, n, periods)), axis=2)
    return table[np.arange(n)[None, :, None], np.arange(periods)[None, None, :], at]


def _opened(model: ItemModel, periods: int) -> Floats:
    """(n, K, T) 1 where period t lies in the interval that opportunity k opens at its expected receipt."""
    lead, review = model.terms.lead_time[:, None], model.terms.review_period[:, None]
    interval = np.where(np.arange(periods) < lead, -1, (np.arange(periods) - lead) // review)
    k = np.arange(model.time.n_opportunities)
    return ((interval[:, None, :] == k[:, None]) & (k[:, None] < model.time.count[:, None, None])).astype(float)
