"""The same policies where suppliers and budgets have a say: whole supplier-location groups, played with their limits.

The plays of every series know no limits that items share. Here groups are drawn, and each decision keeps the group's
minimums, trucks and capacities; of a limit that several groups share a group has what its expected purchases are of
theirs. Limits of single periods lie in the future and are not played.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.evaluate import inventory
from parlevel.domain.evaluate.buyer import truck_costs
from parlevel.domain.evaluate.together import Together
from parlevel.domain.replenish.base import Floats, Terms
from parlevel.domain.replenish.constraints.resource import GATES, expand, weights
from parlevel.domain.replenish.constraints.resource import Row as Limit
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.pathbook import with_book
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.policies.optimal import Optimal
from parlevel.domain.replenish.registry import AUTO, OPTIMAL, policy
from parlevel.domain.replenish.rounding import least
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.pipeline.evaluate_rows import newest_fold, simulation_rows
from parlevel.pipeline.plays import (
    PERFECT,
    SERIES_SUMS,
    Plays,
    Setting,
    added_up,
    play_with,
    season_of,
    sums_of,
    unpacked,
)
from parlevel.pipeline.replenish_decided import decided
from parlevel.pipeline.replenish_rows import RESOURCE
from parlevel.schemas import arrow_schema
from parlevel.spark.balance import longest_first
from parlevel.spark.grouped import apply_groups
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables

log = logging.getLogger(__name__)

KEPT, IGNORED, BY_HAND = "limits:kept", "limits:ignored", "limits:by_hand"
"""Segments: the groups drawn with their limits, the same series without, and plans that a buyer made for the solver."""


TRIES = 0.1  # share of a night's tries that a decision of the past gets: there are as many as periods played


def play_limits(tables: Tables, terms: DataFrame, plays: Plays, cfg: Config) -> list[dict[str, Any]]:
    """Play policies on groups drawn by content: a row a policy, segment and cutoff, with sums and ratios.

    Args:
        tables: where the stages before wrote.
        terms: supply_terms.
        plays: of the stage; what is told the future is left out.
        cfg: says how many series; nothing is played where no limit holds for every period.
    """
    limits = _every_period(tables.read("resources")) if cfg.evaluate.limits_series else []
    if not limits:
        return []
    backtest, profile = tables.read("backtest"), tables.read("series_profile")
    drawn = draw(groups(backtest, profile, terms, limits, cfg), cfg.evaluate.limits_series)
    if not drawn:
        log.warning(
            "no group with limits has %d series or fewer (evaluate.limits_series): no policy is played with limits",
            cfg.evaluate.limits_series,
        )
        return []
    policies = {name: each for (name, setting), each in plays.items() if name != PERFECT and not setting}
    named = [(_name(row), json.dumps(limits_of(row, limits))) for row in drawn]
    some = backtest.sparkSession.createDataFrame(named, "solve_group string, limits string")
    whole = cfg.model_copy(update={"evaluate": cfg.evaluate.model_copy(update={"max_series": 0})})
    members = profile.join(terms.select("series_id", "supplier_id"), "series_id").withColumn("solve_group", _group())
    mine = profile.join(members.join(F.broadcast(some), "solve_group").select("series_id"), "series_id", "left_semi")
    rows = simulation_rows(backtest, mine, terms, tables.read("panel"), cfg=whole).withColumn("solve_group", _group())
    tasks = longest_first([(_name(row), float(row["n"])) for row in drawn], 4 * cores(rows.sparkSession))
    effort = Effort(cfg.replenish.solver, cfg.replenish.time_limit, cfg.replenish.max_gap, cfg.replenish.rounds, TRIES)
    fn = partial(_play_group, policies=policies, season=season_of(cfg), effort=effort)
    played = decided(tables, rows, cfg).join(F.broadcast(some), "solve_group")
    return added_up(apply_groups(played, ["solve_group"], fn, SERIES_SUMS, assignment=tasks), cfg)


def groups(
    backtest: DataFrame, profile: DataFrame, terms: DataFrame, limits: Sequence[Mapping[str, Any]], cfg: Config
) -> DataFrame:
    """Supplier-location groups that a limit holds for: n, `_draw` and what they are expected to buy, of what.

    Args:
        backtest, profile, terms: contracts.
        limits: of every period.
        cfg: its seed draws.

    Returns: supplier_id, location_id, n, _draw, bought, and of_supplier, of_location and of_all: the purchases of all
        groups of the supplier, of the location and of the chain.
    """
    fold = newest_fold(backtest)
    bought = F.aggregate("mean", F.lit(0.0), lambda a, x: a + x) * F.col("unit_cost")
    by_group = (
        fold.select("series_id", "mean")
        .join(profile.select("series_id", "location_id", "content_key"), "series_id")
        .join(terms.select("series_id", "supplier_id", "unit_cost"), "series_id")
        .groupBy("supplier_id", "location_id")
        .agg(
            F.count("*").alias("n"),
            F.min(F.xxhash64(F.lit(cfg.seed), "content_key")).alias("_draw"),
            exact_sum(bought).alias("bought"),
        )
    )
    for name, keys in (("of_supplier", ["supplier_id"]), ("of_location", ["location_id"]), ("of_all", [F.lit(1)])):
        by_group = by_group.withColumn(name, exact_sum("bought", Window.partitionBy(*keys)))
    scopes = sorted({(row["supplier_id"], row["location_id"]) for row in limits}, key=str)
    held = backtest.sparkSession.createDataFrame(scopes, "_supplier string, _location string")
    fits = (F.col("_supplier").isNull() | (F.col("_supplier") == F.col("supplier_id"))) & (
        F.col("_location").isNull() | (F.col("_location") == F.col("location_id"))
    )
    return by_group.join(F.broadcast(held), fits, "left_semi")


def draw(found: DataFrame, most: int) -> list[Row]:
    """Groups of together at most `most` series, in an order that depends on content; larger ones are passed over."""
    ordered = found.where(F.col("n") <= most).orderBy("_draw", "supplier_id", "location_id").limit(most).collect()
    chosen, n = [], 0  # bounded: at most `most` groups, which have a series at least
    for row in ordered:
        if n + row["n"] <= most:
            chosen.append(row)
            n += row["n"]
    return chosen


def limits_of(group: Row, limits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `resources` of one group from `groups`; of what several share it has a part by its purchases.

    Such rows say so in `shared`.
    """
    found = []
    for row in limits:
        supplier, location = row["supplier_id"], row["location_id"]
        if supplier not in (None, group["supplier_id"]) or location not in (None, group["location_id"]):
            continue
        shared = row["kind"] not in GATES and not (supplier and location)
        of = group["of_supplier" if supplier else "of_location" if location else "of_all"]
        part = (group["bought"] / of if of > 0 else 1.0) if shared else 1.0
        own = {name: row[name] for name in RESOURCE}
        found.append({**own, "amount": part * row["amount"], "shared": shared})
    return found


