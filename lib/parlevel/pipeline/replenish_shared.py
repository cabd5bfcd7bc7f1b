"""What all supplier groups share: prices found over Spark rounds, shares of what is scarce, the chain's certificate."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.constraints.resource import expand
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.shared import ANSWER, PriceSearch, answer
from parlevel.schemas import contract
from parlevel.spark.balance import Assignment
from parlevel.spark.grouped import apply_groups
from parlevel.spark.tables import spark_schema

log = logging.getLogger(__name__)

EXACT = "decimal(30,8)"  # sums of it do not depend on the order of the rows
TIGHT = 0.75  # share of a limit from which it is handed out once any limit was overdrawn


def find_prices(rows: DataFrame, job: Job, tasks: Assignment, cfg: Config) -> PriceSearch:
    """Prices at which all groups together use about what there is.

    Each round is one pass over the groups; only the use of each limit, added up, reaches the driver. The search
    works on a quarter of the demand paths: prices need no more, and the certificate comes from the final plans.

    Args:
        rows: packed rows.
        job: what groups share.
        tasks: where each group goes.
        cfg: the configuration.
    """
    limits = expand(job.shared, job.settings.horizon)
    measures = _scales(rows)
    search = PriceSearch(
        [row.label for row in limits],
        np.array([row.amount for row in limits]),
        np.array([measures[row.measure] for row in limits]),
    )
    coarse = replace(job.settings, n_paths=max(8, job.settings.n_paths // 4), passes=1)
    quick = replace(job, settings=coarse)
    for _ in range(cfg.replenish.budget_rounds):
        points = search.points()
        search.update(points, *_ask(rows, quick, search.labels, points, tasks))
        if search.fits:
            log.info("shared limits: nothing binds")
            break
        worst = float(np.max(search.used / np.maximum(search.amount, 1e-9)))
        log.info("shared limits, round %d: the tightest is used to %.1f %%", search.rounds, 100 * worst)
        if search.settled:
            break
    return search


def _ask(
    rows: DataFrame, job: Job, labels: list[str], points: np.ndarray, tasks: Assignment
) -> tuple[np.ndarray, np.ndarray]:
    """(used (p, r), priced (p,)) of all groups at p price vectors."""
    fn = partial(answer, job=job, labels=labels, points=points)
    answers = apply_groups(rows, ["solve_group"], fn, ANSWER, assignment=tasks)
    sums = answers.groupBy("point", "label").agg(
        F.sum(F.col("used").cast(EXACT)).cast("double").alias("used"),
        F.sum(F.col("priced").cast(EXACT)).cast("double").alias("priced"),
    )
    used, priced = np.zeros((len(points), len(labels))), np.zeros(len(points))
    for row in sums.collect():  # bounded: points x limits
        if row["label"]:
            used[row["point"], labels.index(row["label"])] = row["used"]
        else:
            priced[row["point"]] = row["priced"]
    return used, priced


def _scales(rows: DataFrame) -> dict[str, float]:
    """Measure -> price at which hardly anybody orders: mean cost of a shortage per unit of the measure."""
    each = {"value": "unit_cost", "units": None, "weight": "unit_weight", "volume": "unit_volume"}
    sums = rows.agg(
        F.avg(F.col("shortage_cost").cast(EXACT)).cast("double").alias("shortage"),
        *(
            (F.avg(F.col(name).cast(EXACT)).cast("double") if name else F.lit(1.0)).alias(measure)
            for measure, name in each.items()
        ),
    ).head(1)[0]
    return {measure: float(sums["shortage"] / max(sums[measure], 1e-9)) for measure in each}


def grants(use: DataFrame, *, everything: bool) -> tuple[DataFrame, int]:
    """Each group's share of limits that the groups together overdraw.

    The groups that lose most by going without get what they asked for, until there is no more; what a limit that is
    merely tight has left is spread over all groups by their size.

    Args:
        use: columns `USE`.
        everything: hand out every limit, not only overdrawn and tight ones.

    Returns: (solve_group, grants as JSON rows of `resources`), and how many limits are overdrawn.
    """
    totals = use.groupBy("label").agg(
        F.sum(F.col("used").cast(EXACT)).cast("double").alias("total"),
        F.sum(F.col("weight").cast(EXACT)).cast("double").alias("size"),
        F.max("amount").alias("limit"),
    )
    over = totals.where(F.col("total") > F.col("limit") * (1 + 1e-6)).count()
    kept = totals if everything else totals.where(F.col("total") > TIGHT * F.col("limit"))
    queue = Window.partitionBy("label").orderBy(F.desc("urgency"), "content_key", "solve_group")
    before = queue.rowsBetween(Window.unboundedPreceding, -1)
    asked = use.join(F.broadcast(kept), "label").withColumn(
        "taken", F.coalesce(F.sum(F.col("used").cast(EXACT)).over(before).cast("double"), F.lit(0.0))
    )
    first = F.least(F.col("used"), F.greatest(F.lit(0.0), F.col("limit") - F.col("taken")))
    spare = F.greatest(F.lit(0.0), F.col("limit") - F.col("total")) * F.col("weight") / F.greatest("size", F.lit(1e-9))
    label = F.element_at(F.split("label", "@(?=[0-9]+$)"), 1)
    period = F.regexp_extract("label", "@([0-9]+)$", 1).cast("int")
    share = F.struct(
        F.concat(label, F.lit(" (share)")).alias("resource_id"),
        period.alias("period"),
        F.col("resource_kind").alias("kind"),
        F.col("measure"),
        # A hair less, so that shares that are used up do not add up to more than the limit.
        (F.floor((first + spare) * 1e6) / 1e6).alias("amount"),
        F.lit(0.0).alias("cost"),
    )
    return asked.groupBy("solve_group").agg(F.to_json(F.array_sort(F.collect_list(share))).alias("grants")), over


def chain_row(use: DataFrame, search: PriceSearch, over: int, cfg: Config) -> DataFrame:
    """The row of plan_report for what all groups share: the whole plan against the Lagrangian bound."""
    groups = use.dropDuplicates(["solve_group"]).agg(
        F.sum(F.col("objective").cast(EXACT)).cast("double").alias("objective"),
        F.sum(F.col("priced").cast(EXACT)).cast("double").alias("priced"),
        F.sum("n_items").cast("int").alias("items"),
    )
    found = groups.head(1)[0]
    totals = use.groupBy("label").agg(
        F.sum(F.col("used").cast(EXACT)).cast("double").alias("total"), F.max("amount").alias("limit")
    )
    broken = totals.where(F.col("total") > F.col("limit") * (1 + 1e-6)).orderBy("label").collect()  # bounded: limits
    relaxed = [f"{row['label']} by {row['total'] - row['limit']:,.2f}" for row in broken]
    objective = float(found["objective"] or 0.0)
    bound = min(float(found["priced"] or 0.0) - float(search.price @ search.amount), objective)
    gap = (objective - bound) / max(abs(bound), 1e-9)
    prices = {label: float(price) for label, price in zip(search.labels, search.price, strict=True) if price > 0}
    status = "relaxed" if over else "optimal" if gap <= cfg.replenish.max_gap else "feasible"
    reason = f"limits that all suppliers share, priced in {search.rounds} rounds over all groups"
    row = ("shared limits", "*", "*", int(found["items"] or 0), status, objective, bound, gap, search.rounds, 0.0,
           relaxed, reason, 0.0, prices)  # fmt: skip
    return use.sparkSession.createDataFrame([row], spark_schema(contract("plan_report")))
