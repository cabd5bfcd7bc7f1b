"""The analysts' views, declared once, for Spark and for DuckDB.

A view's SQL names tables of `parlevel.schemas` and earlier views in braces, `{order_plan}`, so that a dialect can
say where they are. `ARRAY_SUM(x)` stands for the sum of a packed array; a view that explodes arrays has one text
per dialect, because the two engines share no syntax for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["duckdb", "spark"]

_ARRAY_SUM = {
    "duckdb": r"coalesce(list_sum(\1), 0)",
    "spark": r"aggregate(\1, CAST(0 AS DOUBLE), (a, x) -> a + x)",
}


@dataclass(frozen=True)
class View:
    """A view: its name, what a row is, and its SQL (both dialects, or one text each)."""

    name: str
    doc: str
    sql: str
    spark: str | None = None

    def text(self, dialect: Dialect, places: Mapping[str, str]) -> str:
        """The SQL in a dialect.

        Args:
            dialect: the engine.
            places: table or view name -> how the engine names it.
        """
        sql = self.spark if dialect == "spark" and self.spark else self.sql
        sql = re.sub(r"ARRAY_SUM\(([\w.]+)\)", _ARRAY_SUM[dialect], sql)
        return re.sub(r"\{(\w+)\}", lambda match: places[match[1]], sql)

    @property
    def needs(self) -> tuple[str, ...]:
        """Tables and views that the SQL reads."""
        return tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", self.sql + (self.spark or ""))))


FORECAST_QUANTILES = View(
    "forecast_quantiles",
    "one quantile of one series' demand in one future period",
    """SELECT series_id, cutoff, date, step, unnest(levels) AS quantile, unnest(demand_quantiles) AS demand_hat
FROM {forecast}""",
    spark="""SELECT series_id, cutoff, date, step, q.levels AS quantile, q.demand_quantiles AS demand_hat
FROM {forecast} LATERAL VIEW explode(arrays_zip(levels, demand_quantiles)) exploded AS q""",
)

STOCK_PROJECTION = View(
    "stock_projection",
    "the stock of one series that the plan leads to, one future period",
    """SELECT p.series_id, f.date, f.step, p.receipts, p.stock_mean, p.stock_low, p.stock_high, p.lost_mean
FROM (
  SELECT series_id, unnest(receipts) AS receipts, unnest(stock_mean) AS stock_mean, unnest(stock_low) AS stock_low,
         unnest(stock_high) AS stock_high, unnest(lost_mean) AS lost_mean,
         generate_subscripts(stock_mean, 1) AS step
  FROM {projection}
) p
JOIN {forecast} f ON f.series_id = p.series_id AND f.step = p.step""",
    spark="""SELECT p.series_id, f.date, f.step, p.receipts, p.stock_mean, p.stock_low, p.stock_high, p.lost_mean
FROM (
  SELECT series_id, at + 1 AS step, q.receipts, q.stock_mean, q.stock_low, q.stock_high, q.lost_mean
  FROM {projection}
  LATERAL VIEW posexplode(arrays_zip(receipts, stock_mean, stock_low, stock_high, lost_mean)) exploded AS at, q
) p
JOIN {forecast} f ON f.series_id = p.series_id AND f.step = p.step""",
)

ORDERS_TODAY = View(
    "orders_today",
    "an order line to place on the plan's first order date",
    """SELECT o.series_id, o.product_id, p.name, p.category, o.location_id, o.supplier_id, o.order_date, o.order_qty,
       o.order_qty / t.case_pack AS cases, t.case_pack, t.unit_cost, o.order_value, o.receipt_date, t.lead_time,
       o.inventory_position, o.order_up_to_level, o.safety_stock, o.protection_demand, o.stockout_probability,
       o.reason, o.policy, o.assumed
FROM {order_plan} o
JOIN {supply_terms} t ON t.series_id = o.series_id
LEFT JOIN {products} p ON p.product_id = o.product_id
WHERE o.order_qty > 0 AND o.order_date = (SELECT min(order_date) FROM {order_plan})""",
)

ORDERS_BY_SUPPLIER = View(
    "orders_by_supplier",
    "what one supplier gets ordered for one location on one date",
    """SELECT o.supplier_id, o.location_id, o.order_date, count(*) AS lines, sum(o.order_qty) AS units,
       sum(o.order_value) AS order_value, min(o.receipt_date) AS first_receipt, max(r.status) AS solve_status,
       max(r.gap) AS solve_gap
FROM {order_plan} o
LEFT JOIN {plan_report} r ON r.supplier_id = o.supplier_id AND r.location_id = o.location_id
WHERE o.order_qty > 0
GROUP BY o.supplier_id, o.location_id, o.order_date""",
)

ORDERS_EXPLAINED = View(
    "orders_explained",
    "an order line, or the decision not to order, with what explains it; today's and the foreseen ones",
    """SELECT l.series_id, p.name, l.location_id, l.supplier_id, l.order_date, l.order_qty, l.sentence,
       l.inventory_position, l.safety_stock, l.stockout_without, l.stockout_probability, l.stockout_avoided,
       l.binding, l.shadow_price, l.cost_one_more, l.cost_one_less, l.levels, l.protection_quantiles, l.drivers
