"""Scratch frames: computed once, read several times, gone at the end of the stage.

They stand in for `persist()`, which serverless Spark refuses, and cut the lineage: what is read again
is never computed again, also after an executor was lost.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import itertools
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from parlevel.config import Config
from parlevel.places import below, folder

FOLDER = "_scratch"
"""Folder under the warehouse (or first part of the names in a catalog); nothing in it is published."""

# Lists of doubles rarely repeat a value: looking for repeats took a fifth of the time of writing them.
WITHOUT_DICTIONARIES = {"parquet.enable.dictionary": "false"}


class Scratch:
    """A place for the frames that one stage keeps, as a context manager.

    In a folder of this machine every place is locked while its process lives, so that the next one removes what a
    killed process left. Behind a URI and in a catalog a place is named by stage and configuration, and the same
    stage of the same configuration writes over it.

    Args:
        spark: the session.
        cfg: says where tables live.
        stage: whose frames they are; one process at a time may run a stage of a configuration.
    """

    def __init__(self, spark: SparkSession, cfg: Config, stage: str) -> None:
        self._spark = spark
        self._cfg = cfg
        digest = hashlib.sha256(cfg.as_json().encode()).hexdigest()[:8]
        self._label = f"{stage}-{digest}"
        self._numbers = itertools.count(1)
        self._written: list[tuple[str, StructType]] = []
        self._home: Path | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def keep(self, df: DataFrame) -> DataFrame:
        """Compute `df` now; the frame returned reads the result."""
        place = self._place(next(self._numbers))
        writer = df.write.mode("overwrite")
        if self._cfg.paths.catalog:
            writer.option("overwriteSchema", "true").saveAsTable(place)
            kept = self._spark.read.table(place)
        else:
            writer.options(**WITHOUT_DICTIONARIES).parquet(place)
            kept = self._spark.read.schema(df.schema).parquet(place)
        self._written.append((place, df.schema))
        return kept

    def clear(self) -> None:
        """Remove every frame kept; they cannot be read any more."""
        written, self._written = self._written, []
        if self._home is not None:
            shutil.rmtree(self._home)
            self._release()
            return
        for place, schema in written:
            if self._cfg.paths.catalog:
                self._spark.sql(f"DROP TABLE IF EXISTS {place}")
            else:  # Spark alone reaches every storage, and it cannot remove a folder: leave it empty
                self._spark.createDataFrame([], schema).write.mode("overwrite").parquet(place)

    def _place(self, number: int) -> str:
        if self._cfg.paths.catalog:
            name = f"{FOLDER}_{self._label}_{number}".replace("-", "_")
            return ".".join(f"`{part}`" for part in (*self._cfg.paths.catalog.split("."), name))
        root = folder(self._cfg.paths.warehouse)
        if root is None:
            return below(self._cfg.paths.warehouse, FOLDER, self._label, str(number))
        if self._home is None:
            self._move_in(root / FOLDER)
        return str(self._home / str(number))  # type: ignore[operator]

    def _move_in(self, root: Path) -> None:
        """Make a folder of one's own below `root`, and remove those whose owners are gone."""
        root.mkdir(parents=True, exist_ok=True)
        for lock in root.glob("*.lock"):
            _sweep(lock)
        home = root / f"{self._label}-{uuid4().hex[:8]}"
        self._lock = _locked(_lock_of(home))
        home.mkdir()
        self._home = home
        atexit.register(self.clear)

    def _release(self) -> None:
        if self._home is not None and self._lock is not None:
            _lock_of(self._home).unlink()
            self._lock.close()
        self._home = self._lock = None
        atexit.unregister(self.clear)


def _lock_of(home: Path) -> Path:
    return home.with_name(f"{home.name}.lock")


def _locked(path: Path) -> IO[str]:
    """A new file, locked until it is closed or its process ends, however it ends."""
    while True:
        held = path.open("a")
        fcntl.flock(held, fcntl.LOCK_EX)
        if path.exists():
            return held
        held.close()  # another process took it for a leftover before it was locked


def _sweep(lock: Path) -> None:
    """Remove the folder that a lock file guards, unless the process that locked it still lives."""
    try:
        held = lock.open("r+")
    except FileNotFoundError:  # its owner has just tidied up
        return
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        home = lock.with_suffix("")
        if home.exists():
            shutil.rmtree(home)
        lock.unlink(missing_ok=True)
