"""The capacitated lot-sizing problem, its plans, and the file format of Trigeiro's instances.

Problem data: n items, T periods, demand d_it (units), capacity C_t (time), per item a_i time per unit, s_i time and
K_i money per setup, h_i money per unit left at the end of a period.
Decision: lots x_it >= 0 and setups y_it in {0, 1}; x_it > 0 needs y_it = 1.
Constraints: stock_it = sum_{u <= t} (x_iu - d_iu) >= 0; sum_i (a_i x_it + s_i y_it) <= C_t.
Objective: sum K_i y_it + h_i stock_it.
Source: Trigeiro, Thomas & McClain (1989), "Capacitated lot sizing with setup times", Management Science 35.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats
from parlevel.errors import DataError


@dataclass(frozen=True)
class LotSizing:
    """An instance; the stock before the first period is nil.

    Attributes:
        demand: (n, T) units.
        capacity: (T,) time.
        unit_time: (n,) time / unit.
        setup_time: (n,) time / setup.
        setup_cost: (n,) money / setup.
        holding_cost: (n,) money / unit / period.
    """

    demand: Floats
    capacity: Floats
    unit_time: Floats
    setup_time: Floats
    setup_cost: Floats
    holding_cost: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(items, periods)."""
        return int(self.demand.shape[0]), int(self.demand.shape[1])

    def use(self, lots: Floats, setups: Bools) -> Floats:
        """(n, T) capacity that lots and setups take, time."""
        return self.unit_time[:, None] * lots + self.setup_time[:, None] * setups

    def cost(self, lots: Floats, setups: Bools) -> Floats:
        """(n,) money for setups and stock."""
        stock = (lots - self.demand).cumsum(axis=1)
        return self.setup_cost * setups.sum(axis=1) + self.holding_cost * stock.sum(axis=1)


@dataclass(frozen=True)
class Plan:
    """A plan and what is known about the best one.

    Attributes:
        lots: (n, T) units.
        cost: money.
        overtime: time above capacity in all periods together; 0 = feasible.
        bound: no plan that keeps the capacity costs less, money.
    """

    lots: Floats
    cost: float
    overtime: float
    bound: float

    @property
    def gap(self) -> float:
        """(cost - bound) / bound."""
        return (self.cost - self.bound) / self.bound if self.bound > 0 else 0.0


def appraise(problem: LotSizing, lots: Floats, bound: float) -> Plan:
    """The plan with these lots; a setup wherever something is made.

    Raises:
        DataError: the lots do not meet the demand in time.
    """
    setups = lots > 0
    stock = (lots - problem.demand).cumsum(axis=1)
    if stock.min() < -1e-6 * max(1.0, float(problem.demand.sum())):
        item, period = np.argwhere(stock == stock.min())[0]
        raise DataError(
            f"lots must meet the demand of every period. Item {item} is {-stock.min():g} short in {period}."
        )
    over = problem.use(lots, setups).sum(axis=0) - problem.capacity
    slack = 1e-6 * problem.capacity
    overtime = float(np.where(over > slack, over, 0.0).sum())
    return Plan(lots, float(problem.cost(lots, setups).sum()), overtime, bound)


def read_trigeiro(text: str) -> LotSizing:
    """An instance from the text of a file in Trigeiro's format.

    `n T`, unit production cost (the same for all: a constant that no plan changes, left out of costs), capacity,
    n rows of (time per unit, holding cost, setup time, setup cost), T rows of n demands, then remarks. There is no
    initial stock and no overtime in the format, and none is assumed.

    Raises:
        DataError: fewer numbers than the head promises.
    """
    numbers: list[float] = []
    for line in text.splitlines():
        words = line.split()
        if any(not _is_number(word) for word in words):
            break
        numbers += [float(word) for word in words]
    n, periods = (int(numbers[0]), int(numbers[1])) if len(numbers) > 3 else (0, 0)
    wanted = 4 + 4 * n + n * periods
    if n == 0 or len(numbers) != wanted:
        raise DataError(f"a Trigeiro file of {n} items and {periods} periods has {wanted} numbers. Got {len(numbers)}.")
    rows = np.array(numbers[4 : 4 + 4 * n]).reshape(n, 4)
    demand = np.array(numbers[4 + 4 * n :]).reshape(periods, n).T
    return LotSizing(demand.copy(), np.full(periods, numbers[3]), rows[:, 0], rows[:, 2], rows[:, 3], rows[:, 1])


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).replace("-", "", 1).isdigit()
