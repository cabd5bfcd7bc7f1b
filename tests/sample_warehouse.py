"""A small, plausible warehouse written by delta-rs straight from the contracts: no Spark, no pipeline.

48 series of 5 suppliers in two stores, 120 days of history, a 28-day horizon, three folds and two models. Numbers are
drawn from a seed; tests that need exact ones overwrite a table with `write`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from parlevel.config import Config
from parlevel.schemas import STAGES, arrow_schema, contract, of_stage

RUN = "sample-000000000001"
CUTOFF = date(2017, 12, 31)
LEVELS = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975]
PAST, HORIZON, FOLDS, N = 120, 28, 3, 48
KINDS = ("smooth", "intermittent", "lumpy", "erratic")
CATEGORIES = ("Bakery", "Dairy", "Frozen & <chilled>")


def write(root: Path, name: str, rows: Iterable[Mapping[str, Any]], run_id: str = RUN) -> None:
    """Replace one run's slice of a table; columns left out are null."""
    table = contract(name)
    schema = arrow_schema(table.columns)
    full = [{"run_id": run_id, **row} for row in rows]
    data = pa.Table.from_pylist([{field: row.get(field) for field in schema.names} for row in full], schema)
    partition = None if name == "runs" else ["run_id"]
    mode = "overwrite" if (root / name / "_delta_log").exists() else "error"
    predicate = f"run_id = '{run_id}'" if mode == "overwrite" else None
    write_deltalake(str(root / name), data, partition_by=partition, mode=mode, predicate=predicate)


def day(step: int) -> date:
    """The date `step` days after the cutoff."""
    return CUTOFF + timedelta(days=step)


def build(root: Path, seed: int = 7) -> Path:
    """Write every table of a finished run; returns the warehouse folder."""
    root.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    series = [_series(k, draw) for k in range(N)]
    for name, rows in {**_inputs(series), **_models(series, draw), **_orders(series, draw), **_scores(draw)}.items():
        write(root, name, rows)
    write(root, "runs", _runs())
    return root


def _series(k: int, draw: np.random.Generator) -> dict[str, Any]:
    kind = KINDS[k % 4]
    level = {"smooth": 30.0, "intermittent": 0.4, "lumpy": 2.0, "erratic": 9.0}[kind] * (0.5 + draw.random())
    week = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(PAST + HORIZON) % 7) / 7 + k)
    demand = draw.poisson(level * week * (draw.gamma(0.7, 1 / 0.7, PAST + HORIZON) if kind != "smooth" else 1.0))
    cost = float(np.round(1 + 4 * draw.random(), 2))
    return {
        "series_id": f"P{k // 2:03d}@S{k % 2}", "product_id": f"P{k // 2:03d}", "location_id": f"S{k % 2}",
        "name": f"Product {k // 2} \"500 g\"", "category": CATEGORIES[k % 3], "supplier_id": f"SUP{k % 5}",
        "pattern": kind, "velocity": "ABC"[min(k % 4, 2)], "group_id": f"{CATEGORIES[k % 3]}|{kind}",
        "demand": demand[:PAST].astype(float), "week": week, "level": level, "unit_cost": cost,
    }  # fmt: skip


def quantiles_of(series: Mapping[str, Any], step: int) -> tuple[float, np.ndarray]:
    """Mean and quantiles of a step: a normal cut off at zero is near enough."""
    mean = series["level"] * series["week"][PAST + step - 1]
    z = np.array([-1.96, -1.645, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645, 1.96])
    return float(mean), np.maximum(0.0, mean + z * np.sqrt(mean) * 1.2)


