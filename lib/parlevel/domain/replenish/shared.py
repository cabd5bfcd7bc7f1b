"""What all groups share: prices by cutting planes and ascent, several price vectors a round.

The dual of the shared rows is concave in their prices: L(price) = sum of the groups' priced minima - price . amount.
Each round every group answers at several prices at once and Spark adds the answers up. Every answer is a plane that
L nowhere passes; the top of all planes (a small linear program), points between it and the best prices so far, and
steps along the best point's excess use are asked next. Source: Kelley (1960) for the planes, Geoffrion (1974) for
the dual, Held, Wolfe & Crowder (1974) for ascent along the violation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.job import Job, shared_rows
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.solvers.linear import Program, solve_linear
from parlevel.domain.replenish.solvers.pricing import step_prices, total_usage
from parlevel.schemas import Column, arrow_schema

ANSWER: tuple[Column, ...] = (
    Column("point", "int", "which price vector"),
    Column("label", "string", "shared row; empty: all together"),
    Column("used", "double", "of the row by the group's plans at the point"),
    Column("priced", "double", "the group's minimum of cost plus prices (rows without label)", "money"),
)
"""Columns of a group's answer to prices."""

# Prices that the first round asks, in units of a row's price scale; none, then ever dearer.
FIRST = (0.0, 0.005, 0.02, 0.06, 0.17, 0.5)
# Later rounds: shares of the way from the best prices to the top of the planes, and steps along the excess use.
TOWARDS = (1.0, 0.5, 0.25, 0.1, 0.03)
STEPS = (0.003, 0.01, 0.03, 0.1, 0.3)
# A step along each row alone teaches the planes what orders move to when that row gets dearer or cheaper.
ALONE = 0.005
# Seconds for the linear program over the planes: rows + 1 variables, a row a plane.
TOP_SECONDS = 10.0


def answer(rows: pa.Table, job: Job, labels: list[str], points: Floats) -> pa.Table:
    """What items do at each price vector, with nothing else shared.

    Args:
        rows: packed rows; of one supplier and location where a shared row names either.
        job: what groups share.
        labels: (r,) shared rows.
        points: (p, r) prices, money per unit of each row's measure.
    """
    scoped = any(entry["supplier_id"] or entry["location_id"] for entry in job.shared)
    groups = pc.unique(rows["solve_group"]) if scoped else [None]
    used, priced = np.zeros((len(points), len(labels))), np.zeros(len(points))
    for group in groups:
        part = rows if group is None else rows.filter(pc.equal(rows["solve_group"], group))
        items = unpack(part, job.settings.horizon)
        known = np.flatnonzero(items.known)
        mine = [row for row in shared_rows(items, job) if row.label in labels]
        if not len(known) or not mine:
            continue
        stocked = any(row.basis == "stock" for row in mine)
        some = (items.state.take(known), items.forecast.take(known), items.terms.take(known))
        batch = Batch(*some, job.settings, stocked)
        at = [labels.index(row.label) for row in mine]
        plans = batch.solve(step_prices(batch, mine, points[:, at], stocked))
        used[:, at] += total_usage(mine, batch.terms, plans.units, plans.stock)
        priced += plans.priced.sum(axis=1)
    out = [
        {"point": p, "label": label, "used": float(used[p, k]), "priced": 0.0}
        for p in range(len(points))
        for k, label in enumerate(labels)
    ]
    out += [{"point": p, "label": "", "used": 0.0, "priced": float(v)} for p, v in enumerate(priced)]
    return pa.Table.from_pylist(out, schema=arrow_schema(ANSWER))


@dataclass
class PriceSearch:
    """Search for the prices of shared rows that make L largest.

    Attributes:
        labels: (r,) shared rows.
        amount: (r,) their limits.
        scale: (r,) price at which hardly anybody orders, money per unit of the measure.
        tolerance: the search ends when L is at most this share below the top of the planes.
        price: (r,) best prices so far.
        value: L(price), money.
        top: no prices reach a larger L, money.
        used: (r,) use at the best prices.
        rounds: answered so far.
    """

    labels: list[str]
    amount: Floats
    scale: Floats
    tolerance: float = 5e-4
    price: Floats = field(init=False)
    value: float = field(init=False, default=-np.inf)
    top: float = field(init=False, default=np.inf)
    used: Floats = field(init=False)
    free: Floats = field(init=False)
    rounds: int = field(init=False, default=0)
    _step: float = field(init=False, default=1.0)
    _planes: list[Floats] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.price = self._peak = np.zeros(len(self.labels))
        self.used = self.free = np.zeros(len(self.labels))

    def points(self) -> Floats:
        """(p, r) prices to ask next; the first round starts at none."""
        if self.rounds == 0:
            return np.array(FIRST)[:, None] * self.scale
        excess = (self.used - self.amount) / np.maximum(self.amount, 1e-9)
        ahead = self.price + np.array(STEPS)[:, None] * self._step * self.scale * np.clip(excess, -1.0, 1.0)
        between = self.price + np.array(TOWARDS)[:, None] * (self._peak - self.price)
        single = self.price + np.diag(ALONE * self._step * self.scale * np.where(excess > 0, 1.0, -1.0))
        return np.unique(np.maximum(np.concatenate([between, ahead, single]), 0.0), axis=0)

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
        else:
            self._step *= 0.3
        # L(p) <= cost of the plans + p . (their use - amount), whatever p.
        slope = used - self.amount
        self._planes += list(np.column_stack([value - (points * slope).sum(axis=1), slope]))
        self.rounds += 1
        self._raise()

    def _raise(self) -> None:
        """Find the top of the planes: no L is above it."""
        planes = np.array(self._planes)
        r = len(self.labels)
        size = max(1.0, float(np.abs(planes[:, 0]).max()))
        # Prices in units of their scale and money in units of the cost keep the program's numbers near one.
        matrix = csr_matrix(np.column_stack([np.ones(len(planes)), -planes[:, 1:] * self.scale / size]))
        cost = np.concatenate([[-1.0], np.zeros(r)])
        low, high = np.concatenate([[-np.inf], np.zeros(r)]), np.concatenate([[np.inf], np.full(r, 4.0)])
        bottom, none = np.full(len(planes), -np.inf), np.zeros(r + 1, bool)
        found = solve_linear(Program(cost, low, high, matrix, bottom, planes[:, 0] / size, none), TOP_SECONDS)
        self._peak, self.top = found.x[1:] * self.scale, float(found.x[0]) * size

    @property
    def fits(self) -> bool:
        """Whether nothing has to be priced: use without prices is within every limit."""
        return bool(self.rounds) and bool(np.all(self.free <= self.amount * (1 + 1e-9)))

    @property
    def settled(self) -> bool:
        """Whether more rounds would change little: L is close to the top of the planes."""
        return self.top - self.value <= self.tolerance * max(abs(self.value), 1e-9)
