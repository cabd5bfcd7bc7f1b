"""Delta tables as DuckDB relations: delta-rs says which files are live, DuckDB reads them itself.

Arrow datasets, the other way to hand a Delta table to DuckDB, read ahead in threads of their own. After a query with
LIMIT those are still at work while the interpreter shuts down, which aborts or hangs the process about one time in
ten. They remain the way to tables behind a URI, which DuckDB reads only with an extension from the network.
"""

from __future__ import annotations

import duckdb
from deltalake import DeltaTable

from parlevel.places import below, folder, is_remote
from parlevel.schemas import TABLES


def table_place(root: str, name: str) -> str:
    """Folder or URI of a table."""
    return below(root, name)


def is_delta(root: str, name: str) -> bool:
    """Whether a Delta table of that name is there."""
    return DeltaTable.is_deltatable(table_place(root, name))


def allow(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """Let queries read below the warehouse and nowhere else; call it when all relations are made."""
    home = folder(root)
    if home:
        connection.execute(f"SET allowed_directories = [{_text(f'{home}/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def relation(connection: duckdb.DuckDBPyConnection, root: str, name: str, run_id: str | None = None) -> str:
    """A SELECT over a table: all of it, or one run's slice (only its files are opened).

    Columns come in the order of the contract. One that an older version of parlevel did not write yet is NULL.

    Args:
        connection: gets an empty table of the contract's shape, and the dataset of a remote table.
        root: folder or URI of the warehouse.
        name: of the table.
        run_id: whose rows; None = every run's.
    """
    table = DeltaTable(table_place(root, name))
    split = "run_id" in table.metadata().partition_columns
    shape = f"_shape_{name}"
    connection.register(shape, TABLES[name].arrow().empty_table())
    where = "" if run_id is None or split else f" WHERE run_id = {_text(run_id)}"
    if is_remote(root):
        remote = f"_remote_{name}_{'all' if run_id is None else 'run'}"
        mine = None if run_id is None or not split else [("run_id", "=", run_id)]
        connection.register(remote, table.to_pyarrow_dataset(partitions=mine))
        return f'SELECT * FROM "{shape}" UNION ALL BY NAME SELECT * FROM "{remote}"{where}'
    files = table.file_uris([("run_id", "=", run_id)] if run_id is not None and split else None)
    if not files:
        return f'SELECT * FROM "{shape}"'
    listed = ", ".join(_text(file) for file in sorted(files))
    hive = "hive_partitioning = true, hive_types = {'run_id': VARCHAR}" if split else "hive_partitioning = false"
    read = f"read_parquet([{listed}], union_by_name = true, {hive})"
    return f'SELECT * FROM "{shape}" UNION ALL BY NAME SELECT * FROM {read}{where}'


def _text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"
