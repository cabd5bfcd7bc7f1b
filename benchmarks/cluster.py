"""A standalone cluster on loopback: one worker against two, and a worker killed in the middle of a run.

    python benchmarks/cluster.py --series 1000 --days 400 [--json FILE]

Every run is `spark-submit jobs/run_all.py` on generated data, with the package shipped as it is to a real cluster. A
worker is one executor of one core: on Linux it is kept, with its Python processes, to a core of its own, since Spark
alone counts tasks and would let one worker fill two cores. Times are the stages' own, from the run log, so that the
start of the daemons and of the driver is left out. In the last run a worker and its executor are killed (SIGKILL) while
train works; the tables must equal those of the run in peace, but for columns that a clock fills.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import polars
from deltalake import DeltaTable

from measure import save, show
from parlevel import jars
from parlevel.schemas import STAGES, contract, of_stage
from parlevel.spark.session import JVM
from stages import ROOT, settings, sized_parser

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import standalone  # the end-to-end tests' own cluster

CLOCKED = ("seconds", "fit_seconds", "peak_bytes")


def main() -> None:
    parser = sized_parser(__doc__, 1_000, 400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package = standalone.shipped_package(folder)
        runs = {
            name: job(asked, folder / name, package, workers, kill=kill)
            for name, workers, kill in (("one", 1, False), ("two", 2, False), ("killed", 2, True))
        }
        differing = [
            name for stage in STAGES for name in names(stage) if not equal(folder / "two", folder / "killed", name)
        ]
    rows = [
        {"stage": stage, "1 worker s": runs["one"][stage], "2 workers s": runs["two"][stage]}
        | {"speed-up": runs["one"][stage] / runs["two"][stage], "2 workers, one killed s": runs["killed"][stage]}
        for stage in STAGES
    ]
    total = {name: sum(found.values()) for name, found in runs.items()}
    speedup = total["one"] / total["two"]
    rows.append(
        {"stage": "all", "1 worker s": total["one"], "2 workers s": total["two"], "speed-up": speedup}
        | {"2 workers, one killed s": total["killed"]}
    )
    show(f"{asked.series:,} series x {asked.days} days; floor: 1 worker; perfect: 2.0", rows)
    show("After the kill", [{"tables that differ": ", ".join(differing) or "none"}])
    save(
        asked.json,
        {"speedup_2_workers": speedup, "tables_equal_after_kill": int(not differing), "seconds": runs, "rows": rows},
    )


def job(asked: argparse.Namespace, folder: Path, package: Path, workers: int, *, kill: bool) -> dict[str, float]:
    """Run the main job on a cluster of its own; seconds of each stage.

    Args:
        asked: the command line.
        folder: gets the warehouse and the daemons' logs.
        package: the shipped package.
        workers: executors of one core.
        kill: whether a worker is killed while the stage train runs.
    """
    folder.mkdir()
    own = settings(folder, asked.series, asked.days, asked.set)
    arguments = [text for setting in own for text in ("--set", setting)]
    hidden = folder / "hidden"
    hidden.mkdir()
    path = standalone.without_checkout(hidden)
    with ExitStack() as stack:
        running = stack.enter_context(standalone.cluster(folder, workers, pinned=True))
        spark = ["--master", running.master, "--driver-memory", "1g", "--executor-memory", "1g"]
        spark += ["--executor-cores", "1", "--total-executor-cores", str(workers), "--py-files", str(package)]
        spark += ["--jars", ",".join(str(jar) for jar in jars.classpath())]
        spark += ["--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"]
        spark += ["--conf", "spark.ui.enabled=false", "--conf", f"spark.executorEnv.PYTHONPATH={path}"]
        # what docs/running.md advises, and an embedded session has of itself
        spark += ["--driver-java-options", JVM, "--conf", f"spark.executor.extraJavaOptions={JVM}"]
        # as many shuffle partitions with one worker as with two: the same work in the same pieces
        spark += ["--conf", "spark.sql.shuffle.partitions=4"]
        done = threading.Event()
        if kill:
            killer = threading.Thread(target=kill_in_train, args=(running, folder / "warehouse", done))
            killer.start()
        try:
            made = standalone.submit(
                "run_all.py", *arguments, spark=spark, env=standalone.environment(PYTHONPATH=path), cwd=folder
            )
        finally:
            done.set()
        if kill:
            killer.join()
            if running.alive() != workers - 1:
                sys.exit("the worker was not killed: nothing was shown")
    if made.returncode:
        sys.exit(f"the job failed:\n{made.stderr[-4000:]}")
    log = polars.DataFrame(DeltaTable(str(folder / "warehouse" / "runs")).to_pyarrow_table())
    return dict(zip(log["stage"], log["seconds"], strict=True))


def kill_in_train(running: standalone.Cluster, warehouse: Path, done: threading.Event) -> None:
    """Wait until train works on its groups, then kill the last worker and its executor."""
    scratch = warehouse / "_scratch"
    while not done.wait(0.2):
        if any(scratch.glob("train-*/1/_temporary/0/_temporary/*")):
            time.sleep(1.0)  # in the middle of a task
            os.killpg(running.workers[-1].pid, signal.SIGKILL)
            return


def names(stage: str) -> list[str]:
    """Tables of a stage that every run has."""
    return [table.name for table in of_stage(stage) if not table.optional]


def equal(first: Path, second: Path, name: str) -> bool:
    """Whether two warehouses hold the same rows of a table, clocks aside."""
    one, two = (read(folder / "warehouse" / name, contract(name).keys) for folder in (first, second))
    return one.equals(two)


def read(table: Path, keys: tuple[str, ...]) -> polars.DataFrame:
    """A table in the order of its keys, without what a clock measured."""
    frame = polars.DataFrame(DeltaTable(str(table)).to_pyarrow_table())
    kept = frame.drop([column for column in CLOCKED if column in frame.columns])
    return kept.sort([key for key in keys if key in kept.columns])


if __name__ == "__main__":
    main()
