"""The master program over item plans: one plan per item, what they share within its limits.

Problem data: columns (item, cost, usage of every row), rows of shared resources.
Decision: lambda_c, one plan per item; z_r, whether anything is ordered from a supplier with a minimum; y_r, trucks.
Objective: sum of plan costs + cost of trucks.
    convexity   sum of an item's lambda = 1
    capacity    usage <= amount
    minimum     usage >= amount z_r, and no item orders unless z_r (one row per item, which makes the bound strong)
    truck       usage <= size y_r, and no item orders unless y_r >= 1
Source: Dantzig & Wolfe (1960); the strong linking rows as in facility location, Krarup & Pruzan (1983).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix

from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row, usage
from parlevel.domain.replenish.solvers.linear import Program


@dataclass
class Columns:
    """Plans found so far; c of them.

    Attributes:
        item: (c,) whose plan.
        units: (c, h) units ordered at each step.
        cost: (c,) expected cost, money.
        use: (c, r) usage of each row.
    """

    item: Ints
    units: Floats
    cost: Floats
    use: Floats
    _known: set[bytes] | None = field(default=None, repr=False, compare=False)

    def of(self, rows: list[int]) -> Columns:
        """The same plans with the usage of some rows only."""
        return Columns(self.item, self.units, self.cost, self.use[:, rows])

    def cheapest(self, n: int) -> Ints:
        """(n,) each item's cheapest plan; every item has one."""
        order = np.lexsort((self.cost, self.item))
        return order[np.searchsorted(self.item[order], np.arange(n))]

    def add(self, other: Columns) -> int:
        """Append the plans that are not there yet; returns how many were new."""
        if self._known is None:
            self._known = set(self._keys())
        known, fresh = self._known, []
        for k, key in enumerate(other._keys()):
            if key not in known:
                known.add(key)
                fresh.append(k)
        self.item = np.concatenate([self.item, other.item[fresh]])
        self.units = np.concatenate([self.units, other.units[fresh]])
        self.cost = np.concatenate([self.cost, other.cost[fresh]])
        self.use = np.concatenate([self.use, other.use[fresh]])
        return len(fresh)

    def take(self, rows: Ints | Bools) -> Columns:
        """Some of the plans."""
        return Columns(self.item[rows], self.units[rows], self.cost[rows], self.use[rows])

    def _keys(self) -> list[bytes]:
        """Item and units of each plan: what tells two plans apart."""
        keys = np.column_stack([self.item, self.units]) + 0.0  # -0.0 is none, too
        return keys.view(f"V{keys.shape[1] * keys.itemsize}").ravel().tolist() if len(keys) else []  # type: ignore[no-any-return]


def make_columns(rows: list[Row], terms: Terms, units: Floats, cost: Floats, stock: Floats | None) -> Columns:
    """Columns from plans (p, n, h) with costs (p, n) and stock (p, n, T)."""
    p, n, h = units.shape
    use = np.stack([usage(row, terms, units, stock) for row in rows], axis=-1) if rows else np.zeros((p, n, 0))
    item = np.tile(np.arange(n), p)
    return Columns(item, units.reshape(-1, h), cost.reshape(-1), use.reshape(p * n, -1))