FROM {order_ledger} l
LEFT JOIN {products} p ON p.product_id = l.product_id""",
)

STOCKOUT_RISK = View(
    "stockout_risk",
    "a series that may run out before the next order could arrive, riskiest money first in expected_lost_value",
    """SELECT o.series_id, p.name, p.category, o.location_id, o.supplier_id, i.on_hand, o.inventory_position,
       o.order_qty, o.receipt_date, o.protection_demand, o.stockout_probability, t.target,
       ARRAY_SUM(j.lost_mean) AS expected_lost_units,
       ARRAY_SUM(j.lost_mean) * t.shortage_cost AS expected_lost_value, o.reason
FROM {order_plan} o
JOIN {supply_terms} t ON t.series_id = o.series_id
JOIN {inventory} i ON i.series_id = o.series_id
LEFT JOIN {projection} j ON j.series_id = o.series_id
LEFT JOIN {products} p ON p.product_id = o.product_id
WHERE o.order_date = (SELECT min(order_date) FROM {order_plan}) AND o.stockout_probability > 1 - t.target""",
)

FORECAST_ACCURACY = View(
    "forecast_accuracy",
    "how good one model was on the held-back folds, over one kind of segment and one value of it",
    """SELECT model, split_part(segment, ':', 1) AS segment_kind,
       CASE WHEN segment = 'all' THEN 'all' ELSE substring(segment, length(split_part(segment, ':', 1)) + 2) END
         AS segment_value,
       max(CASE WHEN metric = 'wape' THEN value END) AS wape,
       max(CASE WHEN metric = 'mase' THEN value END) AS mase,
       max(CASE WHEN metric = 'rmsse' THEN value END) AS rmsse,
       max(CASE WHEN metric = 'mae' THEN value END) AS mae,
       max(CASE WHEN metric = 'rmse' THEN value END) AS rmse,
       max(CASE WHEN metric = 'bias' THEN value END) AS bias,
       max(CASE WHEN metric = 'bias_share' THEN value END) AS bias_share,
       max(CASE WHEN metric = 'pinball_loss' THEN value END) AS pinball_loss,
       max(CASE WHEN metric = 'wql' THEN value END) AS wql,
       max(CASE WHEN metric = 'coverage_50' THEN value END) AS coverage_50,
       max(CASE WHEN metric = 'coverage_80' THEN value END) AS coverage_80,
       max(CASE WHEN metric = 'coverage_90' THEN value END) AS coverage_90,
       max(CASE WHEN metric = 'coverage_95' THEN value END) AS coverage_95,
       max(n) AS n
FROM {accuracy}
GROUP BY model, segment""",
)

POLICY_COSTS = View(
    "policy_costs",
    "what one policy would have cost in one segment, added up over the simulated cutoffs",
    """SELECT policy, segment, count(*) AS cutoffs, max(n_series) AS n_series, max(n_periods) AS n_periods,
       sum(demand) AS demand, sum(fill_rate * demand) / nullif(sum(demand), 0) AS fill_rate,
       avg(stockout_rate) AS stockout_rate, avg(turnover) AS turnover, avg(days_of_supply) AS days_of_supply,
       avg(replenishment_accuracy) AS replenishment_accuracy, avg(stock_value) AS stock_value,
       CAST(sum(orders) AS BIGINT) AS orders, sum(holding_cost) AS holding_cost, sum(shortage_cost) AS shortage_cost,
       sum(order_cost) AS order_cost, sum(total_cost) AS total_cost
FROM {inventory_kpi}
GROUP BY policy, segment""",
)

SERVICE_REACHED = View(
    "service_reached",
    "cycle service level asked for and reached in one segment, by the policy that orders up to each series' target",
    """SELECT segment, n_series, service_asked, cycle_service_level AS service_reached,
       100 * (cycle_service_level - service_asked) AS points_over, fill_rate
FROM {frontier}
WHERE setting = 'cycle_service_level of each series'""",
)

DATA_QUALITY_TODAY = View(
    "data_quality_today",
    "a rule that caught something in this run",
    """SELECT d.table AS table_name, d.rule, d.action, d.n_rows, d.n_hit,
       CAST(d.n_hit AS DOUBLE) / nullif(d.n_rows, 0) AS share, d.doc
FROM {data_quality} d
WHERE d.n_hit > 0""",
)

BACKTEST_STEPS = View(
    "backtest_steps",
    "what one model forecast for one period after a past cutoff, beside what came; only periods that are scored",
    """SELECT series_id, group_id, model, fold, cutoff, step, actual, demand_hat, demand_hat - actual AS error,
       naive_mae
FROM (
  SELECT series_id, group_id, model, fold, cutoff, naive_mae, generate_subscripts(actual, 1) AS step,
         unnest(actual) AS actual, unnest(mean) AS demand_hat, unnest(available) AS available
  FROM {backtest}
) cells
WHERE available > 0.5 AND NOT isnan(actual) AND NOT isnan(demand_hat)""",
    spark="""SELECT series_id, group_id, model, fold, cutoff, at + 1 AS step, q.actual, q.mean AS demand_hat,
       q.mean - q.actual AS error, naive_mae
