"""Rows of old runs, taken out of every table: in a folder of this machine by delta-rs, elsewhere by Spark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.places import folder
from parlevel.schemas import TABLES
from parlevel.spark.delta_log import partitions
from parlevel.spark.tables import Tables

REMOVED = "removed"
"""Status of a stage of a run whose rows are gone; the log keeps its row."""

HOURS = 168
"""Hours that a removed file is left to those who still read it; Delta's own default."""


class Logged(NamedTuple):
    """What the table `runs` says of a stage of a run."""

    run_id: str
    stage: str
    status: str
    output_run_id: str
    started_at: datetime


class Warehouse(Protocol):
    """Tables whose old runs are to go."""

    def log(self) -> list[Logged]:
        """Every row of the table `runs`; none where there is no such table."""

    def serving(self, run_ids: Collection[str]) -> set[str]:
        """Runs whose models serve these ones (`series_profile.kept_from`)."""

    def mark(self, run_ids: Sequence[str]) -> None:
        """Note in `runs` that these runs' rows are gone: from then on nothing takes them over."""

    def remove(self, run_ids: Sequence[str], hours: int = HOURS) -> None:
        """Take these runs' rows out of every table, and files from the disk that were taken out `hours` ago."""


def in_folder(cfg: Config) -> InFolder | None:
    """The tables of a configuration without Spark; None where they are in no folder of this machine."""
    home = folder(cfg.paths.warehouse)
    return None if cfg.paths.catalog or home is None else InFolder(home)


def warehouse_of(cfg: Config, spark: SparkSession) -> Warehouse:
    """The tables of a configuration."""
    return in_folder(cfg) or ThroughSpark(spark, cfg)


def _split() -> list[str]:
    """Names of the tables that tell runs apart by partition: all but the log of runs."""
    return [table.name for table in TABLES.values() if partitions(table)]


def _listed(run_ids: Collection[str]) -> str:
    """Names as SQL has them between brackets."""
    return ", ".join("'" + run_id.replace("'", "''") + "'" for run_id in sorted(run_ids))


class InFolder:
    """A folder of this machine, without Spark.

    Args:
        home: the warehouse.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def log(self) -> list[Logged]:
        """See `Warehouse`."""
        table = self._table("runs")
        rows = [] if table is None else table.to_pyarrow_table(columns=list(Logged._fields)).to_pylist()
        return [Logged(**row) for row in rows]

    def serving(self, run_ids: Collection[str]) -> set[str]:
        """See `Warehouse`."""
        table = self._table("series_profile")
        if table is None or not run_ids:
            return set()
        data = table.to_pyarrow_dataset(partitions=[("run_id", "in", sorted(run_ids))])
        found: set[str] = set()
        for batch in data.to_batches(columns=["kept_from"]):  # a column of repeated names, some rows at a time
            found |= {name for name in batch["kept_from"].unique().to_pylist() if name}
        return found

    def mark(self, run_ids: Sequence[str]) -> None:
        """See `Warehouse`."""
        table = self._table("runs")
        if table is not None and run_ids:
            table.update({"status": f"'{REMOVED}'"}, predicate=f"run_id IN ({_listed(run_ids)})")

    def remove(self, run_ids: Sequence[str], hours: int = HOURS) -> None:
        """See `Warehouse`."""
        for name in _split():
            table = self._table(name)
            if table is None:
                continue
            there = {part["run_id"] for part in table.partitions()} & set(run_ids)
            if there:
                table.delete(f"run_id IN ({_listed(there)})")
            table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
            _sweep(self._home / name)

    def bytes_of(self, run_id: str) -> int:
        """What a run's rows take on the disk."""
        files = self._home.glob(f"*/run_id={run_id}/*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def _table(self, name: str) -> DeltaTable | None:
        place = (self._home / name).as_uri()
        return DeltaTable(place) if DeltaTable.is_deltatable(place) else None


def _sweep(place: Path) -> None:
    """Checksums of files that are gone, which no log knows, and folders that are empty then."""
    for part in place.glob("run_id=*"):
        for checksum in part.glob(".*.crc"):
            if not part.joinpath(checksum.name[1:-4]).exists():
                checksum.unlink(missing_ok=True)
        if not any(part.iterdir()):
            part.rmdir()


class ThroughSpark:
    """Tables of a catalog or behind a URI.

    Args:
        spark: the session.
        cfg: says where tables live.
    """

    def __init__(self, spark: SparkSession, cfg: Config) -> None:
        self._spark = spark
        self._tables = Tables(spark, cfg, "", {})

    def log(self) -> list[Logged]:
        """See `Warehouse`."""
        if not self._tables.has("runs"):
            return []
        rows = self._tables.read_all("runs").select(*Logged._fields).collect()  # bounded: eight a run
        return [Logged(**row.asDict()) for row in rows]

    def serving(self, run_ids: Collection[str]) -> set[str]:
        """See `Warehouse`."""
        if not self._tables.has("series_profile"):
            return set()
        rows = self._tables.read_all("series_profile").where(F.col("run_id").isin(sorted(run_ids)))
        named = rows.where("kept_from IS NOT NULL").select("kept_from").distinct()
        return {row["kept_from"] for row in named.collect()}  # bounded: runs

    def mark(self, run_ids: Sequence[str]) -> None:
        """See `Warehouse`."""
        if run_ids:
            runs = self._tables.reference("runs")
            self._spark.sql(f"UPDATE {runs} SET status = '{REMOVED}' WHERE run_id IN ({_listed(run_ids)})")

    def remove(self, run_ids: Sequence[str], hours: int = HOURS) -> None:
        """See `Warehouse`; Spark refuses to delete files that are younger than the table allows."""
        for name in _split() if run_ids else ():
            if self._tables.has(name):
                reference = self._tables.reference(name)
                self._spark.sql(f"DELETE FROM {reference} WHERE run_id IN ({_listed(run_ids)})")
                self._spark.sql(f"VACUUM {reference} RETAIN {hours} HOURS")
