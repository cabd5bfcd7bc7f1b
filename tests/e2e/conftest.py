"""One run of the main job for all end-to-end tests."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from small import configure

from parlevel.config import Config
from parlevel.pipeline.runner import RunResult, run


@pytest.fixture(scope="session")
def main_run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, RunResult]:
    """The main job on 40 generated series: its configuration and what it did."""
    cfg = configure(tmp_path_factory.mktemp("warehouse"))
    return cfg, run(spark, cfg)
