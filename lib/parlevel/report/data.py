"""What the report shows, asked from the warehouse in bounded queries: whole tables never come to memory."""

from __future__ import annotations

from typing import Any

from parlevel.report.warehouse import Warehouse
from parlevel.schemas import STAGES

Row = dict[str, Any]

LONG_TABLE = 200
"""Rows of a table that is printed whole."""


def overview(house: Warehouse) -> Row:
    """Sizes and dates of the run: one row."""
    out: Row = {"run_id": house.run_id}
    if house.has("runs"):
        logged = house.rows(
            "SELECT source, cutoff, code_version, config, started_at FROM history.runs WHERE run_id = ? "
            "ORDER BY cutoff IS NULL, started_at DESC LIMIT 1",
            [house.run_id],
        )
        out |= logged[0] if logged else {}
    if house.has("forecast"):
        out |= house.rows(
            "SELECT count(DISTINCT series_id) AS n_series, max(step) AS horizon, min(date) AS first_day, "
            "max(date) AS last_day, max(cutoff) AS cutoff, sum(demand_mean) AS demand FROM forecast"
        )[0]
    return out


def orders(house: Warehouse) -> Row:
    """What is ordered first, and over the horizon: one row, empty before the replenish stage."""
    if not house.has("order_plan"):
        return {}
    return house.rows(
        "WITH first AS (SELECT min(order_date) AS day FROM order_plan) "
        "SELECT (SELECT day FROM first) AS day, "
        "count(*) FILTER (order_qty > 0 AND order_date = (SELECT day FROM first)) AS lines, "
        "coalesce(sum(order_value) FILTER (order_date = (SELECT day FROM first)), 0) AS value, "
        "count(DISTINCT supplier_id) FILTER (order_qty > 0 AND order_date = (SELECT day FROM first)) AS suppliers, "
        "count(*) FILTER (order_qty > 0) AS all_lines, sum(order_value) AS all_value, "
        "count(DISTINCT series_id) AS n_series, "
        "count(*) FILTER (assumed) > 0 AS assumed FROM order_plan"
    )[0]


def forecast_score(house: Warehouse) -> Row:
    """Error of the models in use on the newest held-back fold, all series together."""
    if not house.has("worst_series"):
        return {}
    return house.rows(
        "SELECT sum(abs_error) / nullif(sum(actual_units), 0) AS wape, count(*) AS n_series, max(cutoff) AS cutoff, "
        "sum(forecast_units - actual_units) / nullif(sum(actual_units), 0) AS bias FROM worst_series"
    )[0]


def accuracy(house: Warehouse) -> list[Row]:
    """Every metric per model on the newest held-back fold, where all models were judged on the same periods.

    The groups' choice ("chosen") comes first, then the best model. Without folds: over all there is.
    """
    if not house.has("forecast_accuracy"):
        return []
    rows = house.rows(
        "SELECT * FROM forecast_accuracy WHERE segment_kind IN ('fold', 'all') "
        "ORDER BY model <> 'chosen', wql NULLS LAST, wape, model"
    )
    folds = [int(row["segment_value"]) for row in rows if row["segment_kind"] == "fold"]
    wanted = ("fold", str(max(folds))) if folds else ("all", "all")
    return [row for row in rows if (row["segment_kind"], row["segment_value"]) == wanted]


def accuracy_by(house: Warehouse, kind: str, limit: int = 24) -> list[Row]:
    """WAPE and friends per value of a segment kind and model; the values with most series-periods first."""
    if not house.has("forecast_accuracy"):
        return []
    return house.rows(
        "SELECT segment_value, model, wape, mase, rmsse, bias_share, coverage_90, n FROM forecast_accuracy "
        "WHERE segment_kind = ? AND segment_value IN (SELECT segment_value FROM forecast_accuracy "
        "WHERE segment_kind = ? GROUP BY segment_value ORDER BY max(n) DESC, segment_value LIMIT ?) "
        "ORDER BY segment_value, model",
        [kind, kind, limit],
    )


