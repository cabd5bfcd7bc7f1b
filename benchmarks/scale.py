"""How the main job grows: wall time, memory of all processes, bytes shuffled and rows a second, per stage.

    python benchmarks/scale.py --series 30490 --days 1941     # M5's size, all eight stages
    python benchmarks/scale.py --series 1000 --days 400 --stages clean features
    python benchmarks/scale.py --curve --series 10000 --days 400 --json FILE

The data are the synthetic source's, the configuration is conf/base.yaml and conf/local.yaml: a forest for every
group and an LSTM for the top 2 % of series. A row is a period of a series. Beside the job stands a floor: the seconds
that the fits alone took, spread evenly over the cores. `--curve` runs sizes from 1,000 up to `--series` (300,000 if
none is given), each in a process of its own, and fits wall = a * series ** exponent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from deltalake import DeltaTable

from measure import save, show
from parlevel.schemas import STAGES
from stages import configure, run_stages, sized_parser, totals

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)


def main() -> None:
    asked = arguments()
    figures = curve(asked) if asked.curve else once(asked)
    save(asked.json, figures)


def arguments() -> argparse.Namespace:
    parser = sized_parser(__doc__, SIZES[0], 400)
    parser.set_defaults(series=None)  # with --curve it is the largest
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="default: all eight; earlier ones run uncounted")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where tables go, and stay; default: a temporary folder")
    parser.add_argument(
        "--curve", action="store_true", help="sizes from 1,000 to --series (300,000), and how wall time grows"
    )
    asked = parser.parse_args()
    asked.series = asked.series or (SIZES[-1] if asked.curve else SIZES[0])
    return asked


def once(asked: argparse.Namespace) -> dict:
    """One size: run, print a row a stage, compare with the fits alone."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        cfg = configure(folder, asked.series, asked.days, [f"spark.cores={asked.cores}", *asked.set])
        stages = asked.stages or list(STAGES)
        first = STAGES[: STAGES.index(stages[0])]
        costs = run_stages(cfg, folder, asked.series * asked.days, [*first, *stages])
        counted = [cost for cost in costs if cost.stage not in first]
        figures = totals(counted)
        fits = fit_seconds(Path(cfg.paths.warehouse)) if "train" in stages else None
    rows = [
        {
            "stage": cost.stage,
            "wall s": cost.wall_s,
            "CPU s": cost.cpu_s,
            "peak GiB": cost.peak_gib,
            "shuffled MiB": cost.shuffled_mib,
            "spilled MiB": cost.spilled_mib,
            "rows/s": cost.rows_per_s,
        }
        for cost in counted
    ]
    show(f"{asked.series:,} series x {asked.days:,} days on {asked.cores} cores", rows)
    if fits is not None:
        floor = {"what": "fits alone, spread over the cores", "wall s": fits / asked.cores}
        show("Against its floor", [{"what": "the job", "wall s": figures["wall_s"]}, floor])
    return {**figures, "series": asked.series, "days": asked.days, "cores": asked.cores, "fits_s": fits}


def fit_seconds(warehouse: Path) -> float:
    """Seconds spent in fitting and backtesting models, all groups together."""
    scores = DeltaTable(str(warehouse / "cv_scores")).to_pyarrow_table(columns=["seconds"])
    models = DeltaTable(str(warehouse / "models")).to_pyarrow_table(columns=["fit_seconds"])
    return float(np.nansum(scores["seconds"].to_numpy()) + np.nansum(models["fit_seconds"].to_numpy()))


def curve(asked: argparse.Namespace) -> dict:
    """Every size in a process of its own; the slope of wall time over series in logarithms."""
    sizes = [size for size in SIZES if size <= asked.series]
    if len(sizes) < 2:
        sys.exit(f"--curve needs --series of at least {SIZES[1]:,}")
    found = []
    for size in sizes:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, __file__, "--series", str(size), "--days", str(asked.days)]
            command += ["--cores", str(asked.cores), "--json", file.name]
            command += ["--stages", *asked.stages] if asked.stages else []
            command += [part for setting in asked.set for part in ("--set", setting)]
            subprocess.run(command, check=True)
            found.append(json.loads(Path(file.name).read_text()))
    walls = [one["wall_s"] for one in found]
    exponent = slope(sizes, walls)
    last = slope(sizes[-2:], walls[-2:])
    rows = [
        {
            "series": size,
            "wall s": one["wall_s"],
            "peak GiB": one["peak_gib"],
            "ms a series": 1000 * one["wall_s"] / size,
        }
        for size, one in zip(sizes, found, strict=True)
    ]
    show(f"Growth over series at {asked.days:,} days: exponent {exponent:.2f}, over the last step {last:.2f}", rows)
    return {
        "wall_s": walls[-1],
        "peak_gib": max(one["peak_gib"] for one in found),
        "exponent": exponent,
        "last_exponent": last,
        "sizes": found,
    }


def slope(sizes: list[int], walls: list[float]) -> float:
    """Least-squares exponent of wall = a * size ** exponent."""
    return float(np.polyfit(np.log(sizes), np.log(walls), 1)[0])


if __name__ == "__main__":
    main()
