"""Prices for the capacity: column generation with the Wagner-Whitin recursion of all items at once.

Pricing: min over plans of item i of cost + sum_t pi_t use_t, by `lot_sizes` with setup costs K + pi s and unit costs
pi a. Master: the cheapest convex mix of known plans within the capacity (GLOP). Every price vector gives a bound:
sum_i min_i(pi) - sum_t pi_t C_t; in between, prices move only part of the way from the best known ones.
Source: Manne (1958); Dzielinski & Gomory (1965); Wentges (1997) for the smoothing of prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, hstack, vstack

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.lotsizing.problem import LotSizing
from parlevel.domain.replenish.solvers.linear import Program, solve_linear
from parlevel.domain.replenish.solvers.lot_sizing import lot_sizes

# How far prices move from the best known ones towards the master's, and how often they go all the way.
STEP, FULL = 0.4, 3


@dataclass(frozen=True)
class Relaxation:
    """What the prices tell.

    Attributes:
        bound: no feasible plan costs less, money.
        setups: (n, T) how much of a setup the best mix of plans has in each period, 0 to 1.
        lots: (n, T) units of the mix.
        prices: (T,) money per unit of capacity.
        rounds: master programs solved.
    """

    bound: float
    setups: Floats
    lots: Floats
    prices: Floats
    rounds: int


@dataclass
class _Pool:
    """Plans found so far: their item, cost and use of capacity."""

    problem: LotSizing
    items: list[int] = field(default_factory=list)
    lots: list[Floats] = field(default_factory=list)
    seen: set[tuple[int, bytes]] = field(default_factory=set)

    def add(self, lots: Floats) -> int:
        """Add each item's plan that is new; how many were."""
        fresh = [i for i in range(len(lots)) if (i, lots[i].tobytes()) not in self.seen]
        self.seen.update((i, lots[i].tobytes()) for i in fresh)
        self.items += fresh
        self.lots += [lots[i].copy() for i in fresh]
        return len(fresh)

    def program(self, penalty: float) -> Program:
        """The master: a weight per plan, overtime at a price that no plan needs to pay in the end."""
        problem, (n, periods) = self.problem, self.problem.shape
        items, lots = np.array(self.items), np.array(self.lots)
        cost = _plan_costs(problem, items, lots)
        use = problem.unit_time[items, None] * lots + problem.setup_time[items, None] * (lots > 0)
        choose = csr_matrix((np.ones(len(items)), (items, np.arange(len(items)))), shape=(n, len(items)))
        over = csr_matrix(-np.eye(periods))
        upper = hstack([csc_matrix(use.T), over])
        lower = hstack([choose, csr_matrix((n, periods))])
        matrix = csr_matrix(vstack([upper, lower]))
        size = len(items) + periods
        return Program(
            cost=np.concatenate([cost, np.full(periods, penalty)]),
            low=np.zeros(size),
            high=np.full(size, np.inf),
            matrix=matrix,
            row_low=np.concatenate([np.full(periods, -np.inf), np.ones(n)]),
            row_high=np.concatenate([problem.capacity, np.ones(n)]),
            integer=np.zeros(size, bool),
        )


def relax(problem: LotSizing, rounds: int = 80, tolerance: float = 1e-5, seconds: float = 10.0) -> Relaxation:
    """The best bound that prices on the capacity give, and the mix of plans that attains it.

    Args:
        problem: the instance.
        rounds: at most.
        tolerance: relative distance between the master's value and the bound at which to stop.
        seconds: no new round after that long; the first is always made.
    """
    n, periods = problem.shape
    begin = monotonic()
    pool, penalty = _Pool(problem), overtime_price(problem)
    prices = best_prices = np.zeros(periods)
    bound, weights = -np.inf, np.zeros(0)
    done = 0
    for done in range(1, rounds + 1):
        plans = price(problem, prices)
        value = plans[1] - float(problem.capacity @ prices)
        if value > bound:
            bound, best_prices = value, prices
        fresh = pool.add(plans[0])
        solution = solve_linear(pool.program(penalty), 60.0)
        weights = solution.x[: len(pool.items)]
        duals = np.maximum(-solution.duals[:periods], 0.0)
        stuck = not fresh and np.array_equal(duals, prices)
        if stuck or solution.value - bound <= tolerance * abs(solution.value) or monotonic() - begin > seconds:
            break
        prices = duals if done % FULL == 0 or not fresh else best_prices + STEP * (duals - best_prices)
    items, lots = np.array(pool.items), np.array(pool.lots)
    weights = weights if len(weights) == len(items) else np.append(weights, np.zeros(len(items) - len(weights)))
    setups, mixed = np.zeros((n, periods)), np.zeros((n, periods))
    np.add.at(setups, items, weights[:, None] * (lots > 0))
    np.add.at(mixed, items, weights[:, None] * lots)
    return Relaxation(bound, np.clip(setups, 0.0, 1.0), mixed, best_prices, done)


def price(problem: LotSizing, prices: Floats) -> tuple[Floats, float]:
    """(lots (n, T), total cost with prices) of the cheapest plan of every item by itself."""
    setup = problem.setup_cost[:, None] + problem.setup_time[:, None] * prices
    unit = problem.unit_time[:, None] * prices
    holding = problem.holding_cost[:, None] * np.ones_like(problem.demand)
    found = lot_sizes(problem.demand, setup, unit, holding)
    return found.lots, float(found.cost.sum())


def overtime_price(problem: LotSizing) -> float:
    """Money per unit of overtime: dearer than any saving that overtime could bring."""
    periods = problem.shape[1]
    everything = problem.setup_cost.sum() * periods + (problem.holding_cost[:, None] * problem.demand).sum() * periods
    return float(everything / problem.capacity.min())


def _plan_costs(problem: LotSizing, items: Floats, lots: Floats) -> Floats:
    stock = (lots - problem.demand[items]).cumsum(axis=1)
    return problem.setup_cost[items] * (lots > 0).sum(axis=1) + problem.holding_cost[items] * stock.sum(axis=1)