def _inputs(series: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    products = {s["product_id"]: s for s in series}
    start = day(1 - PAST)
    return {
        "series": [{key: s[key] for key in ("series_id", "product_id", "location_id")} for s in series],
        "products": [
            {"product_id": p, "name": s["name"], "category": s["category"], "brand": "Own"} for p, s in products.items()
        ],
        "locations": [{"location_id": f"S{k}", "name": f"Store {k}", "kind": "store", "country": "US"} for k in (0, 1)],
        "supply_terms": [
            {
                "series_id": s["series_id"], "supplier_id": s["supplier_id"], "lead_time": 3, "lead_time_sd": 0.5,
                "review_period": 7, "min_order_qty": 12.0, "case_pack": 6.0, "min_stock": 0.0,
                "unit_cost": s["unit_cost"], "unit_price": s["unit_cost"] * 1.6, "holding_cost": 0.01,
                "shortage_cost": s["unit_cost"] * 0.6, "order_cost": 1.0, "target": 0.95, "unit_weight": 0.5,
                "unit_volume": 1.0, "assumed": True,
            }
            for s in series
        ],
        "inventory": [
            {
                "series_id": s["series_id"], "as_of": CUTOFF, "on_hand": float(round(s["level"] * 6)),
                "backorders": 0.0, "due_dates": [day(2)], "due_qty": [12.0], "assumed": True,
            }
            for s in series
        ],
        "resources": [
            {
                "resource_id": f"min:SUP{k}", "period": 0, "kind": "supplier_min", "supplier_id": f"SUP{k}",
                "measure": "value", "amount": 50.0, "cost": 0.0, "assumed": True,
            }
            for k in range(5)
        ],
        "panel": [
            {
                "series_id": s["series_id"], "product_id": s["product_id"], "location_id": s["location_id"],
                "cutoff": CUTOFF, "start_date": start, "n_periods": PAST, "demand": s["demand"], "sales": s["demand"],
                "available": [float(k % 40 != 39) for k in range(PAST)], "flags": [0] * PAST, "price": [2.0] * PAST,
                "promo": [0.0] * PAST, "price_future": [2.0] * HORIZON, "promo_future": [0.0] * HORIZON,
                "content_key": f"{k:04d}",
            }
            for k, s in enumerate(series)
        ],
        "recommendations": [
            {
                "product_id": a, "other_id": b, "kind": kind, "rank": 1, "together": 40, "n_product": 100,
                "n_other": 200, "support": 0.04, "confidence": 0.4, "lift": lift, "attached": attached,
            }
            for (a, b), (kind, lift, attached) in zip(
                pairwise(products), [("complement", 2.0, 0.2), ("substitute", 0.4, 0.0)], strict=False
            )
        ],
        "quarantine": [
            {"table": "sales", "rule": "known_series", "row_key": "X@S0|2017-01-01", "reason": "unknown", "row": "{}"}
        ],
        "data_quality": [
            {
                "table": "sales", "rule": "known_series", "action": "quarantined", "n_rows": 5760, "n_hit": 1,
                "doc": "every sales row belongs to a series",
            },
            {
                "table": "panel", "rule": "outlier", "action": "capped", "n_rows": 5760, "n_hit": 23,
                "doc": "no spike beyond 8 robust deviations without a promotion",
            },
            {
                "table": "sales", "rule": "duplicate", "action": "merged", "n_rows": 5760, "n_hit": 0,
                "doc": "one row per series and date",
            },
        ],
        "series_profile": [
            {
                **{key: s[key] for key in ("series_id", "product_id", "location_id")},
                **{key: s[key] for key in ("category", "velocity", "pattern")},
                "high_volume": s["pattern"] == "smooth", "adi": 1.2, "cv2": 0.4, "n_periods": PAST,
                "n_positive": int((s["demand"] > 0).sum()), "total": float(s["demand"].sum()),
                "recent_mean": float(s["demand"][-28:].mean()), "age": PAST, "since_last_sale": 0,
                "group_id": s["group_id"], "predicted_bytes": 1000, "content_key": f"{k:04d}",
            }
            for k, s in enumerate(series)
        ],
    }  # fmt: skip


def _models(series: list[dict[str, Any]], draw: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    forecast, status, backtest = [], [], []
    for k, s in enumerate(series):
        model = "seasonal_naive" if k % 12 == 11 else "forest"
        status.append(
            {
                "series_id": s["series_id"], "cutoff": CUTOFF, "group_id": s["group_id"], "model": model,
                "fallback": model == "seasonal_naive", "path_correlation": 0.3,
                "reason": "lowest loss on 3 folds" if model == "forest" else "too few sales for the group's model",
            }
        )  # fmt: skip
        for step in range(1, HORIZON + 1):
            mean, quantiles = quantiles_of(s, step)
            forecast.append(
                {
                    "series_id": s["series_id"], "cutoff": CUTOFF, "step": step, "date": day(step),
                    "demand_mean": mean, "levels": LEVELS, "demand_quantiles": quantiles,
                }
            )  # fmt: skip
        for fold in range(FOLDS):
            back = HORIZON * (FOLDS - fold)
            actual = s["demand"][PAST - back : PAST - back + HORIZON]
            for name, noise in (("forest", 0.1), ("seasonal_naive", 0.35), ("chosen", 0.1)):
                steps = [quantiles_of(s, 1 + (step - back) % HORIZON) for step in range(HORIZON)]
                mean = np.array([m for m, _ in steps]) * draw.lognormal(0, noise, HORIZON)
                backtest.append(
                    {
                        "series_id": s["series_id"], "group_id": s["group_id"], "model": name, "fold": fold,
                        "cutoff": day(-back), "actual": actual, "available": [1.0] * (HORIZON - 1) + [0.0],
                        "mean": mean, "levels": LEVELS, "quantiles": np.concatenate([q for _, q in steps]),
                        "naive_mae": max(0.2, float(np.abs(s["demand"][7:] - s["demand"][:-7]).mean())),
                        "naive_mse": max(0.2, float((np.diff(s["demand"]) ** 2).mean())), "path_correlation": 0.3,
                    }
                )  # fmt: skip
    failures = [{"series_id": "P999@S0", "stage": "forecast", "group_id": None, "reason": "no sale in 400 days"}]
    models = [
        {
            "group_id": s["group_id"], "model": "forest", "cutoff": CUTOFF, "chosen": True, "weight": 1.0,
            "format": "skops", "artifact": b"x", "n_series": 4, "fit_seconds": 1.5, "features": ["lag_7"],
            "size_bytes": 1, "importances": [("lag_7", 1.0)], "hyperparameters": "{}", "metrics": [("wape", 0.5)],
            "calibration": "{}", "path_correlation": 0.3, "data_key": "k", "libraries": [("scikit-learn", "1.9.1")],
        }
        for s in {s["group_id"]: s for s in series}.values()
    ]  # fmt: skip
    work = [
        {
            "group_id": model["group_id"], "n_series": 4, "n_cells": 1600, "predicted_seconds": 1.0 + k,
            "seconds": 2.0 + k, "predicted_bytes": 10**6, "peak_bytes": 2 * 10**6,
        }
        for k, model in enumerate(models)
    ]  # fmt: skip
    tuning = [
        {
            "group_id": models[0]["group_id"], "model": "forest", "trial": k, "parameters": "{}",
            "losses": [loss, loss], "loss": loss, "seconds": 1.5, "chosen": k == 1,
        }
        for k, loss in enumerate((0.5, 0.4))
    ]  # fmt: skip
    return {
        "forecast": forecast,
        "forecast_status": status,
        "backtest": backtest,
        "forecast_drivers": [row for s in series for row in _drivers(s)],
        "failures": failures,
        "models": models,
        "group_work": work,
        "tuning": tuning,
    }


def _drivers(series: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = {"sales level": series["level"], "season": 0.3, "promotion": 0.1, "price": -0.2}
    order = ["sales level", "season", "price", "promotion"]
    return [
        {
            "series_id": series["series_id"], "cutoff": CUTOFF, "driver": name, "rank": order.index(name),
            "effect": effect, "share": abs(effect) / 0.6 if order.index(name) else None, "model": "forest",
        }
        for name, effect in parts.items()
    ]  # fmt: skip


def _orders(series: list[dict[str, Any]], draw: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    plan, ledger, projection = [], [], []
    for k, s in enumerate(series):
        for wave, order_date in enumerate((day(1), day(8), day(15))):
            quantity = 0.0 if (k + wave) % 3 == 0 else float(6 * (2 + round(s["level"])))
            if wave and not quantity:
                continue
            plan.append(
                {
                    **{key: s[key] for key in ("series_id", "product_id", "location_id", "supplier_id")},
                    "order_date": order_date, "order_qty": quantity, "order_value": quantity * s["unit_cost"],
                    "receipt_date": order_date + timedelta(days=4), "inventory_position": 6 * s["level"],
                    "order_up_to_level": 6 * s["level"] + quantity, "safety_stock": 2.0,
                    "protection_demand": 10 * s["level"], "stockout_probability": 0.02 + 0.1 * (k % 7 == 0),
                    "reason": f"covers 10 days of demand ({10 * s['level']:.0f} units)" if quantity else "stock lasts",
                    "policy": "optimal", "assumed": True,
                }
            )  # fmt: skip
            ledger.append(_explained(plan[-1], s))
        use = np.array([quantiles_of(s, step)[0] for step in range(1, HORIZON + 1)])
        receipts = np.where(np.arange(HORIZON) % 7 == 4, 7 * s["level"], 0.0)
        stock = np.maximum(0.0, 6 * s["level"] + np.cumsum(receipts - use))
        projection.append(
            {
                "series_id": s["series_id"], "start_date": day(1), "receipts": receipts, "stock_mean": stock,
                "stock_low": np.maximum(0.0, stock - 2 * np.sqrt(np.cumsum(use))),
                "stock_high": stock + 2 * np.sqrt(np.cumsum(use)), "lost_mean": draw.random(HORIZON) * 0.01 * use,
            }
        )  # fmt: skip
    report = [
        {
            "solve_group": f"SUP{k} @ S{store}", "supplier_id": f"SUP{k}", "location_id": f"S{store}", "n_items": 5,
            "status": "relaxed" if k == 4 else "optimal", "objective": 120.0 + k, "bound": 119.0 + k,
            "gap": 1.0 / (119.0 + k), "rounds": 3, "seconds": 0.4, "order_value": 300.0 + 10 * k,
            "relaxed": ["min:SUP4 by 12.50 money"] if k == 4 else [], "prices": [("min:SUP4/1", 0.2)],
            "reason": "gap below 1 %",
        }
        for k in range(5) for store in (0, 1)
    ]  # fmt: skip
    shipments = [
        {
            "source_id": source, "target_id": "S0", "product_id": "P000", "ship_date": day(1), "kind": kind,
            "series_id": "P000@S0", "asked": 24.0, "sent": sent, "cost": 0.6, "saving": saving,
            "receipt_date": day(2), "reason": "W has 12 for the 24 of this order.",
        }
        for source, kind, sent, saving in (("W", "distribution", 12.0, None), ("S1", "transfer", 6.0, 9.5))
    ]  # fmt: skip
    whole = {**report[0], "solve_group": "shared limits", "supplier_id": "*", "location_id": "*", "gap": 0.0123}
    return {
        "order_plan": plan,
        "order_ledger": ledger,
        "projection": projection,
        "plan_report": [*report, whole],
        "shipments": shipments,
    }


def _explained(line: Mapping[str, Any], series: Mapping[str, Any]) -> dict[str, Any]:
    risk, ordered = line["stockout_probability"], line["order_qty"] > 0
    middle = 10 * series["level"]
    return {
        **{key: line[key] for key in ("series_id", "product_id", "location_id", "supplier_id", "order_date")},
        **{key: line[key] for key in ("order_qty", "inventory_position", "safety_stock", "stockout_probability")},
        "levels": [0.05, 0.5, 0.95], "protection_quantiles": [0.5 * middle, middle, 1.5 * middle],
        "binding": "budget@1" if ordered else None, "shadow_price": 0.12 if ordered else None,
        "stockout_without": min(1.0, risk + 0.4 * ordered), "stockout_avoided": 0.4 * ordered,
        "cost_one_more": 0.8, "cost_one_less": 1.1 if ordered else None, "drivers": ["promotion +0.10"],
        "sentence": f"{line['reason']}. One case more would cost 0.8.",
    }  # fmt: skip


def _scores(draw: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    segments = ["all", *(f"pattern:{kind}" for kind in KINDS), *(f"velocity:{v}" for v in "ABC"), "fold:1", "fold:2"]
    segments += [f"step:{k}" for k in range(1, HORIZON + 1)]
    segments += [f"group:{category}|{kind}" for category in CATEGORIES for kind in KINDS]
    accuracy = []
    for model, worse in (("chosen", 1.0), ("forest", 1.05), ("seasonal_naive", 1.3)):
        for segment in segments:
            values = {"wape": 0.4, "mase": 0.8, "rmsse": 0.75, "mae": 2.0, "rmse": 3.1, "bias": 0.1, "wql": 0.3}
            values |= {"bias_share": 0.02, "pinball_loss": 0.9, "coverage_50": 0.52, "coverage_80": 0.79}
            values |= {"coverage_90": 0.88, "coverage_95": 0.94}
            values |= {f"quantile_coverage_{q:g}": q + 0.01 for q in LEVELS} if segment == "all" else {}
            for metric, value in values.items():
                scale = worse * (0.9 + 0.2 * draw.random()) if not metric.startswith(("cov", "quant")) else 1.0
                accuracy.append(
                    {"model": model, "segment": segment, "metric": metric, "value": value * scale, "n": 1000}
                )
    kpi = [
        {
            "policy": policy, "segment": segment, "cutoff": cutoff, "n_series": 48, "n_periods": 28,
            "demand": 10000.0, "fill_rate": 0.985 if policy == "optimal" else 0.961,
            "stockout_rate": 0.02 * cost, "turnover": 12.0 / cost, "days_of_supply": 9.0 * cost,
            "replenishment_accuracy": 0.9 / cost, "cycle_service_level": 0.97, "service_asked": 0.95,
            "nervousness": 0.2 * cost, "stock_value": 5000.0 * cost, "orders": 220,
            "holding_cost": 300.0 * cost, "shortage_cost": 120.0 * cost**3, "order_cost": 220.0, "leftover_cost": 0.0,
            "total_cost": 300.0 * cost + 120.0 * cost**3 + 220.0,
        }
        for cutoff in (day(-56), day(-28))
        for policy, cost in (("optimal", 1.0), ("min_max", 1.25))
        for segment in ("all", "pattern:smooth", "pattern:lumpy", "limits:kept", "limits:ignored")
    ]  # fmt: skip
    service = [
        {
            "policy": "safety_stock_csl", "measure": "cycle_service_level", "segment": segment, "cutoff": day(-28),
            "n_series": 24, "n_cycles": 90, "target": 0.95, "realised": 0.962, "points": 1.2, "noise": 3.9,
        }
        for segment in ("all", "pattern:smooth", "pattern:lumpy")
    ]  # fmt: skip
    point = {
        "segment": "all", "cutoff": day(-28), "n_series": 24, "demand": 5000.0, "service_asked": None,
        "cycle_service_level": 0.962, "stock_value": 2500.0, "shortage_cost": 60.0, "order_cost": 110.0,
    }  # fmt: skip
    frontier = [
        {
            **point, "policy": policy, "setting": f"{word} {setting:g}", "fill_rate": served, "point_cost": cost,
            "holding_cost": spent, "total_cost": spent + 170.0,
        }
        for policy, word, setting, served, spent, cost in (
            ("optimal", "shortage_weight", 0.3, 0.95, 100.0, None),
            ("optimal", "shortage_weight", 1.0, 0.98, 130.0, 10.0),
            ("safety_stock_csl", "cycle_service_level", 0.9, 0.94, 110.0, None),
            ("safety_stock_csl", "cycle_service_level", 0.98, 0.985, 170.0, 13.3),
        )
    ]  # fmt: skip
    return {"accuracy": accuracy, "inventory_kpi": kpi, "frontier": frontier, "service": service}


def _runs() -> list[dict[str, Any]]:
    rows = []
    for k, stage in enumerate(STAGES):
        tables = [table.name for table in of_stage(stage)]
        rows.append(
            {
                "stage": stage, "status": "reused" if stage == "train" else "done", "output_run_id": RUN,
                "stage_key": f"key{k}", "source": "synthetic", "cutoff": CUTOFF, "config": Config().as_json(),
                "code_version": "0.1.0+abc", "input_versions": [(name, 3) for name in tables],
                "row_counts": [(name, 48) for name in tables],
                "started_at": datetime(2026, 1, 5, 8, k, tzinfo=UTC), "seconds": 3.0 + 7 * k,
                "note": f"{stage} went well",
            }
        )  # fmt: skip
    return rows


def config(root: Path) -> Config:
    """The configuration that goes with the warehouse."""
    return Config.model_validate({"paths": {"warehouse": str(root), "report": str(root / "report.html")}})
