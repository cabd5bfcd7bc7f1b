"""Panel: the histories of many series that share a cutoff, as aligned arrays.

Rows are series, columns are periods; the last demand column is the cutoff of every series, so a
fold is a slice and calendar features are computed once for all. Delta holds the same data packed,
one row a series (ragged); `from_arrow` lays it out without a Python loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parlevel.domain.periods import Period, to_date, to_index
from parlevel.domain.stakes import Stakes
from parlevel.errors import DataError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Panel:
    """Many series on one time axis.

    Attributes:
        series_id: (n_series,) names; never used to compute anything.
        demand: (n_series, n_periods) units; NaN where unknown or before the series began.
        available: (n_series, n_periods) bool; False = masked from training and scoring.
        cutoff: period index of the last demand column.
        period: "day", "week" or "month".
        channels: name -> (n_series, n_periods + horizon) covariates, NaN where unknown.
        known_future: names of the channels whose values after the cutoff may be used.
        statics: name -> (n_series,) numbers and codes that do not change over time.
        stakes: what the series' orders are decided by; no model sees it, a loss in money needs it.
    """

    series_id: NDArray[np.object_]
    demand: Floats
    available: NDArray[np.bool_]
    cutoff: int
    period: Period
    channels: Mapping[str, Floats] = field(default_factory=dict)
    known_future: frozenset[str] = frozenset()
    statics: Mapping[str, Floats] = field(default_factory=dict)
    stakes: Stakes | None = None

    def __post_init__(self) -> None:
        if self.demand.ndim != 2 or self.available.shape != self.demand.shape:
            raise DataError(
                "demand and available must both be (n_series, n_periods). "
                f"Got {self.demand.shape} and {self.available.shape}."
            )
        widths = {name: values.shape[1] for name, values in self.channels.items()}
        if len(set(widths.values())) > 1:
            raise DataError(f"channels must share one length, n_periods + horizon. Got {widths}.")

    @property
    def n_series(self) -> int:
        """Number of series (rows)."""
        return int(self.demand.shape[0])

    @property
    def n_periods(self) -> int:
        """Number of past periods (columns), the longest series' length."""
        return int(self.demand.shape[1])

    @property
    def horizon(self) -> int:
        """Future periods that the channels cover; 0 without channels."""
        widths = [values.shape[1] for values in self.channels.values()]
        return widths[0] - self.n_periods if widths else 0

    @property
    def periods(self) -> NDArray[np.int64]:
        """(n_periods + horizon,) period index of each column, past then future."""
        first = self.cutoff - self.n_periods + 1
        return np.arange(first, self.cutoff + self.horizon + 1, dtype=np.int64)

    def dates(self, horizon: int | None = None) -> NDArray[np.datetime64]:
        """First day of each past column and of `horizon` future ones (default: what the channels cover)."""
        future = self.horizon if horizon is None else horizon
        first = self.cutoff - self.n_periods + 1
        return to_date(np.arange(first, self.cutoff + future + 1), self.period)

    def observed(self) -> Floats:
        """(n_series, n_periods) demand with NaN wherever a model must not look."""
        return np.where(self.available, self.demand, np.float32(np.nan))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Panel:
        """The panel of some series, chosen by position or by a mask."""
        return replace(
            self,
            series_id=self.series_id[rows],
            demand=self.demand[rows],
            available=self.available[rows],
            channels={name: values[rows] for name, values in self.channels.items()},
            statics={name: values[rows] for name, values in self.statics.items()},
            stakes=self.stakes.take(rows) if self.stakes else None,
        )

    def last(self, n_periods: int) -> Panel:
        """The panel with at most the last `n_periods` past columns."""
        drop = max(0, self.n_periods - n_periods)
        return replace(
            self,
            demand=self.demand[:, drop:],
            available=self.available[:, drop:],
            channels={name: values[:, drop:] for name, values in self.channels.items()},
        )

    def at(self, cutoff: int, horizon: int) -> Panel:
        """What was known at an earlier cutoff: later demand is gone, and so are later covariates
        that nobody could have known.

        Args:
            cutoff: period index of the new last column.
            horizon: periods after it that the channels shall cover (NaN beyond the data).

        Raises:
            DataError: the cutoff lies outside the panel.
        """
        keep = self.n_periods - (self.cutoff - cutoff)
        if not 0 < keep <= self.n_periods:
            raise DataError(
                f"cutoff must lie in the panel's {self.n_periods} periods. Got {self.cutoff - cutoff} periods back."
            )
        channels = {}
        for name, values in self.channels.items():
            cut = np.full((self.n_series, keep + horizon), np.nan, np.float32)
            known = min(keep + (horizon if name in self.known_future else 0), values.shape[1])
            cut[:, :known] = values[:, :known]
            channels[name] = cut
        return replace(
            self,
            demand=self.demand[:, :keep],
            available=self.available[:, :keep],
            cutoff=cutoff,
            channels=channels,
        )

    def after(self, cutoff: int, horizon: int) -> tuple[Floats, NDArray[np.bool_]]:
        """What came after an earlier cutoff: (demand, available), each (n_series, horizon).

        Periods beyond the panel are NaN and not available.
        """
        begin = self.n_periods - (self.cutoff - cutoff)
        actual = np.full((self.n_series, horizon), np.nan, np.float32)
        scored = np.zeros((self.n_series, horizon), bool)
        stop = min(begin + horizon, self.n_periods)
        actual[:, : stop - begin] = self.demand[:, begin:stop]
        scored[:, : stop - begin] = self.available[:, begin:stop]
        return actual, scored & ~np.isnan(actual)

    @classmethod
    def from_arrow(cls, rows: pa.Table, period: Period, known_future: frozenset[str] = frozenset()) -> Panel:
        """Lay out rows of the `features` table.

        Args:
            rows: columns of the contract `features`, and those of `Stakes` where a loss needs them; all rows share
                one cutoff and channel list.
            period: length of a period.
            known_future: channels that a model may read beyond a cutoff.

        Raises:
            DataError: no rows, or rows of several cutoffs or channel lists.
        """
        if rows.num_rows == 0:
            raise DataError("a panel needs at least one series. Got none.")
        rows = rows.combine_chunks()
        cutoffs = rows["cutoff"].unique()
        if len(cutoffs) != 1 or len(rows["n_future"].unique()) != 1:
            raise DataError(
                f"rows of a panel must share one cutoff and horizon. Got cutoffs {cutoffs.to_pylist()[:3]}."
            )
        names = list(rows["channels"][0].as_py())
        lengths = rows["n_past"].to_numpy().astype(np.int64)
        horizon = int(rows["n_future"][0].as_py())
        width = int(lengths.max())
        demand = ragged_to_right(_values(rows["demand"]), lengths, width, np.nan)
        available = ragged_to_right(_values(rows["available"]), lengths, width, 0.0) > 0.5
        flat = _values(rows["channel_values"])
        spans = lengths + horizon
        channels = {}
        starts = np.concatenate([[0], np.cumsum(spans * len(names))[:-1]])
        for position, name in enumerate(names):
            index = _block(starts + position * spans, spans)
            channels[name] = ragged_to_right(flat[index], spans, width + horizon, np.nan)
        static_names = list(rows["statics"][0].as_py())
        static_values = _values(rows["static_values"]).reshape(rows.num_rows, len(static_names))
        cutoff = np.array([cutoffs[0].as_py()], "datetime64[D]")
        return cls(
            series_id=np.array(rows["series_id"].to_pylist(), dtype=object),
            demand=demand,
            available=available & ~np.isnan(demand),
            cutoff=int(to_index(cutoff, period)[0]),
            period=period,
            channels=channels,
            known_future=known_future,
            statics={name: static_values[:, k].copy() for k, name in enumerate(static_names)},
            stakes=Stakes.from_arrow(rows),
        )


