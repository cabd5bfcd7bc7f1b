"""One batch of panel rows -> rows of `features` and of the profile, in one vectorised pass each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parlevel.domain.clean.grid import floats, integers, ragged
from parlevel.domain.features import calendar, statistics
from parlevel.domain.features.history import History
from parlevel.domain.features.prices import discount, price_ratio
from parlevel.domain.features.profile import Profile, profile
from parlevel.domain.features.teaching import left_out
from parlevel.domain.panel import Panel, list_array, ragged_to_right, right_to_ragged, rows_to_lists
from parlevel.domain.periods import Period, to_date

STATICS: tuple[str, ...] = ("category_code", "department_code", "brand_code", "location_code", "log_price")
"""Per-series codes and numbers, in order."""

BUCKETS_PER_FOLD = 64.0
"""Volume buckets per factor e: series within 1.6 % of each other share one."""

DESIGN_COLUMNS = 60
"""Roughly the features that a pooled model lays out per period; see docs/features.md."""


@dataclass(frozen=True)
class Settings:
    """What the features stage computes; see `parlevel.config.data.Features`.

    Attributes:
        channels: those to write, in order.
        ahead: those of them whose values after the cutoff are kept.
        judged: periods before the cutoff that folds judge models on; groups are made of what came before them.
        holidays: use public holidays.
    """

    period: Period
    cutoff: int
    horizon: int
    channels: tuple[str, ...]
    ahead: frozenset[str]
    lags: tuple[int, ...]
    windows: tuple[int, ...]
    halflives: tuple[float, ...]
    max_history: int
    holidays: bool = True
    judged: int = 0


def feature_rows(table: pa.Table, settings: Settings) -> pa.Table:
    """Channels, statics and statistics of a batch.

    Args:
        table: rows of `panel` joined with the codes of `STATICS` (but log_price), country, subdivision
            and the location's calendar as lists calendar_day, calendar_bits.
        settings: what to compute.

    Returns: one row per input row with the columns of the contract `features`, without run_id.
    """
    table = table.combine_chunks()
    lengths = np.asarray(table["n_periods"].to_numpy(), np.int64)
    price, channels = _channels(table, lengths, settings)
    kept = np.minimum(lengths, settings.max_history)
    width = int(kept.max())
    demand, available = (_dense(table[name], lengths)[:, -width:] for name in ("demand", "available"))
    past = History(_panel(demand, available, settings))
    spec = settings.lags, settings.windows, settings.halflives
    stacked = np.stack([values[:, -(width + settings.horizon) :] for values in channels.values()], axis=1)
    inside = np.arange(stacked.shape[2]) >= (width - kept)[:, None]
    flat = stacked[np.broadcast_to(inside[:, None, :], stacked.shape)].astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum((kept + settings.horizon) * len(channels))])
    statics = np.column_stack([*(_numbers(table, name) for name in STATICS[:-1]), _log_price(price, settings)])
    n = table.num_rows
    start = to_date(settings.cutoff - kept + 1, settings.period)
    return pa.table(
        {
            "series_id": table["series_id"],
            "cutoff": table["cutoff"],
            "start_date": pa.array(start, pa.date32()),
            "n_past": pa.array(kept, pa.int32()),
            "n_future": pa.array(np.full(n, settings.horizon), pa.int32()),
            "demand": _packed(demand, kept),
            "available": _packed(available, kept),
            "channels": _names(list(channels), n),
            "channel_values": list_array(flat, indptr, pa.float32()),
            "statics": _names(list(STATICS), n),
            "static_values": rows_to_lists(statics.astype(np.float32), pa.float32()),
            "statistics": _names(statistics.names(*spec), n),
            "statistic_values": rows_to_lists(statistics.at_cutoff(past, *spec).astype(np.float32), pa.float32()),
        }
    )


def profile_rows(table: pa.Table, settings: Settings) -> pa.Table:
    """Profile of a batch before groups are known.

    Args:
        table: rows of `panel`, flags among them, with category, department and brand.
        settings: what to compute.

    Returns: columns of `series_profile` but velocity, high_volume and group_id, and volume_bucket: the
        logarithm of the recent mean in steps of 1 / 64 (null without sales); group_pattern, group_mean and
        group_bucket are pattern, recent_mean and volume_bucket as they were before what folds judge.
    """
    table = table.combine_chunks()
    lengths = np.asarray(table["n_periods"].to_numpy(), np.int64)
    history = _panel(_dense(table["demand"], lengths), _dense(table["available"], lengths), settings)
    found = profile(History(history), lengths, settings.period)
    pattern, level = _before_folds(history, lengths, found, settings)
    flags = np.nan_to_num(_dense(table["flags"], lengths)).astype(np.int32)
    why = left_out(history.demand, history.available, flags, settings.period)
    kept = np.minimum(lengths, settings.max_history)
    identity = ("series_id", "product_id", "location_id", "category", "department", "brand", "content_key")
    return pa.table(
        {
            **{name: table[name] for name in identity},
            "pattern": pa.array(found.pattern.astype(object), pa.string()),
            "adi": pa.array(found.adi, pa.float64(), mask=np.isnan(found.adi)),
            "cv2": pa.array(found.cv2, pa.float64(), mask=np.isnan(found.cv2)),
            "n_periods": pa.array(lengths, pa.int32()),
            "n_positive": pa.array(found.n_positive, pa.int32()),
            "total": pa.array(found.total),
            "recent_mean": pa.array(found.recent_mean),
            "age": pa.array(found.age, pa.int32()),
            "since_last_sale": pa.array(found.since_last_sale, pa.int32()),
            "left_out": pa.array(why, pa.string()),
            "predicted_bytes": pa.array(predicted_bytes(kept, len(settings.channels))),
            "volume_bucket": _buckets(found.recent_mean),
            "group_pattern": pa.array(pattern.astype(object), pa.string()),
            "group_mean": pa.array(level),
            "group_bucket": _buckets(level),
        }
    )


def _before_folds(
    history: Panel, lengths: NDArray[np.int64], found: Profile, settings: Settings
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Pattern and recent mean of each series as they were before the oldest fold's cutoff; see `Settings.judged`.

    Classes made of the periods that folds judge would hold the series which happened to sell little there: such a
    group's models and quantiles are calibrated too low, and its demand comes back after the cutoff.
    """
    if settings.judged == 0:
        return found.pattern, found.recent_mean
    if settings.judged >= history.n_periods:
        return np.where(found.pattern == "empty", "empty", "new"), np.zeros(len(lengths))
    past = History(history.at(history.cutoff - settings.judged, 0))
    then = profile(past, np.maximum(lengths - settings.judged, 0), settings.period)
    young = (then.pattern == "empty") & (found.pattern != "empty")
    return np.where(young, "new", then.pattern), then.recent_mean