FROM {backtest} LATERAL VIEW posexplode(arrays_zip(actual, mean, available)) exploded AS at, q
WHERE q.available > 0.5 AND NOT isnan(q.actual) AND NOT isnan(q.mean)""",
)

USED = "CASE WHEN c.fallback THEN c.model ELSE 'chosen' END"
"""Which backtest of a series tells how its forecast would have done; `c` is `forecast_status`. A group's choice (one
model or a blend) is backtested under the name chosen."""

WORST_SERIES = View(
    "worst_series",
    "how one series' model did on the newest held-back fold; order by abs_error for units, by mase for surprise",
    f"""SELECT s.series_id, p.name, f.category, f.pattern, f.velocity, f.group_id, c.model, s.fold, s.cutoff,
       s.n AS periods_scored, s.actual_units, s.forecast_units, s.abs_error, s.abs_error / s.n AS mae,
       s.abs_error / s.n / nullif(s.naive_mae, 0) AS mase, s.abs_error / nullif(s.actual_units, 0) AS wape
FROM (
  SELECT series_id, model, fold, cutoff, max(naive_mae) AS naive_mae, count(*) AS n,
         sum(CAST(actual AS DOUBLE)) AS actual_units, sum(CAST(demand_hat AS DOUBLE)) AS forecast_units,
         sum(CAST(abs(error) AS DOUBLE)) AS abs_error
  FROM {{backtest_steps}}
  WHERE fold = (SELECT max(fold) FROM {{backtest}})
  GROUP BY series_id, model, fold, cutoff
) s
JOIN {{forecast_status}} c ON c.series_id = s.series_id AND s.model = {USED}
JOIN {{series_profile}} f ON f.series_id = s.series_id
LEFT JOIN {{products}} p ON p.product_id = f.product_id""",
)

DEMAND_OUTLOOK = View(
    "demand_outlook",
    "expected demand of one category on one future date",
    """SELECT s.category, f.date, sum(f.demand_mean) AS demand, sum(f.demand_mean * t.unit_price) AS sales_value,
       count(*) AS n_series
FROM {forecast} f
JOIN {series_profile} s ON s.series_id = f.series_id
JOIN {supply_terms} t ON t.series_id = f.series_id
GROUP BY s.category, f.date""",
)

MAIN_DRIVERS = View(
    "main_drivers",
    "one of the three main drivers of a series' forecast, beside the level that it adds to or takes from",
    """SELECT d.series_id, p.name, f.category, d.cutoff, d.model, d.rank, d.driver, d.effect, d.share,
       b.effect AS sales_level, d.effect / nullif(b.effect, 0) AS effect_of_level
FROM {forecast_drivers} d
JOIN {forecast_drivers} b ON b.series_id = d.series_id AND b.cutoff = d.cutoff AND b.rank = 0
JOIN {series_profile} f ON f.series_id = d.series_id
LEFT JOIN {products} p ON p.product_id = f.product_id
WHERE d.rank BETWEEN 1 AND 3""",
)

MODEL_CARD = View(
    "model_card",
    "a group's model: how good, how big, how long it took, and whether it is used",
    """SELECT group_id, model, cutoff, chosen, weight, n_series, size_bytes, fit_seconds,
       cardinality(features) AS n_features, metrics['wape'] AS wape, metrics['wql'] AS wql,
       importances, hyperparameters, note
FROM {models}""",
)

TUNING_GAIN = View(
    "tuning_gain",
    "what searching a group's model for better hyperparameters came to, at cutoffs before the folds",
    """SELECT group_id, model, count(*) AS trials, sum(seconds) AS seconds,
       max(CASE WHEN trial = 0 THEN loss END) AS loss_before, min(loss) AS loss_best,
       100 * (1 - min(loss) / nullif(max(CASE WHEN trial = 0 THEN loss END), 0)) AS gain_pct,
       max(CASE WHEN chosen THEN parameters END) AS parameters_chosen
FROM {tuning}
GROUP BY group_id, model""",
)

RUN_LOG = View(
    "run_log",
    "a stage of any run: when, how long, how it ended",
    """SELECT run_id, stage, status, output_run_id, source, cutoff, code_version, started_at, seconds, note
FROM {runs}""",
)

VIEWS: tuple[View, ...] = (
    FORECAST_QUANTILES,
    STOCK_PROJECTION,
    ORDERS_TODAY,
    ORDERS_BY_SUPPLIER,
    ORDERS_EXPLAINED,
    STOCKOUT_RISK,
    FORECAST_ACCURACY,
    POLICY_COSTS,
    SERVICE_REACHED,
    DATA_QUALITY_TODAY,
    BACKTEST_STEPS,
    WORST_SERIES,
    DEMAND_OUTLOOK,
    MAIN_DRIVERS,
    MODEL_CARD,
    TUNING_GAIN,
    RUN_LOG,
)
"""In the order in which they are made: a view may read the ones before it."""