def ragged_to_right(values: Floats, lengths: NDArray[np.int64], width: int, fill: float) -> Floats:
    """Lay ragged rows out right-aligned.

    Args:
        values: (sum(lengths),) the rows one after another.
        lengths: (n_rows,) length of each.
        width: columns of the result, >= max(lengths).
        fill: value left of each row.

    Returns: (n_rows, width).

    >>> ragged_to_right(np.array([1, 2, 3], np.float32), np.array([1, 2]), 2, 0).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    out = np.full((len(lengths), width), fill, np.float32)
    mask = np.arange(width)[None, :] >= (width - lengths)[:, None]
    out[mask] = values
    return out


def right_to_ragged(matrix: Floats, lengths: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """The inverse of `ragged_to_right`: (values, indptr), indptr of shape (n_rows + 1,)."""
    width = matrix.shape[1]
    mask = np.arange(width)[None, :] >= (width - lengths)[:, None]
    return matrix[mask], np.concatenate([[0], np.cumsum(lengths)])


def list_array(values: NDArray[np.generic], indptr: NDArray[np.int64], kind: pa.DataType) -> pa.ListArray:
    """An Arrow list column from flat values and row pointers, without a Python loop."""
    return pa.ListArray.from_arrays(pa.array(indptr, pa.int32()), pa.array(values, kind))


def rows_to_lists(matrix: NDArray[np.generic], kind: pa.DataType) -> pa.ListArray:
    """An Arrow list column with one row of a matrix (n, width) per list."""
    flat = np.ascontiguousarray(matrix).reshape(-1)
    return list_array(flat, np.arange(matrix.shape[0] + 1, dtype=np.int64) * matrix.shape[1], kind)


def _values(column: pa.ChunkedArray) -> Floats:
    """Flat float32 values of a list column; nulls become NaN."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    return array.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)


def _block(starts: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of blocks [start, start + span) one after another."""
    ends = np.cumsum(spans)
    return np.arange(ends[-1]) - np.repeat(ends - spans, spans) + np.repeat(starts, spans)
