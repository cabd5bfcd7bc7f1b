"""What all supplier groups share: prices found over Spark rounds, shares of what is scarce, the chain's certificate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.constraints.resource import expand
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.price_search import PriceSearch
from parlevel.domain.replenish.shared import ANSWER, FIRST_PRICES, answer, first_prices
from parlevel.schemas import contract
from parlevel.spark.grouped import apply_groups
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_mean, exact_sum
from parlevel.spark.tables import spark_schema

log = logging.getLogger(__name__)

TIGHT = 0.75  # share of a limit from which it is handed out once any limit was overdrawn
CUT = 0.25  # of its use that a group gives up first
DRAWS = 2**20  # steps of the share of series that prices are searched on
CHUNK = 2000  # series a task answers for
FEW = 500  # series whose prices one task searches for, items in memory
SETTLED = 0.1  # share of replenish.max_gap that is left to the search


def find_prices(rows: DataFrame, job: Job, cfg: Config) -> PriceSearch:
    """Prices at which all groups together use about what there is.

    A small sample, whose items fit one task's memory, is asked many times; what it says is then corrected on a larger
    one, a Spark pass a round, of which only the use of each limit, added up, reaches the driver. The certificate comes
    from the final plans of all series.

    Args:
        rows: packed rows.
        job: what groups share.
        cfg: the configuration.
    """
    limits = expand(job.shared, job.settings.horizon)
    labels = [row.label for row in limits]
    drawn = F.pmod(F.xxhash64("content_key"), F.lit(DRAWS))
    n = rows.count()
    few, below = (max(1, DRAWS * min(most, n) // n) for most in (FEW, cfg.replenish.budget_sample))
    scales, whole, (first, part) = _overview(rows, (drawn < few, drawn < below))
    amount = np.array([row.amount for row in limits]) / whole
    scale = np.array([scales[row.measure] for row in limits])
    start = _start(rows.where(drawn < few), job, labels, amount * first, scale)
    parts = max(4 * cores(rows.sparkSession), below * n // DRAWS // CHUNK)
    sample = rows.where(drawn < below).withColumn("_part", F.pmod(F.xxhash64("solve_group"), F.lit(parts)))
    search = PriceSearch(labels, amount * part, scale, SETTLED * cfg.replenish.max_gap, start)
    for _ in range(cfg.replenish.budget_rounds):
        points = search.points()
        search.update(points, *_ask(sample, job, labels, points))
        if search.fits:
            log.info("shared limits: nothing binds")
            break
        worst = float(np.max(search.used / np.maximum(search.amount, 1e-9)))
        log.info("shared limits, round %d: the tightest is used to %.1f %%", search.rounds, 100 * worst)
        if search.settled:
            break
    return search


def _start(few: DataFrame, job: Job, labels: list[str], amount: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """(r,) prices that a small sample finds good, in one task; None where it needs none."""
    fn = partial(first_prices, job=job, labels=labels, amount=amount, scale=scale)
    made = apply_groups(few.withColumn("_part", F.lit(0)), ["_part"], fn, FIRST_PRICES, partitions=1)
    price = {row["label"]: row["price"] for row in made.collect()}  # bounded: limits
    found = np.array([price.get(label, 0.0) for label in labels])
    return found if found.any() else None


def _ask(sample: DataFrame, job: Job, labels: list[str], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(used (p, r), priced (p,)) of the sample at p price vectors."""
    fn = partial(answer, job=job, labels=labels, points=points)
    answers = apply_groups(sample, ["_part"], fn, ANSWER)
    sums = answers.groupBy("point", "label").agg(
        exact_sum("used").alias("used"),
        exact_sum("priced").alias("priced"),
    )
    used, priced = np.zeros((len(points), len(labels))), np.zeros(len(points))
    for row in sums.collect():  # bounded: points x limits
        if row["label"]:
            used[row["point"], labels.index(row["label"])] = row["used"]
        else:
            priced[row["point"]] = row["priced"]
    return used, priced


def _overview(rows: DataFrame, samples: Sequence[Column]) -> tuple[dict[str, float], float, list[float]]:
    """Price scales by measure, and the expected purchases of all series and of each sample, money.

    A scale is the price at which hardly anybody orders: mean cost of a shortage per unit of the measure.
    """
    each = {"value": "unit_cost", "units": None, "weight": "unit_weight", "volume": "unit_volume"}
    bought = F.coalesce(F.aggregate("mean", F.lit(0.0), lambda a, x: a + x), F.lit(0.0)) * F.col("unit_cost")
    sums = rows.agg(
        exact_mean("shortage_cost").alias("shortage"),
        exact_sum(bought).alias("whole"),
        *(exact_sum(F.when(drawn, bought).otherwise(0.0)).alias(f"part {k}") for k, drawn in enumerate(samples)),
        *((exact_mean(name) if name else F.lit(1.0)).alias(measure) for measure, name in each.items()),
    ).head(1)[0]
    scales = {measure: float(sums["shortage"] / max(sums[measure], 1e-9)) for measure in each}
    parts = [float(sums[f"part {k}"]) for k in range(len(samples))]
    # nothing sells in a sample: every limit counts for it as it is
    whole = float(sums["whole"])
    return scales, whole if whole > 0 else 1.0, [part if part > 0 and whole > 0 else max(whole, 1.0) for part in parts]


