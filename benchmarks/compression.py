"""Smaller models: bytes, seconds and loss before and after, and what the gate lets through.

    python benchmarks/compression.py --json FILE
    python benchmarks/compression.py --models forest lstm --series 200 --max-loss-pct 1

Each model learns from M5's daily series up to 28 days before their end. Its variants are judged twice: on the newest
days it has seen, which is what the gate looks at in a run, and on the 28 days that nobody has seen.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from measure import save, show
from parlevel.domain.evaluate.folds import naive_errors
from parlevel.domain.forecast.build import build, distribution
from parlevel.domain.forecast.calibrate import spread
from parlevel.domain.forecast.compress import Variant, variants
from parlevel.domain.forecast.scores import Backtest, loss_of, metrics
from parlevel.domain.panel import Panel

ROOT = Path(__file__).parent.parent
HORIZON, DAYS = 28, 730
LEVELS = np.array([0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975])
MODELS = ("forest", "lstm", "gru", "transformer")


def read(folder: Path, n: int) -> tuple[Panel, Panel]:
    """The first n series: what a model may see, and the whole."""
    wide = pd.read_parquet(folder / "m5" / "sales_daily_bottom_991_series.parquet").head(n)
    demand = wide.filter(regex="^d_").iloc[:, -DAYS:].to_numpy(np.float32)
    names = wide["series_id"].to_numpy(object)
    whole = Panel(names, demand, ~np.isnan(demand), 17_000, "day")
    return whole.at(whole.cutoff - HORIZON, HORIZON), whole


def unseen(each: Variant, past: Panel, whole: Panel) -> float:
    """Pinball loss, as a share of demand, on the days that the model has not seen."""
    mean, quantiles = distribution(each.model, HORIZON, LEVELS, past)
    actual, available = whole.after(past.cutoff, HORIZON)
    made = Backtest(0, past.cutoff, mean, quantiles, actual, available, spread(past), *naive_errors(past))
    return loss_of([metrics(made, LEVELS)], "pinball")


def judge(name: str, past: Panel, whole: Panel, bound: float) -> list[dict[str, Any]]:
    """One row a variant of one model, the original last."""
    found = variants(build(name, {}, {"horizon": HORIZON, "seed": 1}).fit(past), past, HORIZON, LEVELS, "pinball")
    base, base_unseen = found[-1], unseen(found[-1], past, whole)
    rows = []
    for each in found:
        seen, new = 100 * (each.loss / base.loss - 1), 100 * (unseen(each, past, whole) / base_unseen - 1)
        passed = "the original" if not each.name else "ships" if seen <= bound else "stopped"
        rows.append(
            {
                "model": name, "variant": each.name or "-", "bytes": each.n_bytes,
                "of original": each.n_bytes / base.n_bytes, "seconds": each.seconds, "loss": each.loss,
                "loss change, %": seen, "on unseen days, %": new, "gate": passed,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PARLEVEL_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--series", type=int, default=300)
    parser.add_argument("--max-loss-pct", type=float, default=0.5, help="the gate's bound, percent")
    parser.add_argument("--json", help="write the rows to this file")
    args = parser.parse_args()
    past, whole = read(args.data, args.series)
    rows = [row for name in args.models for row in judge(name, past, whole, args.max_loss_pct)]
    show(f"{past.n_series} daily series of M5, {HORIZON} days; gate at {args.max_loss_pct} %", rows)
    save(args.json, {"series": past.n_series, "max_loss_pct": args.max_loss_pct, "rows": rows})


if __name__ == "__main__":
    main()
