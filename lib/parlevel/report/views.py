"""The analysts' views, declared once, for Spark and for DuckDB; those of orders are in `views_orders`."""

from __future__ import annotations

from parlevel.report.view import Dialect, View
from parlevel.report.views_orders import (
    BOUGHT_TOGETHER,
    ORDERS_BY_SUPPLIER,
    ORDERS_EXPLAINED,
    ORDERS_TODAY,
    POLICY_COSTS,
    SERVICE_REACHED,
    SHIPMENTS_TODAY,
    STOCK_PROJECTION,
    STOCKOUT_RISK,
)

__all__ = ["VIEWS", "Dialect", "View"]

FORECAST_QUANTILES = View(
    "forecast_quantiles",
    "one quantile of one series' demand in one future period",
    """SELECT series_id, cutoff, date, step, unnest(levels) AS quantile, unnest(demand_quantiles) AS demand_hat
FROM {forecast}""",
    spark="""SELECT series_id, cutoff, date, step, q.levels AS quantile, q.demand_quantiles AS demand_hat
FROM {forecast} LATERAL VIEW explode(arrays_zip(levels, demand_quantiles)) exploded AS q""",
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

GROUP_LOAD = View(
    "group_load",
    "how well a group's training was foreseen: its share of all seconds, and its memory",
    """SELECT group_id, n_series, n_cells, predicted_seconds, seconds,
       predicted_seconds / sum(predicted_seconds) OVER () AS predicted_share, seconds / sum(seconds) OVER () AS share,
       predicted_bytes, peak_bytes
FROM {group_work}""",
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
    SHIPMENTS_TODAY,
    STOCKOUT_RISK,
    FORECAST_ACCURACY,
    POLICY_COSTS,
    SERVICE_REACHED,
    BOUGHT_TOGETHER,
    DATA_QUALITY_TODAY,
    BACKTEST_STEPS,
    WORST_SERIES,
    DEMAND_OUTLOOK,
    MAIN_DRIVERS,
    MODEL_CARD,
    GROUP_LOAD,
    TUNING_GAIN,
    RUN_LOG,
)
"""In the order in which they are made: a view may read the ones before it."""
