"""Stage replenish: stock, terms, forecast and limits -> orders with a certificate, one solve per supplier-location."""

from __future__ import annotations

from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import DataError
from parlevel.pipeline.replenish_choice import choose
from parlevel.pipeline.replenish_decided import decided
from parlevel.pipeline.replenish_network import has_network, plan_network
from parlevel.pipeline.replenish_rows import packed, with_limits
from parlevel.pipeline.replenish_service import learn
from parlevel.pipeline.replenish_solve import transform
from parlevel.pipeline.replenish_tables import KINDS, table_rows
from parlevel.spark.scratch import Scratch
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables


def run(tables: Tables, cfg: Config) -> str:
    """Plan the orders of every series; write order_plan, plan_report and projection, with policy auto policy_choice.

    Where the data have lanes, nodes are planned too, and shipments written.

    Raises:
        DataError: terms or stock are missing or wrong, or a series has no row in order_plan.
    """
    resources = tables.read("resources")
    choose(tables, cfg)
    learn(tables, cfg)
    with Scratch(tables.spark, cfg, "replenish") as scratch:
        rows = scratch.keep(with_limits(decided(tables, packed(tables, cfg), cfg), resources))
        n_series = rows.count()
        expected = tables.read("series_profile").count()
        if n_series != expected:
            raise DataError(
                f"every series must be packed once ({expected:,}). Got {n_series:,}: a key is repeated in "
                f"supply_terms, inventory, forecast_status or panel. Run the stages from sources again."
            )
        own = rows.drop("resources", "grants")
        network = plan_network(own, tables, scratch, cfg) if has_network(tables) else None
        plan, chain = (network.plan, network.chain) if network else transform(rows, resources, scratch, cfg=cfg)
        parts = {name: table_rows(plan, name) for name in KINDS}
        if chain is not None:
            parts["plan_report"] = parts["plan_report"].unionByName(chain)
        if network:
            parts["shipments"] = network.shipments
        files = {**dict.fromkeys(KINDS, 4), "plan_report": 1, "shipments": 1}
        tables.write_all(parts, files=files, n_series=n_series)
    return _report(tables, n_series, network.n_nodes if network else 0)


def _report(tables: Tables, n_series: int, n_nodes: int) -> str:
    """Every series and node has a decision for tomorrow; say what was decided.

    Raises:
        DataError: one has none.
    """
    plan, report = tables.read("order_plan"), tables.read("plan_report")
    first = plan.agg(F.countDistinct("series_id").alias("n")).head(1)[0]["n"]
    if first != n_series + n_nodes:
        raise DataError(
            f"every series and node must have a decision in order_plan ({n_series + n_nodes:,}). Got {first:,}. "
            f"Look at plan_report for groups that are missing and run `parlevel stage replenish` again."
        )
    groups = report.where("supplier_id <> '*'")
    status = groups.groupBy("status").count().orderBy("status").collect()  # bounded: five
    total = groups.agg(
        F.round(exact_sum("order_value"), 0).alias("value"),
        exact_sum("objective").alias("objective"),
        exact_sum("bound").alias("bound"),
    ).head(1)[0]
    today = plan.where("order_qty > 0").agg(F.min("order_date")).head(1)[0][0]
    gap = float(total["objective"] - total["bound"]) / max(abs(float(total["bound"])), 1e-9) if total["bound"] else 0.0
    words = ", ".join(f"{row['count']:,} {row['status']}" for row in status)
    further = f" and {n_nodes:,} nodes" if n_nodes else ""
    return (
        f"{n_series:,} series{further} in {sum(r['count'] for r in status):,} groups: {words}; orders worth "
        f"{float(total['value'] or 0):,.0f} over the horizon, the first on {today}; "
        f"together within {100 * gap:.2f} % of their bounds"
    )
