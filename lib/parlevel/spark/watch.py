"""How far a running stage is, in tasks: what Spark's own progress bar shows, for whoever draws or logs it.

A thread asks the session now and then. Only a driver with a JVM of its own can answer: with Spark Connect and on
serverless compute nothing is told, and the stage runs the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tasks:
    """Tasks of the Spark stages that run at the moment.

    Attributes:
        done: finished.
        total: of all of them.
    """

    done: int
    total: int


@contextmanager
def watched(spark: SparkSession, tell: Callable[[Tasks], None], every: float = 1.0) -> Iterator[None]:
    """While inside, `tell` how far the running jobs are.

    Args:
        spark: the session.
        tell: called from another thread; never after the end.
        every: seconds between two looks.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(every):
            try:
                found = running(spark)
            except (Py4JError, PySparkException, AttributeError, OSError) as error:
                # The session ends or has no JVM here; the stage itself says what is wrong, if anything is.
                log.debug("progress cannot be told: %s", error)
                return
            if found and not over.is_set():
                tell(found)

    # A daemon, so that nothing that goes wrong in here can keep the process from ending.
    watcher = threading.Thread(target=look, name="parlevel-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=5.0)


def running(spark: SparkSession) -> Tasks | None:
    """Tasks of the stages that run now; None if none does.

    Raises:
        PySparkException: the session has no JVM here.
    """
    tracker = spark.sparkContext.statusTracker()  # classic: `watched` does without it
    jobs = [tracker.getJobInfo(job) for job in tracker.getActiveJobsIds()]
    stages = {stage for job in jobs if job for stage in job.stageIds}
    # A stage whose output is there already is listed too, with none of its tasks done; only those at work count.
    busy = [info for info in map(tracker.getStageInfo, sorted(stages)) if info and info.numActiveTasks]
    total = sum(info.numTasks for info in busy)
    return Tasks(sum(info.numCompletedTasks for info in busy), total) if total else None