def _buckets(level: NDArray[np.float64]) -> pa.Array:
    sold = level > 0
    return pa.array(np.floor(np.log(np.where(sold, level, 1.0)) * BUCKETS_PER_FOLD), pa.int64(), mask=~sold)


def predicted_bytes(n_periods: NDArray[np.int64], n_channels: int) -> NDArray[np.int64]:
    """Memory that a series adds to its group's training, from its length alone.

    A period is held once packed and once laid out (4 bytes each for demand, availability and channels),
    with about ten prefix sums of 8 bytes, and as one row of the design matrix.

    Args:
        n_periods: (n_series,) periods of history.
        n_channels: covariate channels.

    Returns: (n_series,) bytes.
    """
    return n_periods * (2 * 4 * (2 + n_channels) + 10 * 8 + 4 * DESIGN_COLUMNS)


def _channels(
    table: pa.Table, lengths: NDArray[np.int64], settings: Settings
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Price on the whole axis, and every channel: (n_series, width + horizon), NaN where not known ahead."""
    horizon = settings.horizon
    price, promo = (
        np.concatenate([_dense(table[name], lengths), _flat(table[f"{name}_future"]).reshape(-1, horizon)], axis=1)
        for name in ("price", "promo")
    )
    width = price.shape[1] - horizon
    found: dict[str, NDArray[np.float64]] = {
        "price_ratio": price_ratio(price, settings.period),
        "discount": discount(price, settings.period),
        "promo": promo,
        **_calendar(table, width, settings),
    }
    out = {}
    for name in settings.channels:
        values = found[name]
        if name not in settings.ahead:
            values = values.copy()
            values[:, width:] = np.nan
        out[name] = values
    return price, out


def _calendar(table: pa.Table, width: int, settings: Settings) -> Mapping[str, NDArray[np.float64]]:
    """Calendar channels, computed once per location of the batch."""
    encoded = table["location_id"].combine_chunks().dictionary_encode()
    place = encoded.indices.to_numpy(zero_copy_only=False)
    _, first_row = np.unique(place, return_index=True)
    locations = table.take(pa.array(first_row))
    rows, days = ragged(locations["calendar_day"])
    day, bits = integers(days), integers(ragged(locations["calendar_bits"])[1])
    countries, parts = (locations[name].to_pylist() for name in ("country", "subdivision"))
    start = settings.cutoff - width + 1
    per_location = []
    for k, (country, part) in enumerate(zip(countries, parts, strict=True)):
        mine = rows == k
        where = (country, part) if settings.holidays else (None, None)
        per_location.append(
            calendar.channels(day[mine], bits[mine], where, start, width + settings.horizon, settings.period)
        )
    return {name: np.stack([one[name] for one in per_location])[place] for name in per_location[0]}


def _panel(demand: NDArray[np.float64], available: NDArray[np.float64], settings: Settings) -> Panel:
    known = (available > 0.5) & ~np.isnan(demand)
    names = np.empty(len(demand), object)
    return Panel(names, demand.astype(np.float32), known, settings.cutoff, settings.period)


def _dense(column: pa.ChunkedArray, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    return ragged_to_right(_flat(column), lengths, int(lengths.max()), np.nan).astype(np.float64)


def _flat(column: pa.ChunkedArray) -> NDArray[np.float32]:
    return floats(ragged(column)[1]).astype(np.float32)


def _packed(matrix: NDArray[np.float64], lengths: NDArray[np.int64]) -> pa.ListArray:
    values, indptr = right_to_ragged(matrix.astype(np.float32), lengths)
    return list_array(values, indptr, pa.float32())


def _names(names: list[str], n: int) -> pa.Array:
    return pa.array([names] * n, pa.list_(pa.string()))


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    return floats(table[name].combine_chunks())


def _log_price(price: NDArray[np.float64], settings: Settings) -> NDArray[np.float64]:
    """Logarithm of 1 + the price at the cutoff."""
    return np.asarray(np.log1p(price[:, price.shape[1] - settings.horizon - 1]))
