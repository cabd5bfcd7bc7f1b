"""From ragged records to right-aligned matrices: rows are series, the last column is the cutoff.

Every sum over time is a cumulative one, so that a result does not depend on the width of the batch
that a series happens to travel in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The time axes of a batch.

    Attributes:
        lengths: (n_series,) periods from each series' first one to the cutoff.
        cutoff: period index of the last column.
        future: columns after the cutoff that covariates cover.
    """

    lengths: Ints
    cutoff: int
    future: int

    @property
    def n_series(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    @property
    def width(self) -> int:
        """Past columns: the longest series."""
        return int(self.lengths.max())

    @property
    def periods(self) -> Ints:
        """(width,) period index of each past column."""
        return np.arange(self.cutoff - self.width + 1, self.cutoff + 1, dtype=np.int64)

    @property
    def inside(self) -> Bools:
        """(n_series, width) whether a cell lies on its series' axis."""
        return np.asarray(np.arange(self.width)[None, :] >= (self.width - self.lengths)[:, None])

    def column(self, index: Ints) -> Ints:
        """Column of each period index; may lie outside."""
        return index - self.cutoff + self.width - 1

    def mark(self, rows: Ints, index: Ints) -> Bools:
        """(n_series, width) True at the given cells; cells outside are left out."""
        out = np.zeros((self.n_series, self.width), bool)
        column = self.column(index)
        keep = (column >= 0) & (column < self.width)
        out[rows[keep], column[keep]] = True
        return out


def ragged(column: pa.ChunkedArray | pa.Array) -> tuple[Ints, pa.Array]:
    """Row number and value of every element of a list column; a null list is empty."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(array), dtype=np.int64), lengths), array.flatten()


def integers(values: pa.Array) -> Ints:
    """Arrow integers as int64."""
    return np.asarray(values.to_numpy(zero_copy_only=False), np.int64)


def floats(values: pa.Array) -> Floats:
    """Arrow numbers as float64; null becomes NaN."""
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def total(values: NDArray[np.generic]) -> Floats:
    """(n, t) -> (n, 1) row sums, added from left to right (zeros on the left change nothing)."""
    if values.shape[1] == 0:
        return np.zeros((values.shape[0], 1))
    return np.asarray(np.cumsum(values, axis=1, dtype=np.float64)[:, -1:])


def forward_fill(values: Floats) -> Floats:
    """Each NaN replaced by the last number to its left in the row; NaN where there is none."""
    column = np.where(np.isnan(values), 0, np.arange(values.shape[1])[None, :])
    return np.asarray(np.take_along_axis(values, np.maximum.accumulate(column, axis=1), axis=1))
