"""Which shared row moved an item's first order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parlevel.domain.replenish.base import Bools
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import GATES, Row, order_step, weights


def binding(batch: Batch, rows: Sequence[Row], price: Sequence[float], moved: Bools) -> list[str]:
    """(n,) label of the row with the largest price effect on each item whose first order was moved, else empty.

    Args:
        batch: n items.
        rows: shared rows.
        price: of each, money per unit of its measure.
        moved: (n,) whether the first order differs from the item's own.
    """
    out = [""] * batch.n
    if not rows:
        return out
    effect = np.zeros((batch.n, len(rows)))
    for k, row in enumerate(rows):
        each = np.abs(price[k]) * weights(batch.terms, row.measure)
        # What holds for the first order comes first; a minimum binds by its links even where its price is nil.
        first = (order_step(row, batch.terms, batch.horizon) == 0) | (row.basis == "stock")
        counts = (np.abs(price[k]) > 0) | (row.kind in GATES)
        effect[:, k] = np.where(first & counts, 1.0 + each, each / (1.0 + each) + 1e-9 / (1 + row.step))
    for item in np.flatnonzero(moved):
        out[item] = rows[int(effect[item].argmax())].label
    return out
