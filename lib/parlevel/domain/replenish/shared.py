"""What all groups share: prices by dual ascent, and shares of what is scarce.

The dual of the shared rows is concave in their prices: L(price) = sum of the groups' priced minima - price . amount.
Each round every group answers at several prices at once, Spark adds the answers up, and the best point of the line is
kept; its excess use is the next direction. Source: Geoffrion (1974), Lagrangean relaxation; Held, Wolfe & Crowder
(1974) for ascent along the violation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.job import Job, shared_rows
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.solvers.pricing import step_prices, total_usage
from parlevel.schemas import Column, arrow_schema

ANSWER: tuple[Column, ...] = (
    Column("point", "int", "which price vector"),
    Column("label", "string", "shared row; empty: all together"),
    Column("used", "double", "of the row by the group's plans at the point"),
    Column("priced", "double", "the group's minimum of cost plus prices (rows without label)", "money"),
)
"""Columns of a group's answer to prices."""

# Steps tried along the direction, in units of a row's price scale; 0 keeps the best point among the answers.
STEPS = (0.0, 0.02, 0.08, 0.25, 0.7, 2.0)


def answer(rows: pa.Table, job: Job, labels: list[str], points: Floats) -> pa.Table:
    """What a group's items do at each price vector, with nothing else shared.

    Args:
        rows: packed rows of a group.
        job: what groups share.
        labels: (r,) shared rows.
        points: (p, r) prices, money per unit of each row's measure.
    """
    items = unpack(rows, job.settings.horizon)
    known = np.flatnonzero(items.known)
    mine = [row for row in shared_rows(items, job) if row.label in labels]
    if not len(known) or not mine:
        return arrow_schema(ANSWER).empty_table()
    stocked = any(row.basis == "stock" for row in mine)
    batch = Batch(items.state.take(known), items.forecast.take(known), items.terms.take(known), job.settings, stocked)
    price = points[:, [labels.index(row.label) for row in mine]]
    plans = batch.solve(step_prices(batch, mine, price, stocked))
    used = total_usage(mine, batch.terms, plans.units, plans.stock)
    out = [
        {"point": p, "label": row.label, "used": float(used[p, k]), "priced": 0.0}
        for p in range(len(points))
        for k, row in enumerate(mine)
    ]
    out += [{"point": p, "label": "", "used": 0.0, "priced": float(v)} for p, v in enumerate(plans.priced.sum(axis=1))]
    return pa.Table.from_pylist(out, schema=arrow_schema(ANSWER))


@dataclass
class PriceSearch:
    """Dual ascent over the prices of shared rows, several points a round.

    Attributes:
        labels: (r,) shared rows.
        amount: (r,) their limits.
        scale: (r,) price at which hardly anybody orders, money per unit of the measure.
        price: (r,) best prices so far.
        value: L(price), money.
        used: (r,) use at those prices.
        rounds: answered so far.
    """

    labels: list[str]
    amount: Floats
    scale: Floats
    price: Floats = field(init=False)
    value: float = field(init=False, default=-np.inf)
    used: Floats = field(init=False)
    free: Floats = field(init=False)
    rounds: int = field(init=False, default=0)
    _step: float = field(init=False, default=1.0)

    def __post_init__(self) -> None:
        self.price = np.zeros(len(self.labels))
        self.used = self.free = np.zeros(len(self.labels))

    def points(self) -> Floats:
        """(p, r) prices to ask next; the first round starts at none."""
        if self.rounds == 0:
            return np.array(STEPS)[:, None] * 0.25 * self.scale
        excess = (self.used - self.amount) / np.maximum(self.amount, 1e-9)
        direction = self.scale * np.clip(excess, -1.0, 1.0)
        steps = np.array(STEPS[1:]) * self._step
        return np.maximum(self.price + steps[:, None] * direction, 0.0)

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
            self._step *= 0.7 if best < len(points) - 1 else 1.5
        else:
            self._step *= 0.1
        self.rounds += 1

    @property
    def fits(self) -> bool:
        """Whether nothing has to be priced: use without prices is within every limit."""
        return bool(self.rounds) and bool(np.all(self.free <= self.amount * (1 + 1e-9)))

    @property
    def settled(self) -> bool:
        """Whether more rounds would change little: steps are small, or no limit is missed by more than 1 %."""
        slack = np.where(self.price > 0, np.abs(self.used - self.amount), np.maximum(self.used - self.amount, 0.0))
        return self._step < 0.02 or bool(np.all(slack <= 0.01 * np.maximum(self.amount, 1e-9)))
