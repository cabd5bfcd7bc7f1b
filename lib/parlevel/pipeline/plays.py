"""Play policies over held-back folds: the rows, the plays, sums and ratios by policy, setting and segment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from parlevel.config import Config
from parlevel.domain.evaluate import inventory
from parlevel.domain.evaluate.simulate import Played, play, start_state
from parlevel.domain.periods import PER_YEAR, SEASON
from parlevel.domain.replenish.base import Floats, Forecast, Ints, Policy, Terms
from parlevel.domain.replenish.packed import PACKED, Items, unpack
from parlevel.domain.replenish.pathbook import with_book
from parlevel.domain.replenish.registry import AUTO, OPTIMAL, policy
from parlevel.schemas import Column, arrow_schema
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import DAYS
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum

PERFECT = "perfect_forecast"  # `optimal` told the demand that came, whatever the policy in use
SERVICE = "safety_stock_csl"
MEASURES = {SERVICE: "cycle_service_level", "safety_stock_fill_rate": "fill_rate"}
"""Policy that is asked for service -> what it is asked for."""
SERIES_SUMS: tuple[Column, ...] = (
    Column("policy", "string", "registry name, or perfect_forecast"),
    Column("setting", "string", "what is varied; empty for what every series is played with"),
    Column("segment", "string", "all, or kind:value"),
    Column("cutoff", "date", "held-back cutoff"),
    *(Column(name, "double", "of domain.evaluate.inventory.SUMS") for name in inventory.SUMS),
)


@dataclass(frozen=True)
class Setting:
    """A policy as it is played.

    Attributes:
        entry: registry name.
        parameters: of the policy.
        asked: cycle service level asked for, None where orders weigh costs or where each series has its own.
        share: of the series, drawn by content, that it is played on.
    """

    entry: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    asked: float | None = None
    share: float = 1.0


Plays = Mapping[tuple[str, str], Setting]
"""(name in the tables, setting; empty for what everything is played with) -> the policy."""


def simulate(rows: DataFrame, plays: Plays, kinds: Sequence[str], *, cfg: Config) -> list[dict[str, Any]]:
    """Play policies: a row a policy, setting, segment and cutoff, with sums and ratios.

    Args:
        rows: from `simulation_rows`.
        plays: what is played.
        kinds: columns of the rows whose values are segments.
        cfg: the configuration.
    """
    parts = 4 * cores(rows.sparkSession)
    fn = partial(_play, plays=plays, season=season_of(cfg), kinds=tuple(kinds))
    return added_up(map_packed(rows, fn, SERIES_SUMS, partitions=parts), cfg)


def added_up(played: DataFrame, cfg: Config) -> list[dict[str, Any]]:
    """A row a policy, setting, segment and cutoff, with sums and ratios, of rows `SERIES_SUMS`."""
    keys = ["policy", "setting", "segment", "cutoff"]
    totals = played.groupBy(*keys).agg(*(exact_sum(name).alias(name) for name in inventory.SUMS))
    found = totals.orderBy(*keys).collect()  # bounded: policies, settings, segments and folds
    return [_kpi(row.asDict(), cfg) for row in found]


def parameters_of(name: str, cfg: Config) -> dict[str, Any]:
    """Parameters of a policy as the configuration plays it; those given are for `replenish.policy` alone.

    Those of the policy auto: name -> parameters of each policy that it chooses from.
    """
    if name == AUTO:
        return {each: parameters_of(each, cfg) for each in cfg.replenish.choose_from}
    given = dict(cfg.replenish.parameters) if name == cfg.replenish.policy else {}
    if name != OPTIMAL:
        return given
    replenish = cfg.replenish
    return {
        "season": season_of(cfg), "n_paths": replenish.n_paths, "seed": cfg.seed,
        "shortage_weight": replenish.shortage_weight, **given,
    }  # fmt: skip


def season_of(cfg: Config) -> int:
    """Periods that a forecast repeats beyond its horizon."""
    return SEASON[cfg.calendar.period]


def _kpi(row: dict[str, Any], cfg: Config) -> dict[str, Any]:
    """One row of the contract from its sums."""
    period, n_periods = cfg.calendar.period, cfg.calendar.horizon
    found = inventory.ratios(row, n_periods, PER_YEAR[period], DAYS[period])
    return {
        **row, **found, "n_series": round(row["n_series"]), "n_periods": n_periods, "orders": round(row["orders"]),
    }  # fmt: skip


def _play(table: pa.Table, *, plays: Plays, season: int, kinds: tuple[str, ...]) -> pa.Table:
    """Play every policy over a batch of series: sums per series and policy, once for each of its segments."""
    table = table.sort_by([("content_key", "ascending"), ("series_id", "ascending"), ("cutoff", "ascending")])
    draw = np.array([_draw(key) for key in table["content_key"].to_pylist()])
    parts = [pa.Table.from_pylist([], arrow_schema(SERIES_SUMS))]
    for share in sorted({each.share for each in plays.values()}):
        some = table.filter(pa.array(draw < share))
        chosen = {key: each for key, each in plays.items() if each.share == share}
        parts += _play_some(some, chosen, season, kinds) if some.num_rows else []
    return pa.concat_tables(parts, promote_options="permissive")


def _draw(key: str) -> float:
    """A number in [0, 1) that depends on a series' content alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32


