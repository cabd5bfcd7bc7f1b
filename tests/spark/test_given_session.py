"""A session that somebody else made gets the settings that keep packed rows small, as far as it lets itself be set."""

from __future__ import annotations

import logging

import pytest
from pyspark.sql import SparkSession

from parlevel.config import load
from parlevel.spark import session as room
from parlevel.spark.session import BATCHES, get_session

pytestmark = pytest.mark.spark


def test_packed_rows_are_read_in_small_batches(spark: SparkSession) -> None:
    before = {key: spark.conf.get(key) for key in BATCHES}
    key = "spark.sql.parquet.columnarReaderBatchSize"
    try:
        for name in BATCHES:
            spark.conf.unset(name)
        assert get_session(load()) is spark
        assert {name: spark.conf.get(name) for name in BATCHES} == BATCHES
        get_session(load(sets=[f'spark.conf={{"{key}": "64"}}']))
        assert spark.conf.get(key) == "64"  # the user's own word wins
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def test_a_setting_that_the_session_refuses_is_told_and_left(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    static = "spark.sql.warehouse.dir"  # a session refuses it as a serverless one refuses most
    monkeypatch.setattr(room, "BATCHES", {static: "elsewhere"})
    with caplog.at_level(logging.WARNING, logger="parlevel.spark.session"):
        assert get_session(load()) is spark
    assert f"the session keeps its own {static}" in caplog.text
    assert spark.conf.get(static) != "elsewhere"
