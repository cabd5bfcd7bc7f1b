"""A feasible plan near the bound: fix most setups, let an integer program decide the rest, move the window on.

The program of a window serves demand d_iu from the lots of periods t <= u in shares w_itu <= y_it, whose relaxation
is tight; setups outside the window are data, so only open periods of an item have variables. Overtime at a high price
keeps every program feasible; windows with overtime come first.
Source: Helber & Sahling (2010), "A fix-and-optimize approach for the multi-level capacitated lot sizing problem",
International Journal of Production Economics 123; Krarup & Bilde (1977) for the share formulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np
from scipy.sparse import csr_matrix

from parlevel.domain.replenish.base import Bools, Floats, Ints
from parlevel.domain.replenish.lotsizing.problem import LotSizing, Plan, appraise
from parlevel.domain.replenish.lotsizing.relax import Relaxation, overtime_price, price, relax
from parlevel.domain.replenish.lotsizing.smooth import smooth
from parlevel.domain.replenish.solvers.linear import Program, solve_integer
from parlevel.errors import SolverError

# Price vectors tried for a start, and the share of the time by which they are through.
STARTS, STARTING = 30, 0.4
# Setups that a window decides at first; more when a window was decided and brought nothing, fewer when the time did not
# suffice to decide it. LIMIT: share of the time, and seconds, that one window may take.
WINDOW, WIDER, NARROWER, LIMIT = 30, 1.06, 0.85, (0.1, 2.0)
# In a small program cuts cost more than they save.
QUICK = {"SCIP": "separating/maxroundsroot = 4\nseparating/maxrounds = 0"}


def solve(problem: LotSizing, seconds: float = 5.0, solver: str = "SCIP", seed: int = 0) -> Plan:
    """A plan and a bound.

    Args:
        problem: the instance.
        seconds: for everything; stops earlier when the bound is met or a window of everything is decided. A first
            plan is made whatever the time.
        solver: integer solver of the windows: SCIP, HIGHS or CP_SAT.
        seed: of the start prices and of the order of windows.
    """
    begin = monotonic()
    relaxation = relax(problem, seconds=0.3 * seconds)
    search = _Search(problem, relaxation, solver, begin + seconds)
    draw = np.random.default_rng(seed)
    for number in range(STARTS):
        if number and (search.over() or monotonic() > begin + STARTING * seconds):
            break
        # The best prices themselves, then around them, ever further away.
        width = 0.02 * number
        spread = draw.uniform(1 - min(width, 0.6), 1 + width, problem.shape[1])
        level = draw.uniform(0.0, 0.2) * relaxation.prices.max() * (number % 3 == 2)
        prices = relaxation.prices * spread + level
        search.keep(smooth(problem, price(problem, prices)[0], prices))
        if number == 0:
            mix = np.where(relaxation.lots > 1e-6, relaxation.lots, 0.0)
            search.keep(smooth(problem, _exact(problem, mix), prices))
    for window in _windows(problem, relaxation, search, draw):
        if search.over():
            break
        search.improve(window, min(LIMIT[0] * seconds, LIMIT[1]))
    return appraise(problem, search.lots, relaxation.bound)


class _Search:
    """The best plan so far and how to better it inside a window."""

    def __init__(self, problem: LotSizing, relaxation: Relaxation, solver: str, deadline: float) -> None:
        self.problem, self.solver, self.deadline = problem, solver, deadline
        self.penalty, self.bound = overtime_price(problem), relaxation.bound
        self.lots: Floats = np.zeros_like(problem.demand)
        self.value = np.inf
        self.excess: Floats = np.zeros(problem.shape[1])
        self.decided, self.size = False, float(WINDOW)

    def over(self) -> bool:
        """No time left, or nothing left to gain."""
        return self.decided or monotonic() >= self.deadline or self.value <= self.bound * (1 + 1e-6)

    def keep(self, lots: Floats) -> bool:
        """Keep these lots if they are the best so far."""
        over = np.maximum(self.problem.use(lots, lots > 0).sum(axis=0) - self.problem.capacity, 0.0)
        over[over <= 1e-6 * self.problem.capacity] = 0.0
        value = float(self.problem.cost(lots, lots > 0).sum() + overtime_price(self.problem) * over.sum())
        fits, fitted = not over.any(), not self.excess.any() and np.isfinite(self.value)
        if (fitted and not fits) or (fits == fitted and value >= self.value - 1e-7 * abs(value)):
            return False
        self.lots, self.value, self.excess = lots, value, over
        return True

    def improve(self, free: Bools, limit: float) -> bool:
        """Decide the setups of a window anew; True when the plan got better."""
        left = self.deadline - monotonic()
        late = bool(self.excess.any())
        program, (item, made, due) = window_program(self.problem, self.lots > 0, free, self.penalty if late else None)
        start = starting_point(self.problem, self.lots, free, (item, made, due), self.excess)
        try:
            solution = solve_integer(
                program, self.solver, 1e-3, max(min(limit, left), 0.05), start, QUICK.get(self.solver, "")
            )
        except SolverError:
            self.size = max(self.size * NARROWER, 8.0)
            return False  # no point within the time allowed: the plan that is there stays
        self.decided = bool(free.all()) and solution.proved and not late
        shares = np.where(solution.x[: len(item)] > 1e-7, solution.x[: len(item)], 0.0)
        lots = np.zeros_like(self.problem.demand)
        np.add.at(lots, (item, made), shares * self.problem.demand[item, due])
        better = self.keep(_exact(self.problem, lots))
        # A small overtime can be cheaper than a setup at any one price: make it dearer until none is left.
        self.penalty *= 2.0 if late and self.excess.any() else 1.0
        if not better:
            self.size = min(self.size * WIDER, free.size) if solution.proved else max(self.size * NARROWER, 8.0)
        return better


def starting_point(
    problem: LotSizing, lots: Floats, free: Bools, shares: tuple[Ints, Ints, Ints], excess: Floats
) -> Floats:
    """(n_variables,) of `window_program`: the lots at hand, first made first used."""
    made_to = lots.cumsum(axis=1)
    made_from = made_to - lots
    due_to = problem.demand.cumsum(axis=1)
    due_from = due_to - problem.demand
    item, made, due = shares
    high = np.minimum(made_to[item, made], due_to[item, due])
    low = np.maximum(made_from[item, made], due_from[item, due])
    part = np.clip((high - low) / problem.demand[item, due], 0.0, 1.0)
    return np.concatenate([part, (lots[free] > 0).astype(np.float64), excess])


def window_program(
    problem: LotSizing, open_: Bools, free: Bools, penalty: float | None
) -> tuple[Program, tuple[Ints, Ints, Ints]]:
    """The integer program of a window.

    Args:
        problem: the instance.
        open_: (n, T) setups of the plan at hand; they hold outside the window.
        free: (n, T) the window.
        penalty: money per unit of overtime; None: no overtime at all.

    Returns: (program, (item, period made, period due) of each share variable, which come first).
    """
    n, periods = problem.shape
    pairs = np.triu(np.ones((periods, periods), bool))[None] & (problem.demand > 0)[:, None, :]
    item, made, due = np.nonzero((free | open_)[:, :, None] & pairs)
    y_item, y_period = np.nonzero(free)
    n_w, n_y = len(item), len(y_item)
    demand = problem.demand[item, due]
    held = problem.holding_cost[item] * (due - made) * demand
    late = np.full(periods, 0.0 if penalty is None else penalty)
    column_of_y = np.full((n, periods), -1)
    column_of_y[y_item, y_period] = n_w + np.arange(n_y)
    served, serve_row = np.unique(item * periods + due, return_inverse=True)
    linked = np.flatnonzero(free[item, made])
    n_serve, n_link = len(served), len(linked)
    w, link = np.arange(n_w), n_serve + periods + np.arange(n_link)
    # Each demand is served; each period's capacity is kept; a share needs its setup.
    cells = [
        (serve_row, w, np.ones(n_w)),
        (n_serve + made, w, problem.unit_time[item] * demand),
        (n_serve + y_period, n_w + np.arange(n_y), problem.setup_time[y_item]),
        (n_serve + np.arange(periods), n_w + n_y + np.arange(periods), -np.ones(periods)),
        (link, linked, np.ones(n_link)),
        (link, column_of_y[item[linked], made[linked]], -np.ones(n_link)),
    ]
    rows, columns, values = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    left = problem.capacity - (problem.setup_time[:, None] * (open_ & ~free)).sum(axis=0)
    size = n_w + n_y + periods
    program = Program(
        cost=np.concatenate([held, problem.setup_cost[y_item], late]),
        low=np.zeros(size),
        high=np.concatenate([np.ones(n_w + n_y), np.full(periods, 0.0 if penalty is None else np.inf)]),
        matrix=csr_matrix((values, (rows, columns)), shape=(n_serve + periods + n_link, size)),
        row_low=np.concatenate([np.ones(n_serve), np.full(periods + n_link, -np.inf)]),
        row_high=np.concatenate([np.ones(n_serve), left, np.zeros(n_link)]),
        integer=(np.arange(size) >= n_w) & (np.arange(size) < n_w + n_y),
    )
    return program, (item, made, due)


def _exact(problem: LotSizing, lots: Floats) -> Floats:
    """Lots that meet the demand to the last digit: what a solver's tolerance left open goes to the last lot."""
    total = problem.demand.sum(axis=1)
    made = lots.sum(axis=1)
    scale = np.where(made > 0, total / np.where(made > 0, made, 1.0), 1.0)
    return lots * scale[:, None]