def _play_some(table: pa.Table, plays: Plays, season: int, kinds: tuple[str, ...]) -> list[pa.Table]:
    """The same for the plays that these rows are for."""
    items, demand = unpacked(table)
    known_then, parts = with_book(items.forecast, season), []
    for (name, setting), each in sorted(plays.items()):
        forecast = with_book(_perfect(items, demand), season) if name == PERFECT else known_then
        sums = sums_of(items, forecast, demand, each, season, ahead=not setting)
        for kind in ("all", *kinds):
            labels = ["all"] * items.n if kind == "all" else [f"{kind}:{value}" for value in table[kind].to_pylist()]
            named = {"policy": [name] * items.n, "setting": [setting] * items.n, "segment": labels}
            parts.append(pa.table({**named, "cutoff": table["cutoff"], **sums}))
    return parts


def unpacked(table: pa.Table) -> tuple[Items, Floats]:
    """(items, what was wanted (n, P), NaN = unknown) of rows from `simulation_rows`, sorted by content."""
    horizon = len(table["actual"][0])
    items = unpack(table.select([column.name for column in PACKED]), horizon)
    actual = _matrix(table["actual"], horizon)
    known = (_matrix(table["available"], horizon) > 0.5) & ~np.isnan(actual)
    return items, np.where(known, np.maximum(actual, 0.0), np.nan)


def sums_of(
    items: Items, forecast: Forecast, demand: Floats, each: Setting, season: int, *, ahead: bool
) -> dict[str, Floats]:
    """Name of `inventory.SUMS` -> (n,) for one play; with the policy auto each item by its own policy."""
    if each.entry != AUTO:
        rule = policy(each.entry, **each.parameters)
        return _play_items(items, forecast, np.arange(items.n), demand, rule, season, ahead=ahead)
    found = {name: np.zeros(items.n) for name in inventory.SUMS}
    for own in sorted(set(items.policies)):
        rows = np.flatnonzero(np.array(items.policies) == own)
        rule = policy(own, **each.parameters[own])
        for name, values in _play_items(items, forecast, rows, demand, rule, season, ahead=ahead).items():
            found[name][rows] = values
    return found


def _play_items(
    items: Items, forecast: Forecast, rows: Ints, demand: Floats, rule: Policy, season: int, *, ahead: bool
) -> dict[str, Floats]:
    """The same for some items and one policy."""
    some, asked = forecast.take(rows), items.for_policies().take(rows)
    played = play_with(rule, some, asked, demand[rows], season, ahead=ahead)
    return inventory.sums(played, items.terms.take(rows), (~np.isnan(demand[rows])).astype(np.float64))


def play_with(rule: Policy, forecast: Forecast, asked: Terms, demand: Floats, season: int, *, ahead: bool) -> Played:
    """Play a policy from the stock by rule; it sees the forecast made at the cutoff, always as long.

    Args:
        rule: decides.
        forecast: of n items at the cutoff; its last season is repeated beyond its horizon.
        asked: terms that policies decide by.
        demand: (n, P) what was wanted; NaN = unknown.
        season: periods in a season.
        ahead: also ask what is planned for the next review.
    """
    horizon = demand.shape[1]

    def foresee(t: int) -> Forecast:
        """The forecast seen from period t."""
        return forecast.extend(t + horizon, season).after(t)

    return play(rule, start_state(forecast.history, asked), demand, foresee, asked, season, ahead=ahead)


def _perfect(items: Items, demand: Floats) -> Forecast:
    """A forecast that knows what came; the mean of it stands for what lies beyond."""
    sure = np.where(np.isnan(demand), 0.0, demand)
    quantiles = np.repeat(sure[:, :, None], len(items.forecast.levels), axis=2)
    return replace(items.forecast, mean=sure, quantiles=quantiles)


def _matrix(column: pa.ChunkedArray, width: int) -> Floats:
    """(n, width) of a list column whose lists are all that long."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float64).reshape(-1, width)
