"""Orders of a supply network: stores first, then what supplies them, then what leaves tomorrow.

One Spark pass a level of places. What stores order is what their warehouse is asked for, so each pass plans what the
passes before have asked for; what is bought outside comes last, all together, with the limits that all share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.network.cut import cut_lines
from parlevel.domain.replenish.network.pooled import DEMAND, node_demand
from parlevel.domain.replenish.network.sharing import SHIPMENTS, TRANSFER, share
from parlevel.domain.replenish.registry import AUTO
from parlevel.pipeline.replenish_choice import with_policies
from parlevel.pipeline.replenish_network_rows import OUTSIDE, node_rows, with_passes, with_ways
from parlevel.pipeline.replenish_rows import shared, with_limits
from parlevel.pipeline.replenish_solve import make_job, transform
from parlevel.pipeline.replenish_tables import ABOUT_ITEMS, OUTPUT, group_rows, table_rows
from parlevel.spark.grouped import apply_groups
from parlevel.spark.periods import period_index
from parlevel.spark.scratch import Scratch
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables

CHUNK = 300
"""Items that one call of a grouped function looks at, about: products are never split."""


@dataclass(frozen=True)
class NetworkPlan:
    """What a network orders and sends.

    Attributes:
        plan: rows of all tables with the table's name in `kind`.
        chain: rows of plan_report for what groups share; None where nothing is shared.
        shipments: contract `shipments`.
        n_nodes: nodes planned.
    """

    plan: DataFrame
    chain: DataFrame | None
    shipments: DataFrame
    n_nodes: int


def has_network(tables: Tables) -> bool:
    """Whether this run's data have places that supply each other."""
    return tables.has("lanes") and not tables.read("lanes").isEmpty()


