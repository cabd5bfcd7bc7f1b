"""Stock, terms and shared limits for data sets that have none: documented, seeded rules, run in Spark.

The rules read what the data say about a series (recent sales, price, maker), never its name, so that
renaming products changes nothing; `docs/sources.md` prints them as a table. Every row they make says
`assumed = true`. "Draw" is a number in [0, 1) hashed from the seed, the rule's name and that content.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.sources.base import contract_frame
from parlevel.spark.periods import DAYS, period_index, period_start
from parlevel.spark.sums import EXACT, exact_sum

RECENT = {"day": 28, "week": 13, "month": 6}

COST_SHARE = 0.7  # unit cost / price
CAPITAL = 0.25  # of the unit cost a year
CASES = (1, 4, 6, 12, 24, 48)  # units in a case, by velocity
CASE_WEEKLY = (1.5, 3.0, 7.0, 20.0, 80.0)  # units a week from which the next larger case is used
DEAR = 20.0  # price from which cases hold at most CASES[1] units
TARGETS = {"A": 0.97, "B": 0.95, "C": 0.92}  # cycle service level asked for
HANDLING = {"A": 0.002, "B": 0.004, "C": 0.006}  # of the unit cost a day: shelf space and shrinkage
FAST = {"A": 2.0, "B": 0.5}  # units a day from which an item is an A, a B


def draw(cfg: Config, rule: str, *content: str | Column) -> Column:
    """A number in [0, 1), the same for equal seed, rule and content."""
    bits = F.xxhash64(F.lit(f"{cfg.seed}:{rule}"), *content)
    return F.pmod(bits, F.lit(2**30)) / float(2**30)


def profile(
    series: DataFrame, sales: DataFrame, products: DataFrame, prices: DataFrame, cutoff: date, cfg: Config
) -> DataFrame:
    """What the rules know of each series.

    Args:
        series, sales, products, prices: contract tables.
        cutoff: later records are not looked at.

    Returns: series with maker, category, units' weight and volume, `mean` (recent sales, units a
        period), `price`, `total` (units over the history) and `records`.
    """
    period = cfg.calendar.period
    last = period_index(F.lit(cutoff), period)
    index = period_index(F.col("date"), period)
    sold = F.col("sales").cast(EXACT)
    history = (
        sales.where((F.col("date") <= F.lit(cutoff)) & F.col("sales").isNotNull())
        .groupBy("series_id")
        .agg(
            F.sum(F.when(index > last - RECENT[period], sold)).alias("recent"),
            F.sum(sold).alias("total"),
            F.count("*").alias("records"),
            (last - F.min(index) + 1).alias("age"),
        )
    )
    known = prices.where((F.col("price") > 0) & (F.col("date") <= F.lit(cutoff)))
    price = known.groupBy("series_id").agg(F.max_by("price", "date").alias("price"))
    typical = prices.where("price > 0").agg(F.median("price").alias("typical"))
    items = products.select("product_id", "manufacturer", "category", "unit_weight", "unit_volume")
    joined = (
        series.join(history, "series_id", "left").join(price, "series_id", "left").join(items, "product_id", "left")
    )
    recent = F.coalesce(F.col("recent").cast("double"), F.lit(0.0)) / F.least(F.col("age"), F.lit(RECENT[period]))
    longrun = F.col("total").cast("double") / F.col("age")
    mean = F.round(F.greatest(F.lit(0.0), 0.75 * recent + 0.25 * longrun), 6)
    return joined.crossJoin(F.broadcast(typical)).select(
        "series_id", "product_id", "location_id", "manufacturer", "category",
        F.coalesce("unit_weight", F.lit(0.5)).alias("unit_weight"),
        F.coalesce("unit_volume", F.lit(1.0)).alias("unit_volume"),
        F.coalesce(mean, F.lit(0.0)).alias("mean"),
        F.round(F.coalesce("price", "typical", F.lit(1.0)), 4).alias("price"),
        F.coalesce(F.col("total").cast("double"), F.lit(0.0)).alias("total"),
        F.coalesce("records", F.lit(0)).alias("records"),
    )  # fmt: skip


def velocity(mean: Column, cfg: Config) -> Column:
    """A, B or C by units a day."""
    daily = mean / DAYS[cfg.calendar.period]
    return F.when(daily >= FAST["A"], "A").when(daily >= FAST["B"], "B").otherwise("C")


def supply_terms(profiles: DataFrame, cfg: Config) -> DataFrame:
    """How each series is ordered and what it costs, by rule.

    Args:
        profiles: from `profile`, with `supplier_id` from `suppliers.assign`.
    """
    days = DAYS[cfg.calendar.period]
    content = ("mean", "price", "total", "records")
    cost = F.round(F.col("price") * COST_SHARE, 4)
    pace = velocity(F.col("mean"), cfg)
    share = _by(pace, {name: CAPITAL / 365.25 + value for name, value in HANDLING.items()})
    target = _by(pace, TARGETS)
    holding = F.round(cost * share * days, 6)
    # Lost margin; more where that would make it cheaper to run out than the target allows.
    shortage = F.round(F.greatest(F.col("price") - cost, holding * target / (1 - target)), 4)
    case = _case_pack(cfg, content)
    minimum = F.when(draw(cfg, "moq", *content) < 0.1, 2 * case).otherwise(case)
    terms = profiles.join(_supplier_terms(profiles, cfg), "supplier_id")
    cover = F.col("mean") * (F.col("lead_time") + 2 * F.col("review_period")) * 2.5
    limit = F.when(draw(cfg, "max_stock", *content) < 0.15, (F.ceil(cover / case) + 2) * case)
    return contract_frame(
        terms,
        "supply_terms",
        min_order_qty=minimum,
        case_pack=case,
        max_stock=limit,
        min_stock=F.when((pace == "A") & (draw(cfg, "display", *content) < 0.3), 2.0).otherwise(0.0),
        unit_cost=cost,
        unit_price=F.col("price"),
        holding_cost=holding,
        shortage_cost=shortage,
        order_cost=F.round(0.05 + 0.02 * case * cost, 2),
        target=target,
        assumed=F.lit(True),
    )


def _by(pace: Column, values: dict[str, float]) -> Column:
    return F.when(pace == "A", values["A"]).when(pace == "B", values["B"]).otherwise(values["C"])


def _case_pack(cfg: Config, content: tuple[str, ...]) -> Column:
    """Units in a case: larger for what sells more; one size smaller for a quarter of the items."""
    weekly = F.col("mean") * 7 / DAYS[cfg.calendar.period]
    size = F.lit(0)
    for threshold in CASE_WEEKLY:
        size = size + (weekly >= threshold).cast("int")
    size = F.greatest(F.lit(0), size - (draw(cfg, "case", *content) < 0.25).cast("int"))
    size = F.when(F.col("price") >= DEAR, F.least(size, F.lit(1))).otherwise(size)
    return F.element_at(F.array(*[F.lit(float(units)) for units in CASES]), size + 1)


def _supplier_terms(profiles: DataFrame, cfg: Config) -> DataFrame:
    """Lead time and review period of each supplier: what it sells more of is ordered more often."""
    period = cfg.calendar.period
    per = profiles.groupBy("supplier_id").agg(F.round(exact_sum("mean"), 3).alias("units"), F.count("*").alias("items"))
    content = ("units", "items")
    u, v = draw(cfg, "lead_time", *content), draw(cfg, "review", *content)
    daily = F.col("units") / DAYS[period]
    weekly_review = F.when(daily < 15, F.when(v < 0.6, 1).otherwise(2)).otherwise(1)
    lead, review = {
        "day": (
            2 + F.floor(4 * u),
            F.when(daily >= 100, F.when(v < 0.5, 1).otherwise(2))
            .when(daily >= 15, F.when(v < 0.5, 2).otherwise(3))
            .otherwise(F.when(v < 0.3, 3).otherwise(7)),
        ),
        "week": (F.when(u < 0.6, 1).otherwise(2), weekly_review),
        "month": (F.when(u < 0.5, 0).otherwise(1), F.lit(1)),
    }[period]
    late = draw(cfg, "late", *content) < 0.4
    spread = F.when(late, F.round(0.2 * lead, 2)).otherwise(0.0)
    return per.select(
        "supplier_id",
        lead.cast("int").alias("lead_time"),
        spread.cast("double").alias("lead_time_sd"),
        review.cast("int").alias("review_period"),
    )


def inventory(profiles: DataFrame, terms: DataFrame, cutoff: date, cfg: Config) -> DataFrame:
    """Stock at the cutoff and open orders, by rule: from empty shelves to well covered ones.

    Args:
        profiles: from `profile`.
        terms: contract table supply_terms, assumed or not.
        cutoff: the stock is of the end of this period.
    """
    content = ("mean", "price", "total", "records")
    joined = profiles.select("series_id", *content).join(terms, "series_id")
    interval = F.col("lead_time") + F.col("review_period")
    cover = F.when(draw(cfg, "empty", *content) < 0.04, 0.0).otherwise(0.35 + 1.15 * draw(cfg, "cover", *content))
    on_hand = F.ceil(F.col("mean") * interval * cover)
    cases = F.ceil(F.greatest(F.col("mean") * F.col("review_period"), F.col("min_order_qty")) / F.col("case_pack"))
    # One truck a supplier: all its open orders are due on the same day. Terms are the same for all its items.
    step = 1 + F.floor(draw(cfg, "due", "lead_time", "review_period") * F.col("lead_time"))
    due = period_start(period_index(F.lit(cutoff), cfg.calendar.period) + step, cfg.calendar.period)
    is_open = (F.col("lead_time") >= 1) & (F.col("mean") > 0) & (draw(cfg, "open", *content) < 0.4)
    return contract_frame(
        joined,
        "inventory",
        as_of=F.lit(cutoff),
        on_hand=on_hand,
        backorders=F.lit(0.0),
        due_dates=F.when(is_open, F.array(due)).otherwise(F.array().cast("array<date>")),
        due_qty=F.when(is_open, F.array((cases * F.col("case_pack")).cast("double"))).otherwise(
            F.array().cast("array<double>")
        ),
        assumed=F.lit(True),
    )


def resources(profiles: DataFrame, terms: DataFrame, cfg: Config) -> DataFrame:
    """Supplier minimums, trucks, inbound limits and one budget, by rule.

    All hold in every period (`period` 0). A supplier minimum is 40 % of the value of a typical order,
    a truck carries half of one, an inbound limit is 2.5 typical orders; the budget is 1.3 times what
    all suppliers' typical orders cost, for the days on which they all are due, and never less than
    the smallest orders of any one supplier's items at a location together.
    """
    joined = terms.join(profiles.select("series_id", "mean", "location_id"), "series_id")

    def typical(per_unit: Column) -> Column:
        return F.round(exact_sum(F.col("mean") * per_unit * F.col("review_period")), 2)

    groups = joined.groupBy("supplier_id", "location_id").agg(
        F.count("*").alias("items"),
        typical(F.col("unit_cost")).alias("value"),
        typical(F.col("unit_weight")).alias("weight"),
        typical(F.lit(1.0)).alias("units"),
        exact_sum(_smallest_order()).alias("smallest"),
    )
    lot = draw(cfg, "resource", "items", "value")
    large = groups.where((F.col("items") >= 10) & (F.col("value") > 0)).withColumn("lot", lot)
    true, money = F.lit(True), F.col("value")
    limits = [
        ("supplier_min", "min", "value", true, F.round(0.4 * money, 2), F.lit(0.0)),
        ("truck", "truck", "weight", F.col("lot") < 0.25, F.round(0.5 * F.col("weight"), 2), F.round(0.03 * money, 2)),
        ("inbound", "inbound", "units", F.col("lot").between(0.25, 0.4), F.ceil(2.5 * F.col("units")), F.lit(0.0)),
    ]
    rows = [
        F.struct(
            F.concat(F.lit(f"{prefix}:"), "supplier_id", F.lit("@"), "location_id").alias("resource_id"),
            F.lit(kind).alias("kind"),
            F.lit(measure).alias("measure"),
            amount.cast("double").alias("amount"),
            cost.cast("double").alias("cost"),
            chosen.alias("chosen"),
        )
        for kind, prefix, measure, chosen, amount, cost in limits
    ]
    made = large.select("supplier_id", "location_id", F.explode(F.array(*rows)).alias("row"))
    per_group = made.where("row.chosen").select("supplier_id", "location_id", "row.*")
    budget = groups.agg(F.greatest(F.round(1.3 * exact_sum("value"), 2), F.round(F.max("smallest"), 2)).alias("amount"))
    everywhere = {"period": F.lit(0), "assumed": true}
    shared = {"resource_id": F.lit("budget"), "kind": F.lit("budget"), "measure": F.lit("value"), "cost": F.lit(0.0)}
    return contract_frame(per_group, "resources", **everywhere).unionByName(
        contract_frame(budget.where("amount > 0"), "resources", **everywhere, **shared)
    )


def _smallest_order() -> Column:
    """Value of the least that may be ordered of an item: its minimum in whole cases."""
    asked = F.coalesce("min_order_qty", F.lit(0.0)) / F.col("case_pack") - 1e-9  # 0.3 / 0.1 is 3 cases
    cases = F.ceil(F.greatest(asked, F.lit(1.0)))
    return F.when(F.col("mean") > 0, cases * F.col("case_pack") * F.col("unit_cost")).otherwise(0.0)
