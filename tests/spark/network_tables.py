"""Contract tables of a plant, a warehouse and three stores for tests of the stage replenish."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from stock_tables import CUTOFF, frame, shop

STORES = ("s0", "s1", "s2")
TERMS = {
    "lead_time": 3, "lead_time_sd": 0.0, "review_period": 7, "min_order_qty": 12.0, "case_pack": 12.0,
    "max_stock": None, "min_stock": 0.0, "unit_cost": 1.5, "unit_price": 2.0, "holding_cost": 0.004,
    "shortage_cost": 0.8, "order_cost": 2.0, "target": 0.95, "unit_weight": 1.0, "unit_volume": 1.0, "assumed": False,
}  # fmt: skip


def network(
    spark: SparkSession, horizon: int, stock: float, *, plant: bool = False, transfers: bool = True, n: int = 12
) -> dict[str, DataFrame]:
    """n series of n / 3 products in three stores that a warehouse supplies.

    Args:
        spark: session.
        horizon: periods forecast.
        stock: units of each product in the warehouse.
        plant: the warehouse is supplied by a plant that has 100 units of each product.
        transfers: stores may help each other out.
        n: series.
    """
    found = shop(spark, horizon, n=n, failed=0)
    number = F.substring("series_id", 2, 3).cast("int")
    place = F.concat(F.lit("s"), (number % 3).cast("string"))
    product = F.concat(F.lit("p"), F.floor(number / 3).cast("string"))
    for name in ("series_profile", "panel"):
        found[name] = found[name].withColumns({"product_id": product, "location_id": place})
    supplied = {"supplier_id": F.lit("dc"), "lead_time": F.lit(1), "review_period": F.lit(2), "order_cost": F.lit(0.1)}
    found["supply_terms"] = found["supply_terms"].withColumns(supplied)
    places = [("dc", stock, "plant" if plant else "maker"), *([("plant", 100.0, "mine")] if plant else [])]
    found["nodes"] = frame(
        spark, "nodes", [node(f"p{k}", where, units, who) for where, units, who in places for k in range(n // 3)]
    )
    lanes = [lane("dc", store, unit_cost=0.02, lead_time=1) for store in STORES]
    lanes += [lane("plant", "dc", lead_time=3)] if plant else []
    ways = [(a, b) for a in STORES for b in STORES if a != b] if transfers else []
    lanes += [lane(a, b, "transfer", unit_cost=0.05, lead_time=0) for a, b in ways]
    found["lanes"] = frame(spark, "lanes", lanes)
    return found


def node(product: str, place: str, on_hand: float, supplier: str, **given: object) -> dict[str, object]:
    """A row of `nodes`."""
    stock = {"as_of": CUTOFF, "on_hand": on_hand, "backorders": 0.0, "due_dates": [], "due_qty": []}
    own = {"node_id": f"{product}@{place}", "product_id": product, "location_id": place, "supplier_id": supplier}
    return {**own, **stock, **TERMS, **given}


def lane(source: str, target: str, kind: str = "distribution", **given: object) -> dict[str, object]:
    """A row of `lanes`."""
    return {"source_id": source, "target_id": target, "kind": kind, "units": 1.0, "unit_cost": 0.0, **given}
