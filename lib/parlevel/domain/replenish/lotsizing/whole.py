"""The whole instance as one integer program: what a general solver makes of it, for comparison and for its bound."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.lotsizing.problem import LotSizing, Plan, appraise
from parlevel.domain.replenish.solvers.linear import Program, attempt_integer


def solve_whole(problem: LotSizing, seconds: float, solver: str = "SCIP") -> tuple[Plan | None, float]:
    """(plan or None, bound) after so many seconds; (None, -inf) when it found nothing by then."""
    n, periods = problem.shape
    solution, bound = attempt_integer(whole_program(problem), solver, 1e-4, seconds)
    if solution is None:
        return None, bound
    lots = solution.x[: n * periods].reshape(n, periods)
    lots = np.where(lots > 1e-6, lots, 0.0)
    return appraise(problem, _in_time(problem.demand, lots), bound), bound


def _in_time(demand: Floats, lots: Floats) -> Floats:
    """Lots raised by the solver's tolerance, where that left a period short; what it made too much of stays."""
    due, made = demand.cumsum(axis=1), lots.cumsum(axis=1)
    short = np.divide(due, made, out=np.ones_like(due), where=(made > 0) & (due > made))
    return lots * short.max(axis=1)[:, None]


def whole_program(problem: LotSizing) -> Program:
    """Lots, stocks and setups with x_it <= min(what is still to be served, what the capacity holds) y_it.

    Variables: n T lots, n T stocks, n T setups, in this order, item by item.
    """
    n, periods = problem.shape
    size = n * periods
    cell = np.arange(size)
    item, period = np.divmod(cell, periods)
    later = problem.demand[:, ::-1].cumsum(axis=1)[:, ::-1].ravel()
    holds = np.maximum(problem.capacity[period] - problem.setup_time[item], 0.0) / problem.unit_time[item]
    most = np.minimum(later, holds)
    earlier = cell[period > 0]
    rows = np.concatenate(
        [cell, cell, earlier, size + period, size + period, size + periods + cell, size + periods + cell]
    )
    columns = np.concatenate([
        cell, size + cell, size + earlier - 1, cell, 2 * size + cell, cell, 2 * size + cell,
    ])  # fmt: skip
    values = np.concatenate([
        np.ones(size), -np.ones(size), np.ones(len(earlier)), problem.unit_time[item], problem.setup_time[item],
        np.ones(size), -most,
    ])  # fmt: skip
    demand = problem.demand.ravel()
    return Program(
        cost=np.concatenate([np.zeros(size), problem.holding_cost[item], problem.setup_cost[item]]),
        low=np.zeros(3 * size),
        high=np.concatenate([np.full(2 * size, np.inf), np.ones(size)]),
        matrix=csr_matrix(coo_matrix((values, (rows, columns)), shape=(2 * size + periods, 3 * size))),
        row_low=np.concatenate([demand, np.full(periods + size, -np.inf)]),
        row_high=np.concatenate([demand, problem.capacity, np.zeros(size)]),
        integer=np.concatenate([np.zeros(2 * size, bool), np.ones(size, bool)]),
    )
