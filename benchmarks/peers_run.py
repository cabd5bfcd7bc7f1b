"""One contestant of `peers.py` in a process of its own: history in, 28 days' forecast out.

History is a Parquet file of unique_id, store_id, ds, y without gaps; the answer has unique_id, ds and y_hat.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

HORIZON = 28
LAGS = [1, 2, 3, 7, 14, 21, 28]
WINDOWS = [7, 14, 28, 56]
BOOSTER = {
    "n_estimators": 150, "learning_rate": 0.05, "num_leaves": 63, "min_child_samples": 100, "colsample_bytree": 0.5,
    "subsample": 0.7, "subsample_freq": 1, "objective": "tweedie", "tweedie_variance_power": 1.3, "max_bin": 63,
    "verbosity": -1, "n_jobs": 1,
}  # fmt: skip
"""The same trees for all peers; they are the defaults of parlevel's model `boosting`, of which `fast` grows 100."""


def parlevel(history: str, cores: int) -> pd.DataFrame:
    """The library without Spark, in one process of one thread: the model of preset `fast`, its levels and all."""
    import numpy as np

    from parlevel.config.models import LEVELS, PRESETS
    from parlevel.domain.forecast.build import build, distribution
    from parlevel.domain.panel import Panel

    data = pd.read_parquet(history, columns=["unique_id", "ds", "y"])
    wide = data.pivot(index="unique_id", columns="ds", values="y")
    demand = wide.to_numpy(np.float32)
    last = wide.columns[-1]
    cutoff = int(last.to_datetime64().astype("datetime64[D]").astype(np.int64))
    panel = Panel(wide.index.to_numpy(object), demand, ~np.isnan(demand), cutoff, "day")
    [chosen] = [candidate for candidate in PRESETS["fast"] if candidate.model == "boosting"]
    model = build(chosen.model, chosen.parameters, {"horizon": HORIZON, "seed": 1}).fit(panel)
    mean, _ = distribution(model, HORIZON, np.array(LEVELS), panel)
    days = pd.date_range(last, periods=HORIZON + 1)[1:]
    return pd.DataFrame(
        {"unique_id": np.repeat(panel.series_id, HORIZON), "ds": np.tile(days, len(mean)), "y_hat": mean.ravel()}
    )


def mlforecast(history: str, cores: int) -> pd.DataFrame:
    """One global model over all series in one process, recursive."""
    import lightgbm
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd

    rolling = [made(window_size=window) for window in WINDOWS for made in (RollingMean, RollingStd)]
    model = MLForecast(
        models={"y_hat": lightgbm.LGBMRegressor(**{**BOOSTER, "n_jobs": cores})},
        freq="D", lags=LAGS, lag_transforms={1: rolling}, date_features=["dayofweek", "day", "month"],
        num_threads=cores,
    )  # fmt: skip
    data = pd.read_parquet(history, columns=["unique_id", "ds", "y"])
    return model.fit(data, static_features=[]).predict(HORIZON)


def pandas_per_store(history: str, cores: int) -> pd.DataFrame:
    """What tutorials hand to applyInPandas, without Spark around it: long rows, direct features, a model a store."""
    data = pd.read_parquet(history)
    return pd.concat([store_forecast(rows) for _, rows in data.groupby("store_id")])


def store_forecast(rows: pd.DataFrame) -> pd.DataFrame:
    """Features and a model of one part of the series, long rows in, forecasts out."""
    import lightgbm

    rows = rows[["unique_id", "ds", "y"]]
    days = pd.date_range(rows["ds"].max(), periods=HORIZON + 1)[1:]
    ahead = pd.MultiIndex.from_product([rows["unique_id"].unique(), days], names=["unique_id", "ds"])
    whole = pd.concat([rows, ahead.to_frame(index=False)]).sort_values(["unique_id", "ds"]).reset_index(drop=True)
    by = whole.groupby("unique_id", sort=False)["y"]
    for lag in (28, 29, 30, 35, 42, 49, 56):
        whole[f"lag_{lag}"] = by.shift(lag)
    late = whole.groupby("unique_id", sort=False)["lag_28"]
    for window in WINDOWS:
        whole[f"mean_{window}"] = late.transform(lambda x, n=window: x.rolling(n).mean())
        whole[f"std_{window}"] = late.transform(lambda x, n=window: x.rolling(n).std())
    whole["weekday"], whole["day"], whole["month"] = whole["ds"].dt.dayofweek, whole["ds"].dt.day, whole["ds"].dt.month
    features = [name for name in whole if name not in ("unique_id", "ds", "y")]
    known = whole["y"].notna() & whole["lag_56"].notna()
    model = lightgbm.LGBMRegressor(**BOOSTER).fit(whole.loc[known, features], whole.loc[known, "y"])
    later = whole[whole["y"].isna()].copy()
    later["y_hat"] = model.predict(later[features])
    return later[["unique_id", "ds", "y_hat"]]


CONTESTANTS = {made.__name__: made for made in (parlevel, mlforecast, pandas_per_store)}

if __name__ == "__main__":
    name, source, target, n_cores = sys.argv[1:]
    if name not in CONTESTANTS:
        import peers_spark  # only they need Spark

        CONTESTANTS.update(peers_spark.CONTESTANTS)
    result = CONTESTANTS[name](source, int(n_cores))
    result.to_parquet(Path(target), index=False)