def reliability(house: Warehouse) -> list[Row]:
    """Share of actuals at or below each quantile level, per model."""
    if not house.has("accuracy"):
        return []
    return house.rows(
        "SELECT model, CAST(substring(metric, 19) AS DOUBLE) AS level, value FROM accuracy "
        "WHERE segment = 'all' AND metric LIKE 'quantile_coverage_%' AND value IS NOT NULL ORDER BY model, level"
    )


def policies(house: Warehouse) -> list[Row]:
    """Simulated costs and service per policy over all series, the cheapest first."""
    if not house.has("policy_costs"):
        return []
    return house.rows("SELECT * FROM policy_costs WHERE segment = 'all' ORDER BY total_cost, policy")


def policies_by_segment(house: Warehouse, plan: str, baseline: str, *, limits: bool = False) -> list[Row]:
    """Plan and baseline side by side per segment; with `limits` of groups played with what their items share."""
    if not house.has("policy_costs"):
        return []
    return house.rows(
        "SELECT a.segment, a.n_series, a.total_cost AS plan_cost, b.total_cost AS base_cost, a.fill_rate AS plan_fill, "
        "b.fill_rate AS base_fill, a.stockout_rate AS plan_out, b.stockout_rate AS base_out FROM policy_costs a "
        "JOIN policy_costs b ON b.segment = a.segment AND b.policy = ? WHERE a.policy = ? AND a.segment <> 'all' "
        "AND starts_with(a.segment, 'limits:') = ? ORDER BY b.total_cost DESC, a.segment LIMIT 40",
        [baseline, plan, limits],
    )


def frontier(house: Warehouse) -> list[Row]:
    """What service costs, setting by setting, over all series of the sample; the cheapest first."""
    if not house.has("frontier"):
        return []
    return house.rows(
        "SELECT policy, setting, n_series, fill_rate, cycle_service_level, holding_cost + order_cost AS spent, "
        "shortage_cost, total_cost, point_cost FROM frontier WHERE segment = 'all' AND fill_rate IS NOT NULL "
        "AND setting NOT LIKE '%each series' ORDER BY policy, spent, setting"
    )


def service_reached(house: Warehouse) -> list[Row]:
    """Service asked for and reached per policy and segment."""
    if not house.has("service_reached"):
        return []
    return house.rows("SELECT * FROM service_reached WHERE realised IS NOT NULL ORDER BY policy, segment LIMIT 40")


def order_lines(house: Warehouse, limit: int) -> list[Row]:
    """The plan's order lines, the first date and the largest value first."""
    if not house.has("order_plan"):
        return []
    terms = "SELECT series_id, case_pack FROM supply_terms"
    if house.has("nodes"):
        terms += " UNION ALL SELECT node_id, case_pack FROM nodes"
    return house.rows(
        "SELECT o.order_date, o.supplier_id, o.location_id, o.series_id, p.name, o.order_qty, "
        "o.order_qty / t.case_pack AS cases, o.order_value, o.receipt_date, o.inventory_position, o.protection_demand, "
        "o.safety_stock, o.stockout_probability, o.reason "
        f"FROM order_plan o LEFT JOIN ({terms}) t USING (series_id) "
        "LEFT JOIN products p ON p.product_id = o.product_id WHERE o.order_qty > 0 "
        "ORDER BY o.order_date, o.order_value DESC, o.series_id LIMIT ?",
        [limit],
    )


def shipments(house: Warehouse, limit: int) -> tuple[Row, list[Row], list[Row]]:
    """(all together, by lane, single lines: cut most and saving most first) of what leaves tomorrow; empty: nothing."""
    if not house.has("shipments_today"):
        return {}, [], []
    total = house.rows(
        "SELECT count(DISTINCT (source_id, target_id, kind)) AS lanes, min(ship_date) AS ship_date, "
        "coalesce(sum(asked) FILTER (WHERE kind <> 'transfer'), 0) AS asked, "
        "coalesce(sum(sent) FILTER (WHERE kind <> 'transfer'), 0) AS sent, "
        "coalesce(sum(saving), 0) AS saving FROM shipments_today"
    )[0]
    by_lane = house.rows(
        "SELECT source_id, target_id, kind, count(*) AS lines, sum(asked) AS asked, sum(sent) AS sent, "
        "sum(cost) AS cost, sum(saving) AS saving FROM shipments_today GROUP BY source_id, target_id, kind "
        "ORDER BY kind, source_id, target_id LIMIT ?",
        [LONG_TABLE],
    )
    lines = house.rows(
        "SELECT * FROM shipments_today ORDER BY kind <> 'transfer' AND sent >= asked, coalesce(saving, missed) DESC, "
        "source_id, target_id, product_id LIMIT ?",
        [limit],
    )
    return total, by_lane, lines


