"""The problem that a replenishment policy solves, as arrays over the items of a group."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from parlevel.domain.replenish.pathbook import PathBook

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = Ints | Bools


@dataclass(frozen=True)
class State:
    """Stock of n items at the cutoff; all units, each >= 0.

    Attributes:
        on_hand: (n,) stock at the end of the cutoff period.
        backorders: (n,) owed to customers.
        receipts: (n, horizon) open orders by the step in which they arrive and can be sold.
            Step 1 (column 0) is the first period after the cutoff.
    """

    on_hand: Floats
    backorders: Floats
    receipts: Floats

    @property
    def inventory_position(self) -> Floats:
        """(n,) on_hand + on_order - backorders."""
        return self.on_hand + self.receipts.sum(axis=1) - self.backorders

    def take(self, rows: Rows) -> Self:
        """The state of some items, by position or mask."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class Forecast:
    """Demand distribution of n items over the horizon.

    Attributes:
        mean: (n, horizon) units per period.
        levels: (n_levels,) quantile levels.
        quantiles: (n, horizon, n_levels) units per period.
        path_correlation: (n,) dependence between the steps of one path, 0 to 1.
        history: (n, n_past) recent demand up to the cutoff, NaN where unknown; for history-based policies.
        ends: (n,) periods until an item's season is over and nobody buys it; empty where no item of the n has a season.
        book: demand paths drawn already, where a simulation decides many times from one forecast.
    """

    mean: Floats
    levels: Floats
    quantiles: Floats
    path_correlation: Floats
    history: Floats
    ends: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    book: PathBook | None = None

    @property
    def horizon(self) -> int:
        """Periods forecast."""
        return int(self.mean.shape[1])

    def take(self, rows: Rows) -> Self:
        """The forecast of some items, by position or mask."""
        shared = {"levels", "book"} if len(self.ends) else {"levels", "book", "ends"}
        some = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in shared}
        return replace(self, **some, book=self.book.take(rows) if self.book else None)

    def extend(self, periods: int, season: int) -> Self:
        """The forecast over `periods` periods: beyond its horizon the last season repeats.

        Args:
            periods: wanted length; a shorter one cuts.
            season: periods in a season; a forecast shorter than it repeats as a whole.
        """
        h = self.horizon
        step = np.arange(periods)
        back = min(season, h)
        source = np.where(step < h, step, h - back + (step - h) % back)
        mean, quantiles = self.mean[:, source], self.quantiles[:, source]
        if len(self.ends):
            sold = step < self.ends[:, None]
            mean, quantiles = np.where(sold, mean, 0.0), np.where(sold[:, :, None], quantiles, 0.0)
        return replace(self, mean=mean, quantiles=quantiles)

    def after(self, steps: int) -> Self:
        """What is left of the forecast when its first `steps` periods are over; the last one always stays."""
        begin = min(steps, self.horizon - 1)
        book = self.book.after(begin) if self.book else None
        left = replace(self, mean=self.mean[:, begin:], quantiles=self.quantiles[:, begin:], book=book)
        return replace(left, ends=np.maximum(self.ends - steps, 0)) if len(self.ends) else left


def longest_wait(days: int) -> int:
    """Longest time between two of the days whose bits are set, round the week; 7 where none or one is."""
    on = [day for day in range(7) if days >> day & 1] or [0]
    return max((after - day - 1) % 7 + 1 for day, after in zip(on, [*on[1:], on[0]], strict=True))


_LONGEST = np.array([longest_wait(days) for days in range(128)])


@dataclass(frozen=True)
class Terms:
    """How n items are ordered and what they cost; see the contract `supply_terms` for units.

    An order decided at the cutoff (order step 0) arrives before the sales of step lead_time + 1;
    orders may be placed at steps 0, review_period, 2 x review_period ... `max_stock` and
    `backorder_cost` are NaN where there is none, `shelf_life` is 0 where nothing perishes. `order_days` has bit j set
    where order steps j, j + 7 ... take orders (127: every day), `frozen` counts the first steps that take none,
    `leftover_value` is money a unit still brings when its season is over; each is empty where no item of the n has
    such a rule.
    """

    lead_time: Ints
    lead_time_sd: Floats
    review_period: Ints
    min_order_qty: Floats
    case_pack: Floats
    max_stock: Floats
    min_stock: Floats
    shelf_life: Ints
    unit_cost: Floats
    unit_price: Floats
    holding_cost: Floats
    shortage_cost: Floats
    backorder_cost: Floats
    order_cost: Floats
    target: Floats
    unit_weight: Floats
    unit_volume: Floats
    order_days: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    frozen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    leftover_value: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def wasted(self) -> Floats:
        """(n,) money lost with a unit that is left when its season is over."""
        return np.maximum(self.unit_cost - self.leftover_value, 0.0) if len(self.leftover_value) else self.unit_cost

    @property
    def protection_interval(self) -> Ints:
        """(n,) lead_time + the longest time between two order decisions, periods."""
        if not len(self.order_days):
            return self.lead_time + self.review_period
        return self.lead_time + np.maximum(self.review_period, _LONGEST[self.order_days])

    def open(self, step: Ints) -> Bools:
        """(n, k) whether orders may be placed at steps (n, k): outside the frozen window, on a day that takes them."""
        found = np.ones(step.shape, bool)
        if len(self.order_days):
            found &= ((self.order_days[:, None] >> (step % 7)) & 1) > 0
        return found & (step >= self.frozen[:, None]) if len(self.frozen) else found

    def next_open(self) -> Ints:
        """(n,) periods from now until the next time, after now, that an order may be placed."""
        reach = int(max(self.review_period.max(initial=1), self.frozen.max(initial=0))) + 7
        step = np.arange(1, reach + 1) + np.zeros((len(self.lead_time), 1), np.int64)
        may = self.open(step) & (step % self.review_period[:, None] == 0)
        return np.where(may.any(axis=1), may.argmax(axis=1) + 1, reach)

    def until_next(self) -> Self:
        """Terms for a rule that decides once, now: its review period ends when an order may be placed again."""
        if not len(self.order_days) and not len(self.frozen):
            return self
        none = np.zeros(0, np.int64)
        return replace(self, review_period=self.next_open(), order_days=none, frozen=none)

    def at_once(self) -> Self:
        """Terms without a frozen window that come to the same: an order waits that long before its lead time."""
        if not len(self.frozen):
            return self
        return replace(self, lead_time=self.lead_time + self.frozen, frozen=np.zeros(0, np.int64))

    def after(self, periods: int) -> Self:
        """The same terms when `periods` periods are over: order days count from then."""
        if not len(self.order_days):
            return self
        turn = periods % 7
        return replace(self, order_days=(self.order_days >> turn) | (self.order_days << (7 - turn)) & 127)

    @property
    def lost_sales(self) -> Bools:
        """(n,) True where unmet demand is lost, False where it waits."""
        return np.isnan(self.backorder_cost)

    def take(self, rows: Rows) -> Self:
        """The terms of some items, by position or mask."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        optional = {name: found.pop(name) for name in ("order_days", "frozen", "leftover_value")}
        some = {name: values[rows] for name, values in found.items()}
        return replace(self, **some, **{name: v[rows] if len(v) else v for name, v in optional.items()})


@runtime_checkable
class Policy(Protocol):
    """Decides today's order of many items; stateless, so that the simulator can call it every review."""

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """(n,) units >= 0 to order at step 0: 0, or >= min_order_qty and a multiple of case_pack,
        never lifting the inventory position above max_stock."""
        ...
