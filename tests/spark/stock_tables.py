"""Contract tables of a small shop for tests of the stages replenish and evaluate."""

from __future__ import annotations

import datetime as dt

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from parlevel.config import Config
from parlevel.schemas import contract
from parlevel.spark.tables import Tables, spark_schema

CUTOFF = dt.date(2024, 3, 31)
NAMES = ("series_profile", "supply_terms", "inventory", "panel", "forecast", "forecast_status", "failures", "backtest",
         "resources")  # fmt: skip
LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]


def shop(
    spark: SparkSession, horizon: int, n: int = 12, rename: str = "s", failed: int = 1, limits: list[dict] | None = None
) -> dict[str, DataFrame]:
    """What the stages read: n series of three suppliers at two locations, the last `failed` without a forecast.

    Args:
        spark: session.
        horizon: periods forecast.
        n: series.
        rename: prefix of their names; content does not depend on it.
        failed: series that have no forecast.
        limits: rows of `resources` (dicts); default none.
    """
    rng = np.random.default_rng(5)
    mean = np.round(rng.gamma(1.5, 3.0, n), 2)
    history = rng.poisson(mean, (120, n)).astype(float).T
    rows: dict[str, list[dict]] = {name: [] for name in NAMES}
    rows["resources"] = limits or []
    for k in range(n):
        name = f"{rename}{(k * 7) % n:03d}"
        own = {"series_id": name, "product_id": f"p{name}", "location_id": f"loc{k % 2}"}
        rows["series_profile"].append(_profile(own, mean[k], k))
        rows["supply_terms"].append(_terms(own, mean[k], k))
        rows["inventory"].append(_stock(own, mean[k], k))
        rows["panel"].append(_panel(own, history[k], k))
        rows["backtest"] += _backtest(own, mean[k], history[k], horizon)
        if k >= n - failed:
            rows["failures"].append({"series_id": name, "stage": "forecast", "group_id": "g", "reason": "no sales"})
            continue
        status = {"cutoff": CUTOFF, "group_id": "g", "model": "seasonal_naive", "fallback": False, "reason": "chosen"}
        rows["forecast_status"].append({"series_id": name, "path_correlation": 0.2, **status})
        rows["forecast"] += _forecast(own, mean[k], horizon)
    return {table: frame(spark, table, found) for table, found in rows.items()}


def written(spark: SparkSession, cfg: Config, frames: dict[str, DataFrame]) -> Tables:
    """The frames as Delta tables of a run."""
    tables = Tables(spark, cfg, "run", {})
    for table, found in frames.items():
        tables.write(table, found, files=1)
    return tables


def frame(spark: SparkSession, table: str, rows: list[dict]) -> DataFrame:
    """Rows as a DataFrame of a contract; columns left out are null."""
    names = [c.name for c in contract(table).data_columns]
    return spark.createDataFrame([tuple(r.get(c) for c in names) for r in rows], spark_schema(contract(table)))


def limit(name: str, kind: str, measure: str, amount: float, **given: object) -> dict:
    """A row of `resources`."""
    row = {"resource_id": name, "period": 0, "kind": kind, "measure": measure, "amount": amount, "cost": 0.0}
    return {**row, "assumed": False, **given}


def _curve(mean: float) -> list[float]:
    from scipy.stats import poisson

    return [float(q) for q in poisson.ppf(LEVELS, mean)]


def _profile(own: dict, mean: float, k: int) -> dict:
    velocity, pattern = "AB"[k % 2], ("smooth", "lumpy")[k % 2]
    return {**own, "category": "c", "velocity": velocity, "pattern": pattern, "group_velocity": velocity,
            "group_pattern": pattern, "high_volume": False, "n_periods": 120, "n_positive": 100,
            "total": 120 * float(mean), "recent_mean": float(mean), "age": 120,
            "since_last_sale": 0, "group_id": "g", "predicted_bytes": 1,
            "content_key": f"{k * 37 % 101:03d}"}  # fmt: skip


def _terms(own: dict, mean: float, k: int) -> dict:
    return {"series_id": own["series_id"], "supplier_id": f"sup{k % 3}", "lead_time": 1 + k % 3, "lead_time_sd": 0.0,
            "review_period": 7 if k % 3 else 3, "min_order_qty": 6.0, "case_pack": 6.0, "min_stock": 0.0,
            "max_stock": 60.0 + 30 * float(np.ceil(mean)) if k % 5 == 0 else None, "unit_cost": 2.0, "unit_price": 3.0,
            "holding_cost": 0.01, "shortage_cost": 1.0, "order_cost": 0.3, "target": 0.95, "unit_weight": 1.0,
            "unit_volume": 1.0, "assumed": k % 2 == 0}  # fmt: skip


def _stock(own: dict, mean: float, k: int) -> dict:
    due = [CUTOFF + dt.timedelta(days=1 + k % 2)] if k % 4 == 0 else []
    return {"series_id": own["series_id"], "as_of": CUTOFF, "on_hand": float(round(mean * (k % 5))), "backorders": 0.0,
            "due_dates": due, "due_qty": [6.0] * len(due), "assumed": False}  # fmt: skip


def _panel(own: dict, history: np.ndarray, k: int) -> dict:
    none = [float("nan")] * len(history)
    return {**own, "cutoff": CUTOFF, "start_date": CUTOFF - dt.timedelta(days=119), "n_periods": 120,
            "demand": history.tolist(), "sales": history.tolist(), "available": [1.0] * 120, "flags": [0] * 120,
            "price": none, "promo": none, "price_future": [], "promo_future": [],
            "content_key": f"{k * 37 % 101:03d}"}  # fmt: skip


def _forecast(own: dict, mean: float, horizon: int) -> list[dict]:
    return [{"series_id": own["series_id"], "cutoff": CUTOFF, "step": s, "date": CUTOFF + dt.timedelta(days=s),
             "demand_mean": float(mean), "levels": LEVELS, "demand_quantiles": _curve(mean)}
            for s in range(1, horizon + 1)]  # fmt: skip


def _backtest(own: dict, mean: float, history: np.ndarray, horizon: int) -> list[dict]:
    """Two folds of two models; `chosen` is the one that is simulated."""
    out = []
    for fold, back in enumerate((2 * horizon, horizon)):
        actual = history[120 - back : 120 - back + horizon].tolist()
        out += [{"series_id": own["series_id"], "group_id": "g", "model": model, "fold": fold,
                 "cutoff": CUTOFF - dt.timedelta(days=back), "actual": actual, "available": [1.0] * horizon,
                 "mean": [float(mean)] * horizon, "levels": LEVELS, "quantiles": _curve(mean) * horizon,
                 "naive_mae": 1.0, "naive_mse": 2.0, "path_correlation": 0.2}
                for model in ("chosen", "seasonal_naive")]  # fmt: skip
    return out
