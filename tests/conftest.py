"""Fixtures that every test may use: real data, one Spark session per test run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parent.parent

# For tests only: the interpreter instead of generated code.
TEST_SETTINGS = {
    "spark__sql__codegen__wholeStage": "false",
    "spark__sql__codegen__factoryMode": "NO_CODEGEN",
    "spark__driver__extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "spark__sql__shuffle__partitions": "2",
    "spark__ui__showConsoleProgress": "false",
}


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; skips where there is none."""
    folder = Path(os.environ.get("PARLEVEL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference data: no folder {folder.name!r} beside the checkout; set PARLEVEL_DATA")
    return folder


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One embedded session with Delta for the whole test run."""
    from parlevel.config import load
    from parlevel.spark.session import get_session

    session = get_session(load(sets=["spark.driver_memory=2g", "spark.cores=2", "name=tests"]), **TEST_SETTINGS)
    yield session
    session.stop()
