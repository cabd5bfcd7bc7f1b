"""Limits that can be kept: the smallest relaxation of those that stock or open orders break already."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.batch import Batch, StepPlans, StepPrices
from parlevel.domain.replenish.constraints.resource import CAPACITIES, Row, order_step, usage, weights


def attainable(batch: Batch, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Rows that an order can touch and that limit or cost anything, their limits raised to what is there already.

    Returns: the rows, and what was raised in words.
    """
    steps = np.unique(np.concatenate([m.time.step[m.time.step < batch.horizon] for m in batch.models]))
    kept, relaxed = [], []
    idle = batch.solve(_barred(batch)) if any(row.basis == "stock" for row in rows) else None
    for row in rows:
        if row.kind == "truck" and not row.cost:
            continue  # as many as it takes, for nothing
        if row.basis == "stock":
            least = float(usage(row, batch.terms, idle.units[0], _of(idle)).sum()) if idle else 0.0
        else:
            if not np.isin(order_step(row, batch.terms, batch.horizon), steps).any():
                continue
            least = 0.0
        limit = row.amount
        if row.basis == "receipt":
            due = batch.state.receipts[:, row.step] if row.step < batch.state.receipts.shape[1] else 0.0
            limit = row.amount - float(np.sum(due * weights(batch.terms, row.measure)))
        if row.kind in CAPACITIES and limit < least - 1e-9:
            relaxed.append(f"{row.label} by {least - limit:,.2f} {row.measure} (already on hand or on order)")
            limit = least
        kept.append(Row(row.name, row.kind, row.measure, row.step, limit, row.cost))
    return kept, relaxed


def _of(plans: StepPlans) -> Floats | None:
    return None if plans.stock is None else plans.stock[0]


def _barred(batch: Batch) -> StepPrices:
    """Prices under which nothing is ordered."""
    shape = (1, batch.n, batch.horizon)
    return StepPrices(np.zeros(shape), np.full(shape, np.inf))
