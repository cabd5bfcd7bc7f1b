"""What the benchmarks of speed share: run stages on generated data, and read what each cost and shuffled."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import Cost
from parlevel.config import Config, load
from parlevel.pipeline.runner import Event, run
from parlevel.spark.session import get_session

ROOT = Path(__file__).parent.parent


@dataclass
class StageCost:
    """One stage: seconds, GiB, MiB, and rows (series x periods) a second."""

    stage: str
    wall_s: float
    cpu_s: float
    peak_gib: float
    shuffled_mib: float = 0.0
    spilled_mib: float = 0.0
    rows_per_s: float = 0.0


def sized_parser(about: str | None, series: int, days: int) -> argparse.ArgumentParser:
    """A parser with the arguments that benchmarks on generated data share.

    Args:
        about: the script's docstring.
        series, days: default size.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=series, help=f"default: {series:,}")
    parser.add_argument("--days", type=int, default=days, help=f"length of the history, periods; default: {days:,}")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="one setting; repeat it")
    parser.add_argument("--json", help="file for the figures")
    return parser


def configure(folder: Path, series: int, days: int, sets: Sequence[str] = ()) -> Config:
    """The main job on the synthetic source, with conf/base.yaml and local.yaml as they are."""
    return load([ROOT / "conf" / "base.yaml", ROOT / "conf" / "local.yaml"], settings(folder, series, days, sets))


def settings(folder: Path, series: int, days: int, sets: Sequence[str] = ()) -> list[str]:
    """What `--set` is given to run on generated data and write below `folder`."""
    options = {"series": series, "days": days, "stores": max(1, min(10, series // 100))}
    return [
        f"source.options={json.dumps(options)}",
        f"paths.warehouse={folder / 'warehouse'}",
        f"paths.report={folder / 'report.html'}",
        "source.name=synthetic",
        *sets,
    ]


def run_stages(
    cfg: Config, folder: Path, rows: int, stages: Sequence[str] | None = None, force: bool = True
) -> list[StageCost]:
    """Run stages as `parlevel run` does and say what each cost, with its session's start in a row of its own.

    Args:
        cfg: the configuration.
        folder: where Spark's event log goes.
        rows: series x periods, for the rate.
        stages: which; default all.
        force: compute also what did not change.
    """
    log = folder / "events"
    log.mkdir(parents=True, exist_ok=True)
    with Cost() as start:
        spark = get_session(
            cfg, spark__eventLog__enabled="true", spark__eventLog__dir=log.as_uri(), spark__eventLog__compress="false"
        )
        spark.range(1).count()
    costs = [StageCost("start", start.wall_s, start.cpu_s, start.peak_gib)]
    open_: list[Cost] = []

    def watch(event: Event) -> None:
        if event.status == "start":
            open_.append(Cost().__enter__())
        elif event.status == "done":
            cost = open_.pop()
            cost.__exit__(None, None, None)
            rate = rows / cost.wall_s
            costs.append(StageCost(event.stage, cost.wall_s, cost.cpu_s, cost.peak_gib, rows_per_s=rate))
            spans.append((cost.began_ms, cost.ended_ms))

    spans: list[tuple[float, float]] = []
    try:
        run(spark, cfg, stages=stages, force=force, on_event=watch)
    finally:
        spark.stop()
    for cost, (began, ended) in zip(costs[1:], spans, strict=True):
        cost.shuffled_mib, cost.spilled_mib = moved(log, began, ended)
    return costs


def moved(log: Path, began_ms: float, ended_ms: float) -> tuple[float, float]:
    """(shuffled, spilled) MiB of the tasks that ended in a span of the clock, from Spark's event log."""
    shuffled = spilled = 0
    for file in log.rglob("*"):
        if not file.is_file():
            continue
        with file.open() as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' not in line:
                    continue
                event = json.loads(line)
                if began_ms <= event["Task Info"]["Finish Time"] <= ended_ms:
                    metrics = event.get("Task Metrics") or {}
                    shuffled += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
                    spilled += metrics.get("Disk Bytes Spilled", 0)
    return shuffled / 2**20, spilled / 2**20


def totals(costs: Sequence[StageCost]) -> dict[str, Any]:
    """wall_s, cpu_s and peak_gib of all stages, and each stage's row."""
    return {
        "wall_s": sum(cost.wall_s for cost in costs),
        "cpu_s": sum(cost.cpu_s for cost in costs),
        "peak_gib": max(cost.peak_gib for cost in costs),
        "stages": [asdict(cost) for cost in costs],
    }
