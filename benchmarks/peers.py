"""Feature build, training and a 28-day forecast of real shop sales: CPU, memory and accuracy beside other libraries.

    python benchmarks/peers.py --data DIR [--series 10000] [--only parlevel mlforecast] [--json FILE]

All get the same file: 991 item-stores of M5, 730 days up to 28 days before the last; each runs in a process of its own,
imports and Spark's start included. `parlevel` is the library that the job's workers call, with the model of the preset
`fast`, in one thread and without Spark; `parlevel_job` the main job's stages sources to forecast on Spark with the same
preset. Their forecasts are whole distributions. `mlforecast`, `forecastflowml` (in an environment of its own, made on
first use) and the tutorials' patterns grow 150 of the same LightGBM trees instead of 100, on all rows, and give means.
The tutorials' patterns are the floor: anybody writes them in an hour.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from measure import Cost, save, show
from peers_env import forecastflowml_python
from peers_run import CONTESTANTS, HORIZON
from peers_spark import CONTESTANTS as ON_SPARK

ROOT = Path(__file__).parent.parent
DAYS = 730
ALL = (*CONTESTANTS, *ON_SPARK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("PARLEVEL_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds m5/")
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(ALL), help="default: all")
    parser.add_argument("--series", type=int, help="the first so many series; default: all 991; more: copies of them")
    parser.add_argument("--cores", type=int, default=2, help="threads of those who use several")
    parser.add_argument(
        "--environment", type=Path, default=ROOT / ".venv-forecastflowml", help="folder of ForecastFlowML's libraries"
    )
    parser.add_argument("--json", help="file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        history, truth = split(asked.data / "m5", asked.series)
        file = f"{folder}/history.parquet"
        history.to_parquet(file, index=False, coerce_timestamps="us")
        rows = [one(name, file, truth, asked) for name in asked.only]
    show(f"{truth['unique_id'].nunique():,} series x {DAYS} days, {HORIZON} ahead", rows)
    save(asked.json, {**compare({row["who"]: row for row in rows}), "rows": rows})


def split(folder: Path, series: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and the 28 days after it, long; more series than there are: copies under other names."""
    wide = pd.read_parquet(folder / "sales_daily_bottom_991_series.parquet").set_index("series_id")
    calendar = pd.read_parquet(folder / "calendar.parquet").set_index("d")["date"]
    known = pd.read_parquet(folder / "series_dim.parquet").set_index("series_id")
    kept = wide[wide.columns[-(DAYS + HORIZON) :]]
    kept.columns = pd.to_datetime(calendar[kept.columns].to_numpy())
    if series:
        copies = -(-series // len(kept))
        parts = [kept if k == 0 else kept.set_axis([f"{name}~{k}" for name in kept.index]) for k in range(copies)]
        kept = pd.concat(parts).iloc[:series]
    origin = [name.split("~")[0] for name in kept.index]
    long = kept.astype(float).rename_axis(index="unique_id", columns="ds").stack().rename("y").reset_index()
    place = pd.DataFrame({"unique_id": kept.index, "store_id": known.loc[origin, "store_id"].to_numpy()})
    long = long.merge(place, on="unique_id")
    last = kept.columns[-HORIZON - 1]
    return long[long["ds"] <= last], long.loc[long["ds"] > last, ["unique_id", "ds", "y"]]


def one(name: str, history: str, truth: pd.DataFrame, asked: argparse.Namespace) -> dict[str, object]:
    """A contestant's row: cost, and WAPE of its means.

    Raises:
        RuntimeError: it left forecasts out.
    """
    target = f"{history}.{name}"
    run = Path(__file__).with_name("peers_run.py")
    python = forecastflowml_python(asked.environment) if name == "forecastflowml" else sys.executable
    # Spark's workers look for the contestants' module too, and must be of the same interpreter
    env = {**os.environ, "PYTHONPATH": str(run.parent), "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}
    with Cost() as cost:
        subprocess.run([python, str(run), name, history, target, str(asked.cores)], check=True, env=env)
    both = truth.merge(pd.read_parquet(target), on=["unique_id", "ds"], how="left")
    if both["y_hat"].isna().any():
        raise RuntimeError(f"{name} left {int(both['y_hat'].isna().sum()):,} of {len(both):,} forecasts out")
    wape = float(np.abs(both["y_hat"] - both["y"]).sum() / both["y"].sum())
    return {"who": name, "CPU s": cost.cpu_s, "wall s": cost.wall_s, "peak GiB": cost.peak_gib, "WAPE": wape}


def compare(rows: dict[str, dict]) -> dict[str, float]:
    """The figures that are asked for, as far as their contestants ran."""
    figures, ours = {}, rows.get("parlevel")
    if ours and "mlforecast" in rows:
        figures["cpu_ratio_vs_mlforecast"] = ours["CPU s"] / rows["mlforecast"]["CPU s"]
    if ours and "forecastflowml" in rows:
        figures["speedup_vs_forecastflowml"] = rows["forecastflowml"]["CPU s"] / ours["CPU s"]
    if "parlevel_job" in rows and "forecastflowml" in rows:
        figures["speedup_of_the_job_vs_forecastflowml"] = (
            rows["forecastflowml"]["CPU s"] / rows["parlevel_job"]["CPU s"]
        )
    peers = [row["WAPE"] for name, row in rows.items() if not name.startswith("parlevel")]
    if ours and peers:
        figures["wape_ratio_vs_best_peer"] = ours["WAPE"] / min(peers)
    return figures


if __name__ == "__main__":
    main()
