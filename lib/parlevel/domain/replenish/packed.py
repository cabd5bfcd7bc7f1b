"""Rows of a supplier's items as arrays: what the replenish stage packs, one row a series, and its unpacking."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from parlevel.domain.replenish.base import Bools, Floats, Forecast, State, Terms
from parlevel.schemas import Column

NUMBERS = (
    "lead_time_sd", "min_order_qty", "case_pack", "max_stock", "min_stock", "unit_cost", "unit_price",
    "holding_cost", "shortage_cost", "backorder_cost", "order_cost", "target", "unit_weight", "unit_volume",
)  # fmt: skip
NEVER = 10**6  # periods until the season of an item without one is over
_THURSDAY = 3  # the weekday of period 0, Monday = 0
WHOLE = ("lead_time", "review_period", "shelf_life", "frozen_periods")

PACKED: tuple[Column, ...] = (
    Column("series_id", "string", "the series"),
    Column("product_id", "string", "the product"),
    Column("location_id", "string", "the location"),
    Column("supplier_id", "string", "who delivers it"),
    Column("solve_group", "string", "supplier @ location"),
    Column("content_key", "string", "orders series without looking at names"),
    Column("assumed", "boolean", "true where stock or terms were assumed"),
    Column("cutoff_index", "bigint", "period index of the cutoff"),
    Column("missing", "string", "why there is no forecast; null where there is one"),
    Column("mean", "array<double>", "per step", "units"),
    Column("levels", "array<double>", "quantile levels"),
    Column("quantiles", "array<double>", "flattened (step, level)", "units"),
    Column("path_correlation", "double", "dependence between steps"),
    Column("history", "array<float>", "recent demand up to the cutoff; NaN = unknown", "units"),
    Column("drivers", "array<string>", "what moves the forecast most, strongest first; null where nothing says"),
    Column("on_hand", "double", "stock", "units"),
    Column("backorders", "double", "owed", "units"),
    Column("due_steps", "array<int>", "steps in which open orders arrive; overdue ones in step 1"),
    Column("due_qty", "array<double>", "how much arrives", "units"),
    *(Column(name, "double", "of the contract supply_terms") for name in NUMBERS),
    *(Column(name, "int", "of the contract supply_terms") for name in WHOLE),
    Column("order_weekdays", "array<int>", "1 = Monday .. 7; null: any"),
    Column("season_steps", "int", "periods until the season is over; null: it has none"),
    Column("leftover_value", "double", "of a unit after its season; null: nothing", "money / unit"),
    Column("asked", "double", "service that the series' policy is asked for in place of its target; null: its target"),
    Column("policy", "string", "registry name of the series' own policy; null: it has none of its own"),
)


@dataclass(frozen=True)
class Items:
    """n items of a group, sorted by content.

    Attributes:
        names: (n,) series_id, product_id, location_id, supplier_id as columns.
        known: (n,) False where there is no forecast: nothing can be ordered.
        missing: (n,) why not, else empty.
        assumed: (n,) stock or terms were assumed.
        drivers: (n,) what moves the forecast most, or None.
        state, forecast, terms: of all n items; the forecast is zero where not known.
        asked: (n,) service to ask a policy for in place of the target, NaN where it is the target; empty: for all.
        policies: (n,) registry names of the items' own policies, empty where an item has none.
        closing: (n,) the end of the season, not a maximum of the terms, limits the stock; empty where no item has one.
    """

    names: dict[str, list[str]]
    known: Bools
    missing: list[str]
    assumed: Bools
    drivers: list[list[str] | None]
    state: State
    forecast: Forecast
    terms: Terms
    closing: Bools = field(default_factory=lambda: np.zeros(0, bool))
    policies: list[str] = field(default_factory=list)
    asked: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def n(self) -> int:
        """Items."""
        return len(self.known)

    def for_policies(self) -> Terms:
        """The terms that policies decide by: their target is the service asked for."""
        if not len(self.asked) or np.isnan(self.asked).all():
            return self.terms
        return replace(self.terms, target=np.where(np.isnan(self.asked), self.terms.target, self.asked))


def unpack(rows: pa.Table, horizon: int) -> Items:
    """Items of packed rows, sorted by content and then by name.

    Args:
        rows: columns `PACKED`.
        horizon: periods forecast.
    """
    rows = rows.combine_chunks().sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    missing = [text or "" for text in rows["missing"].to_pylist()]
    known = np.array([not text for text in missing], bool)
    names = {k: rows[k].to_pylist() for k in ("series_id", "product_id", "location_id", "supplier_id")}
    assumed = np.array(rows["assumed"].to_pylist(), bool)
    drivers = rows["drivers"].to_pylist()
    state, forecast = _state(rows, horizon), _forecast(rows, known, horizon)
    policies = [name or "" for name in rows["policy"].to_pylist()]
    made = Items(names, known, missing, assumed, drivers, state, forecast, _terms(rows))
    return replace(made, policies=policies, asked=_numbers(rows, "asked"))


def _numbers(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows[name].to_numpy(), np.float64)


def _terms(rows: pa.Table) -> Terms:
    values: dict[str, Any] = {k: _numbers(rows, k) for k in NUMBERS}
    values.update({k: np.nan_to_num(_numbers(rows, k)).astype(np.int64) for k in WHOLE})
    frozen = values.pop("frozen_periods")
    values["frozen"] = frozen if frozen.any() else np.zeros(0, np.int64)
    weekdays = rows["order_weekdays"].to_pylist()
    if any(weekdays):
        # Step j lies on weekday (first + j) % 7; a calendar says when orders are decided, the review period no more.
        first = (np.asarray(rows["cutoff_index"].to_numpy(), np.int64) + 1 + _THURSDAY) % 7
        listed = [days or range(1, 8) for days in weekdays]
        bits = [sum(1 << (day - 1 - int(f)) % 7 for day in set(days)) for days, f in zip(listed, first, strict=True)]
        values["order_days"] = np.array(bits, np.int64)
        given = np.array([bool(days) for days in weekdays])
        values["review_period"] = np.where(given, 1, values["review_period"])
    leftover = np.nan_to_num(_numbers(rows, "leftover_value"))
    values["leftover_value"] = leftover if leftover.any() else np.zeros(0)
    return Terms(**values)


def _state(rows: pa.Table, horizon: int) -> State:
    steps, n = rows["due_steps"].combine_chunks(), rows.num_rows
    lengths = np.asarray(steps.value_lengths().fill_null(0), np.int64)
    column = np.maximum(np.asarray(steps.flatten(), np.int64), 1) - 1
    due = np.zeros((n, max(horizon, int(column.max(initial=-1)) + 1)))
    np.add.at(due, (np.repeat(np.arange(n), lengths), column), np.asarray(rows["due_qty"].combine_chunks().flatten()))
    return State(_numbers(rows, "on_hand"), _numbers(rows, "backorders"), due)


def _forecast(rows: pa.Table, known: Bools, horizon: int) -> Forecast:
    n = rows.num_rows
    first = int(np.flatnonzero(known)[0]) if known.any() else -1
    levels = np.array(rows["levels"][first].as_py() if first >= 0 else [0.5], np.float64)
    mean, quantiles = np.zeros((n, horizon)), np.zeros((n, horizon, len(levels)))
    if first >= 0:
        only = rows.filter(pa.array(known))
        mean[known] = np.asarray(only["mean"].combine_chunks().flatten()).reshape(-1, horizon)
        flat = np.asarray(only["quantiles"].combine_chunks().flatten())
        quantiles[known] = flat.reshape(-1, horizon, len(levels))
    correlation = np.nan_to_num(_numbers(rows, "path_correlation"))
    made = Forecast(mean, levels, quantiles, correlation, _history(rows))
    steps = _numbers(rows, "season_steps")
    if np.isnan(steps).all():
        return made
    return replace(made, ends=np.where(np.isnan(steps), NEVER, steps).astype(np.int64)).extend(horizon, 1)


def _history(rows: pa.Table) -> Floats:
    lists = rows["history"].combine_chunks()
    lengths = np.asarray(lists.value_lengths().fill_null(0), np.int64)
    width = max(int(lengths.max(initial=0)), 1)
    out = np.full((rows.num_rows, width), np.nan)
    flat = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float64)
    out[np.arange(width) >= (width - lengths)[:, None]] = flat
    return out
