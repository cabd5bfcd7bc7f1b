"""Synthetic: a retailer drawn from a seed inside Spark, of any size, whose true demand is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.config.data import Share
from parlevel.config.section import Section
from parlevel.errors import ConfigError
from parlevel.schemas import Column as Declared
from parlevel.sources import draws
from parlevel.sources.base import Cached, contract_frame, files_fingerprint, read_options, rows_frame
from parlevel.sources.synthetic_network import lanes, nodes
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import DAYS, period_index, period_start

BATCH = 200  # series drawn at once

PACKED = tuple(
    Declared(name, kind, "drawn", nullable=False)
    for name, kind in (
        ("number", "bigint"), ("product", "bigint"), ("store", "int"), ("born", "int"), ("category", "string"),
        ("department", "string"), ("supplier", "string"), ("lead_time", "int"), ("review_period", "int"),
        ("case", "double"), ("unit_price", "double"), ("weight", "double"), ("demand", "array<double>"),
        ("sales", "array<double>"), ("in_stock", "array<boolean>"), ("price", "array<double>"),
        ("promo_first", "array<int>"), ("promo_last", "array<int>"), ("promo_reach", "array<double>"),
        ("on_hand", "double"), ("due_after", "array<int>"), ("due_qty", "array<double>"),
    )
)  # fmt: skip


class Options(Section):
    """Options of the source."""

    series: int = Field(1000, ge=1)  # products x stores
    stores: int = Field(1, ge=1)  # stores; series are spread over them evenly
    days: int = Field(730, ge=28)  # length of the history
    start: date = date(2022, 1, 3)  # first day
    promotions: bool = True  # discounts that lift demand, also planned ones after the cutoff
    stockouts: bool = True  # sales are capped by a simulated stock
    new_share: Share = 0.05  # share of products that start late
    dying_share: Share = 0.05  # share of products that fade away
    closed: bool = True  # all stores are closed on Christmas Day
    warehouses: int = Field(0, ge=0)  # that supply the stores, at most as many as stores; 0: suppliers deliver to them


class Synthetic(Cached):
    """The source `synthetic`."""

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        self._options = read_options(Options, options, "synthetic")
        self._cfg = cfg
        if self._options.warehouses > self._options.stores:
            raise ConfigError(
                f"source.options.warehouses must be at most source.options.stores. Got {self._options.warehouses} "
                f"for {self._options.stores}."
            )

    def fingerprint(self) -> str:
        """Hash of the parameters: equal parameters draw equal data."""
        return files_fingerprint([], self._options.model_dump_json(), self._cfg.seed, self._cfg.calendar.period)

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """All tables but the shared limits; holding, shortage and order costs are left to the rules."""
        packed = self._packed(spark)
        first_store = packed.where("store = 0")
        return {
            **self._network(spark, packed),
            "series": contract_frame(packed, "series", **self._names()),
            "sales": self._sales(packed),
            "products": contract_frame(
                first_store,
                "products",
                product_id=self._names()["product_id"],
                name=F.concat_ws(" ", "category", F.lit("item"), "product"),
                brand=F.col("supplier"),
                manufacturer=F.col("supplier"),
                unit_weight=F.col("weight"),
                unit_volume=F.col("weight") * 1.5,
            ),
            "locations": rows_frame(
                spark,
                "locations",
                [
                    {"location_id": f"S{store:03d}", "name": f"store {store}", "kind": "store", "country": "US"}
                    for store in range(self._options.stores)
                ]
                + [
                    {"location_id": f"W{k:02d}", "name": f"warehouse {k}", "kind": "warehouse", "country": "US"}
                    for k in range(self._options.warehouses)
                ],
            ),
            "prices": self._prices(packed),
            "promotions": self._promotions(packed),
            "calendar": self._calendar(spark),
            "inventory": self._inventory(packed),
            "supply_terms": self._terms(packed),
            "true_demand": self._true_demand(packed),
        }

    def _network(self, spark: SparkSession, packed: DataFrame) -> dict[str, DataFrame]:
        """Nodes and lanes, where there are warehouses."""
        count, last = self._options.warehouses, self._day(F.lit(self.plan().past - 1))
        if not count:
            return {}
        product = self._names()["product_id"]
        found = nodes(packed, product, count, last, DAYS[self._cfg.calendar.period], self._cfg.seed)
        return {"nodes": found, "lanes": lanes(spark, self._options.stores, count)}

    def plan(self) -> draws.Plan:
        """Size and time axis of the draws."""
        options, period = self._options, self._cfg.calendar.period
        past = max(2, math.floor(options.days / DAYS[period]))
        future = self._cfg.calendar.horizon
        closed: list[int] = []
        if options.closed and period == "day":
            days = (options.start + timedelta(days=t) for t in range(past + future))
            closed = [t for t, day in enumerate(days) if (day.month, day.day) == (12, 25)]
        return draws.Plan(
            seed=self._cfg.seed,
            products=math.ceil(options.series / options.stores),
            stores=options.stores,
            past=past,
            future=future,
            days=DAYS[period],
            weekday=options.start.weekday(),
            year_day=options.start.timetuple().tm_yday - 1,
            closed=tuple(closed),
            promotions=options.promotions,
            stockouts=options.stockouts,
            new_share=options.new_share,
            dying_share=options.dying_share,
        )

    def _packed(self, spark: SparkSession) -> DataFrame:
        """One row a series with everything that was drawn for it."""
        tasks = max(2, math.ceil(self._options.series / 2000))
        numbers = spark.range(0, self._options.series, 1, tasks).withColumnRenamed("id", "number")
        packed = map_packed(numbers, partial(draw_batch, plan=self.plan()), PACKED)
        return self.keep(packed)

    def _names(self) -> dict[str, Column]:
        item, store = F.format_string("P%06d", "product"), F.format_string("S%03d", "store")
        return {"series_id": F.concat_ws("@", item, store), "product_id": item, "location_id": store}

    def _day(self, step: Column) -> Column:
        """First day of the period `step` after the first."""
        period = self._cfg.calendar.period
        return period_start(period_index(F.lit(self._options.start), period) + step, period)

    def _exploded(self, packed: DataFrame, array: str, *more: str) -> DataFrame:
        steps = F.posexplode(array).alias("step", "value")
        name = self._names()["series_id"].alias("series_id")
        return packed.select(name, steps, "born", *more).where("step >= born")

    def _sales(self, packed: DataFrame) -> DataFrame:
        long = self._exploded(packed, "sales", "in_stock")
        opened = long.where(~F.col("step").isin(list(self.plan().closed)))
        seen = F.element_at("in_stock", F.col("step") + 1)
        return contract_frame(opened, "sales", date=self._day(F.col("step")), sales=F.col("value"), in_stock=seen)

    def _true_demand(self, packed: DataFrame) -> DataFrame:
        """Also of the horizon, for whoever judges forecasts; no stage reads it."""
        long = self._exploded(packed, "demand")
        return contract_frame(long, "true_demand", date=self._day(F.col("step")), demand=F.col("value"))

    def _prices(self, packed: DataFrame) -> DataFrame:
        """A row where the price differs from the period before."""
        long = self._exploded(packed, "price", "price")
        before = F.when(F.col("step") > F.col("born"), F.element_at("price", F.col("step")))
        changed = long.where(before.isNull() | (before != F.col("value")))
        return contract_frame(changed, "prices", date=self._day(F.col("step")), price=F.col("value"))

    def _promotions(self, packed: DataFrame) -> DataFrame:
        deals = F.explode(F.arrays_zip("promo_first", "promo_last", "promo_reach")).alias("deal")
        long = packed.select(self._names()["series_id"].alias("series_id"), "born", deals).where(
            "deal.promo_last >= born"
        )
        end = F.date_sub(self._day(F.col("deal.promo_last") + 1), 1)
        return contract_frame(
            long,
            "promotions",
            start_date=self._day(F.col("deal.promo_first")),
            end_date=end,
            kind=F.lit("discount"),
            intensity=F.col("deal.promo_reach"),
        )

    def _calendar(self, spark: SparkSession) -> DataFrame:
        days = [self._options.start + timedelta(days=step) for step in self.plan().closed]
        closed = {"is_open": False, "event": "Christmas Day", "event_kind": "holiday"}
        stores = [f"S{store:03d}" for store in range(self._options.stores)]
        rows = [{"location_id": store, "date": day, **closed} for store in stores for day in days]
        return rows_frame(spark, "calendar", rows)

    def _inventory(self, packed: DataFrame) -> DataFrame:
        dates = F.transform("due_after", lambda after: self._day(F.lit(self.plan().past) + after))
        return contract_frame(
            packed,
            "inventory",
            series_id=self._names()["series_id"],
            as_of=self._day(F.lit(self.plan().past - 1)),
            backorders=F.lit(0.0),
            due_dates=dates,
            assumed=F.lit(False),
        )

    def _terms(self, packed: DataFrame) -> DataFrame:
        """What the simulated stock was ordered by; costs are null and filled by rule."""
        return contract_frame(
            packed,
            "supply_terms",
            series_id=self._names()["series_id"],
            supplier_id=F.col("supplier"),
            lead_time_sd=F.lit(0.0),
            min_order_qty=F.col("case"),
            case_pack=F.col("case"),
            unit_cost=F.round(F.col("unit_price") * 0.7, 4),
            unit_weight=F.col("weight"),
            unit_volume=F.col("weight") * 1.5,
        )


def draw_batch(batch: pa.Table, plan: draws.Plan) -> pa.Table:
    """Everything drawn for the series numbers of a batch, as `PACKED`."""
    numbers = batch.column("number").to_pylist()
    rows: list[dict[str, Any]] = []
    for start in range(0, len(numbers), BATCH):
        rows += _draw(numbers[start : start + BATCH], plan)
    return pa.Table.from_pylist(rows, _arrow())


def _arrow() -> pa.Schema:
    from parlevel.schemas import arrow_schema

    return arrow_schema(PACKED)


def _draw(numbers: list[int], plan: draws.Plan) -> list[dict[str, Any]]:
    items = [draws.product(plan, number % plan.products) for number in numbers]
    deals = [draws.promotions(plan, number % plan.products) for number in numbers]
    prices = [
        draws.price_path(plan, number % plan.products, item, deal)
        for number, item, deal in zip(numbers, items, deals, strict=True)
    ]
    means = np.array([draws.expected(plan, *row) for row in zip(numbers, items, prices, deals, strict=True)])
    wanted = np.array([draws.demand(plan, *row) for row in zip(numbers, items, means, strict=True)])
    stock = draws.simulate(plan, items, wanted[:, : plan.past], means[:, : plan.past], numbers)
    return [
        {
            "number": number,
            "product": number % plan.products,
            "store": number // plan.products,
            "born": item["born"],
            "category": draws.CATEGORIES[item["category"]],
            "department": item["department"],
            "supplier": f"M{item['supplier']:04d}",
            "lead_time": item["lead_time"],
            "review_period": item["review_period"],
            "case": item["case"],
            "unit_price": item["price"],
            "weight": item["weight"],
            "demand": wanted[i],
            "sales": stock.sales[i],
            "in_stock": stock.in_stock[i],
            "price": prices[i],
            "promo_first": [deal[0] for deal in deals[i]],
            "promo_last": [deal[1] for deal in deals[i]],
            "promo_reach": [deal[3] for deal in deals[i]],
            "on_hand": stock.on_hand[i],
            "due_after": np.flatnonzero(stock.due[i]).tolist(),
            "due_qty": stock.due[i][stock.due[i] > 0].tolist(),
        }
        for i, (number, item) in enumerate(zip(numbers, items, strict=True))
    ]