def grants(use: DataFrame, attempt: int) -> tuple[DataFrame, int]:
    """Shares of limits that the groups together overdraw, for the groups that lose least by going with less.

    In the order of what a unit is worth to them groups are cut by a quarter (more where that is not enough), until
    the limit is kept; all others keep their plans. What a merely tight limit has left is spread over the groups cut.

    Args:
        use: columns `USE`.
        attempt: 0 the first time; from then on every limit is handed out, not only overdrawn and tight ones.

    Returns: (solve_group, grants as JSON rows of `resources`) of the groups that must plan again, and how many limits
        are overdrawn.
    """
    totals = (
        use.groupBy("label")
        .agg(exact_sum("used").alias("total"), F.max("amount").alias("limit"))
        .withColumn("over", F.greatest(F.lit(0.0), F.col("total") - F.col("limit")))
        .withColumn(
            "depth",
            F.least(
                F.lit(1.0),
                F.greatest(F.lit(CUT * (1 + attempt)), F.col("over") / F.greatest(F.col("total"), F.lit(1e-9))),
            ),
        )
    )
    over = totals.where(F.col("total") > F.col("limit") * (1 + 1e-6)).count()
    queue = Window.partitionBy("label").orderBy("urgency", "content_key", "solve_group")
    before = queue.rowsBetween(Window.unboundedPreceding, -1)
    most = F.col("depth") * F.col("used")
    asked = (
        use.join(F.broadcast(totals), "label")
        .withColumn("before", F.coalesce(exact_sum(most, before), F.lit(0.0)))
        .withColumn("cut", F.greatest(F.lit(0.0), F.least(most, F.col("over") - F.col("before"))))
    )
    touched = asked.groupBy("solve_group").agg(F.sum("cut").alias("c")).where("c > 0").select("solve_group")
    tight = F.lit(True) if attempt else F.col("total") > TIGHT * F.col("limit")
    again = asked.join(F.broadcast(touched), "solve_group").where(tight)
    size = exact_sum("weight", Window.partitionBy("label"))
    spare = F.greatest(F.lit(0.0), F.col("limit") - F.col("total")) * F.col("weight") / F.greatest(size, F.lit(1e-9))
    # A hair less, so that shares that are used up do not add up to more than the limit.
    shared = again.withColumn("share", F.floor((F.col("used") - F.col("cut") + spare) * (1 - 1e-9) * 1e6) / 1e6)
    share = F.struct(
        F.concat(F.element_at(F.split("label", "@(?=[0-9]+$)"), 1), F.lit(" (share)")).alias("resource_id"),
        F.regexp_extract("label", "@([0-9]+)$", 1).cast("int").alias("period"),
        F.col("resource_kind").alias("kind"),
        F.col("measure"),
        F.greatest(F.lit(0.0), F.col("share")).alias("amount"),
        F.lit(0.0).alias("cost"),
    )
    return shared.groupBy("solve_group").agg(F.to_json(F.array_sort(F.collect_list(share))).alias("grants")), over


def chain_row(use: DataFrame, free: DataFrame, search: PriceSearch, over: int, cfg: Config) -> DataFrame:
    """The row of plan_report for what all groups share: the whole plan against the Lagrangian bound.

    Args:
        use: columns `USE`, of the final plans.
        free: the same of the plans at the prices alone: shares of a limit are no part of the bound.
        search: where the prices come from.
        over: limits still overdrawn.
        cfg: the configuration.
    """
    groups = use.dropDuplicates(["solve_group"]).agg(
        exact_sum("objective").alias("objective"),
        F.sum("n_items").cast("int").alias("items"),
    )
    found = groups.head(1)[0]
    limits = free.groupBy("label").agg(F.max("amount").alias("amount"))
    priced = free.dropDuplicates(["solve_group"]).agg(exact_sum("priced").alias("priced"))
    known = {row["label"]: row["amount"] for row in limits.collect()}  # bounded: limits
    paid = float(sum(p * known.get(label, 0.0) for label, p in zip(search.labels, search.price, strict=True)))
    totals = use.groupBy("label").agg(exact_sum("used").alias("total"), F.max("amount").alias("limit"))
    broken = totals.where(F.col("total") > F.col("limit") * (1 + 1e-6)).orderBy("label").collect()  # bounded: limits
    relaxed = [f"{row['label']} by {row['total'] - row['limit']:,.2f}" for row in broken]
    objective = float(found["objective"] or 0.0)
    bound = min(float(priced.head(1)[0]["priced"] or 0.0) - paid, objective)
    gap = (objective - bound) / max(abs(bound), 1e-9)
    prices = {label: float(price) for label, price in zip(search.labels, search.price, strict=True) if price > 0}
    status = "relaxed" if over else "optimal" if gap <= cfg.replenish.max_gap else "feasible"
    reason = f"limits that all suppliers share, priced in {search.rounds} rounds over all groups"
    row = ("shared limits", "*", "*", int(found["items"] or 0), status, objective, bound, gap, search.rounds, 0.0,
           relaxed, reason, 0.0, prices)  # fmt: skip
    return use.sparkSession.createDataFrame([row], spark_schema(contract("plan_report")))
