"""What goes out: the contracts of the stages from train on, and of the run log.

Each entry: stage, name, keys, what a row is, then the columns as (name, type, meaning[, unit]);
a `!` after the type means NOT NULL. Every table carries `run_id` last. Arrays called "packed" run
over the series' own time axis: element 0 is `start_date`, one element a period. Flattened arrays
are row-major in the order that their meaning names.
"""

from __future__ import annotations

from parlevel.schemas.common import CUTOFF, GROUP, LEVELS, LOCATION, MODEL, PRODUCT, SERIES
from parlevel.schemas.form import table

TRAIN = (
    table(
        "train", "models", "group_id model", "a fitted model of a group, ready to load", GROUP, MODEL, CUTOFF,
        ("chosen", "boolean!", "has a weight in the group's forecast"),
        ("weight", "double!", "share in the group's forecast; a group's weights add to 1"),
        ("format", "string!", "skops, lightgbm, keras or json"),
        ("artifact", "binary!", "the model in that format; never a pickle"),
        ("size_bytes", "bigint!", "length of the artifact", "bytes"),
        ("n_series", "int!", "series it was fitted on"),
        ("fit_seconds", "double!", "last fit", "seconds"),
        ("features", "array<string>!", "feature names in order"),
        ("importances", "map<string,double>!", "feature -> share in what it learned; empty where the model cannot say"),
        ("hyperparameters", "string!", "JSON"),
        ("metrics", "map<string,double>!", "mean over the folds"),
        ("calibration", "string!", "JSON: levels, step bounds and offsets, in units of the series' scale"),
        ("path_correlation", "double!", "dependence between steps of a sample path, 0 to 1"),
        ("data_key", "string!", "hash of the training data"),
        ("libraries", "map<string,string>!", "versions that wrote the artifact"),
        ("note", "string", "why a model was left out, if it was"),
    ),
    table(
        "train", "cv_scores", "group_id model fold", "a model's score on one held-back fold", GROUP, MODEL,
        ("fold", "int!", "0 is the oldest"),
        CUTOFF,
        ("n_series", "int!", "series scored"),
        ("metrics", "map<string,double>!", "wape, rmsse, mase, bias, pinball_loss, scaled_pinball ..."),
        ("seconds", "double!", "fit and predict", "seconds"),
    ),
    table(
        "train", "backtest", "series_id model cutoff", "a forecast made at a past cutoff beside what came", SERIES, GROUP, MODEL, CUTOFF,
        ("fold", "int!", "0 is the oldest"),
        ("actual", "array<float>!", "demand after the cutoff; NaN = unknown", "units"),
        ("available", "array<float>!", "1 = score it"),
        ("mean", "array<float>!", "expected demand per step", "units"),
        LEVELS,
        ("quantiles", "array<float>!", "flattened (step, level), calibrated on earlier folds only", "units"),
        ("naive_mae", "double!", "in-sample MAE of the seasonal naive: the MASE denominator", "units"),
        ("naive_mse", "double!", "in-sample MSE of the one-step naive: the RMSSE denominator", "units^2"),
        ("path_correlation", "double!", "dependence between steps of a sample path, 0 to 1"),
    ),
)  # fmt: skip

