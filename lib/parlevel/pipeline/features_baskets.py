"""The table recommendations: what baskets say about pairs of products, counted in Spark, judged in the domain."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.signals.baskets import NEITHER, Pairs, Rules
from parlevel.errors import DataError
from parlevel.schemas import Column, contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.periods import period_index
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables

TABLE = "recommendations"
COUNTS = ("together", "n_product", "n_other")
MEASURED: tuple[Column, ...] = (
    *(Column(name, "string", "of the contract") for name in ("product_id", "other_id", "kind")),
    *(Column(name, "bigint", "baskets") for name in COUNTS),
    *(Column(name, "double", "of the contract") for name in ("support", "confidence", "lift", "attached")),
)


def run(tables: Tables, products: DataFrame, last: int, cfg: Config) -> str:
    """Count the baskets and write the table; nothing where `signals.baskets` is off.

    Args:
        tables: of the run.
        products: product_id of the series, and department or whatever else of contract `products`.
        last: period index of the newest baskets to count.
        cfg: the configuration.

    Raises:
        DataError: the source gives no baskets.
    """
    if not cfg.signals.baskets:
        return ""
    if not tables.has("order_lines"):
        raise DataError(
            "signals.baskets needs the table order_lines, and the source wrote none. Leave signals.baskets off, or "
            "choose a source that knows baskets (complete_journey with order_lines: true)."
        )
    lines = tables.read("order_lines").where(period_index(F.col("date"), cfg.calendar.period) <= last)
    with Scratch(tables.spark, cfg, "baskets") as scratch:
        n = tables.write(TABLE, transform(lines, products, scratch, cfg=cfg), files=1)
    return f"; {n:,} pairs of products that are bought together or instead of each other"


def transform(lines: DataFrame, products: DataFrame, scratch: Scratch, *, cfg: Config) -> DataFrame:
    """Contract `recommendations`: of each product the pairs that say most.

    Args:
        lines: contract `order_lines`; baskets with more than `signals.max_basket` of the products count nowhere.
        products: product_id and department of the products that pairs are looked for among.
        scratch: keeps the baskets.
        cfg: the configuration.
    """
    bought = lines.where("quantity > 0").select("order_id", "product_id").distinct()
    known = products.select("product_id", "department").distinct()
    own = bought.join(F.broadcast(known.select("product_id")), "product_id", "left_semi")
    baskets = own.groupBy("order_id").agg(F.array_sort(F.collect_list("product_id")).alias("items"))
    baskets = scratch.keep(baskets.where(F.size("items") <= cfg.signals.max_basket))
    alone = baskets.select(F.explode("items").alias("product_id")).groupBy("product_id").agg(F.count("*").alias("n"))
    often = scratch.keep(alone.where(F.col("n") >= cfg.signals.min_together).join(F.broadcast(known), "product_id"))
    # Chance is judged among all baskets of the shop, those without any of the products too.
    total = bought.agg(F.countDistinct("order_id")).head(1)[0][0]
    counted = _candidates(_together(baskets, often), often, float(total), cfg)
    rules = Rules(cfg.signals.min_together, cfg.signals.min_lift, cfg.signals.max_lift)
    judged = map_packed(counted, partial(judge, baskets=float(total), rules=rules), MEASURED)
    # Among a product's complements those that most of its baskets hold beyond chance; the clearest substitutes.
    strength = F.when(F.col("kind") == "complement", -F.col("attached")).otherwise(F.col("lift"))
    ranked = Window.partitionBy("product_id", "kind").orderBy(strength, "other_id")
    best = judged.withColumn("rank", F.row_number().over(ranked)).where(F.col("rank") <= cfg.signals.per_product)
    return best.select(*(column.name for column in contract(TABLE).data_columns))


def _together(baskets: DataFrame, often: DataFrame) -> DataFrame:
    """(first, second, together): every pair of frequent products in one basket, first < second, counted."""
    pairs = F.expr(
        "flatten(transform(items, (x, i) -> transform(slice(items, i + 2, size(items)), y -> struct(x AS a, y AS b))))"
    )
    both = baskets.where(F.size("items") > 1).select(F.explode(pairs).alias("p")).select("p.a", "p.b")
    for side in ("a", "b"):
        names = F.broadcast(often.select(F.col("product_id").alias(side)))
        both = both.join(names, side, "left_semi")
    return both.groupBy("a", "b").agg(F.count("*").alias("together"))


def _candidates(pairs: DataFrame, often: DataFrame, total: float, cfg: Config) -> DataFrame:
    """Pairs in both directions with their counts: those seen together often, and those that chance would put together.

    The second are looked for within a department, among products frequent enough to be expected together at all.
    """
    least = cfg.signals.min_together
    left, right = (often.select(*(F.col(c).alias(f"{c}_{k}") for c in often.columns)) for k in ("a", "b"))
    same = F.col("department_a") == F.col("department_b")
    expected = left.join(F.broadcast(right), same & (F.col("product_id_a") < F.col("product_id_b"))).where(
        F.col("n_a") * F.col("n_b") >= least * total
    )
    wanted = expected.select(F.col("product_id_a").alias("a"), F.col("product_id_b").alias("b"))
    found = pairs.where(F.col("together") >= least).select("a", "b").unionByName(wanted).distinct()
    counted = (
        found.join(pairs, ["a", "b"], "left")
        .join(F.broadcast(left.withColumnRenamed("product_id_a", "a")), "a")
        .join(F.broadcast(right.withColumnRenamed("product_id_b", "b")), "b")
    )
    alike = F.coalesce(same, F.lit(False)).alias("alike")
    both = F.coalesce("together", F.lit(0).cast("bigint")).alias("together")

    def side(one: str, two: str) -> DataFrame:
        return counted.select(
            F.col(one).alias("product_id"), F.col(two).alias("other_id"), both,
            F.col(f"n_{one}").alias("n_product"), F.col(f"n_{two}").alias("n_other"), alike,
        )  # fmt: skip

    return side("a", "b").unionByName(side("b", "a"))


def judge(table: pa.Table, *, baskets: float, rules: Rules) -> pa.Table:
    """Measures and kinds of pairs; pairs that are neither are left out.

    Args:
        table: product_id, other_id, `COUNTS` and alike.
        baskets: all baskets.
        rules: when a pair is one.

    Returns: columns `MEASURED`.
    """
    together, product, other = (np.asarray(table[name].to_numpy(), np.float64) for name in COUNTS)
    pairs = Pairs(together, product, other, np.asarray(table["alike"].to_numpy(), bool), baskets)
    measured = {
        "kind": pairs.kinds(rules), "support": pairs.support, "confidence": pairs.confidence,
        "lift": pairs.lift, "attached": pairs.attached(),
    }  # fmt: skip
    whole = table.select(["product_id", "other_id", *COUNTS])
    for name, values in measured.items():
        whole = whole.append_column(name, pa.array(values))
    return whole.filter(pa.array(measured["kind"] != NEITHER))