def at_least(limits: Sequence[Mapping[str, Any]], terms: Terms) -> list[dict[str, Any]]:
    """Limits of which a group's part lets its items order: others would leave it that much.

    That is the smallest order of all of them, or what fills its supplier's minimum and is a case more.
    """
    asked = [row for row in limits if row["kind"] == "supplier_min"]
    found = []
    for row in limits:
        each = weights(terms, row["measure"])
        needed = [float((least(terms) * terms.case_pack) @ each)]
        for minimum in asked:
            counted = max(float(weights(terms, minimum["measure"]).mean()), 1e-9)
            needed.append(minimum["amount"] * float(each.mean()) / counted + float((terms.case_pack * each).max()))
        found.append({**row, "amount": max(row["amount"], *needed) if row["shared"] else row["amount"]})
    return found


def _every_period(resources: DataFrame) -> list[dict[str, Any]]:
    rows = resources.where("period = 0").select(*RESOURCE, "supplier_id", "location_id").collect()
    return sorted((row.asDict() for row in rows), key=lambda row: row["resource_id"])  # bounded: limits


def _group() -> SparkColumn:
    return F.concat_ws(" @ ", "supplier_id", "location_id")


def _name(group: Row) -> str:
    return f"{group['supplier_id']} @ {group['location_id']}"


def _play_group(table: pa.Table, *, policies: Mapping[str, Setting], season: int, effort: Effort) -> pa.Table:
    """Rows `SERIES_SUMS` of one group: each policy with the group's limits and without."""
    table = table.sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    items, demand = unpacked(table)
    items = replace(items, forecast=with_book(items.forecast, season))
    limits = expand(at_least(json.loads(table["limits"][0].as_py()), items.terms), demand.shape[1])
    parts = []
    for name, each in sorted(policies.items()):
        together = _together(items, each, limits, demand.shape[1], effort)
        played = play_with(together, items.forecast, items.for_policies(), demand, season, ahead=False)
        kept = inventory.sums(played, items.terms, (~np.isnan(demand)).astype(np.float64))
        kept["order_cost"] = kept["order_cost"] + truck_costs(limits, items.terms, played.ordered)
        alone = sums_of(items, items.forecast, demand, each, season, ahead=False)
        parts += [_labelled(table, name, KEPT, kept), _labelled(table, name, IGNORED, alone)]
        if together.failed:
            by_hand = {key: np.full(1, float(len(together.failed) * (key == "n_series"))) for key in inventory.SUMS}
            parts.append(_labelled(table.slice(0, 1), name, BY_HAND, by_hand))
    return pa.concat_tables(parts).cast(arrow_schema(SERIES_SUMS))


def _together(items: Items, each: Setting, limits: list[Limit], horizon: int, effort: Effort) -> Together:
    """The group's policy: each item's own with `auto`, else the one for all."""
    names = items.policies if each.entry == AUTO else [each.entry] * items.n
    given = each.parameters if each.entry == AUTO else {each.entry: each.parameters}
    rules = {name: policy(name, **given[name]) for name in sorted(set(names))}
    planner = rules.pop(OPTIMAL, None)
    settings = replace(planner.settings, horizon=horizon) if isinstance(planner, Optimal) else Settings(horizon, 1)
    return Together(names, rules, limits, settings, effort)


def _labelled(table: pa.Table, name: str, segment: str, sums: Mapping[str, Floats]) -> pa.Table:
    n = table.num_rows
    keys = {"policy": [name] * n, "setting": [""] * n, "segment": [segment] * n, "cutoff": table["cutoff"]}
    return pa.table({**keys, **sums})
