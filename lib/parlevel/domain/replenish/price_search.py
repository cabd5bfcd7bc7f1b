"""Prices of what all groups share: a level method over cutting planes, several price vectors a round.

The dual of the shared rows is concave in their prices: L(price) = sum of all items' priced minima - price . amount.
Every answer is a plane that L nowhere passes. The top of all planes lies far out while there are few of them, so the
next prices asked are the nearest ones to the best so far at which the planes promise a share of what is still to be
had: with many limits (a budget of every day) that takes a fraction of the rounds that the tops alone would need.
Source: Kelley (1960) for the planes; Lemarechal, Nemirovskii & Nesterov (1995), "New variants of bundle methods";
the nearest point by non-negative least squares after Lawson & Hanson (1974), ch. 23.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.solvers.linear import Program, solve_linear

# Prices that the first round asks, in units of a row's price scale: none, then ever dearer.
FIRST = (0.0, 0.005, 0.02, 0.06, 0.17, 0.5)
# The same where good prices are known from a smaller sample: none, then shares of those.
KNOWN = (0.0, 0.8, 0.9, 1.0, 1.1, 1.25)
# Later rounds: shares of the way from the best value so far to the top of the planes.
LEVELS = (0.03, 0.1, 0.25, 0.5, 0.75)
ROUNDING = 1e-9  # price in units of a row's scale that is none
HIGHEST = 4.0  # dearest price, in units of a row's scale
PLANES = 240  # planes kept, the newest; the nearest point takes a least-squares problem with a column for each
# Seconds for the linear program over the planes: rows + 1 variables, a row a plane.
TOP_SECONDS = 10.0


@dataclass
class PriceSearch:
    """Search for the prices of shared rows that make L largest.

    Attributes:
        labels: (r,) shared rows.
        amount: (r,) their limits.
        scale: (r,) price at which hardly anybody orders, money per unit of the measure.
        tolerance: the search ends when L is at most this share below the top of the planes, or when two rounds
            together raised it by less.
        start: (r,) prices that should be good; None: nothing is known.
        price: (r,) best prices so far.
        value: L(price), money.
        top: no prices reach a larger L, money.
        used: (r,) use at the best prices.
        free: (r,) use without prices.
        rounds: answered so far.
    """

    labels: list[str]
    amount: Floats
    scale: Floats
    tolerance: float = 5e-4
    start: Floats | None = None
    price: Floats = field(init=False)
    value: float = field(init=False, default=-np.inf)
    top: float = field(init=False, default=np.inf)
    used: Floats = field(init=False)
    free: Floats = field(init=False)
    rounds: int = field(init=False, default=0)
    _planes: list[Floats] = field(init=False, default_factory=list)
    _values: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.price = self._peak = np.zeros(len(self.labels))
        self.used = self.free = np.zeros(len(self.labels))

    def points(self) -> Floats:
        """(p, r) prices to ask next; the first round starts at none."""
        if self.rounds == 0:
            shares, unit = (FIRST, self.scale) if self.start is None else (KNOWN, self.start)
            return np.unique(np.array(shares)[:, None] * unit, axis=0)
        found = np.array([self._peak, *(self._nearest(share) for share in LEVELS)])
        return np.unique(np.clip(found, 0.0, HIGHEST * self.scale), axis=0)

    def update(self, points: Floats, used: Floats, priced: Floats) -> None:
        """Take the answers in.

        Args:
            points: (p, r) prices asked.
            used: (p, r) use at each.
            priced: (p,) minimum of cost plus prices at each.
        """
        value = priced - points @ self.amount
        best = int(value.argmax())
        if self.rounds == 0:
            self.free = used[0]
        if value[best] > self.value:
            self.price, self.value, self.used = points[best], float(value[best]), used[best]
        # L(p) <= cost of the plans + p . (their use - amount), whatever p; slopes for prices in units of their scale.
        slope = used - self.amount
        self._planes += list(np.column_stack([value - (points * slope).sum(axis=1), slope * self.scale]))
        self._planes = self._planes[-PLANES:]
        self.rounds += 1
        self._values.append(self.value)
        self._raise()

    def _raise(self) -> None:
        """Find the top of the planes: no L is above it."""
        planes, size = self._scaled()
        r = len(self.labels)
        matrix = csr_matrix(np.column_stack([np.ones(len(planes)), -planes[:, 1:]]))
        cost = np.concatenate([[-1.0], np.zeros(r)])
        low, high = np.concatenate([[-np.inf], np.zeros(r)]), np.concatenate([[np.inf], np.full(r, HIGHEST)])
        bottom, none = np.full(len(planes), -np.inf), np.zeros(r + 1, bool)
        found = solve_linear(Program(cost, low, high, matrix, bottom, planes[:, 0], none), TOP_SECONDS)
        self._peak, self.top = found.x[1:] * self.scale, float(found.x[0]) * size

    def _nearest(self, share: float) -> Floats:
        """(r,) the prices nearest to the best ones at which all planes reach `share` of the way to their top."""
        from scipy.optimize import nnls  # few workers search; all import this file

        planes, size = self._scaled()
        here = np.divide(self.price, self.scale, out=np.zeros_like(self.price), where=self.scale > 0)
        target = (self.value + share * (self.top - self.value)) / size
        # a step d with planes . d >= what is missing, and no price below nothing
        sides = np.vstack([planes[:, 1:], np.eye(len(here))])
        least = np.concatenate([target - planes[:, 0] - planes[:, 1:] @ here, -here])
        length = np.linalg.norm(sides, axis=1)
        kept = length > 1e-12
        sides, least = sides[kept] / length[kept, None], least[kept] / length[kept]
        matrix, wanted = np.vstack([sides.T, least]), np.zeros(len(here) + 1)
        wanted[-1] = 1.0
        weights, _ = nnls(matrix, wanted, maxiter=30 * matrix.shape[1])
        left = matrix @ weights - wanted
        if left[-1] > -1e-10:  # no step reaches it: rounding, the top itself does
            return self._peak
        found = here - left[:-1] / left[-1]
        return np.where(found > ROUNDING, found, 0.0) * self.scale

    def _scaled(self) -> tuple[Floats, float]:
        """Planes with money in units of the value, so that the programs' numbers are near one; and that unit."""
        planes = np.array(self._planes)
        size = max(1.0, float(np.abs(planes[:, 0]).max()))
        return planes / size, size

    @property
    def fits(self) -> bool:
        """Whether nothing has to be priced: use without prices is within every limit."""
        return bool(self.rounds) and bool(np.all(self.free <= self.amount * (1 + 1e-9)))

    @property
    def settled(self) -> bool:
        """Whether more rounds would change little: L is close to the top of the planes, or has stopped rising."""
        least = self.tolerance * max(abs(self.value), 1e-9)
        idle = len(self._values) > 3 and self._values[-1] - self._values[-3] < least / 2
        return idle or self.top - self.value <= least
