"""What the synthetic source draws: demand with season, promotions and prices, and the stock that met it.

Every series has its own random streams, keyed by seed, part and number, so that neither the number of
partitions nor the series beside it change what it gets. The history does not depend on the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CATEGORIES = ("produce", "dairy", "bakery", "frozen", "drinks", "snacks", "household", "pantry")
# What keeps the streams of different parts apart.
PRODUCT, STORE, SUPPLIER, CATEGORY, SERIES, NOISE, COUNT, PROMO, PRICE = range(9)


@dataclass(frozen=True)
class Plan:
    """Size and time axis of what is drawn.

    Attributes:
        seed: of everything.
        products, stores: the grid; series number = store * products + product.
        past, future: periods up to the cutoff and after it.
        days: length of a period.
        weekday, year_day: of the first period, 0 = Monday and 0 = 1 January.
        closed: (past + future,) periods in which all stores are closed.
        promotions, stockouts: whether there are any.
        new_share, dying_share: share of products that start late, that fade away.
    """

    seed: int
    products: int
    stores: int
    past: int
    future: int
    days: float
    weekday: int
    year_day: int
    closed: tuple[int, ...]
    promotions: bool
    stockouts: bool
    new_share: float
    dying_share: float

    @property
    def span(self) -> int:
        """Periods in all."""
        return self.past + self.future

    @property
    def suppliers(self) -> int:
        """One for about twelve products."""
        return max(1, self.products // 12)


def stream(plan: Plan, part: int, number: int) -> np.random.Generator:
    """The random stream of one part of one thing."""
    return np.random.Generator(np.random.Philox(key=[plan.seed, (part << 48) + number]))


def product(plan: Plan, number: int) -> dict[str, Any]:
    """A product: what it is, how it sells, costs and is supplied."""
    rng = stream(plan, PRODUCT, number)
    category = int(rng.integers(len(CATEGORIES)))
    speed = rng.choice(3, p=(0.4, 0.4, 0.2))
    low, high = ((0.03, 0.3), (0.3, 3.0), (3.0, 40.0))[speed]
    daily = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    fate = rng.uniform()
    supplier = int(plan.suppliers * rng.uniform() ** 1.5)
    terms = stream(plan, SUPPLIER, supplier)
    long = plan.days > 1
    return {
        "category": category,
        "department": f"{CATEGORIES[category]} {int(rng.integers(1, 4))}",
        "supplier": supplier,
        "daily": daily,
        "price": round(float(np.exp(rng.normal(1.2, 0.6))), 2) + 0.5,
        "elasticity": float(rng.uniform(1.0, 3.0)),
        "trend": float(rng.normal(0, 0.15)),
        "dispersion": float(rng.uniform(1.5, 8.0)),
        "born": int(rng.uniform(0.5, 0.9) * plan.past) if fate < plan.new_share else 0,
        "fades": int(rng.uniform(0.4, 0.9) * plan.past) if fate > 1 - plan.dying_share else None,
        "case": float(rng.choice([1, 2, 4, 6] if daily < 1 else [6, 12, 24])),
        "weight": round(float(rng.uniform(0.1, 2.0)), 2),
        "lead_time": int(terms.integers(0, 3) if long else terms.integers(1, 6)),
        "review_period": int(terms.integers(1, 3) if long else terms.choice([1, 2, 3, 7])),
    }


def price_path(plan: Plan, number: int, item: dict[str, Any], deals: list[tuple[int, int, float, float]]) -> Floats:
    """(span,) price: a base that changes now and then, less what promotions take off."""
    rng = stream(plan, PRICE, number)
    path = np.full(plan.span, item["price"])
    at = 0.0
    while True:
        at += rng.exponential(180 / plan.days)
        if at >= plan.span:
            break
        path[int(at) :] *= 1 + rng.choice([-0.05, 0.04, 0.08])
    path = np.round(path, 2)
    for first, last, depth, _ in deals:
        path[first : last + 1] = np.round(path[first : last + 1] * (1 - depth), 2)
    return path


def promotions(plan: Plan, number: int) -> list[tuple[int, int, float, float]]:
    """Promotions of a product: first and last period, depth of the discount, share of customers reached."""
    rng = stream(plan, PROMO, number)
    if not plan.promotions or rng.uniform() < 0.4:
        return []
    length = max(1, round(7 / plan.days))
    deals: list[tuple[int, int, float, float]] = []
    at = 0
    while True:
        at += length + int(rng.exponential(60 / plan.days))
        if plan.days == 1:
            at += -(plan.weekday + at) % 7  # promotions start on Mondays
        if at + length > plan.span:
            return deals
        deals.append((at, at + length - 1, float(rng.uniform(0.1, 0.4)), float(rng.choice([0.5, 0.75, 1.0]))))


def expected(plan: Plan, number: int, item: dict[str, Any], path: Floats, deals: list[Any]) -> Floats:
    """(span,) mean demand of series `number`, units per period."""
    time = np.arange(plan.span)
    kind = stream(plan, CATEGORY, item["category"])
    amplitude, phase = kind.uniform(0.05, 0.5), kind.uniform(0, 1)
    week = np.exp(kind.normal(0, 0.25, 7) + np.array([-0.1, -0.1, -0.05, 0, 0.15, 0.3, 0.05]))
    size = float(np.exp(stream(plan, STORE, number // plan.products).normal(0, 0.4)))
    own = stream(plan, SERIES, number)
    level = item["daily"] * plan.days * size * float(np.exp(own.normal(0, 0.3)))
    year = (plan.year_day + time * plan.days) / 365.25
    mean = level * (1 + amplitude * np.sin(2 * np.pi * (year - phase))) * np.exp(item["trend"] * time * plan.days / 365)
    if plan.days == 1:
        mean *= (week / week.mean())[(plan.weekday + time) % 7]
    mean *= (path / item["price"]) ** -item["elasticity"]
    for first, last, _, reach in deals:
        mean[first : last + 1] *= 1 + 0.6 * reach
    mean[: item["born"]] = 0
    if item["fades"] is not None:
        mean[item["fades"] :] *= np.exp(-np.arange(plan.span - item["fades"]) * plan.days / 30)
    mean[list(plan.closed)] = 0
    return np.asarray(mean, dtype=np.float64)


def demand(plan: Plan, number: int, item: dict[str, Any], mean: Floats) -> Floats:
    """(span,) demand: Poisson counts whose rate varies from period to period (negative binomial)."""
    shape = item["dispersion"]
    rate = mean * stream(plan, NOISE, number).gamma(shape, 1 / shape, plan.span)
    # One draw of fixed cost per period, so that the past does not depend on how far the future reaches.
    uniform = stream(plan, COUNT, number).uniform(size=plan.span)
    return _poisson(rate, uniform)


def _poisson(rate: Floats, uniform: Floats) -> Floats:
    """Poisson counts by inversion; above 50 by the rounded normal with the same mean and variance."""
    from scipy.special import ndtri
    from scipy.stats import poisson

    small = poisson.ppf(uniform, np.minimum(rate, 50.0))
    large = np.round(rate + np.sqrt(rate) * ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)))
    counts = np.where(rate > 50, np.maximum(large, 0), small)
    return np.where(rate > 0, np.maximum(counts, 0), 0.0)


@dataclass(frozen=True)
class Stock:
    """What a simulated stock did to n series.

    Attributes:
        sales: (n, past) units sold.
        in_stock: (n, past) whether demand was met from a shelf that was not empty.
        on_hand: (n,) units at the cutoff.
        due: (n, lead) open orders by periods after the cutoff.
    """

    sales: Floats
    in_stock: NDArray[np.bool_]
    on_hand: Floats
    due: Floats


def simulate(plan: Plan, items: list[dict[str, Any]], wanted: Floats, means: Floats, numbers: list[int]) -> Stock:
    """Sales under an order-up-to policy that knows mean demand only roughly, so that shelves run empty.

    Args:
        plan: size and time axis.
        items: the product of each of n series.
        wanted: (n, past) demand.
        means: (n, past) its mean.
        numbers: number of each series.
    """
    n, past = wanted.shape
    lead = np.array([item["lead_time"] for item in items])
    review = np.array([item["review_period"] for item in items])
    case = np.array([item["case"] for item in items])
    care = np.array([stream(plan, STORE, 10**9 + number).uniform(0.75, 1.5) for number in numbers])
    if not plan.stockouts:
        return Stock(
            wanted.copy(), np.ones((n, past), bool), np.ceil(means[:, -28:].mean(1) * (lead + review)), _none(n)
        )
    interval = lead + review
    guess = means[:, : max(1, round(28 / plan.days))].max(axis=1)
    stock = np.ceil(care * guess * interval)
    longest = int(lead.max())
    pipe = np.zeros((n, past + longest + 2))
    sales, served = np.zeros((n, past)), np.ones((n, past), bool)
    rows = np.arange(n)
    for t in range(past):
        stock = stock + pipe[:, t]
        want = wanted[:, t]
        sold = np.minimum(stock, want)
        served[:, t] = (stock > 0) & (sold >= want)
        sales[:, t], stock = sold, stock - sold
        guess = 0.95 * guess + 0.05 * (0.5 * sold + 0.5 * means[:, t])
        if t == past - 1:
            break  # the order at the cutoff is the plan's to decide
        position = stock + pipe[:, t + 1 : t + 2 + longest].sum(axis=1)
        need = care * guess * interval + np.sqrt(guess * interval) - position
        due = ((past - 1 - t) % review == 0) & (need > 0)
        order = np.where(due, np.ceil(need / case) * case, 0.0)
        pipe[rows, t + 1 + lead] += order
    return Stock(sales, served, stock, pipe[:, past:])


def _none(n: int) -> Floats:
    return np.zeros((n, 0))
