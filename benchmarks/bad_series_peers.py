"""What mlforecast, statsforecast and ForecastFlowML make of the rows of `bad_series.py`, used as their guides say.

A peer that is not installed says so. ForecastFlowML pins older libraries but runs beside ours:
`pip install --no-deps --target DIR forecastflowml==0.0.2`, then start with `PYTHONPATH=DIR`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Answer:
    """What a system gave.

    Attributes:
        forecasts: series -> (horizon, k) numbers, the point forecast first.
        said: series -> what the system says about it.
        error: what stopped the whole job, if something did.
    """

    forecasts: dict[str, np.ndarray]
    said: dict[str, str] = field(default_factory=dict)
    error: str = ""


Peer = Callable[[pd.DataFrame, int, SparkSession], Answer]


def asked(module: str, solve: Peer) -> Peer:
    """The peer, with "not installed" and errors as answers."""

    def answer(rows: pd.DataFrame, horizon: int, spark: SparkSession) -> Answer:
        if find_spec(module) is None:
            return Answer({}, error="not installed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return solve(rows.reset_index(drop=True), horizon, spark)
            except Exception as error:  # whatever ends the job is the finding
                first = next((line for line in reversed(str(error).splitlines()) if "Error" in line), str(error))
                return Answer({}, error=f"job dead: {type(error).__name__}: {first.strip()}")

    return answer


def by_series(rows: pd.DataFrame, key: str, date: str, value: str) -> Answer:
    """An answer from long rows."""
    ordered = rows.sort_values([key, date])
    return Answer({name: part[[value]].to_numpy(float) for name, part in ordered.groupby(key)})


def long(rows: pd.DataFrame) -> pd.DataFrame:
    """The column names of the Nixtla libraries."""
    return rows.rename(columns={"product_id": "unique_id", "date": "ds", "sales": "y"})[["unique_id", "ds", "y"]]


def mlforecast(rows: pd.DataFrame, horizon: int, spark: SparkSession) -> Answer:
    """One LightGBM for all series, lags and weekday."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast

    model = LGBMRegressor(n_estimators=100, n_jobs=1, verbosity=-1, random_state=0)
    fitted = MLForecast(models={"y_hat": model}, freq="D", lags=[1, 7, 14, 28], date_features=["dayofweek"])
    return by_series(fitted.fit(long(rows)).predict(horizon), "unique_id", "ds", "y_hat")


def statsforecast(rows: pd.DataFrame, horizon: int, spark: SparkSession) -> Answer:
    """AutoETS per series."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    made = StatsForecast(models=[AutoETS(season_length=7, alias="y_hat")], freq="D", n_jobs=1)
    return by_series(made.forecast(df=long(rows), h=horizon), "unique_id", "ds", "y_hat")


def forecastflowml(rows: pd.DataFrame, horizon: int, spark: SparkSession) -> Answer:
    """LightGBM per group on Spark."""
    from forecastflowml import FeatureExtractor, ForecastFlowML
    from lightgbm import LGBMRegressor

    names = {"id_col": "product_id", "date_col": "date", "target_col": "sales"}
    last = rows["date"].max()
    ahead = rows[["product_id", "group"]].drop_duplicates()
    ahead = ahead.merge(pd.DataFrame({"date": pd.date_range(last, periods=horizon + 1)[1:]}), how="cross")
    both = pd.concat([rows, ahead.assign(sales=np.nan)])[["product_id", "group", "date", "sales"]]
    extractor = FeatureExtractor(
        **names,
        lag_window_features={"lag": list(range(1, 2 * horizon)), "mean": [[28, lag] for lag in (7, 14)]},
        date_features=["day_of_week"],
    )
    wide = extractor.transform(both, spark)
    flow = ForecastFlowML(
        **names,
        group_col="group",
        date_frequency="days",
        model_horizon=7,
        max_forecast_horizon=horizon,
        model=LGBMRegressor(n_estimators=100, n_jobs=1, verbosity=-1, random_state=0),
        use_lag_range=7,
    )
    flow.train(wide[wide["date"] <= last], spark)
    made = flow.predict(wide[wide["date"] > last].drop(columns="sales"), spark=spark)
    return by_series(made, "product_id", "date", "prediction")


PEERS: dict[str, Peer] = {
    "mlforecast": asked("mlforecast", mlforecast),
    "statsforecast": asked("statsforecast", statsforecast),
    "ForecastFlowML": asked("forecastflowml", forecastflowml),
}
