"""The rows of the replenish stage: one a series with stock, terms, forecast and what its group shares."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.constraints.resource import CAPACITIES
from parlevel.domain.replenish.packed import NUMBERS, PACKED, WHOLE
from parlevel.pipeline.replenish_baskets import basket_terms
from parlevel.pipeline.sources_terms import check_stock, check_terms, refuse
from parlevel.schemas import TABLES
from parlevel.spark.periods import period_index
from parlevel.spark.tables import Tables

HISTORY = 182  # periods of history that policies on history may look at
RESOURCE = ("resource_id", "period", "kind", "measure", "amount", "cost")


def packed(tables: Tables, cfg: Config) -> DataFrame:
    """One row a series, columns `PACKED`; every series of `series_profile` has one.

    Raises:
        DataError: a series has no terms or no stock, a term breaks its rule, or the stock is of another period
            than the forecast starts from.
    """
    profile = tables.read("series_profile").select("series_id", "product_id", "location_id", "content_key")
    terms, stock = basket_terms(tables, cfg), tables.read("inventory")
    _check_rows(profile, terms, stock)
    # Asked when they were written too; what baskets add to the terms is new, and so is the panel's end.
    check_terms(terms.join(profile.select("series_id"), "series_id", "left_semi"), cfg.calendar.period)
    panel = tables.read("panel")
    ends = panel.select("series_id", period_index(F.col("cutoff"), cfg.calendar.period).alias("_end"))
    check_stock(stock.join(ends, "series_id"), F.col("_end"), cfg.calendar.period)
    told = "forecast_drivers" in TABLES and tables.has("forecast_drivers")
    return join(
        profile, terms, stock, tables.read("forecast"), tables.read("forecast_status"), tables.read("failures"), panel,
        tables.read("forecast_drivers") if told else None, cfg=cfg,
    )  # fmt: skip


def join(
    profile: DataFrame,
    terms: DataFrame,
    stock: DataFrame,
    forecast: DataFrame,
    status: DataFrame,
    failures: DataFrame,
    panel: DataFrame,
    drivers: DataFrame | None = None,
    *,
    cfg: Config,
) -> DataFrame:
    """Pack the contract tables; see `packed`."""
    period = cfg.calendar.period
    steps = F.array_sort(F.collect_list(F.struct("step", "demand_mean", "levels", "demand_quantiles")))
    curves = forecast.groupBy("series_id").agg(steps.alias("steps")).select(
        "series_id",
        F.transform("steps", lambda s: s["demand_mean"]).alias("mean"),
        F.element_at("steps", 1)["levels"].alias("levels"),
        F.flatten(F.transform("steps", lambda s: s["demand_quantiles"])).alias("quantiles"),
    )  # fmt: skip
    past = panel.select(
        "series_id",
        F.expr(f"slice(demand, greatest(size(demand) - {HISTORY - 1}, 1), {HISTORY})").alias("history"),
        period_index(F.col("cutoff"), period).alias("_cutoff"),
    )
    why = failures.groupBy("series_id").agg(F.min("reason").alias("_failed"))
    joined = (
        profile.join(terms.withColumnRenamed("assumed", "_terms_assumed"), "series_id")
        .join(stock.withColumnRenamed("assumed", "_stock_assumed"), "series_id")
        .join(past, "series_id", "left")
        .join(curves, "series_id", "left")
        .join(status.select("series_id", "path_correlation"), "series_id", "left")
        .join(why, "series_id", "left")
    )
    if drivers is not None:
        joined = joined.join(_strongest(drivers), "series_id", "left")
    else:
        joined = joined.withColumn("drivers", F.lit(None).cast("array<string>"))
    due = F.transform("due_dates", lambda d: (period_index(d, period) - F.col("_cutoff")).cast("int"))
    return joined.select(
        "series_id", "product_id", "location_id", "supplier_id", _group().alias("solve_group"), "content_key",
        (F.col("_terms_assumed") | F.col("_stock_assumed")).alias("assumed"),
        F.when(F.col("mean").isNull(), F.coalesce("_failed", F.lit("it is in no forecast"))).alias("missing"),
        F.col("_cutoff").alias("cutoff_index"),
        "mean", "levels", "quantiles", "path_correlation", "history", "drivers", "on_hand", "backorders",
        F.when(F.size("due_dates") > 0, due).otherwise(F.array().cast("array<int>")).alias("due_steps"), "due_qty",
        *NUMBERS, *WHOLE, "order_weekdays", season_steps(F.col("_cutoff"), period).alias("season_steps"),
        "leftover_value", F.lit(None).cast("double").alias("asked"), F.lit(None).cast("string").alias("policy"),
    ).select(*(column.name for column in PACKED))  # fmt: skip


def season_steps(cutoff: Column, period: str) -> Column:
    """Periods after a cutoff (period index) in which a series is still sold, by its `season_end`; null: it has none."""
    left = period_index(F.col("season_end"), period) - cutoff
    return F.when(left > 0, left).when(left <= 0, F.lit(0)).cast("int")


def _strongest(drivers: DataFrame) -> DataFrame:
    """(series_id, drivers): the three drivers with the largest effect in words, strongest first."""
    words = F.format_string("%s %+.2f", "driver", "effect")
    some = drivers.where("rank between 1 and 3").groupBy("series_id")
    return some.agg(F.array_sort(F.collect_list(F.struct("rank", words.alias("words")))).alias("_d")).select(
        "series_id", F.transform("_d", lambda d: d["words"]).alias("drivers")
    )


def with_limits(rows: DataFrame, resources: DataFrame) -> DataFrame:
    """Rows with the limits of their own group, as JSON, in `resources`, and empty `grants`.

    A supplier minimum or a truck is one delivery's: it holds for each location that the supplier serves. Other limits
    belong to a group only where both supplier and location are named.
    """
    groups = rows.select("solve_group", "supplier_id", "location_id").distinct()
    own = resources.where(~shared()).select(
        *RESOURCE, F.col("supplier_id").alias("_supplier"), F.col("location_id").alias("_location")
    )
    fits = (F.col("_supplier").isNull() | (F.col("_supplier") == F.col("supplier_id"))) & (
        F.col("_location").isNull() | (F.col("_location") == F.col("location_id"))
    )
    listed = F.to_json(F.array_sort(F.collect_list(F.struct(*RESOURCE))))
    limits = groups.join(F.broadcast(own), fits).groupBy("solve_group").agg(listed.alias("resources"))
    return rows.join(F.broadcast(limits), "solve_group", "left").withColumn("grants", F.lit(None).cast("string"))


def shared() -> Column:
    """Whether a row of `resources` holds over several groups: a capacity that does not name supplier and location."""
    named = F.col("supplier_id").isNotNull() & F.col("location_id").isNotNull()
    return F.col("kind").isin(*CAPACITIES) & ~named


def _group() -> Column:
    return F.concat_ws(" @ ", "supplier_id", "location_id")


def _check_rows(profile: DataFrame, terms: DataFrame, stock: DataFrame) -> None:
    """Every series has terms and stock."""
    for name, table in (("supply_terms", terms), ("inventory", stock)):
        missing = profile.join(table.select("series_id"), "series_id", "left_anti")
        refuse(missing, f"every series must have a row in {name}", f"Add the rows to {name}, or let the source assume")
