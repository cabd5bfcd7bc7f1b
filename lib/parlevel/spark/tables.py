"""Delta tables by contract: read a run's slice, write it again without harm.

Every table is partitioned by `run_id`; a write replaces its run's slice and nothing else, so a
stage that is run twice, or killed and run again, leaves the same rows.

A small run writes some forty tables, and each question to Spark costs more than their rows. So what a table's log
says is read from its folder where that is a folder of this machine, the files of a run among it; elsewhere Spark is
asked.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from parlevel.config import Config
from parlevel.errors import DataError, SchemaError
from parlevel.places import below, folder
from parlevel.schemas import STAGES, Table, contract, of_stage
from parlevel.spark.delta_log import create, last_commit, partitions, properties, run_files, told
from parlevel.spark.grouped import ddl
from parlevel.spark.session import cores

log = logging.getLogger(__name__)

WRITERS = 3
"""Tables written at once."""

MANY = 100_000
"""Series from which a table of their rows is laid out by series: one is then found in one file, not in all."""

SERIES_A_FILE = 12_500
"""Series of a file where there are many."""

CORES_A_FILE = 8
"""Cores that the files of a small table are meant for: on a cluster of more, more tasks write more files."""

# Error classes by which Spark and Delta say that a table is not there, as against being broken.
MISSING = (
    "PATH_NOT_FOUND",
    "DELTA_MISSING_DELTA_TABLE",
    "DELTA_TABLE_NOT_FOUND",
    "TABLE_OR_VIEW_NOT_FOUND",
    "DELTA_PATH_DOES_NOT_EXIST",
)


class Tables:
    """The tables of one run.

    Args:
        spark: the session.
        cfg: says where tables live.
        run_id: the run that writes.
        outputs: stage -> run whose output stands for it (another run where a stage is reused).
    """

    def __init__(self, spark: SparkSession, cfg: Config, run_id: str, outputs: Mapping[str, str]) -> None:
        self.spark = spark
        self.run_id = run_id
        self._cfg = cfg
        self._outputs = dict(outputs)
        self._known: set[str] = set()
        self.read_names: set[str] = set()
        self.row_counts: dict[str, int] = {}

    def reference(self, name: str) -> str:
        """How SQL names a table: ``delta.`path` `` or ``catalog.schema.table``."""
        contract(name)
        if self._cfg.paths.catalog:
            return ".".join(f"`{part}`" for part in (*self._cfg.paths.catalog.split("."), name))
        return f"delta.`{location(self._cfg, name)}`"

    def has(self, name: str) -> bool:
        """Whether the table exists (any run)."""
        if name not in self._known and self._exists(name):
            self._known.add(name)
        return name in self._known

    def _exists(self, name: str) -> bool:
        if self._cfg.paths.catalog:
            return self.spark.catalog.tableExists(f"{self._cfg.paths.catalog}.{name}")
        log = self._log_folder(name)
        if log is not None:
            return log.is_dir() and any(log.iterdir())
        try:
            return bool(self.spark.sql(f"DESCRIBE DETAIL {self.reference(name)}").head(1))
        except Exception as error:
            if _is_missing(error):
                return False
            raise

    def run_of(self, name: str) -> str:
        """The run whose slice of `name` this run reads."""
        return self._outputs.get(contract(name).stage, self.run_id)

    def read(self, name: str) -> DataFrame:
        """This run's slice of a table, without `run_id`.

        Raises:
            DataError: the table does not exist yet; says which stage makes it.
        """
        table = contract(name)
        if not self.has(name):
            raise DataError(
                f"table {name!r} must exist before it is read. It is made by stage {table.stage!r}: "
                f"run `parlevel run --to {table.stage}` first."
            )
        self.read_names.add(name)
        run_id = self.run_of(name)
        log = self._log_folder(name)
        files = None if log is None or not partitions(table) else run_files(log.parent, run_id)
        if files is None:
            return self._scan(name).where(F.col("run_id") == run_id).drop("run_id")
        schema = spark_schema(table)
        return self.spark.read.schema(schema).parquet(*files) if files else self.spark.createDataFrame([], schema)

    def read_all(self, name: str) -> DataFrame:
        """Every run's rows of a table, with `run_id`."""
        self.read_names.add(name)
        return self._scan(name)

    def write(
        self,
        name: str,
        df: DataFrame,
        *,
        files: int | None = None,
        n_series: int = 0,
        where: str = "",
        new: bool | None = None,
    ) -> int:
        """Replace this run's slice of a table.

        Args:
            name: a table of `parlevel.schemas`.
            df: its columns, in any order, without `run_id`.
            files: at most this many files for every eight cores (small tables), else one per partition of `df`.
            n_series: series that the rows are of; from `MANY` on they are laid out by series.
            where: narrows what is replaced, as SQL on contract columns.
            new: whether there is surely nothing to replace; None: find out.

        Returns: rows written.

        Raises:
            SchemaError: columns are missing, left over or of another type than the contract's.
        """
        table = contract(name)
        rows = conform(table, df).withColumn("run_id", F.lit(self.run_id))
        if n_series >= MANY and "series_id" in table.names:
            rows = rows.repartitionByRange(n_series // SERIES_A_FILE, "series_id")
        elif files:
            rows = rows.coalesce(files * max(1, cores(self.spark) // CORES_A_FILE))
        self._create(table)
        slice_ = f"run_id = '{self.run_id}'" + (f" AND {where}" if where else "")
        writer = rows.select(*table.names).write.format("delta")
        # nothing to replace: then Delta need not look for it
        new = self._is_new(table) if new is None else new
        writer = writer.mode("append") if new else writer.mode("overwrite").option("replaceWhere", slice_)
        if self._cfg.paths.catalog:
            writer.saveAsTable(self.reference(name))
        else:
            writer.save(location(self._cfg, name))
        count = self._last_commit(name)[1]
        self.row_counts[name] = count
        return count

    def write_all(
        self, frames: Mapping[str, DataFrame], *, files: Mapping[str, int] | int | None = None, n_series: int = 0
    ) -> dict[str, int]:
        """Replace this run's slices of several tables, some at a time: most of a small write is waiting for commits.

        Args:
            frames: table -> its rows, none made from another's table.
            files: as in `write`, for all or by table.
            n_series: as in `write`.

        Returns: table -> rows written.

        Raises:
            SchemaError: as in `write`. Where several fail, the first is raised, after all have ended.
        """

        def one(name: str) -> int:
            most = files.get(name) if isinstance(files, Mapping) else files
            return self.write(name, frames[name], files=most, n_series=n_series)

        with ThreadPoolExecutor(WRITERS) as pool:
            # a copy of the context each: log lines name the run and the stage
            made = {name: pool.submit(copy_context().run, one, name) for name in frames}
        for name, each in made.items():
            if each.exception():
                log.error("table %s could not be written: %s", name, each.exception())
        return {name: each.result() for name, each in made.items()}

    def versions(self) -> dict[str, int]:
        """Delta version of every table read so far."""
        return {name: self._last_commit(name)[0] for name in sorted(self.read_names)}

    def _scan(self, name: str) -> DataFrame:
        if self._cfg.paths.catalog:
            return self.spark.read.table(self.reference(name))
        return self.spark.read.format("delta").load(location(self._cfg, name))

    def _create(self, table: Table) -> None:
        """Make the table, where it is not there yet: a commit of some milliseconds in a folder of this machine."""
        if self.has(table.name):
            return
        log = self._log_folder(table.name)
        if log is not None:
            create(table, log.parent)
            self._known.add(table.name)
            return
        columns = ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
        split = partitions(table)
        partition = f"PARTITIONED BY ({', '.join(split)})" if split else ""
        said = ", ".join(f"'{key}' = '{value}'" for key, value in properties(table).items())
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self.reference(table.name)} ({columns}) USING delta {partition} "
            f"TBLPROPERTIES ({said})"
        )
        self._known.add(table.name)

    def _is_new(self, table: Table) -> bool:
        """Whether this run surely has no rows in the table yet; in doubt not."""
        last = self._last_file(table.name)
        if last is None or not partitions(table) or not re.fullmatch(r"[\w.-]+", self.run_id):
            return False
        return not (last.parent.parent / f"run_id={self.run_id}").exists()

    def _log_folder(self, name: str) -> Path | None:
        """Where the table's log is, or would be, if that is on this machine."""
        home = folder(self._cfg.paths.warehouse)
        return None if self._cfg.paths.catalog or home is None else home / name / "_delta_log"

    def _last_file(self, name: str) -> Path | None:
        """Newest commit in the table's log, if its folder is one of this machine."""
        log = self._log_folder(name)
        return None if log is None else last_commit(log)

    def _last_commit(self, name: str) -> tuple[int, int]:
        """(version, rows written) of the table's newest commit."""
        last = self._last_file(name)
        if last:
            return told(last)
        rows = self.spark.sql(f"DESCRIBE HISTORY {self.reference(name)} LIMIT 1").select("version", "operationMetrics")
        version, metrics = rows.head(1)[0]
        return int(version), int((metrics or {}).get("numOutputRows", 0))


def conform(table: Table, df: DataFrame) -> DataFrame:
    """The contract's data columns of `df`, in order.

    Raises:
        SchemaError: columns are missing, left over or of another type; all of them are named.
    """
    wanted = {column.name: column.type for column in table.data_columns}
    got = {field.name: field.dataType.simpleString() for field in df.schema.fields}
    problems = [f"{name} is missing" for name in wanted if name not in got]
    problems += [f"{name} is not in the contract" for name in got if name not in wanted]
    problems += [
        f"{name} must be {wanted[name]}, got {got[name]}"
        for name in wanted
        if got.get(name, wanted[name]) != wanted[name]
    ]
    if problems:
        raise SchemaError(
            f"table {table.name!r} must match its contract in parlevel.schemas: " + "; ".join(problems) + "."
        )
    return df.select(*wanted)


def spark_schema(table: Table) -> StructType:
    """The contract's data columns as a Spark schema, for `createDataFrame`."""
    return StructType(StructType.fromDDL(ddl(table.data_columns)).fields)  # type: ignore[attr-defined]


def location(cfg: Config, name: str) -> str:
    """Folder or URI of a table under the warehouse."""
    return below(cfg.paths.warehouse, name)


def stage_tables(stage: str) -> list[str]:
    """Names of the tables that a stage must write; optional ones left out."""
    if stage not in STAGES:
        raise DataError(f"stage must be one of {list(STAGES)}. Got {stage!r}.")
    return [table.name for table in of_stage(stage) if not table.optional]


def _is_missing(error: Exception) -> bool:
    """Whether an analysis error says that the table is not there, as against being broken."""
    return any(mark in str(error) for mark in MISSING)
