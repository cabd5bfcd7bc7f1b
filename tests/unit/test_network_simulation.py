"""A warehouse that plans from its stores' orders against one that looks at what it has shipped, day by day."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import stock
from parlevel.domain.replenish.base import Forecast, State
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.network.allocate import allocate
from parlevel.domain.replenish.network.pooled import asked_of
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import policy

STORES, HORIZON, REVIEW, LEAD, DAYS, WARM = 3, 14, 7, 3, 98, 28
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
TERMS = stock.terms(
    1, lead_time=LEAD, review_period=1, holding_cost=0.02, shortage_cost=1.0, order_cost=0.5, case_pack=6.0
)  # fmt: skip
SETTINGS = Settings(HORIZON, 7, n_paths=64)


def ahead(mean: float) -> Forecast:
    """What the stores' customers will buy: known in distribution."""
    curve = np.broadcast_to(poisson.ppf(LEVELS, mean), (STORES, HORIZON, len(LEVELS)))
    return Forecast(np.full((STORES, HORIZON), mean), LEVELS, curve, np.zeros(STORES), np.full((STORES, 28), mean))


def orders_of(position: np.ndarray, day: int, mean: float, level: float) -> np.ndarray:
    """(n, h) what stores order up to a level on their weekday, and will on the next ones: what is sold until then."""
    planned = np.zeros((STORES, HORIZON))
    for k in range(STORES):
        for step in range(HORIZON):
            if (day + step) % REVIEW == k:
                expected = position[k] + planned[k].sum() - mean * step
                planned[k, step] = max(0.0, 6 * np.ceil((level - expected) / 6 - 1e-9))
    return planned


def played(plans_from_orders: bool, seed: int, mean: float = 4.0) -> float:
    """Cost of `DAYS` days: what the warehouse holds, orders and does not deliver."""
    draw = np.random.default_rng(seed)
    rule = policy("min_max")
    level = poisson.ppf(0.98, mean * (REVIEW + 1))
    shelf, ware, pipe = np.full(STORES, level), 84.0, np.zeros(LEAD + 1)
    shipped: list[float] = []
    cost = 0.0
    for day in range(DAYS):
        planned = orders_of(shelf, day, mean, level)
        due = State(np.array([ware]), np.zeros(1), pipe[None, : LEAD + 1].copy())
        if plans_from_orders:
            found = asked_of(planned, ahead(mean), np.ones(STORES), np.ones(STORES, np.int64), LEAD + 1, LEVELS)
            told = Forecast(found.mean[None], LEVELS, found.quantiles[None], np.ones(1), np.zeros((1, 1)))
            order = float(Batch(due, told, TERMS, SETTINGS).solve().units[0, 0, 0])
        else:
            past = np.array(shipped[-28:] or [mean * STORES])[None]
            empty = np.zeros((1, HORIZON))
            told = Forecast(empty, LEVELS, np.zeros((1, HORIZON, len(LEVELS))), np.zeros(1), past)
            order = float(rule.order(due, told, TERMS)[0])
        ware += pipe[0]
        pipe = np.append(pipe[1:], 0.0)
        pipe[LEAD - 1] += order
        wanted = planned[:, 0]
        sent = allocate(ware, wanted, np.full(STORES, 6.0))
        ware -= sent.sum()
        shipped.append(float(wanted.sum()))
        sold = np.minimum(draw.poisson(mean, STORES), shelf + sent)
        shelf = shelf + sent - sold
        if day >= WARM:
            cost += 0.02 * ware + float((wanted - sent).sum()) + 0.5 * (order > 0)
    return cost


@pytest.mark.parametrize("seed", [1, 2])
def test_planning_from_the_stores_orders_costs_less_than_a_moving_average_of_what_was_shipped(seed: int) -> None:
    assert played(True, seed) <= 0.8 * played(False, seed)