@dataclass(frozen=True)
class Master:
    """The program's layout.

    Attributes:
        n: items.
        rows: shared rows.
    """

    n: int
    rows: list[Row]

    @property
    def minimum(self) -> list[int]:
        """Positions of supplier minimums."""
        return [k for k, row in enumerate(self.rows) if row.kind == "supplier_min"]

    @property
    def truck(self) -> list[int]:
        """Positions of truck rows."""
        return [k for k, row in enumerate(self.rows) if row.kind == "truck"]

    @property
    def gates(self) -> list[int]:
        """Positions of rows with a variable that must be on before any item may order: minimums, then trucks."""
        return self.minimum + self.truck

    def program(self, columns: Columns) -> Program:
        """The program over the columns; row order: convexity (n), shared (r), links (n per gate)."""
        c, r, gates = len(columns.item), len(self.rows), self.gates
        width, height = c + len(gates), self.n + r + len(gates) * self.n
        at, var, value = [columns.item], [np.arange(c)], [np.ones(c)]
        used = np.nonzero(columns.use)
        at.append(self.n + used[1])
        var.append(used[0])
        value.append(columns.use[used])
        for order, k in enumerate(gates):
            on = np.flatnonzero(columns.use[:, k] > 0)
            base = self.n + r + order * self.n
            at += [np.array([self.n + k]), base + columns.item[on], base + np.arange(self.n)]
            var += [np.array([c + order]), on, np.full(self.n, c + order)]
            value += [np.array([-self.rows[k].amount]), np.ones(len(on)), -np.ones(self.n)]
        matrix = coo_matrix(
            (np.concatenate(value), (np.concatenate(at), np.concatenate(var))), shape=(height, width)
        ).tocsr()
        low, high = self._row_bounds()
        cost = np.concatenate([columns.cost, self._gate_cost()])
        top = np.concatenate([np.ones(c), self._gate_most(columns.item, columns.use)])
        return Program(cost, np.zeros(width), top, matrix, low, high, np.ones(width, bool))

    def _row_bounds(self) -> tuple[Floats, Floats]:
        low = np.full(self.n + len(self.rows) + len(self.gates) * self.n, -np.inf)
        high = np.zeros_like(low)
        low[: self.n] = high[: self.n] = 1.0
        for k, row in enumerate(self.rows):
            if row.kind in CAPACITIES:
                high[self.n + k] = row.amount
            elif row.kind == "supplier_min":
                low[self.n + k], high[self.n + k] = 0.0, np.inf
        return low, high

    def _gate_cost(self) -> Floats:
        """(gates,) money for opening a gate once: the cost of a truck."""
        return np.array([self.rows[k].cost if self.rows[k].kind == "truck" else 0.0 for k in self.gates])

    def _gate_most(self, item: Ints, use: Floats) -> Floats:
        """(gates,) how often a gate opens at most: once, or as many trucks as hold every item's largest plan."""
        most = np.zeros((self.n, len(self.rows)))
        np.maximum.at(most, item, use)
        total = most.sum(axis=0)
        trucks = {k: max(1.0, float(np.ceil(total[k] / self.rows[k].amount))) for k in self.truck}
        return np.array([trucks.get(k, 1.0) for k in self.gates])

    def split_duals(self, duals: Floats) -> tuple[Floats, Floats]:
        """(prices (r,), links (gates, n)): money per unit of usage, and per item for ordering at a gate's step.

        The price of a supplier minimum is a premium that is paid for usage: negative.
        """
        r = len(self.rows)
        price = -duals[self.n : self.n + r]
        link = np.maximum(-duals[self.n + r :].reshape(len(self.gates), self.n), 0.0)
        for k, row in enumerate(self.rows):
            price[k] = min(price[k], 0.0) if row.kind == "supplier_min" else max(price[k], 0.0)
        for order, k in enumerate(self.gates):
            # Duals that pay more than a truck costs would make the bound fall without end: rounding, scaled away.
            paid = price[k] * self.rows[k].amount + link[order].sum()
            if self.rows[k].kind == "truck" and paid > self.rows[k].cost:
                price[k] *= self.rows[k].cost / paid
                link[order] *= self.rows[k].cost / paid
        return price, link

    def with_gates(
        self, columns: Columns, gates: Floats, broken: float, allowed: Bools | None = None
    ) -> tuple[Program, Ints]:
        """The program with its gates (gates,) held: no gate variables and no links are left, a truck is a capacity.

        Args:
            columns: plans.
            gates: how often each gate opens.
            broken: money for an open minimum of which nothing is ordered, or a capacity passed by as much again; less
                costs that share.
            allowed: (c,) plans to choose from; default all.

        Returns: the program, and which columns are its first variables: allowed, with no order at a closed gate.
            The others are the shares by which rows are broken.
        """
        low, high = (part[: self.n + len(self.rows)] for part in self._row_bounds())
        fits = np.ones(len(columns.item), bool) if allowed is None else allowed.copy()
        for k, often in zip(self.gates, np.rint(gates), strict=True):
            if often < 1:
                fits &= columns.use[:, k] <= 0
            elif self.rows[k].kind == "truck":
                high[self.n + k] = often * self.rows[k].amount
            else:
                low[self.n + k] = self.rows[k].amount
        short, over = low[self.n :] > 0, np.isfinite(high[self.n :])
        soft = np.flatnonzero(short | over)
        size = np.where(short, low[self.n :], -np.maximum(high[self.n :], 1.0))[soft]
        kept = np.flatnonzero(fits)
        c, used = len(kept), np.nonzero(columns.use[kept])
        at = np.concatenate([columns.item[kept], self.n + used[1], self.n + soft])
        var = np.concatenate([np.arange(c), used[0], c + np.arange(len(soft))])
        value = np.concatenate([np.ones(c), columns.use[kept][used], size])
        width = c + len(soft)
        matrix = coo_matrix((value, (at, var)), shape=(len(low), width)).tocsr()
        cost = np.concatenate([columns.cost[kept], np.full(len(soft), broken)])
        top = np.concatenate([np.ones(c), np.full(len(soft), np.inf)])
        return Program(cost, np.zeros(width), top, matrix, low, high, np.arange(width) < c), kept

    def raw_prices(self, duals: Floats) -> Floats:
        """(r,) prices of rows with gates held: a truck is then a capacity, whatever it costs."""
        price = -duals[self.n : self.n + len(self.rows)]
        least = np.array([row.kind == "supplier_min" for row in self.rows])
        return np.where(least, np.minimum(price, 0.0), np.maximum(price, 0.0))

    def trucks_cost(self, gates: Floats) -> float:
        """Money for opening the gates (gates,) as often as said."""
        return float(self._gate_cost() @ gates)

    def constant(self, price: Floats, link: Floats) -> float:
        """What the Lagrangian adds to the items' priced minima: bound = sum of minima + this."""
        total = 0.0
        for k, row in enumerate(self.rows):
            if row.kind in CAPACITIES:
                total -= price[k] * row.amount
        for order, k in enumerate(self.minimum):
            total += min(0.0, -price[k] * self.rows[k].amount - link[order].sum())
        return total

    def extra_cost(self, use: Floats) -> Floats:
        """(...) cost of the trucks that total usages (..., r) need."""
        if not self.truck:
            return np.zeros(use.shape[:-1])
        size, cost = self.trucks[:, self.truck]
        return np.asarray((np.ceil(use[..., self.truck] / size - 1e-9) * cost).sum(axis=-1))

    def value(self, columns: Columns, chosen: Ints) -> float:
        """Cost of a choice of columns (n,) with its trucks, money."""
        return float(columns.cost[chosen].sum()) + float(self.extra_cost(columns.use[chosen].sum(axis=0)))

    def violation(self, use: Floats) -> Floats:
        """(..., r) by how much total usages (..., r) break each row, in the row's measure."""
        amount, tolerance, top, least, _ = self.limits
        over = use - amount
        short = (least > 0) & (use > 1e-9) & (over < -tolerance)
        return np.where((top > 0) & (over > tolerance), over, 0.0) - np.where(short, over, 0.0)

    @cached_property
    def limits(self) -> Floats:
        """(5, r) amounts, how far a total may pass them, which are capacities, which supplier minimums, and units."""
        amount = np.array([row.amount for row in self.rows])
        top, least = np.zeros((2, len(self.rows)))
        top[[k for k, row in enumerate(self.rows) if row.kind in CAPACITIES]] = 1.0
        least[self.minimum] = 1.0
        size = np.abs(amount)
        return np.stack([amount, 1e-7 * np.maximum(1.0, size), top, least, np.maximum(size, 1e-9)])

    @cached_property
    def trucks(self) -> Floats:
        """(2, r) size and cost of the trucks of each row; 0 where it has none."""
        found = np.zeros((2, len(self.rows)))
        for k in self.truck:
            found[:, k] = self.rows[k].amount, self.rows[k].cost
        return found
