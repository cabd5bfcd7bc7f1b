"""Training speed of the LSTM on whatever is there: windows a second on a GPU, where TensorFlow sees one, or a CPU.

    python benchmarks/gpu.py --data DIR [--model lstm] [--series 610] [--windows 20000] [--json FILE]

The set is that of the main job on M5's size: the 610 series that sell most (2 % of 30,490), 28 steps ahead, the model's
default hyperparameters but for the number of windows. Each device gets a process of its own and trains twice; the
first time, which compiles, is left out. The CPU is the floor (one thread, as in a Spark task), and the
forecasts of both must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from measure import save, show
from parlevel.domain.forecast.registry import forecaster
from parlevel.domain.panel import Panel

ROOT = Path(__file__).parent.parent
HORIZON, DAYS = 28, 730
CPU = "CPU, one thread"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("PARLEVEL_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds m5/")
    parser.add_argument("--model", default="lstm", help="registry name of a network")
    parser.add_argument("--series", type=int, default=610)
    parser.add_argument("--windows", type=int, default=20_000, help="training windows drawn")
    parser.add_argument("--batch", type=int, default=64, help="windows a step")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one device, in this process
    parser.add_argument("--json", help="file for the figures")
    asked = parser.parse_args()
    if asked.here:
        sys.stdout.write(json.dumps(train(asked)))
        return
    made = [on_device(None)]
    if made[0]["device"] != CPU:
        made.append(on_device(""))
    cpu = made[-1]
    rows = [
        {
            "device": row["device"],
            "windows/s": row["windows_per_s"],
            "fit s": row["fit_s"],
            "times the CPU": row["windows_per_s"] / cpu["windows_per_s"],
            "mean forecast off the CPU's": differ(row["mean"], cpu["mean"]),
        }
        for row in made
    ]
    show(f"{asked.model}: {asked.series} series, {asked.windows:,} windows", rows)
    figures = {"samples_per_s": made[0]["windows_per_s"], "device": made[0]["device"]}
    save(asked.json, {**figures, "cpu_samples_per_s": cpu["windows_per_s"], "rows": rows})


def on_device(visible: str | None) -> dict:
    """What `train` says in a process that sees all devices (None) or no GPU ("")."""
    env = dict(os.environ) if visible is None else {**os.environ, "CUDA_VISIBLE_DEVICES": visible}
    command = [sys.executable, __file__, *sys.argv[1:], "--here"]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def train(asked: argparse.Namespace) -> dict:
    """Train twice; speed of the second time and the mean forecast."""
    panel = best_sellers(asked.data / "m5", asked.series)
    epochs = 3
    for _ in range(2):
        model = forecaster(asked.model, max_windows=asked.windows, epochs=epochs, batch=asked.batch)
        began = time.perf_counter()
        model.fit(panel)
        took = time.perf_counter() - began
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else CPU
    mean = model.predict_mean(HORIZON)
    return {
        "device": device,
        "windows_per_s": epochs * asked.windows / took,
        "fit_s": took,
        "mean": np.asarray(mean, float).sum(axis=1).tolist(),
    }


def best_sellers(folder: Path, n: int) -> Panel:
    """The n series that sold most in the last year."""
    wide = pd.read_parquet(folder / "sales_daily_bottom_991_series.parquet").set_index("series_id")
    demand = wide[wide.columns[-DAYS:]].to_numpy(np.float32)
    top = np.argsort(-demand[:, -365:].sum(axis=1), kind="stable")[:n]
    names = wide.index.to_numpy(object)[top]
    # d_1941 is 22 May 2016
    cutoff = int((np.datetime64("2016-05-22") - np.datetime64("1970-01-01")).astype(int))
    return Panel(names, demand[top], np.ones((n, DAYS), bool), cutoff, "day")


def differ(one: list[float], other: list[float]) -> float:
    """Mean absolute difference of two forecasts, as a share of the second."""
    a, b = np.array(one), np.array(other)
    return float(np.abs(a - b).sum() / b.sum())


if __name__ == "__main__":
    main()