FORECAST = (
    table(
        "forecast", "forecast", "series_id cutoff step", "the demand distribution of one series in one future period", SERIES, CUTOFF,
        ("step", "int!", "1..horizon"),
        ("date", "date!", "first day of the period"),
        ("demand_mean", "double!", "expected demand", "units"),
        LEVELS,
        ("demand_quantiles", "array<double>!", "one per level, non-decreasing, >= 0", "units"),
    ),
    table(
        "forecast", "forecast_status", "series_id", "which model forecast a series, and why", SERIES, CUTOFF, GROUP, MODEL,
        ("fallback", "boolean!", "true where the group's model could not be used"),
        ("reason", "string!", "why this model"),
        ("path_correlation", "double!", "dependence between steps of a sample path, 0 to 1"),
    ),
    table(
        "forecast", "forecast_drivers", "series_id cutoff driver", "what one driver adds to a series' forecast", SERIES, CUTOFF,
        ("driver", "string!", "sales level, recent sales, season, promotion, price, holidays and events, ..."),
        ("rank", "int!", "1 = largest effect; 0 = the level that the others add to or take from"),
        ("effect", "double!", "mean over up to 7 steps spread over the horizon; a series' effects add up to its mean there", "units / period"),
        ("share", "double", "of all effects but the level's; null for the level"),
        ("model", "string!", "registry name of what made the forecast"),
    ),
    table(
        "forecast", "forecast_levels", "level node span date", "expected demand of a store, department, category or all over a span", CUTOFF,
        ("level", "string!", "total, location, department, category, location+department, location+category or product"),
        ("node", "string!", "level/value, such as category/DAIRY"),
        ("span", "string!", "period, week (of days) or horizon"),
        ("date", "date!", "first period of the span"),
        ("n_periods", "int!", "periods of the span inside the horizon", "periods"),
        ("n_series", "bigint!", "series of the node"),
        ("demand_mean", "double!", "sum of its series' means", "units"),
        ("levels", "array<double>", "quantile levels; null for longer spans and without past errors"),
        ("demand_quantiles", "array<double>", "from the errors that the node's sum made on past folds", "units"),
        optional=True,
    ),
    table(
        "forecast", "failures", "series_id stage", "a series that could not be forecast at all", SERIES,
        ("stage", "string!", "where it failed"),
        ("group_id", "string", "its group"),
        ("reason", "string!", "what happened"),
    ),
)  # fmt: skip

REPLENISH = (
    table(
        "replenish", "order_plan", "series_id order_date", "an order to place, or the reason why none is placed tomorrow", SERIES, PRODUCT, LOCATION,
        ("supplier_id", "string!", "who delivers it"),
        ("order_date", "date!", "when to order"),
        ("order_qty", "double!", "a multiple of case_pack, 0 or >= min_order_qty", "units"),
        ("order_value", "double!", "order_qty x unit_cost", "money"),
        ("receipt_date", "date!", "expected receipt"),
        ("inventory_position", "double!", "on_hand + on_order - backorders before the order", "units"),
        ("order_up_to_level", "double!", "inventory_position + order_qty where ordered, else the level that would trigger", "units"),
        ("safety_stock", "double!", "order_up_to_level - mean demand over the protection interval", "units"),
        ("protection_demand", "double!", "mean demand over lead_time + review_period", "units"),
        ("stockout_probability", "double!", "over the protection interval, with this order"),
        ("reason", "string!", "in words"),
        ("policy", "string!", "registry name"),
        ("assumed", "boolean!", "true where stock or terms were assumed"),
    ),
    table(
        "replenish", "order_ledger", "series_id order_date", "an order line of order_plan, explained; series without a forecast have none", SERIES, PRODUCT, LOCATION,
        ("supplier_id", "string!", "who delivers it"),
        ("order_date", "date!", "when to order"),
        ("order_qty", "double!", "as in order_plan", "units"),
        ("levels", "array<double>!", "quantile levels of protection_quantiles"),
        ("protection_quantiles", "array<double>!", "demand over lead_time + review_period from the order on, by level", "units"),
        ("inventory_position", "double!", "on_hand + on_order - backorders expected before the order", "units"),
        ("safety_stock", "double!", "order_up_to_level - mean demand over the protection interval", "units"),
        ("binding", "string", "what holds the line where it is: resource@period, max_stock or min_order_qty; null: nothing"),
        ("shadow_price", "double", "what one more unit of it would save; null: nothing binds", "money / its measure"),
        ("stockout_without", "double!", "chance of a stockout over the protection interval without the line"),
        ("stockout_probability", "double!", "the same with the line"),
        ("stockout_avoided", "double!", "the difference: what the line is for"),
        ("cost_one_more", "double", "expected cost of one case more; negative: it would save; null: the terms forbid it", "money"),
        ("cost_one_less", "double", "the same of one case less; null: nothing is ordered, or the terms forbid it", "money"),
        ("drivers", "array<string>", "what moves the forecast most; null where no model says"),
        ("sentence", "string!", "all of it in words"),
    ),
    table(
        "replenish", "plan_report", "solve_group", "the solve of one supplier-location group",
        ("solve_group", "string!", "supplier @ location"),
        ("supplier_id", "string!", "the supplier"),
        LOCATION,
        ("n_items", "int!", "series in the group"),
        ("status", "string!", "optimal, feasible, relaxed, heuristic or failed"),
        ("objective", "double", "expected cost of the plan", "money"),
        ("bound", "double", "no plan in the model costs less", "money"),
        ("gap", "double", "(objective - bound) / |bound|"),
        ("rounds", "int!", "pricing rounds"),
        ("seconds", "double!", "solve time", "seconds"),
        ("relaxed", "array<string>!", "constraints that gave way, with amounts"),
        ("reason", "string!", "what the solver said, in words"),
        ("order_value", "double!", "money ordered over the horizon", "money"),
        ("prices", "map<string,double>!", "shadow price per resource and period"),
    ),
    table(
        "replenish", "projection", "series_id", "the stock that the plan leads to, packed over the horizon", SERIES,
        ("start_date", "date!", "first period after the cutoff"),
        ("receipts", "array<float>!", "units received per period", "units"),
        ("stock_mean", "array<float>!", "expected stock at the end of the period", "units"),
        ("stock_low", "array<float>!", "5 % quantile of it", "units"),
        ("stock_high", "array<float>!", "95 % quantile of it", "units"),
        ("lost_mean", "array<float>!", "expected unmet demand", "units"),
    ),
)  # fmt: skip

