"""Small panels with known structure, and their rows as the table `features` holds them."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa

from parlevel.domain.panel import Panel
from parlevel.domain.periods import to_date
from parlevel.schemas import arrow_schema, contract

CUTOFF = 17_000  # a Tuesday in 2016
HARD = ("zero", "constant", "one", "three", "masked", "dying", "new")


QUICK_TRAINING = [
    "calendar.horizon=7", "train.folds=2", "train.fold_step=7", "features.lags=[1, 7]", "features.windows=[7, 28]",
    "features.halflives=[7.0]",
]  # fmt: skip
"""Settings under which a stage train of a few small series takes seconds; candidates are the test's own."""


def daily(n_series: int, n_periods: int, seed: int = 0, horizon: int = 14) -> Panel:
    """Daily counts with a weekly profile, a promotion channel that doubles demand, and a static level code."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(2.0, 3.0, n_series)[:, None]
    column = np.arange(n_periods + horizon)
    week = 1.0 + 0.4 * np.sin(2 * np.pi * column / 7)[None, :]
    promo = (rng.random((n_series, n_periods + horizon)) < 0.1).astype(np.float32)
    mean = level * week * (1 + promo)
    demand = rng.poisson(mean)[:, :n_periods].astype(np.float32)
    return Panel(
        series_id=np.array([f"s{k:03d}" for k in range(n_series)], dtype=object),
        demand=demand,
        available=np.ones_like(demand, bool),
        cutoff=CUTOFF,
        period="day",
        channels={"promo": promo},
        known_future=frozenset({"promo"}),
        statics={"level_code": np.round(np.log(level[:, 0])).astype(np.float32)},
    )


def with_hard(panel: Panel) -> Panel:
    """The first seven series replaced by the hard ones, named in `HARD`."""
    demand, available = panel.demand.copy(), panel.available.copy()
    n = panel.n_periods
    demand[0] = 0.0
    demand[1] = 4.0
    demand[2, : n - 1], available[2, : n - 1] = np.nan, False
    demand[2, n - 1] = 3.0
    demand[3, : n - 3], available[3, : n - 3] = np.nan, False
    demand[3, n - 3 :] = [1.0, 2.0, 6.0]
    available[4] = False
    demand[5, n // 2 :] = 0.0
    demand[6, : n - 20], available[6, : n - 20] = np.nan, False
    names = panel.series_id.copy()
    names[: len(HARD)] = HARD
    return Panel(
        names,
        demand,
        available,
        panel.cutoff,
        panel.period,
        panel.channels,
        panel.known_future,
        panel.statics,
    )


def features_rows(panel: Panel) -> pa.Table:
    """The panel as rows of the contract `features` (every series with the panel's whole width)."""
    n, width, horizon = panel.n_series, panel.n_periods, panel.horizon
    first = to_date(np.array([panel.cutoff - width + 1]), panel.period)[0].item()
    last = to_date(np.array([panel.cutoff]), panel.period)[0].item()
    assert isinstance(last, datetime.date)
    channels, statics = list(panel.channels), list(panel.statics)
    values = np.stack([panel.channels[name] for name in channels], axis=1).reshape(n, -1)
    numbers = np.stack([panel.statics[name] for name in statics], axis=1)
    columns = {
        "series_id": panel.series_id.tolist(),
        "cutoff": [last] * n,
        "start_date": [first] * n,
        "n_past": [width] * n,
        "n_future": [horizon] * n,
        "demand": panel.demand.tolist(),
        "available": panel.available.astype(np.float32).tolist(),
        "channels": [channels] * n,
        "channel_values": values.tolist(),
        "statics": [statics] * n,
        "static_values": numbers.tolist(),
        "statistics": [["none"]] * n,
        "statistic_values": [[0.0]] * n,
    }
    schema = arrow_schema(contract("features").data_columns)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def profile_rows(panel: Panel, groups: list[str], high_volume: list[bool]) -> pa.Table:
    """Rows of the contract `series_profile` for the panel's series."""
    schema = arrow_schema(contract("series_profile").data_columns)
    n = panel.n_series
    given: dict[str, list] = {
        "series_id": panel.series_id.tolist(),
        "group_id": groups,
        "high_volume": high_volume,
        "left_out": [None] * n,
        "kept_from": [None] * n,
        "predicted_bytes": [10_000] * n,
        "content_key": [str(key) for key in range(n)],
    }
    filler = {"string": "x", "int32": 1, "int64": 1, "double": 1.0, "bool": False}
    columns = []
    for field in schema:
        values = given.get(field.name, [filler[str(field.type)]] * n)
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def one_group(n_series: int, n_periods: int, horizon: int) -> pa.Table:
    """Rows of `features` as a worker of stage train gets them: one group, nothing left out."""
    rows = features_rows(daily(n_series, n_periods, horizon=horizon))
    rows = rows.append_column("group_id", pa.array(["g"] * n_series))
    rows = rows.append_column("high_volume", pa.array([False] * n_series))
    return rows.append_column("left_out", pa.nulls(n_series, pa.string()))
