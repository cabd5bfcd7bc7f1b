"""Rules of the VN2 game, the published form of its data, and the policies that frame it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import nbinom

from parlevel.errors import DataError
from parlevel.sources.vn2 import HOLDING, IN_STOCK, SALES, SHORTAGE, STATE

ORDERS, WEEKS = 6, 8
KEYS = ["Store", "Product"]
STOCK = ["End Inventory", "In Transit W+1", "In Transit W+2"]
LEVEL_WEEKS, COVER_WEEKS = 13, 4  # of the organiser's policy
WARM_UP = 8  # weeks
NEAR, SPREAD, DRAWS = 6, 0.15, 128  # of `level_known`: weeks, variance / level squared, demand paths

Units = NDArray[np.float64]


@dataclass
class Shelf:
    """Stock of every item at the end of a week: on hand, and what arrives in the next two weeks."""

    on_hand: Units
    next_week: Units
    week_after: Units

    def play(self, demand: Units, order: Units) -> tuple[Shelf, float, float]:
        """Place `order` (arrives in three weeks), then live through one week of `demand`.

        Returns: the shelf at the week's end, its holding cost and its shortage cost.
        """
        stock = self.on_hand + self.next_week
        sold = np.minimum(stock, demand)
        left = stock - sold
        after = Shelf(left, self.week_after, order)
        return after, HOLDING * float(left.sum()), SHORTAGE * float((demand - sold).sum())

    @property
    def position(self) -> Units:
        """Units on hand and on order."""
        return self.on_hand + self.next_week + self.week_after


@dataclass(frozen=True)
class Weeks:
    """The published form: items as rows, weeks as columns; `in_stock` is True where nothing else is known."""

    items: pd.DataFrame
    dates: list[str]
    sales: Units
    in_stock: NDArray[np.bool_]

    def at(self, date: str) -> int:
        """Column of a week."""
        if date not in self.dates:
            raise DataError(f"--start must be a week in the file, {self.dates[0]} to {self.dates[-1]}. Got {date!r}.")
        return self.dates.index(date)

    def until(self, column: int) -> Weeks:
        """What is known when the week in `column` is over."""
        stop = column + 1
        return replace(self, dates=self.dates[:stop], sales=self.sales[:, :stop], in_stock=self.in_stock[:, :stop])


Policy = Callable[[Weeks, Shelf], Units]
"""What a player does: the weeks that are over and the stock at their end -> units to order."""


@dataclass(frozen=True)
class Played:
    """A game: costs in money over the weeks played, orders (n, rounds)."""

    holding: float
    shortage: float
    orders: Units

    @property
    def cost(self) -> float:
        """What the game is scored by."""
        return self.holding + self.shortage


def read(folder: Path, sales: Path | None) -> Weeks:
    """Sales and availability; weeks that the availability file lacks count as available."""
    wide = pd.read_csv(sales or folder / SALES)
    missing = [key for key in KEYS if key not in wide]
    dates = sorted(name for name in wide.columns if name[:2] == "20")
    if missing or len(dates) < 52:
        raise DataError(
            f"{sales or SALES} must have the columns Store, Product and one a week, at least 52 weeks. "
            f"Got {len(dates)} weeks; missing {missing}."
        )
    if wide[KEYS].duplicated().any() or wide[dates].isna().any(axis=None):
        raise DataError(f"{sales or SALES} must have one row an item and a number in every week.")
    flags = wide[KEYS].merge(pd.read_csv(folder / IN_STOCK), on=KEYS, how="left").reindex(columns=dates)
    known = flags.astype("boolean").fillna(True).to_numpy(dtype=bool)
    return Weeks(wide[KEYS], dates, wide[dates].to_numpy(float), known)


def organiser(seen: Weeks, shelf: Shelf) -> Units:
    """The organiser's policy: a seasonal mean of 13 weeks, order up to four weeks' cover.

    Weeks without stock are left out. The season is one factor per ISO week, the mean week of all items over the
    mean of all weeks of the year; a week of the year that was never seen counts 1.
    """
    first, ahead = pd.Timestamp(seen.dates[0]), pd.Timestamp(seen.dates[-1])
    known = np.where(seen.in_stock, seen.sales, np.nan)
    number = pd.date_range(first, periods=len(seen.dates), freq="7D").isocalendar().week.to_numpy().astype(int)
    mean = pd.Series(np.nanmean(known, axis=0)).groupby(number).mean()
    factor = mean / mean.mean()
    level = known[:, -LEVEL_WEEKS:] / factor.loc[number[-LEVEL_WEEKS:]].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an item without a known week has no level: it gets no order
        base = np.nan_to_num(np.nanmean(level, axis=1))
    coming = pd.date_range(ahead, periods=COVER_WEEKS + 1, freq="7D")[1:].isocalendar().week.astype(int)
    cover = base * factor.reindex(coming).fillna(1.0).sum()
    return np.maximum(np.rint(cover - shelf.position), 0.0)


def clairvoyant(weeks: Weeks) -> Policy:
    """What three weeks from now will sell and nothing on the shelf will cover: no forecast does better."""

    def order(seen: Weeks, shelf: Shelf) -> Units:
        now, left = len(seen.dates) - 1, shelf.on_hand
        for ahead, due in ((1, shelf.next_week), (2, shelf.week_after)):
            left = np.maximum(left + due - weeks.sales[:, now + ahead], 0.0)
        return np.maximum(weeks.sales[:, now + 3] - left, 0.0)

    return order


def level_known(weeks: Weeks) -> Policy:
    """Told every item's level, the future's included, but not its chance: what a very good forecast could save.

    The level of a week is the mean of the weeks in stock up to six before and after it, without itself; demand is
    negative binomial around it, with counting noise and a variance of 0.15 times the level squared beside. Orders are
    the newsvendor's for the week in which they arrive, what is lost before then taken out, on fixed draws.
    """
    known = np.where(weeks.in_stock, weeks.sales, np.nan)
    draw = np.random.default_rng(0)
    n = len(weeks.items)
    chance = [draw.permuted(np.tile((np.arange(DRAWS) + 0.5) / DRAWS, (n, 1)), axis=1) for _ in range(3)]

    def demand(column: int, chances: Units) -> Units:
        near = [k for k in range(column - NEAR, column + NEAR + 1) if 0 <= k < len(weeks.dates) and k != column]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # an item without a known week near sells nothing
            level = np.maximum(np.nan_to_num(np.nanmean(known[:, near], axis=1)), 0.01)[:, None]
        variance = level + SPREAD * level**2
        return np.asarray(nbinom.ppf(chances, level**2 / (variance - level), level / variance))

    def order(seen: Weeks, shelf: Shelf) -> Units:
        now = len(seen.dates) - 1
        left = shelf.on_hand[:, None]
        for ahead, due in ((1, shelf.next_week), (2, shelf.week_after)):
            left = np.maximum(left + due[:, None] - demand(now + ahead, chance[ahead - 1]), 0.0)
        need = demand(now + 3, chance[2]) - left
        return np.maximum(np.rint(np.quantile(need, SHORTAGE / (SHORTAGE + HOLDING), axis=1)), 0.0)

    return order


def published_shelf(weeks: Weeks, folder: Path) -> Shelf:
    """The stock that the contest starts from."""
    own = weeks.items.merge(pd.read_csv(folder / STATE), on=KEYS, how="left")
    if own[STOCK].isna().any(axis=None):
        raise DataError(f"{STATE} must have a row for every item of the sales file.")
    return Shelf(*(own[name].to_numpy(float) for name in STOCK))


def inherited_shelf(weeks: Weeks, start: int) -> Shelf:
    """The stock that eight weeks of the organiser's policy leave, from four weeks' mean sales."""
    first = start - WARM_UP
    week = np.rint(weeks.sales[:, max(first - LEVEL_WEEKS + 1, 0) : first + 1].mean(axis=1))
    shelf = Shelf(2 * week, week, week)
    for now in range(first, start):
        shelf = shelf.play(weeks.sales[:, now + 1], organiser(weeks.until(now), shelf))[0]
    return shelf


def play(weeks: Weeks, start: int, shelf: Shelf, policy: Policy) -> Played:
    """One game, as far as the weeks reach: six orders at most, eight weeks at most.

    The policy sees the weeks that are over and nothing else. Where the file ends early, the orders that can be
    decided are, and costs are those of the weeks there are.
    """
    last = len(weeks.dates) - 1 - start
    holding = shortage = 0.0
    orders = []
    for week in range(min(WEEKS, last + 1)):
        order = policy(weeks.until(start + week), shelf) if week < ORDERS else np.zeros(len(shelf.on_hand))
        orders += [order] if week < ORDERS else []
        if week < last:
            shelf, held, short = shelf.play(weeks.sales[:, start + week + 1], order)
            holding, shortage = holding + held, shortage + short
    return Played(holding, shortage, np.stack(orders, axis=1))