EVALUATE = (
    table(
        "evaluate", "accuracy", "model segment metric", "one metric of one model on the held-back folds", MODEL,
        ("segment", "string!", "all, or kind:value (group, pattern, velocity, step, fold)"),
        ("metric", "string!", "mae, rmse, mse, wape, mase, rmsse, bias, pinball_loss, wql, coverage_*"),
        ("value", "double", "the metric"),
        ("n", "bigint!", "series-periods scored"),
    ),
    table(
        "evaluate", "inventory_kpi", "policy segment cutoff", "what a policy would have cost after a past cutoff",
        ("policy", "string!", "registry name"),
        ("segment", "string!", "all, or kind:value"),
        CUTOFF,
        ("n_series", "bigint!", "series simulated"),
        ("n_periods", "int!", "periods simulated", "periods"),
        ("demand", "double!", "units wanted", "units"),
        ("fill_rate", "double", "share of units met from stock"),
        ("stockout_rate", "double", "share of series-periods with unmet demand"),
        ("turnover", "double", "annual cost of goods sold / mean stock value", "1 / year"),
        ("days_of_supply", "double", "mean stock / mean demand", "days"),
        ("replenishment_accuracy", "double", "1 - sum(abs(ordered - needed)) / sum(needed), floored at 0"),
        ("stock_value", "double!", "mean value of the stock", "money"),
        ("orders", "bigint!", "order lines placed"),
        ("holding_cost", "double!", "over the periods", "money"),
        ("shortage_cost", "double!", "over the periods", "money"),
        ("order_cost", "double!", "over the periods", "money"),
        ("total_cost", "double!", "holding + shortage + order", "money"),
    ),
)  # fmt: skip

EVERY_STAGE = (
    table(
        "every", "runs", "run_id stage", "a stage of a run: what it read, wrote and took",
        ("stage", "string!", "one of the eight"),
        ("status", "string!", "done, reused or failed"),
        ("output_run_id", "string!", "the run whose output this stage stands for (itself unless reused)"),
        ("stage_key", "string!", "hash of code, the stage's config and everything upstream"),
        ("source", "string!", "registry name of the source"),
        ("cutoff", "date", "last observed period; null for sources where the configuration names none"),
        ("config", "string!", "the whole configuration as JSON"),
        ("code_version", "string!", "package version + hash of its code"),
        ("input_versions", "map<string,bigint>!", "Delta version of each table read"),
        ("row_counts", "map<string,bigint>!", "rows written per table"),
        ("started_at", "timestamp!", "UTC"),
        ("seconds", "double!", "wall time", "seconds"),
        ("note", "string!", "what a reader should know"),
    ),
)  # fmt: skip
