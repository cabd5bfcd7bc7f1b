"""Runs stages in order: names the run, reuses what is unchanged, keeps the run log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Literal

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import ConfigError, DataError
from parlevel.pipeline import identity
from parlevel.pipeline.logs import within
from parlevel.schemas import STAGES, contract
from parlevel.sources.registry import source
from parlevel.spark.tables import Tables, spark_schema, stage_tables
from parlevel.spark.watch import Tasks, watched

log = logging.getLogger("parlevel")


@dataclass(frozen=True)
class Event:
    """Something that a watcher of a run wants to know; `working` comes every second while Spark is at tasks."""

    stage: str
    status: Literal["start", "working", "done", "reused", "failed"]
    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes:
        run_id: the run.
        events: one start and one end per stage computed, one event per stage reused.
        outputs: stage -> the run whose output stands for it.
    """

    run_id: str
    events: tuple[Event, ...]
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def reused(self) -> list[str]:
        """Stages whose earlier output stands for this run's."""
        return [event.stage for event in self.events if event.status == "reused"]


def run(
    spark: SparkSession,
    cfg: Config,
    *,
    stages: Sequence[str] | None = None,
    force: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> RunResult:
    """Run stages, reusing the output of any earlier run with the same stage key.

    Args:
        spark: the session.
        cfg: the configuration.
        stages: which of the eight, in any order; default all. Stages before the first one asked
            for must have been run with this configuration.
        force: compute the stages again even if nothing changed.
        on_event: called when a stage starts and ends.

    Raises:
        ConfigError: an unknown stage.
        DataError: a stage upstream of the first one asked for has no output yet.
    """
    wanted = _in_order(stages)
    keys = identity.stage_keys(cfg, source(cfg.source.name, cfg).fingerprint())
    book = RunBook(spark, cfg, identity.run_id(cfg, keys), keys)
    for stage in STAGES[: STAGES.index(wanted[0])]:
        if not book.adopt(stage):
            raise DataError(
                f"stage {wanted[0]!r} needs the output of {stage!r} for this configuration, code and data, "
                f"and there is none. Run `parlevel run --to {stage}` (or without --from) first."
            )
    events = []

    def tell(event: Event) -> None:
        events.append(event)
        if on_event:
            on_event(event)

    for stage in wanted:
        if not force and book.adopt(stage):
            log.info("run=%s stage=%s unchanged: reusing %s", book.run_id, stage, book.outputs[stage])
            note = book.keep_reused(stage)
            tell(Event(stage, "reused", rows=book.counts.get(stage, {}), note=note))
            continue
        tell(Event(stage, "start"))
        with watched(spark, Heartbeat(book.run_id, stage, on_event)):
            _compute(book, stage, tell)
    return RunResult(book.run_id, tuple(events), dict(book.outputs))


class Heartbeat:
    """Tells how far a stage is: every second to whoever draws it, twice a minute to the log."""

    EVERY = 30.0  # seconds between two lines of the log

    def __init__(self, run_id: str, stage: str, on_event: Callable[[Event], None] | None) -> None:
        self._run_id, self._stage, self._on_event = run_id, stage, on_event
        self._started = self._said = time.monotonic()

    def __call__(self, tasks: Tasks) -> None:
        """Take in how far Spark is."""
        now, note = time.monotonic(), f"{tasks.done:,} of {tasks.total:,} tasks"
        if self._on_event:
            self._on_event(Event(self._stage, "working", now - self._started, note=note))
        if now - self._said >= self.EVERY:
            self._said = now
            log.info("run=%s stage=%s at work for %.0f s: %s", self._run_id, self._stage, now - self._started, note)


def _compute(book: RunBook, stage: str, tell: Callable[[Event], None]) -> None:
    """Run one stage, log it and tell how it ended, also when it fails."""
    log.info("run=%s stage=%s start", book.run_id, stage)
    book.outputs[stage] = book.run_id
    tables = Tables(book.spark, book.cfg, book.run_id, book.outputs)
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        with within(book.run_id, stage):
            note = str(import_module(f"parlevel.pipeline.{stage}").run(tables, book.cfg))
        missing = [name for name in stage_tables(stage) if name not in tables.row_counts]
        if missing:
            raise DataError(f"stage {stage!r} must write all its tables. It left out {missing}.")
    except Exception as error:
        seconds = time.monotonic() - clock
        with _beside_the_failure(stage, "written to the run log"):
            book.record(stage, "failed", tables, started, seconds, f"{type(error).__name__}: {error}"[:2000])
        log.error("run=%s stage=%s failed: %s", book.run_id, stage, error)
        with _beside_the_failure(stage, "shown"):
            tell(Event(stage, "failed", seconds, note=str(error).partition("\n")[0]))
        raise
    seconds = time.monotonic() - clock
    book.record(stage, "done", tables, started, seconds, note)
    log.info("run=%s stage=%s done in %.1f s: %s", book.run_id, stage, seconds, note)
    tell(Event(stage, "done", seconds, dict(tables.row_counts), note))


@contextmanager
def _beside_the_failure(stage: str, what: str) -> Iterator[None]:
    """A log that cannot be written, or a listener that fails, must not hide the stage's failure itself."""
    try:
        yield
    except Exception:
        log.exception("stage=%s the failure could not be %s", stage, what)


class RunBook:
    """The `runs` table of one run: what is done, what may be reused."""

    def __init__(self, spark: SparkSession, cfg: Config, run_id: str, keys: dict[str, str]) -> None:
        self.spark, self.cfg, self.run_id, self.keys = spark, cfg, run_id, keys
        self.outputs: dict[str, str] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self.cutoff: date | None = cfg.calendar.cutoff
        self._log = Tables(spark, cfg, run_id, {})
        self._finished, self._noted = self._load()

    def _load(self) -> tuple[dict[str, Row], set[str]]:
        """Stage -> newest finished row of the log with this run's key; and the stages that have a row of this run."""
        if not self._log.has("runs"):
            return {}, set()
        done = F.col("stage_key").isin(list(self.keys.values())) & (F.col("status") == "done")
        own = F.col("run_id") == self.run_id
        found = (
            self._log.read_all("runs")
            .where(done | own)
            .groupBy("stage")
            .agg(
                F.max_by(F.struct("run_id", "cutoff", "row_counts"), F.when(done, F.col("started_at"))).alias("made"),
                F.max(done).alias("finished"),
                F.max(own).alias("own"),
            )
            .collect()  # bounded: one row a stage
        )
        return {row["stage"]: row["made"] for row in found if row["finished"]}, {r["stage"] for r in found if r["own"]}

    def adopt(self, stage: str) -> bool:
        """Take over the output of a finished stage with the same key, if there is one."""
        made = self._finished.get(stage)
        if made is None:
            return False
        self.outputs[stage] = made["run_id"]
        self.counts[stage] = dict(made["row_counts"])
        self.cutoff = self.cutoff or made["cutoff"]
        return True

    def keep_reused(self, stage: str) -> str:
        """Note in this run's log that another run's output stands for the stage."""
        maker = self.outputs[stage]
        note = "nothing changed: not computed again" if maker == self.run_id else f"reused from run {maker}"
        if maker != self.run_id:
            tables = Tables(self.spark, self.cfg, self.run_id, self.outputs)
            tables.row_counts = self.counts[stage]
            self.record(stage, "reused", tables, datetime.now(UTC), 0.0, note)
        return note

    def record(self, stage: str, status: str, tables: Tables, started: datetime, seconds: float, note: str) -> None:
        """Write the stage's row of `runs`."""
        if self.cutoff is None and stage != "sources" and status != "failed":
            self.cutoff = tables.read("panel").select("cutoff").head(1)[0]["cutoff"]
        read = {name: version for name, version in tables.versions().items() if contract(name).stage != stage}
        row = (
            stage, status, self.outputs.get(stage, self.run_id), self.keys[stage], self.cfg.source.name, self.cutoff,
            self.cfg.as_json(), identity.code_version(), read, tables.row_counts, started, seconds, note,
        )  # fmt: skip
        frame = self.spark.createDataFrame([row], spark_schema(contract("runs")))
        self._log.write("runs", frame, files=1, where=f"stage = '{stage}'", new=stage not in self._noted)
        self._noted.add(stage)


def _in_order(stages: Sequence[str] | None) -> list[str]:
    unknown = [stage for stage in stages or () if stage not in STAGES]
    if unknown:
        raise ConfigError(f"stage must be one of {list(STAGES)}. Got {unknown}.")
    return [stage for stage in STAGES if stages is None or stage in stages]
