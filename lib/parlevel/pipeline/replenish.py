"""Stage replenish: stock, terms, forecast and limits -> orders with a certificate, one solve per supplier-location."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.periods import SEASON, to_index
from parlevel.domain.replenish.group import plan_group
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.output import USE
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import AUTO
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.errors import DataError
from parlevel.pipeline.plays import parameters_of
from parlevel.pipeline.replenish_choice import choose
from parlevel.pipeline.replenish_decided import decided
from parlevel.pipeline.replenish_network import NetworkPlan, has_network, plan_network
from parlevel.pipeline.replenish_rows import packed, shared, with_limits
from parlevel.pipeline.replenish_service import learn
from parlevel.pipeline.replenish_shared import chain_row, find_prices, grants
from parlevel.pipeline.train_groups import pick, union_columns, union_rows
from parlevel.schemas import contract
from parlevel.spark.balance import Assignment, longest_first
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables

log = logging.getLogger(__name__)

KINDS = ("order_plan", "order_ledger", "plan_report", "projection")
OUTPUT = union_columns(*(contract(name).data_columns for name in KINDS), USE)
# A Python task costs about as much as the plans of a hundred items; a few a core even out what sizes do not tell.
TASKS_A_CORE = 6
# Times that the groups are planned again because what all share was overdrawn.
PLANS = 5


def run(tables: Tables, cfg: Config) -> str:
    """Plan the orders of every series; write order_plan, plan_report and projection, with policy auto policy_choice.

    Where the data have lanes, nodes are planned too, and shipments written.

    Raises:
        DataError: terms or stock are missing or wrong, or a series has no row in order_plan.
    """
    resources = tables.read("resources")
    choose(tables, cfg)
    learn(tables, cfg)
    with Scratch(tables.spark, cfg, "replenish") as scratch:
        rows = scratch.keep(with_limits(decided(tables, packed(tables, cfg), cfg), resources))
        n_series = rows.count()
        expected = tables.read("series_profile").count()
        if n_series != expected:
            raise DataError(
                f"every series must be packed once ({expected:,}). Got {n_series:,}: a key is repeated in "
                f"supply_terms, inventory, forecast_status or panel. Run the stages from sources again."
            )
        network = _network(rows, tables, scratch, cfg) if has_network(tables) else None
        plan, chain = (network.plan, network.chain) if network else transform(rows, resources, scratch, cfg=cfg)
        parts = {name: pick(plan, name, contract(name).data_columns) for name in KINDS}
        if chain is not None:
            parts["plan_report"] = parts["plan_report"].unionByName(chain)
        if network:
            parts["shipments"] = network.shipments
        tables.write_all(parts, files={**dict.fromkeys(KINDS, 4), "plan_report": 1, "shipments": 1})
    return _report(tables, n_series, network.n_nodes if network else 0)


def _network(rows: DataFrame, tables: Tables, scratch: Scratch, cfg: Config) -> NetworkPlan:
    """Plans of stores and of what supplies them."""
    return plan_network(
        rows.drop("resources", "grants"),
        tables,
        scratch,
        lambda part, limits, kept: transform(part, limits, kept, cfg=cfg),
        lambda all_rows: make_job(all_rows, tables.read("resources"), cfg),
        cfg,
    )


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
    tasks = assignment(rows)
    job = make_job(rows, resources, cfg)
    if not job.shared:
        return scratch.keep(solve(rows, job, tasks)), None
    search = find_prices(rows, job, cfg)
    if not search.fits:
        job = make_job(rows, resources, cfg, dict(zip(search.labels, search.price.tolist(), strict=True)))
    plan = scratch.keep(solve(rows, job, tasks))
    free = use = pick(plan, "shared_use", USE)
    for attempt in range(PLANS):
        granted, over = grants(use, attempt)
        if not over or attempt == PLANS - 1:
            break
        log.info("shared limits overdrawn in %d periods: some groups plan again with their shares", over)
        granted = scratch.keep(granted)
        again = rows.drop("grants").join(F.broadcast(granted), "solve_group")
        kept = plan.join(F.broadcast(granted.select("solve_group")), "solve_group", "left_anti")
        plan = kept.unionByName(scratch.keep(solve(again, job, tasks)))
        use = pick(plan, "shared_use", USE)
    nothing = search.fits and not attempt
    return plan, None if nothing else chain_row(use, free, search, over, cfg)


def solve(rows: DataFrame, job: Job, tasks: Assignment) -> DataFrame:
    """One solve a group, in the workers."""
    return apply_groups(rows, ["solve_group"], partial(_plan, job=job), OUTPUT, assignment=tasks)


def _plan(table: pa.Table, *, job: Job) -> pa.Table:
    made = plan_group(table, job)
    parts = {name: _of_group(getattr(made, name), table["solve_group"][0]) for name in (*KINDS, "shared_use")}
    return union_rows(parts, OUTPUT)


def _of_group(part: pa.Table, group: pa.Scalar) -> pa.Table:
    """The rows with the name of their group, so that a group's plan can be replaced."""
    named = part if "solve_group" not in part.column_names else part.drop_columns(["solve_group"])
    return named.append_column("solve_group", pa.repeat(group, part.num_rows))


