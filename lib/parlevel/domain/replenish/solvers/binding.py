"""Which shared row moved an item's first order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import GATES, Row, order_step, usage, weights


def binding(batch: Batch, rows: Sequence[Row], price: Sequence[float], units: Floats, alone: Floats) -> list[str]:
    """(n,) label of the row that moved an item's first order most, else empty.

    A gate at which nothing at all is ordered was not worth opening; one that is open raises orders. Otherwise it is the
    row with the largest price effect.

    Args:
        batch: n items.
        rows: shared rows.
        price: of each, money per unit of its measure.
        units: (n, h) ordered at each step.
        alone: (n, h) what items would order by themselves.
    """
    out = [""] * batch.n
    change = units[:, 0] - alone[:, 0]
    moved = np.flatnonzero(np.abs(change) > 1e-9)
    if not rows or not len(moved):
        return out
    effect = np.zeros((batch.n, len(rows)))
    for k, row in enumerate(rows):
        each = np.abs(price[k]) * weights(batch.terms, row.measure)
        # What holds for the first order comes first; a minimum binds by its links even where its price is nil.
        first = (order_step(row, batch.terms, batch.horizon) == 0) | (row.basis == "stock")
        gate = row.kind in GATES
        counts = (np.abs(price[k]) > 0) | gate
        effect[:, k] = np.where(first & counts, 1.0 + each, each / (1.0 + each) + 1e-9 / (1 + row.step))
        if gate and row.step == 0:
            shut = usage(row, batch.terms, units, None).sum() <= 0
            effect[:, k] += 1e9 * (shut | (change > 0))
    for item in moved:
        out[item] = rows[int(effect[item].argmax())].label
    return out
