"""`spark-submit` on a standalone cluster, on this machine alone, and a session in this process give the same tables."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest
import standalone
from deltalake import DeltaTable
from polars.testing import assert_frame_equal
from small import SMALL, places

from parlevel import jars
from parlevel.config import Config
from parlevel.pipeline.identity import code_version
from parlevel.pipeline.runner import RunResult
from parlevel.schemas import STAGES, contract

pytestmark = pytest.mark.spark

SETTINGS = [*SMALL, "spark.partitions=2"]
# For tests only: interpreted expressions and a quick compiler; most of a small job's time is compilation.
QUICK = ["--conf", "spark.sql.codegen.wholeStage=false", "--conf", "spark.sql.codegen.factoryMode=NO_CODEGEN"]
QUICK += ["--conf", "spark.ui.enabled=false", "--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"]


def settings(warehouse: Path) -> list[str]:
    return [text for setting in [*SETTINGS, *places(warehouse)] for text in ("--set", setting)]


def rows(warehouse: Path, name: str, run_id: str | None = None) -> polars.DataFrame:
    """A table, or a run's part of it, without what a clock measured and the run's name, in the order of its keys."""
    frame = polars.DataFrame(DeltaTable(str(warehouse / name)).to_pyarrow_table())
    if run_id is not None:
        frame = frame.filter(polars.col("run_id") == run_id)
    dropped = ("seconds", "fit_seconds", "peak_bytes", "run_id")
    keys = [key for key in contract(name).keys if key not in dropped]
    return frame.drop([c for c in dropped if c in frame.columns]).sort(keys)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standalone.shipped_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def on_cluster(package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, str]:
    """The main job on a master and two workers: (warehouse, the master's word on it, what the job printed)."""
    folder = tmp_path_factory.mktemp("cluster")
    hidden = standalone.without_checkout(tmp_path_factory.mktemp("hide"))
    with standalone.cluster(folder) as running:
        spark = [
            "--master",
            running.master,
            "--driver-memory",
            "1g",
            "--executor-memory",
            "1g",
            "--executor-cores",
            "1",
        ]
        spark += ["--total-executor-cores", "2", "--jars", ",".join(str(jar) for jar in jars.classpath())]
        spark += ["--py-files", str(package), "--conf", "spark.driver.host=127.0.0.1"]
        spark += ["--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", f"spark.executorEnv.PYTHONPATH={hidden}"]
        spark += QUICK
        done = standalone.submit(
            "run_all.py", *settings(folder / "warehouse"),
            spark=spark, env=standalone.environment(PYTHONPATH=hidden), cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-6000:]
        return folder / "warehouse", running.state(), done.stdout


def test_the_cluster_ran_every_stage_on_both_workers(on_cluster: tuple[Path, dict, str]) -> None:
    warehouse, state, printed = on_cluster
    assert f"computed {list(STAGES)}, reused nothing" in printed
    [application] = state["completedapps"]
    assert (application["state"], application["cores"]) == ("FINISHED", 2)
    worked = [
        worker for worker in (warehouse.parent / "work0", warehouse.parent / "work1") if any(worker.glob("app-*/*"))
    ]
    assert len(worked) == 2
    log = rows(warehouse, "runs")
    assert log["status"].to_list() == ["done"] * len(STAGES)


def test_executors_had_the_package_from_the_wheel_and_it_is_this_code(on_cluster: tuple[Path, dict, str]) -> None:
    warehouse, _, _ = on_cluster
    assert set(rows(warehouse, "runs")["code_version"]) == {code_version()}
    assert list(warehouse.parent.glob("work*/app-*/*/parlevel-*.zip"))


def test_a_session_in_this_process_gives_the_same_tables(
    on_cluster: tuple[Path, dict, str], main_run: tuple[Config, RunResult]
) -> None:
    warehouse, _, _ = on_cluster
    cfg, result = main_run
    for name in ("panel", "features", "forecast", "order_plan", "accuracy", "inventory_kpi"):
        here = rows(Path(cfg.paths.warehouse), name, result.run_id)
        assert_frame_equal(here, rows(warehouse, name))
    assert rows(warehouse, "order_plan")["order_qty"].sum() > 0


def test_a_job_on_this_machine_alone_gives_the_same_tables(on_cluster: tuple[Path, dict, str], tmp_path: Path) -> None:
    warehouse, _, _ = on_cluster
    spark = ["--master", "local[1]", "--driver-memory", "1g", *QUICK]
    done = standalone.submit("sources.py", *settings(tmp_path), spark=spark, env=standalone.environment(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-6000:]
    for name in ("sales", "inventory", "true_demand"):
        assert_frame_equal(rows(tmp_path, name), rows(warehouse, name))


def test_a_job_answers_a_wrong_setting_with_a_message_and_2(tmp_path: Path) -> None:
    done = standalone.submit(
        "clean.py", "--set", "calender.horizon=14",
        spark=["--master", "local[1]"], env=standalone.environment(), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    shown = done.stdout + done.stderr  # spark-submit hands both on, either way
    assert "calender: unknown key. Did you mean 'calendar'?" in shown
    assert "Traceback" not in shown