def plan_network(rows: DataFrame, tables: Tables, scratch: Scratch, cfg: Config) -> NetworkPlan:
    """Plan series and nodes, level by level, and what leaves tomorrow.

    Args:
        rows: columns `PACKED` of all series.
        tables: of the run; reads nodes, lanes and resources, with policy auto policy_choice and series_profile.
        scratch: keeps plans.
        cfg: the configuration.

    Raises:
        DataError: goods run in a circle.
    """
    cutoff = int(rows.select(F.max("cutoff_index")).head(1)[0][0])
    own = rows.withColumn("is_node", F.lit(False))
    nodes = _nodes(tables, cutoff, cfg)
    n_nodes = nodes.count() if nodes is not None else 0
    both = own if nodes is None else own.unionByName(nodes.withColumn("is_node", F.lit(True)))
    items = scratch.keep(with_passes(with_ways(both, tables.read("lanes"))))
    parts = max(1, items.count() // CHUNK)
    found = items.select("pass").distinct().orderBy("pass").collect()  # bounded: levels
    limits, levels = tables.read("resources"), _levels(rows, cfg)
    plans: list[DataFrame] = []
    chains: list[DataFrame] = []
    done: list[DataFrame] = []
    for number in (int(row["pass"]) for row in found):
        part = items.where(F.col("pass") == number)
        if done:
            part = with_demand(part, _all(done), parts, levels, cfg)
        part = scratch.keep(_complete(part, levels, cfg))
        some = about(limits, part)
        if number != OUTSIDE:
            some = inside(some)
        plan, chain = transform(scratch.keep(with_limits(part, some)), some, scratch, cfg=cfg)
        plans.append(plan)
        done.append(scratch.keep(with_lines(part, plan, cutoff, cfg)))
        limits = left_over(limits, plan) if number != OUTSIDE else limits
        if chain is not None:
            name = F.lit("shared limits" if number == OUTSIDE else f"shared limits, level {number}")
            chains.append(chain.withColumn("solve_group", name))
    planned, job = _all(done), make_job(cutoff, tables.read("resources"), cfg)
    shipments = scratch.keep(_shipments(planned, parts, job))
    plan = cut(_all(plans), planned, shipments, job, scratch)
    return NetworkPlan(plan, _all(chains) if chains else None, shipments, n_nodes)


def _nodes(tables: Tables, cutoff: int, cfg: Config) -> DataFrame | None:
    """Rows of nodes with the policy that they plan with; None where there are none."""
    if not tables.has("nodes"):
        return None
    rows = node_rows(tables.read("nodes"), cutoff, cfg)
    if cfg.replenish.policy != AUTO:
        return rows
    return with_policies(rows, tables.read("policy_choice"), tables.read("series_profile"), cfg)


def with_demand(part: DataFrame, done: DataFrame, parts: int, levels: list[float], cfg: Config) -> DataFrame:
    """Nodes with what the items planned so far order from them.

    Args:
        part: columns `PACKED`, `is_node` and more.
        done: items planned, from `with_lines`.
        parts: chunks to look at nodes in.
        levels: quantile levels of the forecasts.
        cfg: the configuration.
    """
    names = part.where("is_node").select(F.col("series_id").alias("source_item"))
    asking = done.join(names, "source_item", "left_semi").withColumn("_part", _part("source_item", parts))
    replenish, horizon = cfg.replenish, cfg.calendar.horizon
    fn = partial(node_demand, horizon=horizon, policy=replenish.policy, levels=levels)
    asked = apply_groups(asking, ["_part"], fn, DEMAND)
    told = [column.name for column in DEMAND if column.name != "series_id"]
    known = asked.select("series_id", *(F.col(name).alias(f"_{name}") for name in told))
    joined = part.join(known, "series_id", "left")
    filled = {name: F.coalesce(F.col(f"_{name}"), F.col(name)) for name in told}
    return joined.withColumns(filled).drop(*(f"_{name}" for name in told))


def _levels(rows: DataFrame, cfg: Config) -> list[float]:
    """Quantile levels of the forecasts, which all items of a run share."""
    known = rows.where("levels IS NOT NULL").select("levels").head(1)
    return [float(level) for level in (known[0]["levels"] if known else cfg.forecast.levels)]


def _complete(part: DataFrame, levels: list[float], cfg: Config) -> DataFrame:
    """Nodes that nobody orders from expect nothing."""
    nothing = F.col("is_node") & F.col("mean").isNull()
    steps = cfg.calendar.horizon
    own = {
        "mean": F.array_repeat(F.lit(0.0), steps),
        "levels": F.array(*map(F.lit, levels)),
        "quantiles": F.array_repeat(F.lit(0.0), steps * len(levels)),
        "path_correlation": F.lit(0.0),
    }
    return part.withColumns({name: F.when(nothing, value).otherwise(F.col(name)) for name, value in own.items()})


def with_lines(part: DataFrame, plan: DataFrame, cutoff: int, cfg: Config) -> DataFrame:
    """Items with columns `LINES`: what they plan to order.

    Args:
        part: items of a pass.
        plan: their plan.
        cutoff: period index of the last observed period.
        cfg: the configuration.
    """
    orders = table_rows(plan, "order_plan")
    step = (period_index(F.col("order_date"), cfg.calendar.period) - cutoff - 1).cast("int")
    line = F.struct(step.alias("step"), "order_qty", "order_up_to_level", "inventory_position")
    listed = orders.groupBy("series_id").agg(F.array_sort(F.collect_list(line)).alias("_lines"))
    first = F.element_at("_lines", 1)
    told = listed.select(
        "series_id",
        F.transform("_lines", lambda x: x["step"]).alias("line_steps"),
        F.transform("_lines", lambda x: x["order_qty"]).alias("line_qty"),
        first["order_up_to_level"].alias("first_level"),
        first["inventory_position"].alias("first_position"),
    )
    return part.join(told, "series_id", "left")


def about(limits: DataFrame, part: DataFrame) -> DataFrame:
    """Limits that may hold for what is planned: they name its places and suppliers, or none.

    Args:
        limits: contract `resources`.
        part: items of a pass.
    """
    for name in ("location_id", "supplier_id"):
        here = part.select(name).distinct()
        free = limits.where(F.col(name).isNull())
        limits = limits.join(F.broadcast(here), name, "left_semi").select(*limits.columns).unionByName(free)
    return limits


def inside(limits: DataFrame) -> DataFrame:
    """Limits that hold for what places order from each other: it costs the chain no money, only a place its own budget.

    Args:
        limits: contract `resources`.
    """
    return limits.where("kind <> 'budget' OR supplier_id IS NOT NULL OR location_id IS NOT NULL")


def left_over(limits: DataFrame, plan: DataFrame) -> DataFrame:
    """Shared limits less what a pass uses of them, for the passes after it.

    Args:
        limits: contract `resources`.
        plan: of the pass.
    """
    at = F.regexp_extract("label", "@([0-9]+)$", 1).cast("int")
    used = (
        table_rows(plan, "shared_use")
        .groupBy("label")
        .agg(exact_sum("used").alias("used"), F.max("amount").alias("whole"))
        .where("used > 0")
        .select(
            F.element_at(F.split("label", "@(?=[0-9]+$)"), 1).alias("resource_id"),
            at.alias("_period"),
            F.greatest(F.lit(0.0), F.col("whole") - F.col("used")).alias("_left"),
        )
    )
    names = [name for name in limits.columns if name not in ("period", "amount")]
    reduced = (
        limits.where(shared())
        .select(*names)
        .dropDuplicates(["resource_id"])
        .join(F.broadcast(used), "resource_id")
        .select(*names, F.col("_period").alias("period"), F.col("_left").alias("amount"))
    )
    keys = reduced.select("resource_id", "period")
    # rows of a period stand in place of those of every period
    return limits.join(F.broadcast(keys), ["resource_id", "period"], "left_anti").unionByName(reduced)


def _shipments(planned: DataFrame, parts: int, job: Job) -> DataFrame:
    """Contract `shipments`: what nodes send of tomorrow's orders, and what places send each other."""
    touched = planned.where("source_item IS NOT NULL OR helpers IS NOT NULL OR helps")
    rows = touched.withColumn("_part", _part("product_id", parts))
    return apply_groups(rows, ["_part"], partial(share, job=job), SHIPMENTS)


def cut(plan: DataFrame, planned: DataFrame, shipments: DataFrame, job: Job, scratch: Scratch) -> DataFrame:
    """The plan with the lines of items that are sent less than they order.

    Args:
        plan: rows of all tables by `kind`.
        planned: items, from `with_lines`.
        shipments: contract `shipments`, kept.
        job: what groups share.
        scratch: keeps the result.
    """
    short = shipments.where((F.col("kind") != TRANSFER) & (F.col("sent") < F.col("asked")))
    if short.isEmpty():
        return plan
    told = short.select("series_id", "sent", F.col("reason").alias("short"))
    rows = planned.join(told, "series_id")
    made = scratch.keep(apply_groups(rows, ["solve_group"], partial(_cut, job=job), OUTPUT))
    replaced = F.col("kind").isin(*ABOUT_ITEMS)
    rest = plan.where(replaced).join(told.select("series_id"), "series_id", "left_anti")
    return plan.where(~replaced).unionByName(rest).unionByName(made, allowMissingColumns=True)


def _cut(table: pa.Table, *, job: Job) -> pa.Table:
    return group_rows(cut_lines(table, job), table["solve_group"][0], ABOUT_ITEMS)


def _part(key: str, parts: int) -> Column:
    """Which chunk a row goes to, by a key that is never split."""
    return F.pmod(F.xxhash64(key), F.lit(parts))


def _all(frames: list[DataFrame]) -> DataFrame:
    """The rows of several frames; columns that some lack are null there."""
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame, allowMissingColumns=True)
    return whole
