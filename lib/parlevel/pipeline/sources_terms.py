"""Rules that terms and stock keep: asked as soon as they are written, and again where orders are planned."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.domain.replenish.constraints.resource import KINDS, MEASURES
from parlevel.errors import DataError
from parlevel.spark.periods import period_index


def _below(bound: int, *names: str) -> Column:
    """Whether one of some columns is below a bound; nulls are not."""
    found = F.lit(False)
    for name in names:
        found = found | F.coalesce(F.col(name) < bound, F.lit(False))
    return found


def _rules() -> dict[str, Column]:
    """Rule in words -> whether a row of `supply_terms` breaks it."""
    any_day = F.size("order_weekdays") == 0
    return {
        "lead_time must be an integer >= 0 (periods)": _below(0, "lead_time"),
        "lead_time_sd must be >= 0 (periods)": _below(0, "lead_time_sd"),
        "review_period must be an integer >= 1 (periods)": _below(1, "review_period"),
        "order_weekdays must hold days from 1 (Monday) to 7 (Sunday), and be null for any day": (
            any_day | F.exists("order_weekdays", lambda day: ~day.between(1, 7))
        ),
        "frozen_periods must be an integer >= 0 (periods)": _below(0, "frozen_periods"),
        "leftover_value must be >= 0 (money a unit), and null for nothing": _below(0, "leftover_value"),
        "case_pack must be > 0 (units)": ~(F.col("case_pack") > 0),
        "min_order_qty, min_stock and max_stock must be >= 0 (units)": _below(
            0, "min_order_qty", "min_stock", "max_stock"
        ),
        "shelf_life must be an integer >= 1 (periods), and null for never": _below(1, "shelf_life"),
        "unit_cost and unit_price must be >= 0 (money a unit)": _below(0, "unit_cost", "unit_price"),
        "holding_cost, shortage_cost, backorder_cost and order_cost must be >= 0": _below(
            0, "holding_cost", "shortage_cost", "backorder_cost", "order_cost"
        ),
        "target must lie between 0 and 1: 0.95, not 95": ~((F.col("target") > 0) & (F.col("target") < 1)),
        "unit_weight and unit_volume must be >= 0": _below(0, "unit_weight", "unit_volume"),
    }


def check_terms(terms: DataFrame, period: str, table: str = "supply_terms") -> None:
    """Terms keep the rules of their contract.

    Args:
        terms: contract `supply_terms`.
        period: day, week or month.
        table: where they stand.

    Raises:
        DataError: a rule is broken; names three series.
    """
    refuse_broken(terms, _rules(), f"Fix {table}")
    if period != "day":
        some = terms.where(F.col("order_weekdays").isNotNull())
        refuse(some, "order_weekdays are for daily plans", f"Leave them null for plans by {period}")


def check_stock(stock: DataFrame, ends: Column, period: str, table: str = "inventory") -> None:
    """The stock is none below nothing, and of the end of the cutoff: an older one would order for served demand.

    Args:
        stock: contract `inventory`, and what `ends` reads.
        ends: index of the last period learnt from.
        period: day, week or month.
        table: where it stands.

    Raises:
        DataError: a rule is broken; names three series.
    """
    late = stock.where(period_index(F.col("as_of"), period) != ends)
    refuse(late, f"{table}.as_of must be the last period learnt from", "Set calendar.cutoff, or take stock again")
    negative = stock.where(~(F.col("on_hand") >= 0) | ~(F.col("backorders") >= 0))
    refuse(negative, "on_hand and backorders must be >= 0 (units)", f"Fix {table}")


def check_resources(resources: DataFrame, terms: DataFrame, series: DataFrame) -> list[str]:
    """Shared limits have kinds, measures and amounts that exist.

    Args:
        resources, terms, series: the contracts of these names.

    Returns: a note where limits name a supplier or a place that no series has, and so hold for nothing.

    Raises:
        DataError: a rule is broken; names three resources.
    """
    rules = {
        f"resources.kind must be one of {list(KINDS)}": ~F.col("kind").isin(*KINDS),
        f"resources.measure must be one of {list(MEASURES)}": ~F.col("measure").isin(*MEASURES),
        "resources.amount and cost must be >= 0": _below(0, "amount", "cost"),
        "resources.period must be >= 0: 0 for every period, or a step after the cutoff": _below(0, "period"),
    }
    refuse_broken(resources, rules, "Fix resources", key="resource_id")
    suppliers = terms.select("supplier_id", F.lit(True).alias("_supplies")).distinct()
    places = series.select("location_id", F.lit(True).alias("_sells")).distinct()
    idle = (
        resources.join(suppliers, "supplier_id", "left")
        .join(places, "location_id", "left")
        .where(
            (F.col("supplier_id").isNotNull() & F.col("_supplies").isNull())
            | (F.col("location_id").isNotNull() & F.col("_sells").isNull())
        )
    )
    some = [row["resource_id"] for row in idle.select("resource_id").orderBy("resource_id").limit(3).collect()]
    if not some:
        return []
    return [f"{idle.count():,} rows of resources name a supplier or place that no series has, e.g. {some}"]


def refuse_broken(rows: DataFrame, rules: Mapping[str, Column], way_out: str, key: str = "series_id") -> None:
    """Raise for the first of some rules that any row breaks; one pass where none does.

    Args:
        rows: what is checked.
        rules: rule in words -> whether a row breaks it.
        way_out: what to do.
        key: column that names a row.

    Raises:
        DataError: a rule is broken.
    """
    broken = rows.select(*(F.max(rule.cast("int")).alias(str(k)) for k, rule in enumerate(rules.values()))).head(1)[0]
    for k, (words, rule) in enumerate(rules.items()):
        if broken[str(k)]:
            refuse(rows.where(rule), words, way_out, key)


def refuse(offending: DataFrame, rule: str, way_out: str, key: str = "series_id") -> None:
    """Raise where any row offends, with the count and three examples.

    Raises:
        DataError: there are such rows.
    """
    some = [row[key] for row in offending.select(key).orderBy(key).limit(3).collect()]
    if some:
        raise DataError(f"{rule}. Got {offending.count():,} that do not, e.g. {some}. {way_out}.")
