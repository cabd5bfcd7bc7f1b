"""Prices of shared rows as prices of items and order steps, and what plans pay at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parlevel.domain.replenish.base import Floats, Terms
from parlevel.domain.replenish.batch import Batch, StepPrices
from parlevel.domain.replenish.constraints.resource import Row, order_step, usage, weights


def step_prices(batch: Batch, rows: Sequence[Row], price: Floats, with_stock: bool) -> StepPrices:
    """What rows cost the items of a batch.

    Args:
        batch: n items.
        rows: shared rows.
        price: (p, r) money per unit of a row's measure, for p price vectors.
        with_stock: give prices of stock even if no row has any.
    """
    n, h, p = batch.n, batch.horizon, len(price)
    unit = np.zeros((p, n, h))
    stock = np.zeros((p, n, batch.periods)) if with_stock else None
    items = np.arange(n)
    for k, row in enumerate(rows):
        each = price[:, k, None] * weights(batch.terms, row.measure)
        if row.basis == "stock":
            if stock is not None:
                stock[:, :, row.step] += each
            continue
        at = order_step(row, batch.terms, h)
        unit[:, items[at >= 0], at[at >= 0]] += each[:, at >= 0]
    return StepPrices(unit, np.zeros((p, n, h)), stock)


def total_usage(rows: Sequence[Row], terms: Terms, units: Floats, stock: Floats | None) -> Floats:
    """(..., r) what plans (..., n, h) of all items together use of each row."""
    if not rows:
        return np.zeros((*units.shape[:-2], 0))
    return np.stack([usage(row, terms, units, stock).sum(axis=-1) for row in rows], axis=-1)


def item_charges(
    rows: Sequence[Row], price: Sequence[float], terms: Terms, units: Floats, stock: Floats | None
) -> Floats:
    """(..., n) money that plans (..., n, h) pay at fixed prices of rows."""
    paid = np.zeros(units.shape[:-1])
    for row, each in zip(rows, price, strict=True):
        paid = paid + each * usage(row, terms, units, stock)
    return paid


def seeds(batch: Batch, base: StepPrices, rows: Sequence[Row]) -> list[StepPrices]:
    """Prices whose plans a good group plan is likely to need: no orders, joint order steps, dearer units.

    Args:
        batch: n items.
        base: prices from outside, one vector.
        rows: limits of the group.
    """
    steps = sorted({row.step for row in rows if row.basis == "order"})
    barred = [[*range(batch.horizon)]]
    if any(row.kind in ("supplier_min", "truck") for row in rows):
        for every in (2, 3, 4):
            barred += [[s for i, s in enumerate(steps) if i % every != first] for first in range(every)]
        barred += [[s] for s in steps[:6]]
    out = []
    for off in barred:
        fixed = base.fixed.copy()
        fixed[0, :, off] = np.inf
        out.append(StepPrices(base.unit, fixed, base.stock))
    typical = batch.terms.holding_cost * batch.terms.review_period
    dearer = [base.unit + factor * typical[None, :, None] for factor in (1.0, 4.0, 16.0)]
    return out + [StepPrices(unit, base.fixed, base.stock) for unit in dearer]