def make_job(rows: DataFrame, resources: DataFrame, cfg: Config, prices: dict[str, float] | None = None) -> Job:
    """What every group shares; only limits and prices, never series, pass the driver."""
    replenish, calendar = cfg.replenish, cfg.calendar
    last = rows.select(F.max("cutoff_index")).head(1)[0][0]
    found = resources.where(shared()).drop("assumed").orderBy("resource_id", "period").collect()  # bounded: shared
    limits: list[dict[str, Any]] = [row.asDict() for row in found]
    settings = Settings(
        horizon=calendar.horizon, season=SEASON[calendar.period], n_paths=replenish.n_paths, seed=cfg.seed,
        shortage_weight=replenish.shortage_weight, end=_left(cfg, int(last)),
    )  # fmt: skip
    effort = Effort(replenish.solver, replenish.time_limit, replenish.max_gap, replenish.rounds)
    return Job(
        int(last), calendar.period, settings, effort, replenish.policy,
        parameters_of(AUTO, cfg) if replenish.policy == AUTO else replenish.parameters, tuple(limits), prices or {},
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


def assignment(rows: DataFrame) -> Assignment:
    """A task for each group, heaviest first."""
    sizes = rows.groupBy("solve_group").agg(F.count("*").alias("n"), F.count("resources").alias("limited")).collect()
    # bounded: one row a group; shared limits cost a group about as much again as its items
    work = [(row["solve_group"], 10.0 + row["n"] + 2.0 * row["limited"]) for row in sizes]
    return longest_first(work, TASKS_A_CORE * cores(rows.sparkSession))


def _report(tables: Tables, n_series: int, n_nodes: int) -> str:
    """Every series and node has a decision for tomorrow; say what was decided.

    Raises:
        DataError: one has none.
    """
    plan, report = tables.read("order_plan"), tables.read("plan_report")
    first = plan.agg(F.countDistinct("series_id").alias("n")).head(1)[0]["n"]
    if first != n_series + n_nodes:
        raise DataError(
            f"every series and node must have a decision in order_plan ({n_series + n_nodes:,}). Got {first:,}. "
            f"Look at plan_report for groups that are missing and run `parlevel stage replenish` again."
        )
    groups = report.where("supplier_id <> '*'")
    status = groups.groupBy("status").count().orderBy("status").collect()  # bounded: five
    total = groups.agg(
        F.round(exact_sum("order_value"), 0).alias("value"),
        exact_sum("objective").alias("objective"),
        exact_sum("bound").alias("bound"),
    ).head(1)[0]
    today = plan.where("order_qty > 0").agg(F.min("order_date")).head(1)[0][0]
    gap = float(total["objective"] - total["bound"]) / max(abs(float(total["bound"])), 1e-9) if total["bound"] else 0.0
    words = ", ".join(f"{row['count']:,} {row['status']}" for row in status)
    further = f" and {n_nodes:,} nodes" if n_nodes else ""
    return (
        f"{n_series:,} series{further} in {sum(r['count'] for r in status):,} groups: {words}; orders worth "
        f"{float(total['value'] or 0):,.0f} over the horizon, the first on {today}; "
        f"together within {100 * gap:.2f} % of their bounds"
    )
