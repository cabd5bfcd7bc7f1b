"""One batch of raw packed records -> rows of the contract `panel`, in one vectorised pass.

In: series_id, product_id, location_id and, per series, the lists of `RAW`. Out: the `panel` contract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parlevel.domain.clean import flags as bits
from parlevel.domain.clean.censoring import estimate, zero_runs
from parlevel.domain.clean.covariates import prices, promotions
from parlevel.domain.clean.grid import Bools, Floats, Grid, Ints, floats, integers, ragged
from parlevel.domain.clean.missing import fill
from parlevel.domain.clean.outliers import spikes
from parlevel.domain.clean.returns import net_returns
from parlevel.domain.panel import list_array, right_to_ragged
from parlevel.domain.periods import Period, to_date

RAW: tuple[str, ...] = (
    "record_index",  # period index of each accepted sales row
    "record_sales",  # its units; null = missing
    "record_in_stock",  # 1, 0 or null = unknown
    "hole_index",  # period index of each sales row whose value was rejected
    "price_index",  # period index from which a price holds
    "price_value",
    "promo_first",  # days since 1970-01-01
    "promo_last",
    "promo_intensity",
    "closed_index",  # period index of periods in which the location is closed throughout
    "event_index",  # period index of periods with an event
)
"""List columns of the input, one element per record. Only prices must come in the order of their days."""


@dataclass(frozen=True)
class Rules:
    """What the clean stage does with packed records; see `parlevel.config.data.Clean`.

    Attributes:
        cutoff: period index of the last observed period.
        promotions_until: period index up to which promotions are known.
    """

    period: Period
    cutoff: int
    horizon: int
    promotions_until: int
    gaps: Literal["zero", "missing"] = "zero"
    missing_sales: str = "keep"
    missing_price: str = "interpolate"
    returns: Literal["net", "drop", "keep"] = "net"
    outliers: Literal["cap", "flag", "off"] = "cap"
    outlier_z: float = 8.0
    censoring: Literal["estimate", "mask", "off"] = "estimate"
    stockout_run: int = 0


@dataclass(frozen=True)
class Cells:
    """The matrices that the rules hand on, each (n_series, width)."""

    sales: Floats
    demand: Floats
    available: Bools
    flags: NDArray[np.int32]

    def flag(self, where: Bools, bit: int) -> Cells:
        """With `bit` set where asked."""
        return replace(self, flags=self.flags | np.where(where, np.int32(bit), np.int32(0)))


def clean_batch(table: pa.Table, rules: Rules) -> pa.Table:
    """Clean and pack a batch.

    Args:
        table: identifiers and the lists of `RAW`.
        rules: what to do.

    Returns: one row per input row with the columns of the contract `panel`, without run_id.
    """
    rows, index, sales, in_stock = _records(table)
    n = table.num_rows
    start = np.full(n, rules.cutoff, np.int64)
    np.minimum.at(start, rows, index)
    grid = Grid(rules.cutoff - start + 1, rules.cutoff, rules.horizon)
    price, promo = _covariates(table, grid, rules)
    cells = _observe(table, grid, rows, index, sales, in_stock, rules)
    explained = _mark(table, grid, "event_index") | (np.nan_to_num(promo[:, : grid.width]) > 0)
    cells = _treat_outliers(cells, explained, rules)
    cells = _treat_missing(cells, rules)
    cells = _treat_stockouts(cells, rules)
    return _to_arrow(table, grid, rules.period, cells, price, promo)


def _records(table: pa.Table) -> tuple[Ints, Ints, Floats, Floats]:
    """Records summed by (series, period): row, period index, units and whether in stock (NaN = unknown)."""
    rows, index = ragged(table["record_index"])
    period, units = integers(index), floats(ragged(table["record_sales"])[1])
    in_stock = floats(ragged(table["record_in_stock"])[1])
    if len(rows) == 0:
        return rows, period, units, in_stock
    # the value is part of the order, so that rounding does not depend on the order of arrival
    order = np.lexsort((in_stock, units, period, rows))
    rows, period, units, in_stock = rows[order], period[order], units[order], in_stock[order]
    first = np.concatenate([[True], (rows[1:] != rows[:-1]) | (period[1:] != period[:-1])])
    begin = np.flatnonzero(first)
    return rows[first], period[first], np.add.reduceat(units, begin), np.fmin.reduceat(in_stock, begin)


def _covariates(table: pa.Table, grid: Grid, rules: Rules) -> tuple[Floats, Floats]:
    rows, index = ragged(table["price_index"])
    period, value = integers(index), floats(ragged(table["price_value"])[1])
    order = np.lexsort((period, rows))  # stable: by day within a period, as the lists come
    price = prices(grid, rows[order], period[order], value[order])
    unknown = np.isnan(price)
    price = fill(price, ~unknown, unknown, rules.missing_price, rules.period)
    rows, first = ragged(table["promo_first"])
    last, intensity = integers(ragged(table["promo_last"])[1]), floats(ragged(table["promo_intensity"])[1])
    promo = promotions(grid, rows, integers(first), last, intensity, rules.period, rules.promotions_until)
    return price, promo


def _observe(
    table: pa.Table, grid: Grid, rows: Ints, index: Ints, units: Floats, in_stock: Floats, rules: Rules
) -> Cells:
    """What was recorded: the axis with gaps, closed periods, stockouts, returns and missing values told apart."""
    column = grid.column(index)
    record = grid.mark(rows, index)
    inside = grid.inside & record.any(axis=1, keepdims=True)  # without a record nothing is known, not even a zero
    sales = np.full(record.shape, np.nan)
    sales[rows, column] = units
    stock = np.full(record.shape, np.nan)
    stock[rows, column] = in_stock
    closed = _mark(table, grid, "closed_index") & inside & ~(record & (np.nan_to_num(sales) != 0))
    hole = _mark(table, grid, "hole_index") & inside & ~record & ~closed
    gap = inside & ~record & ~closed & ~hole
    missing = hole | (inside & ~closed & record & np.isnan(sales))
    if rules.missing_sales == "drop":  # a record without a value is no record
        gap, missing = gap | missing, np.zeros_like(missing)
    missing |= gap & (rules.gaps == "missing")
    sales = np.where(gap & ~missing, 0.0, sales)
    returned = sales < 0
    unmatched = np.zeros_like(returned)
    if rules.returns == "net":
        sales, returned, unmatched = net_returns(sales)
    sales = np.where(missing | closed | ~inside, np.nan, sales)
    demand = np.where(closed, 0.0, np.maximum(sales, 0.0))
    known = inside & ~missing & ~closed
    stockout = known & (stock == 0)
    stockout |= zero_runs(known & (demand == 0) & np.isnan(stock), rules.stockout_run)
    cells = Cells(sales, demand, known & ~stockout, np.zeros(record.shape, np.int32))
    found = (
        (record, bits.RECORD), (gap, bits.GAP), (missing, bits.MISSING), (closed, bits.CLOSED),
        (returned, bits.RETURN), (unmatched, bits.UNMATCHED), (stockout, bits.CENSORED),
    )  # fmt: skip
    for where, bit in found:
        cells = cells.flag(where, bit)
    return cells


def _treat_outliers(cells: Cells, explained: Bools, rules: Rules) -> Cells:
    if rules.outliers == "off":
        return cells
    spike, bound = spikes(cells.demand, cells.available, explained, rules.outlier_z, rules.period)
    cells = cells.flag(spike, bits.OUTLIER)
    if rules.outliers == "flag":
        return cells
    return replace(cells, demand=np.where(spike, bound, cells.demand)).flag(spike, bits.CAPPED)


def _treat_missing(cells: Cells, rules: Rules) -> Cells:
    """Fill what is missing; a filled period counts as available: that is what asking to fill it means."""
    holes = bits.has(cells.flags, bits.MISSING)
    demand = fill(cells.demand, cells.available, holes, rules.missing_sales, rules.period)
    filled = holes & ~np.isnan(demand)
    cells = replace(cells, demand=np.where(filled, np.maximum(demand, 0.0), demand))
    return replace(cells, available=cells.available | filled).flag(filled, bits.FILLED)


def _treat_stockouts(cells: Cells, rules: Rules) -> Cells:
    censored = bits.has(cells.flags, bits.CENSORED)
    if rules.censoring == "off":
        return replace(cells, available=cells.available | censored)
    if rules.censoring == "mask":
        return replace(cells, demand=np.where(censored, np.nan, cells.demand))
    demand = estimate(cells.demand, cells.available, censored, rules.period)
    return replace(cells, demand=demand).flag(censored, bits.ESTIMATED)


def _mark(table: pa.Table, grid: Grid, name: str) -> Bools:
    rows, index = ragged(table[name])
    return grid.mark(rows, integers(index))


def _to_arrow(table: pa.Table, grid: Grid, period: Period, cells: Cells, price: Floats, promo: Floats) -> pa.Table:
    n, width, lengths = grid.n_series, grid.width, grid.lengths
    cutoff = np.full(n, grid.cutoff)
    past = {
        "demand": cells.demand,
        "sales": cells.sales,
        "available": cells.available,
        "price": price[:, :width],
        "promo": promo[:, :width],
    }
    packed = {name: right_to_ragged(_canonical(values), lengths) for name, values in past.items()}
    packed["flags"] = right_to_ragged(cells.flags, lengths)  # type: ignore[arg-type]
    whole = np.arange(n + 1, dtype=np.int64) * grid.future
    packed["price_future"] = _canonical(price[:, width:]).reshape(-1), whole
    packed["promo_future"] = _canonical(promo[:, width:]).reshape(-1), whole
    kinds = {name: pa.int32() if name == "flags" else pa.float32() for name in packed}
    return pa.table(
        {
            **{name: table[name] for name in ("series_id", "product_id", "location_id")},
            "cutoff": pa.array(to_date(cutoff, period), pa.date32()),
            "start_date": pa.array(to_date(cutoff - lengths + 1, period), pa.date32()),
            "n_periods": pa.array(lengths, pa.int32()),
            **{name: list_array(values, indptr, kinds[name]) for name, (values, indptr) in packed.items()},
            "content_key": pa.array(content_keys(packed)),
        }
    )


def _canonical(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """float32 with one kind of NaN and no negative zero, so that equal content has equal bytes."""
    out = np.asarray(values, np.float32) + np.float32(0.0)
    return np.where(np.isnan(out), np.float32(np.nan), out)


def content_keys(packed: dict[str, tuple[NDArray[np.float32], Ints]]) -> list[str]:
    """A hash of each series' packed arrays: the same for the same content, whatever the name."""
    names = sorted(packed)
    n = len(packed[names[0]][1]) - 1
    keys = []
    for row in range(n):
        digest = blake2b(digest_size=16)
        for name in names:
            values, indptr = packed[name]
            digest.update(values[indptr[row] : indptr[row + 1]].tobytes())
        keys.append(digest.hexdigest())
    return keys
