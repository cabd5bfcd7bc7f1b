"""The main job through Spark Connect, which refuses what serverless compute refuses: no JVM and no kept frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest
import standalone
from deltalake import DeltaTable
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession
from small import SMALL, configure, places

from parlevel.pipeline.runner import run
from parlevel.schemas import STAGES, contract

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SETTINGS = [*SMALL, "source.options={series: 24, days: 200}", "train.min_group_series=12"]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Spark Connect server of its own."""
    with standalone.connect_server(tmp_path_factory.mktemp("connect")) as address:
        yield address


def rows(warehouse: Path, name: str) -> polars.DataFrame:
    """A table without what a clock measured, in the order of its keys."""
    frame = polars.DataFrame(DeltaTable(str(warehouse / name)).to_pyarrow_table())
    return frame.drop([c for c in ("seconds", "fit_seconds", "peak_bytes") if c in frame.columns]).sort(
        contract(name).keys
    )


def test_the_main_job_gives_the_same_tables_through_connect(remote: str, spark: SparkSession, tmp_path: Path) -> None:
    far, near = tmp_path / "connect", tmp_path / "classic"
    settings = [text for setting in [*SETTINGS, *places(far)] for text in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, str(standalone.ROOT / "jobs" / "run_all.py"), *settings],
        env=standalone.environment(SPARK_REMOTE=remote), cwd=tmp_path,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:]
    assert f"computed {list(STAGES)}, reused nothing" in done.stdout
    run(spark, configure(near, *SETTINGS))
    for name in ("panel", "quarantine", "features", "forecast", "order_plan", "accuracy", "inventory_kpi"):
        assert_frame_equal(rows(far, name), rows(near, name))
