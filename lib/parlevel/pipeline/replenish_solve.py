"""Plans of every supplier-location group: one solve a group in the workers, prices and shares of what all share."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.periods import SEASON, to_index
from parlevel.domain.replenish.group import plan_group
from parlevel.domain.replenish.in_turn import take_turns
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import AUTO, OPTIMAL
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.errors import DataError
from parlevel.pipeline.plays import parameters_of
from parlevel.pipeline.replenish_overview import Overview, overview
from parlevel.pipeline.replenish_rows import shared
from parlevel.pipeline.replenish_shared import (
    SharedPrices,
    bound,
    chain_row,
    find_prices,
    grants,
    overdrawn,
    totals,
    turns,
)
from parlevel.pipeline.replenish_tables import OUTPUT, group_rows, table_rows
from parlevel.schemas import arrow_schema
from parlevel.spark.balance import Assignment
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch

log = logging.getLogger(__name__)

# Times that the groups are planned again because what all share was overdrawn.
PLANS = 5
# Series up to which groups take turns at what they share.
IN_TURN = 500


def transform(
    rows: DataFrame, resources: DataFrame, scratch: Scratch, *, cfg: Config
) -> tuple[DataFrame, DataFrame | None]:
    """Plan every group.

    Args:
        rows: from `with_limits`.
        resources: contract `resources`.
        scratch: keeps the plans.
        cfg: the configuration.

    Returns: rows of all three tables with the table's name in `kind`, kept; and the row of plan_report for
        what all groups share, if anything is.
    """
    seen = overview(rows)
    job = make_job(seen.cutoff, resources, cfg)
    if not job.shared:
        return scratch.keep(solve(rows, job, seen.tasks())), None
    started = time.monotonic()
    prices = find_prices(rows, job, seen, cfg)
    if not prices.fits:
        job = replace(job, prices=dict(zip(prices.labels, prices.price.tolist(), strict=True)))
    plan = scratch.keep(solve(rows, job, seen.tasks()))
    free = used = totals(table_rows(plan, "shared_use"))
    if overdrawn(used):
        if seen.n <= IN_TURN and job.policy in (OPTIMAL, AUTO):
            plan, used = _in_turn(rows, plan, free, prices, job, scratch)
        else:
            plan, used = _shared_out(rows, plan, free, job, seen, scratch)
    nothing = prices.fits and used is free
    return plan, None if nothing else chain_row(rows.sparkSession, used, free, prices, time.monotonic() - started, cfg)


def _shared_out(
    rows: DataFrame, plan: DataFrame, free: list[Row], job: Job, seen: Overview, scratch: Scratch
) -> tuple[DataFrame, list[Row]]:
    """The plan and its totals when groups that together overdraw a limit have planned again with shares of it."""
    used = free
    for attempt in range(PLANS - 1):
        over = overdrawn(used)
        if not over:
            break
        log.info("shared limits overdrawn in %d periods: some groups plan again with their shares", len(over))
        shares = grants(table_rows(plan, "shared_use"), used, attempt)
        cut = shares.collect()  # bounded: groups that give up a part of their use
        granted = rows.sparkSession.createDataFrame(cut, shares.schema)
        tasks = seen.tasks([row["solve_group"] for row in cut])
        again = rows.drop("grants").join(F.broadcast(granted), "solve_group")
        plan = _replaced(plan, scratch.keep(solve(again, job, tasks)), granted)
        used = totals(table_rows(plan, "shared_use"))
    return plan, used


def _in_turn(
    rows: DataFrame, plan: DataFrame, free: list[Row], prices: SharedPrices, job: Job, scratch: Scratch
) -> tuple[DataFrame, list[Row]]:
    """The plan and its totals when groups have taken turns; each waits for the one before, so one task has them all."""
    log.info("shared limits overdrawn in %d periods: groups plan again one after another", len(overdrawn(free)))
    turn = turns(table_rows(plan, "shared_use"))
    asked = rows.join(F.broadcast(turn), "solve_group").withColumn("_part", F.lit(0))
    fn = partial(_take_turns, job=job, least=bound(free, prices))
    made = scratch.keep(apply_groups(asked, ["_part"], fn, OUTPUT, partitions=1))
    plan = _replaced(plan, made, made.select("solve_group").distinct())
    return plan, totals(table_rows(plan, "shared_use"))


def _replaced(plan: DataFrame, made: DataFrame, groups: DataFrame) -> DataFrame:
    """The plan with that of some groups (solve_group) made anew."""
    kept = plan.join(F.broadcast(groups.select("solve_group")), "solve_group", "left_anti")
    return kept.unionByName(made)


def _take_turns(table: pa.Table, *, job: Job, least: float) -> pa.Table:
    made = [group_rows(part, part.plan_report["solve_group"][0]) for part in take_turns(table, job, least)]
    return pa.concat_tables(made) if made else arrow_schema(OUTPUT).empty_table()


def solve(rows: DataFrame, job: Job, tasks: Assignment) -> DataFrame:
    """One solve a group, in the workers."""
    return apply_groups(rows, ["solve_group"], partial(_plan, job=job), OUTPUT, assignment=tasks)


def _plan(table: pa.Table, *, job: Job) -> pa.Table:
    return group_rows(plan_group(table, job), table["solve_group"][0])


def make_job(cutoff: int, resources: DataFrame, cfg: Config) -> Job:
    """What every group shares; only limits, never series, pass the driver.

    Args:
        cutoff: period index of the last observed period.
        resources: contract `resources`.
        cfg: the configuration.
    """
    replenish, calendar = cfg.replenish, cfg.calendar
    found = resources.where(shared()).drop("assumed").collect()  # bounded: limits that groups share
    limits: list[dict[str, Any]] = sorted(
        (row.asDict() for row in found), key=lambda r: (r["resource_id"], r["period"])
    )
    settings = Settings(
        horizon=calendar.horizon, season=SEASON[calendar.period], n_paths=replenish.n_paths, seed=cfg.seed,
        shortage_weight=replenish.shortage_weight, end=_left(cfg, cutoff),
    )  # fmt: skip
    effort = Effort(replenish.solver, replenish.time_limit, replenish.max_gap, replenish.rounds)
    return Job(
        cutoff, calendar.period, settings, effort, replenish.policy,
        parameters_of(AUTO, cfg) if replenish.policy == AUTO else replenish.parameters, tuple(limits),
    )  # fmt: skip


def _left(cfg: Config, last: int) -> int:
    """Periods from the last observed one (period index) to `replenish.end`; 0 where no end is set.

    Raises:
        DataError: it is over already.
    """
    if cfg.replenish.end is None:
        return 0
    end = int(to_index(np.array([cfg.replenish.end], "datetime64[D]"), cfg.calendar.period)[0])
    if end <= last:
        raise DataError(
            f"replenish.end must lie after the cutoff. Got {cfg.replenish.end}, {last - end} periods before."
        )
    return end - last
