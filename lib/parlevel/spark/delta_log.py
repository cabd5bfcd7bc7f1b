"""A Delta table's log, where it is a folder of this machine: making the table, a run's files, the newest commit.

Spark answers such questions too, with a query or two each. A small run asks a hundred of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from deltalake import DeltaTable

from parlevel.schemas import Table

# Readers outside Spark (delta-rs, DuckDB, Polars) do not know deletion vectors.
PROPERTIES = {"delta.enableDeletionVectors": "false"}

PLAIN = re.compile(r"[A-Za-z0-9_./=,+:@~-]+")
"""Names that logs, globs and predicates write as they are."""


def properties(table: Table) -> dict[str, str]:
    """Table properties: what other readers need, and statistics of the key columns alone.

    Runs are told apart by partition and read whole; statistics of every column, arrays among them, would cost each
    small write more than its rows.
    """
    simple = ("string", "date", "int", "bigint", "timestamp")
    kinds = {column.name: column.type for column in table.columns}
    keys = [key for key in table.keys if key != "run_id" and kinds[key] in simple]
    return {**PROPERTIES, **({"delta.dataSkippingStatsColumns": ",".join(keys)} if keys else {})}


def partitions(table: Table) -> list[str]:
    """Partition columns: runs are told apart by them, but in the log of runs itself."""
    return ["run_id"] if table.stage != "every" else []


def create(table: Table, place: Path) -> None:
    """Make an empty table in a folder, unless one is there.

    Args:
        table: its contract.
        place: the table's folder; made if needed.
    """
    made = DeltaTable.create(
        place.resolve().as_uri(),
        table.arrow(),
        "ignore",
        partition_by=partitions(table),
        configuration=properties(table),
    )
    commit = place / "_delta_log" / f"{0:020}.json"
    if made.version() or not commit.exists():  # another process made it, and went on
        return
    actions = {kind: action for line in commit.read_text().splitlines() for kind, action in json.loads(line).items()}
    # The checksum of a version, as Delta's protocol has it: with it Spark need not add the log up before it writes.
    empty = {"tableSizeBytes": 0, "numFiles": 0, "numMetadata": 1, "numProtocol": 1, "allFiles": []}
    known = {"metadata": actions["metaData"], "protocol": actions["protocol"]}
    commit.with_suffix(".crc").write_text(json.dumps({**empty, **known, "setTransactions": [], "domainMetadata": []}))


def run_files(place: Path, run_id: str) -> list[str] | None:
    """The Parquet files that hold a run's rows as they are; None where only Delta's own reader may tell.

    That is a table which somebody has given deletion vectors or renamed columns, and a folder whose name Spark or the
    log would write in another way.

    Args:
        place: the folder of a table that is there.
        run_id: the run.
    """
    if not PLAIN.fullmatch(f"{place}/{run_id}"):
        return None
    table = DeltaTable(place.resolve().as_uri())
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns != ["run_id"]:
        return None
    return sorted(table.file_uris(file_pruning_predicate=f"run_id = '{run_id}'"))


def last_commit(log: Path) -> Path | None:
    """The file of the newest commit, if there is one.

    Args:
        log: the folder `_delta_log` of a table, which need not exist.
    """
    return max(log.glob("[0-9]*.json"), default=None)


def told(commit: Path) -> tuple[int, int]:
    """(version, rows written) of a commit."""
    found = [json.loads(line) for line in commit.read_text().splitlines() if line.startswith('{"commitInfo"')]
    written = found[0]["commitInfo"].get("operationMetrics", {}) if found else {}
    return int(commit.stem), int(written.get("numOutputRows", 0))
