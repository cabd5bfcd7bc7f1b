"""Resources that several items share, as rows over steps: what a plan uses, and what a price on it means to an item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parlevel.domain.replenish.base import Floats, Terms
from parlevel.errors import DataError
from parlevel.registry import nearest

KINDS: dict[str, str] = {
    "supplier_min": "order",
    "truck": "order",
    "budget": "order",
    "inbound": "receipt",
    "storage": "stock",
}
"""Kind of resource -> what it counts: orders placed at a step, receipts in a period, or stock at its end."""

GATES = ("supplier_min", "truck")
CAPACITIES = ("budget", "inbound", "storage")
SHARE = " (share)"
"""End of the name of a group's part of what all groups share."""
MEASURES = ("value", "units", "weight", "volume")


@dataclass(frozen=True)
class Row:
    """One resource in one period.

    Attributes:
        name: resource_id.
        kind: of `KINDS`.
        measure: of `MEASURES`.
        step: 0-based: the order step, or the period received or stored in; 0 is the first after the cutoff.
        amount: minimum (supplier_min), size of a truck (truck), maximum (others); in the measure.
        cost: per truck, money.
        price: set from outside, money per unit of the measure: the row is then no limit but a charge; None: a limit.
    """

    name: str
    kind: str
    measure: str
    step: int
    amount: float
    cost: float = 0.0
    price: float | None = None

    @property
    def label(self) -> str:
        """Name and period for reports; periods count from 1."""
        return f"{self.name}@{self.step + 1}"

    @property
    def basis(self) -> str:
        """order, receipt or stock."""
        return KINDS[self.kind]


def expand(resources: Iterable[Mapping[str, Any]], horizon: int) -> list[Row]:
    """Rows for every step of the horizon.

    Args:
        resources: rows of the contract `resources`; period 0 holds for every period that has no row of its own.
        horizon: steps.

    Raises:
        DataError: a kind or measure is unknown.
    """
    by_key: dict[tuple[str, int], Row] = {}
    for entry in resources:
        kind, measure = str(entry["kind"]), str(entry["measure"])
        for value, known in ((kind, list(KINDS)), (measure, list(MEASURES))):
            if value not in known:
                raise DataError(
                    f"resources: kind must be one of {list(KINDS)} and measure one of {list(MEASURES)}. "
                    f"Got {value!r} in {entry['resource_id']!r}.{nearest(value, known)} Fix the table resources."
                )
        period, name = int(str(entry["period"])), str(entry["resource_id"])
        own = period > 0
        for step in [period - 1] if own else range(horizon):
            if step < horizon and (own or (name, step) not in by_key):
                amount, cost = float(str(entry["amount"])), float(str(entry["cost"] or 0.0))
                by_key[name, step] = Row(name, kind, measure, step, amount, cost)
    # By content, names last: renaming a supplier must not change which of two equal plans the solver finds.
    return sorted(by_key.values(), key=lambda r: (r.kind, r.measure, r.step, r.amount, r.cost, r.name))


def weights(terms: Terms, measure: str) -> Floats:
    """(n,) what one unit of each item counts in a measure."""
    found = {
        "value": terms.unit_cost,
        "units": np.ones_like(terms.unit_cost),
        "weight": terms.unit_weight,
        "volume": terms.unit_volume,
    }
    return found[measure]


def usage(row: Row, terms: Terms, units: Floats, stock: Floats | None) -> Floats:
    """What plans use of a row.

    Args:
        row: the resource.
        terms: of n items.
        units: (..., n, h) units ordered at each step.
        stock: (..., n, T) units expected in stock; needed for storage only.

    Returns: (..., n) in the row's measure.
    """
    each = weights(terms, row.measure)
    if row.basis == "stock":
        if stock is None:
            raise DataError(f"storage {row.name!r} needs the expected stock of the plan. Got none.")
        return stock[..., row.step] * each
    if row.basis == "order":
        return units[..., row.step] * each if row.step < units.shape[-1] else np.zeros(units.shape[:-1])
    at = order_step(row, terms, units.shape[-1])
    rows = np.arange(len(each))
    return np.where(at >= 0, units[..., rows, np.maximum(at, 0)], 0.0) * each


def order_step(row: Row, terms: Terms, horizon: int) -> np.ndarray:
    """(n,) the order step whose orders count against a row; -1 where there is none in the horizon."""
    at = row.step - (terms.lead_time if row.basis == "receipt" else np.zeros_like(terms.lead_time))
    return np.where((at >= 0) & (at < horizon), at, -1)
