"""Contestants of `peers.py` that run on Spark, each in a local session of its own with as many cores as are given.

The module runs under two interpreters: ours, and that of ForecastFlowML's older libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from peers_run import BOOSTER, HORIZON, WINDOWS, store_forecast

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FORECAST = "unique_id string, ds timestamp, y_hat double"


def session(cores: int) -> SparkSession:
    """A local session with settings that suit so little data."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.shuffle.partitions": 4 * cores,
        "spark.driver.memory": "4g",
        "spark.ui.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master(f"local[{cores}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def parlevel_job(history: str, cores: int) -> pd.DataFrame:
    """The main job up to its forecasts, as `parlevel run --to forecast` does it, with preset `fast`."""
    from deltalake import DeltaTable

    from parlevel.config import load
    from parlevel.pipeline.runner import run
    from parlevel.schemas import STAGES
    from parlevel.spark.session import get_session

    columns = "{product_id: unique_id, location_id: store_id, date: ds, sales: y}"
    warehouse = f"{history}.warehouse"
    cfg = load(
        sets=[
            "source.name=tables",
            f"source.options={{tables: {{sales: {{path: '{history}', columns: {columns}}}}}}}",
            f"paths.warehouse={warehouse}",
            f"spark.cores={cores}",
            f"calendar.horizon={HORIZON}",
            "train.preset=fast",
        ]
    )
    spark = get_session(cfg)
    run(spark, cfg, stages=STAGES[: STAGES.index("forecast") + 1])
    spark.stop()
    series = DeltaTable(f"{warehouse}/series").to_pandas(columns=["series_id", "product_id"])
    made = DeltaTable(f"{warehouse}/forecast").to_pandas(columns=["series_id", "date", "demand_mean"])
    found = made.merge(series, on="series_id")
    found["ds"] = pd.to_datetime(found["date"])
    return found.rename(columns={"product_id": "unique_id", "demand_mean": "y_hat"})[["unique_id", "ds", "y_hat"]]


def forecastflowml(history: str, cores: int) -> pd.DataFrame:
    """Direct LightGBM models per store, as its guide says: features by Spark windows, a model for every seven days."""
    import lightgbm
    from forecastflowml import FeatureExtractor, ForecastFlowML
    from pyspark.sql import functions as F

    spark = session(cores)
    rows = spark.read.parquet(history)
    last = rows.agg(F.max("ds").alias("last")).head().last
    days = [(day.to_pydatetime(),) for day in pd.date_range(last, periods=HORIZON + 1)[1:]]
    ahead = rows.select("unique_id", "store_id").distinct().crossJoin(spark.createDataFrame(days, "ds timestamp"))
    whole = rows.unionByName(ahead.withColumn("y", F.lit(None).cast("double")))
    steps = (7, 14, 21, 28)
    lags = sorted({step + more for step in steps for more in range(8)})
    rolling = [[window, step] for step in steps for window in WINDOWS]
    names = {"id_col": "unique_id", "date_col": "ds", "target_col": "y"}
    extractor = FeatureExtractor(
        **names,
        lag_window_features={"lag": lags, "mean": rolling, "stddev": rolling},
        date_features=["day_of_week", "day_of_month", "month"],
    )
    features = extractor.transform(whole).localCheckpoint()
    flow = ForecastFlowML(
        **names, group_col="store_id", date_frequency="days", model_horizon=7, max_forecast_horizon=HORIZON,
        model=lightgbm.LGBMRegressor(**BOOSTER), use_lag_range=7,
    )  # fmt: skip
    known = features.where((F.col("ds") <= F.lit(last)) & F.col("window_56_lag_28_mean").isNotNull())
    models = flow.train(known).localCheckpoint()
    later = features.where(F.col("ds") > F.lit(last)).drop("y")
    made = flow.predict(later, models, spark=None).toPandas()
    spark.stop()
    return made.rename(columns={"prediction": "y_hat"})[["unique_id", "ds", "y_hat"]]


def statsforecast_on_spark(history: str, cores: int) -> pd.DataFrame:
    """AutoETS for every series by statsforecast's own Spark backend."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    spark = session(cores)
    rows = spark.read.parquet(history).select("unique_id", "ds", "y").repartition(4 * cores, "unique_id")
    made = StatsForecast(models=[AutoETS(season_length=7)], freq="D").forecast(df=rows, h=HORIZON)
    found = made.toPandas().rename(columns={"AutoETS": "y_hat"})
    spark.stop()
    return found[["unique_id", "ds", "y_hat"]]


def spark_per_store(history: str, cores: int) -> pd.DataFrame:
    """The tutorials' pattern: `applyInPandas` on long rows, a model a store."""
    return _grouped(history, cores, "store_id")


def spark_per_series(history: str, cores: int) -> pd.DataFrame:
    """The same with a model a series."""
    return _grouped(history, cores, "unique_id")


def _grouped(history: str, cores: int, key: str) -> pd.DataFrame:
    spark = session(cores)
    rows: DataFrame = spark.read.parquet(history)
    found = rows.groupBy(key).applyInPandas(store_forecast, FORECAST).toPandas()
    spark.stop()
    return found


CONTESTANTS = {
    made.__name__: made
    for made in (parlevel_job, forecastflowml, statsforecast_on_spark, spark_per_store, spark_per_series)
}
