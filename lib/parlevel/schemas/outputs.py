"""What goes out of models: the contracts of the stages train and forecast, and of the run log.

Each entry: stage, name, keys, what a row is, then the columns as (name, type, meaning[, unit]);
a `!` after the type means NOT NULL. Every table carries `run_id` last. Arrays called "packed" run
over the series' own time axis: element 0 is `start_date`, one element a period. Flattened arrays
are row-major in the order that their meaning names.
"""

from __future__ import annotations

from parlevel.schemas.common import CUTOFF, GROUP, LEVELS, MODEL, SERIES
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
        ("calibration", "string!", "JSON: levels, step bounds, edges of segments and offsets, in units of the series' spread"),
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
    table(
        "train", "group_work", "group_id", "what a group's training was predicted to take, and what it took", GROUP,
        ("n_series", "int!", "series that learn in it"),
        ("n_cells", "bigint!", "observed periods of all its series"),
        ("predicted_seconds", "double!", "from the counts, before any shuffle, on the machine that the prediction was fitted on", "seconds"),
        ("seconds", "double!", "what its worker needed", "seconds"),
        ("predicted_bytes", "bigint!", "memory, from the counts; what groups are split by", "bytes"),
        ("peak_bytes", "bigint", "most memory that its worker held beyond what it held before; null where the system does not tell", "bytes"),
    ),
    table(
        "train", "tuning", "group_id model trial", "hyperparameters that a run with a budget of time tried",
        ("group_id", "string!", "group, or all where one model is learned from all groups"),
        ("model", "string!", "candidate whose hyperparameters they are"),
        ("trial", "int!", "0 is what the configuration says"),
        ("parameters", "string!", "JSON: hyperparameters given; the others are the model's defaults"),
        ("losses", "array<double>!", "train.loss at cutoffs before the folds, the newest first"),
        ("loss", "double", "mean of losses; null where a cutoff is missing"),
        ("seconds", "double!", "fits and forecasts", "seconds"),
        ("chosen", "boolean!", "became the candidate tuned_<model>, for the folds to judge"),
        ("stopped", "string", "why it was not judged at all cutoffs; null where it was"),
        optional=True,
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

EVERY_STAGE = (
    table(
        "every", "runs", "run_id stage", "a stage of a run: what it read, wrote and took",
        ("stage", "string!", "one of the eight"),
        ("status", "string!", "done, reused or failed; removed: its rows are gone (paths.keep_runs)"),
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