def _windows(problem: LotSizing, relaxation: Relaxation, search: _Search, draw: np.random.Generator) -> Iterator[Bools]:
    """Windows without end, by turns: where plan and prices disagree, neighbouring periods, a few items throughout.

    How many setups they hold follows `search.size`, which learns what the solver decides in its time.
    """
    n, periods = problem.shape
    while True:
        doubt = np.abs((search.lots > 0) - relaxation.setups) + draw.uniform(0, 0.6, (n, periods))
        worst = np.zeros(n * periods, bool)
        worst[np.argsort(-doubt.ravel(), kind="stable")[: int(search.size)]] = True
        yield worst.reshape(n, periods)
        late = np.convolve(search.excess, np.ones(2), "valid") + draw.random(periods - 1) if periods > 1 else np.ones(1)
        for start in np.argsort(-late, kind="stable")[: max(periods // 3, 1)]:
            wide = min(periods, max(2, int(search.size) // n))
            some = draw.permutation(n)[: max(2, int(search.size) // wide)]
            window = np.zeros((n, periods), bool)
            window[some, min(start, periods - wide) : start + wide] = True
            yield window
        order, taken = draw.permutation(n), 0
        while taken < n:
            count = max(1, int(1.5 * search.size) // periods)
            window = np.zeros((n, periods), bool)
            window[order[taken : taken + count]] = True
            taken += count
            yield window