def solves(house: Warehouse) -> tuple[list[Row], list[Row]]:
    """(counts of supplier groups by status, the solves: what all share, supplier *, then those to look at first)."""
    if not house.has("plan_report"):
        return [], []
    by_status = house.rows(
        "SELECT status, count(*) AS solves, CAST(sum(n_items) AS BIGINT) AS items, max(gap) AS worst_gap, "
        "max_by(supplier_id, (gap, supplier_id)) FILTER (WHERE gap IS NOT NULL) AS worst_supplier, "
        "sum(seconds) AS seconds, sum(order_value) AS order_value FROM plan_report WHERE supplier_id <> '*' "
        "GROUP BY status ORDER BY solves DESC, status"
    )
    listing = house.rows(
        "SELECT supplier_id, location_id, n_items, status, objective, bound, gap, seconds, order_value, relaxed, "
        "reason FROM plan_report "
        "ORDER BY supplier_id <> '*', status = 'optimal', gap DESC NULLS FIRST, solve_group LIMIT ?",
        [LONG_TABLE],
    )
    return by_status, listing


def worst(house: Warehouse, limit: int = 20) -> list[Row]:
    """Series with the largest absolute error on the newest held-back fold."""
    if not house.has("worst_series"):
        return []
    return house.rows("SELECT * FROM worst_series ORDER BY abs_error DESC, series_id LIMIT ?", [limit])


def quality(house: Warehouse) -> list[Row]:
    """Every rule of the clean stage with what it caught."""
    if not house.has("data_quality"):
        return []
    return house.rows(
        "SELECT d.table, rule, action, n_rows, n_hit, CAST(n_hit AS DOUBLE) / nullif(n_rows, 0) AS share, doc "
        "FROM data_quality d ORDER BY n_hit = 0, d.table, rule LIMIT ?",
        [LONG_TABLE],
    )


def model_use(house: Warehouse) -> list[Row]:
    """How many series use which model, as fallback or not, with the commonest reason."""
    if not house.has("forecast_status"):
        return []
    return house.rows(
        "SELECT model, fallback, count(*) AS n_series, mode(reason) AS reason FROM forecast_status "
        "GROUP BY model, fallback ORDER BY fallback, n_series DESC, model"
    )


def failures(house: Warehouse, limit: int = 50) -> list[Row]:
    """Series without a forecast."""
    if not house.has("failures"):
        return []
    return house.rows("SELECT series_id, stage, group_id, reason FROM failures ORDER BY series_id LIMIT ?", [limit])


def stages(house: Warehouse) -> list[Row]:
    """The log of each stage: this run's row, else that of the run whose output stands for it."""
    if not house.has("runs"):
        return []
    rows = house.rows(
        "SELECT run_id, stage, status, output_run_id, seconds, note, row_counts, input_versions, started_at "
        "FROM history.runs WHERE run_id IN (SELECT unnest(?)) ORDER BY run_id = ?, started_at",
        [[house.run_id, *house.outputs.values()], house.run_id],
    )
    standing = {row["stage"]: row for row in rows if row["run_id"] in (house.run_id, house.outputs.get(row["stage"]))}
    for row in standing.values():
        row["row_counts"], row["input_versions"] = _pairs(row["row_counts"]), _pairs(row["input_versions"])
    return [standing[stage] for stage in STAGES if stage in standing]


def _pairs(value: Any) -> dict[str, int]:
    """A map column as a dict, whichever way Arrow hands it over."""
    pairs = value.items() if isinstance(value, dict) else value or []
    return {str(key): int(number) for key, number in pairs}
