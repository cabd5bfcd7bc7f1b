"""What all supplier groups share: prices found over Spark rounds, shares of what is scarce, the chain's certificate."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.constraints.resource import SHARE, expand
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.price_search import PriceSearch
from parlevel.domain.replenish.shared import ANSWER, FIRST_PRICES, SETTLED, answer, first_prices
from parlevel.domain.replenish.solvers.outcome import SAID
from parlevel.pipeline.replenish_overview import Overview, overview
from parlevel.schemas import contract
from parlevel.spark.grouped import apply_groups
from parlevel.spark.session import cores
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import spark_schema

log = logging.getLogger(__name__)

TIGHT = 0.75  # share of a limit from which it is handed out once any limit was overdrawn
CUT = 0.25  # of its use that a group gives up first
SLIGHT = 0.05  # share of a limit's use that is too much for it and still little
DRAWS = 2**20  # steps of the share of series that prices are searched on
FEW = 500  # series that the search begins on
IN_MEMORY = 5000  # series whose cost tables one task holds: 20 MB by the week, 200 MB by the day in single cases
CHUNK = 2000  # series a task answers for where the sample is larger


@dataclass(frozen=True)
class SharedPrices:
    """What a unit of each shared limit costs.

    Attributes:
        labels: (r,) shared rows.
        price: (r,) money per unit of the row's measure.
        rounds: asked for them.
        fits: nothing has to be priced.
    """

    labels: list[str]
    price: np.ndarray
    rounds: int
    fits: bool


def find_prices(rows: DataFrame, job: Job, seen: Overview, cfg: Config) -> SharedPrices:
    """Prices at which all groups together use about what there is.

    One task searches on a sample whose items fit its memory. Where the sample asked for is larger, what that task finds
    is corrected on the whole sample, a Spark pass a round, of which only the use of each limit, added up, reaches the
    driver. The certificate comes from the final plans of all series.

    Args:
        rows: packed rows.
        job: what groups share.
        seen: all series.
        cfg: the configuration.
    """
    limits = expand(job.shared, job.settings.horizon)
    labels, amount = [row.label for row in limits], np.array([row.amount for row in limits])
    few, most, below = (
        max(1, DRAWS * min(series, seen.n) // max(seen.n, 1))
        for series in (FEW, min(IN_MEMORY, cfg.replenish.budget_sample), cfg.replenish.budget_sample)
    )
    drawn = rows.withColumn("_drawn", F.pmod(F.xxhash64("content_key"), F.lit(DRAWS)))
    search = partial(
        first_prices, job=job, measures={row.label: row.measure for row in limits}, amount=amount, bought=seen.bought,
        few=few, rounds=cfg.replenish.budget_rounds,
    )  # fmt: skip
    alone = drawn.where(F.col("_drawn") < most).withColumn("_part", F.lit(0))
    made = apply_groups(alone, ["_part"], search, FIRST_PRICES, partitions=1).collect()  # bounded: limits
    by_label = {row["label"]: row for row in made}
    if not by_label:  # no series has a forecast
        return SharedPrices(labels, np.zeros(len(labels)), 0, True)
    price, scale = (np.array([by_label[label][name] for label in labels]) for name in ("price", "scale"))
    first = SharedPrices(labels, price, int(made[0]["rounds"]), bool(made[0]["fits"]))
    _say(first.rounds, first.fits, max(float(row["used"]) for row in made))
    if below <= most:
        return first
    return _corrected(drawn.where(F.col("_drawn") < below), job, first, amount, scale, seen, cfg)


def _corrected(
    sample: DataFrame, job: Job, first: SharedPrices, amount: np.ndarray, scale: np.ndarray, seen: Overview, cfg: Config
) -> SharedPrices:
    """Prices from `first_prices` corrected on a sample too large for one task's memory."""
    labels, found = first.labels, overview(sample)
    parts = max(4 * cores(sample.sparkSession), found.n // CHUNK)
    parted = sample.withColumn("_part", F.pmod(F.xxhash64("solve_group"), F.lit(parts)))
    share = found.bought / seen.bought if found.bought > 0 and seen.bought > 0 else 1.0
    start = first.price if first.price.any() else None
    search = PriceSearch(labels, amount * share, scale, SETTLED * cfg.replenish.max_gap, start)
    for _ in range(cfg.replenish.budget_rounds):
        points = search.points()
        search.update(points, *_ask(parted, job, labels, points))
        _say(search.rounds, search.fits, float(np.max(search.used / np.maximum(search.amount, 1e-9))))
        if search.fits or search.settled:
            break
    return SharedPrices(labels, search.price, search.rounds, search.fits)


def _say(rounds: int, fits: bool, worst: float) -> None:
    if fits:
        log.info("shared limits: nothing binds")
    else:
        log.info("shared limits, round %d: the tightest is used to %.1f %%", rounds, 100 * worst)


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


def totals(use: DataFrame) -> list[Row]:
    """What all groups together use of each limit, and what they cost.

    Args:
        use: columns `USE`.

    Returns: a row a limit: label, total, limit; the objective, the bound before use is charged back (priced) and the
        number of items of the groups whose first row it is, so that their sums over all rows count each group once.
    """
    own = {name: F.when(F.col("first"), F.col(name)).otherwise(0.0) for name in ("objective", "priced", "n_items")}
    found = use.groupBy("label").agg(
        exact_sum("used").alias("total"),
        F.max("amount").alias("limit"),
        *(exact_sum(value).alias(name) for name, value in own.items()),
    )
    # sorted here: Spark would read and add up everything twice to find the ranges of so few rows
    return sorted(found.collect(), key=lambda row: row["label"])  # bounded: limits


def overdrawn(used: list[Row]) -> list[Row]:
    """The limits, from `totals`, that plans pass."""
    return [row for row in used if row["total"] > row["limit"] * (1 + 1e-6)]


def grants(use: DataFrame, used: list[Row], attempt: int) -> DataFrame:
    """Shares of limits that the groups together overdraw, for the groups that lose least by going with less.

    In the order of what a unit is worth to them groups are cut by a quarter (more where that is not enough; by all of
    it where little is missing: few groups then plan again), until the limit is kept; all others keep their plans. What
    a merely tight limit has left is spread over the groups cut.

    Args:
        use: columns `USE`.
        used: their totals.
        attempt: 0 the first time; from then on every limit is handed out, not only overdrawn and tight ones.

    Returns: (solve_group, grants as JSON rows of `resources`) of the groups that must plan again.
    """
    known = []
    for row in used:
        over = max(0.0, row["total"] - row["limit"])
        share = over / max(row["total"], 1e-9)
        depth = 1.0 if share < SLIGHT else min(1.0, max(CUT * (1 + attempt), share))
        known.append((row["label"], row["total"], row["limit"], over, depth))
    columns = "label string, total double, limit double, over double, depth double"
    limits = use.sparkSession.createDataFrame(known, columns)
    queue = Window.partitionBy("label").orderBy("urgency", "content_key", "solve_group")
    before = queue.rowsBetween(Window.unboundedPreceding, -1)
    most = F.col("depth") * F.col("used")
    asked = (
        use.join(F.broadcast(limits), "label")
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
        F.concat(F.element_at(F.split("label", "@(?=[0-9]+$)"), 1), F.lit(SHARE)).alias("resource_id"),
        F.regexp_extract("label", "@([0-9]+)$", 1).cast("int").alias("period"),
        F.col("resource_kind").alias("kind"),
        F.col("measure"),
        F.greatest(F.lit(0.0), F.col("share")).alias("amount"),
        F.lit(0.0).alias("cost"),
    )
    return shared.groupBy("solve_group").agg(F.to_json(F.array_sort(F.collect_list(share))).alias("grants"))


def turns(use: DataFrame) -> DataFrame:
    """What each group brings to `take_turns`: (solve_group, turn as a JSON object).

    Args:
        use: columns `USE`.
    """
    used = F.map_from_entries(F.array_sort(F.collect_list(F.struct("label", "used"))))
    turn = F.struct(used.alias("used"), F.max("objective").alias("objective"))
    return use.groupBy("solve_group").agg(F.to_json(turn).alias("turn"))


def bound(free: list[Row], prices: SharedPrices) -> float:
    """No plans of all groups that keep the shared limits cost less together, money.

    Args:
        free: `totals` of the plans at the prices alone: shares of a limit are no part of the bound.
        prices: what the groups were charged.
    """
    amount = {row["label"]: row["limit"] for row in free}
    paid = sum(p * amount.get(label, 0.0) for label, p in zip(prices.labels, prices.price.tolist(), strict=True))
    return math.fsum(row["priced"] for row in free) - float(paid)


def chain_row(
    spark: SparkSession, used: list[Row], free: list[Row], prices: SharedPrices, seconds: float, cfg: Config
) -> DataFrame:
    """The row of plan_report for what all groups share: the whole plan against the Lagrangian bound.

    Args:
        spark: session.
        used: `totals` of the final plans.
        free: the same of the plans at the prices alone.
        prices: what the groups were charged.
        seconds: that the prices and all plans took.
        cfg: the configuration.
    """
    broken = overdrawn(used)
    relaxed = [f"{row['label']} by {row['total'] - row['limit']:,.2f}" for row in broken]
    objective = math.fsum(row["objective"] for row in used)
    least = min(bound(free, prices), objective)
    gap = (objective - least) / max(abs(least), 1e-9)
    named = {label: float(price) for label, price in zip(prices.labels, prices.price, strict=True) if price > 0}
    status = "relaxed" if broken else "optimal" if gap <= cfg.replenish.max_gap else "feasible"
    reason = f"limits that all suppliers share, priced in {prices.rounds} rounds over all groups"
    if status == "feasible":
        reason += "; " + SAID[status].format(gap=100 * cfg.replenish.max_gap, found=100 * gap)
    items = int(sum(row["n_items"] for row in used))
    row = ("shared limits", "*", "*", items, status, objective, least, gap, prices.rounds, seconds,
           relaxed, reason, 0.0, named)  # fmt: skip
    return spark.createDataFrame([row], spark_schema(contract("plan_report")))
