"""How far a running stage is, asked of the session while it works."""

from __future__ import annotations

import logging
import threading
import time

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from parlevel.pipeline.runner import Event, Heartbeat
from parlevel.spark.watch import Tasks, running, watched

pytestmark = pytest.mark.spark


def slow(spark: SparkSession, tasks: int) -> int:
    def wait(batches):
        for batch in batches:
            time.sleep(0.4)
            yield pd.DataFrame({"id": batch["id"]})

    return len(spark.range(0, tasks, 1, tasks).mapInPandas(wait, "id bigint").collect())


def test_tasks_are_counted_while_a_job_runs_and_no_longer(spark: SparkSession) -> None:
    seen: list[Tasks] = []
    with watched(spark, seen.append, every=0.05):
        assert slow(spark, 8) == 8
    told = len(seen)
    assert told
    assert {tasks.total for tasks in seen} == {8}
    assert [tasks.done for tasks in seen] == sorted(tasks.done for tasks in seen)
    assert any(0 < tasks.done < 8 for tasks in seen)
    time.sleep(0.2)
    assert len(seen) == told
    assert running(spark) is None


def test_a_stage_that_fails_ends_its_watch(spark: SparkSession) -> None:
    with pytest.raises(ZeroDivisionError), watched(spark, print, every=0.05):
        raise ZeroDivisionError
    assert not [thread for thread in threading.enumerate() if thread.name == "parlevel-watch"]


def test_a_session_that_cannot_tell_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Remote:
        @property
        def sparkContext(self) -> None:
            raise AttributeError("not supported in Spark Connect")

    caplog.set_level(logging.DEBUG, "parlevel")
    with watched(Remote(), print, every=0.01):  # type: ignore[arg-type]
        time.sleep(0.1)
    assert "not supported in Spark Connect" in caplog.text


def test_every_look_is_drawn_and_the_log_says_it_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    beat = Heartbeat("run-1", "train", events.append)
    caplog.set_level(logging.INFO, "parlevel")
    beat(Tasks(3, 53))
    assert [(event.status, event.note) for event in events] == [("working", "3 of 53 tasks")]
    assert caplog.text == ""
    beat.EVERY = 0.0
    beat(Tasks(1, 1200))
    assert "run=run-1 stage=train at work for 0 s: 1 of 1,200 tasks" in caplog.text
