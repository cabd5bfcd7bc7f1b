"""What is at stake in a series' orders: what the money of a decision is counted with, and never a feature."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parlevel.domain.replenish.base import longest_wait

Floats = NDArray[np.float64]

NUMBERS = ("shortage_cost", "holding_cost", "backorder_cost", "lead_time", "review_period", "frozen_periods")
COLUMNS = (*NUMBERS, "order_weekdays")
"""Columns of `supply_terms` that say it."""


@dataclass(frozen=True)
class Stakes:
    """Terms of n series that an order is decided by.

    Attributes:
        short: (n,) money per unit that is lost, or that waits over a review period.
        over: (n,) money per unit that is left when the next order arrives.
        interval: (n,) periods that an order has to cover: frozen window + lead time + review period, or the longest
            wait between two days that take orders.
    """

    short: Floats
    over: Floats
    interval: NDArray[np.int64]

    @classmethod
    def from_arrow(cls, rows: pa.Table) -> Stakes | None:
        """Of rows with the columns `COLUMNS`; None where one is missing. Without terms nothing is at stake."""
        if not set(COLUMNS) <= set(rows.column_names):
            return None
        lost, holding, late, lead, review, frozen = (
            rows[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in NUMBERS
        )
        bits = [sum(1 << (day - 1) for day in set(days or ())) for days in rows["order_weekdays"].to_pylist()]
        review = np.where(bits, [longest_wait(days) for days in bits], review)
        lead = lead + np.nan_to_num(frozen)
        short = np.where(np.isnan(late), lost, late * review)
        interval = np.nan_to_num(lead + review, nan=1.0).astype(np.int64)
        return cls(np.nan_to_num(short), np.nan_to_num(holding * review), interval)

    @property
    def ratio(self) -> Floats:
        """(n,) the critical ratio: the probability at which one unit more costs what it saves."""
        return np.asarray(self.short / np.maximum(self.short + self.over, 1e-12))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Stakes:
        """Of some series."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def matrix(self) -> Floats:
        """(n, 3) all of it."""
        return np.column_stack([self.short, self.over, self.interval])
