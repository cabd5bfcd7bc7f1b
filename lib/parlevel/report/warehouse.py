"""The warehouse without a JVM: Delta tables read by delta-rs, asked by DuckDB.

Each table appears as the slice of one run (the latest, unless another is named), so that a query needs no
`WHERE run_id`; the rows of every run are in the schema `history`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from parlevel.errors import DataError
from parlevel.registry import nearest
from parlevel.report.delta import allow, is_delta, relation, table_place
from parlevel.report.views import VIEWS
from parlevel.schemas import STAGES, TABLES

_READS = {"SELECT", "EXPLAIN", "RELATION"}


@dataclass
class Warehouse:
    """A read-only look at one run.

    Attributes:
        root: the folder or URI that holds one Delta folder per table.
        run_id: the run looked at.
        outputs: stage -> the run whose rows stand for it.
        tables: names of the tables that exist.
    """

    root: str
    run_id: str
    outputs: Mapping[str, str]
    tables: tuple[str, ...]
    connection: duckdb.DuckDBPyConnection
    views: tuple[str, ...] = field(default=())

    def ask(self, query: str, parameters: list[Any] | None = None) -> pa.Table:
        """The answer to one SQL query.

        Raises:
            DataError: not a query, an unknown table or column, or broken SQL; says what would be right.
            KeyboardInterrupt: Ctrl-C, also in the middle of a long query.
        """
        if query.strip().rstrip(";").lower() == "show tables":
            query = self._list_tables()
        self._check_reads(query)
        try:
            # In a thread of its own: DuckDB does not look for signals in the midst of a join, Python's wait does.
            with ThreadPoolExecutor(1) as worker:
                answer = worker.submit(self._answer, query, parameters or [])
                try:
                    return answer.result()
                except KeyboardInterrupt:
                    self.connection.interrupt()
                    raise
        except duckdb.Error as error:
            raise DataError(self._explain(error)) from None

    def _answer(self, query: str, parameters: list[Any]) -> pa.Table:
        with warnings.catch_warnings():
            # The relation API, which it recommends, cannot be interrupted.
            warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
            return self.connection.execute(query, parameters).to_arrow_table()

    def rows(self, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
        """The answer as a list of dicts, for small results."""
        found: list[dict[str, Any]] = self.ask(query, parameters).to_pylist()
        return found

    def has(self, *names: str) -> bool:
        """Whether all these tables or views are there."""
        return set(names) <= {*self.tables, *self.views}

    def count(self, name: str) -> int:
        """Rows of this run in a table."""
        return int(self.rows(f'SELECT count(*) AS n FROM "{name}"')[0]["n"])

    def version(self, name: str) -> int:
        """Delta version of a table now."""
        return DeltaTable(table_place(self.root, name)).version()

    def _check_reads(self, query: str) -> None:
        try:
            statements = duckdb.extract_statements(query)
        except duckdb.Error as error:
            raise DataError(f"SQL could not be read: {error}") from None
        kinds = [statement.type.name for statement in statements]
        if len(kinds) != 1 or kinds[0] not in _READS:
            raise DataError(
                f"parlevel sql answers one query and changes nothing. Got {' + '.join(kinds) or 'nothing'}. "
                "Start with SELECT, WITH, DESCRIBE or SHOW TABLES."
            )

    def _list_tables(self) -> str:
        """A query that lists what can be asked: views first, with what a row is."""
        kinds = [("view", view.name, view.doc) for view in VIEWS if view.name in self.views]
        kinds += [("table", name, TABLES[name].row) for name in self.tables]
        rows = ", ".join("(" + ", ".join("'" + text.replace("'", "''") + "'" for text in row) + ")" for row in kinds)
        return f"SELECT * FROM (VALUES {rows}) AS listing(kind, name, one_row_is)"

    def _explain(self, error: duckdb.Error) -> str:
        """DuckDB's message with what a reader needs to mend the query."""
        text = str(error).strip()
        known = [*self.tables, *self.views]
        if isinstance(error, duckdb.CatalogException) and "Table with name" in text:
            name = text.split("Table with name", 1)[1].split()[0].strip('"')
            needed = [name, *(need for view in VIEWS if view.name == name for need in view.needs)]
            missing = next((need for need in needed if need in TABLES and need not in self.tables), None)
            if missing:
                return self._missing(name, missing)
            return f"no table or view {name!r}.{nearest(name, known)} There are: {', '.join(sorted(known))}."
        hint = " `DESCRIBE name` lists a table's columns." if isinstance(error, duckdb.BinderException) else ""
        return f"SQL failed: {text}{hint}"

    def _missing(self, name: str, table: str) -> str:
        """Why a table or view that is known is not there, as `table` is not."""
        what, stage = "table" if name == table else f"view {name!r} reads the table", TABLES[table].stage
        if TABLES[table].optional and stage in self.outputs:
            return (
                f"{what} {table!r}, which this run has no rows for: the data or settings have nothing of the kind "
                f"(a row would be {TABLES[table].row})."
            )
        return f"{what} {table!r} has not been written yet. Run `parlevel run --to {stage}` first."


def open_warehouse(root: str | Path, run_id: str | None = None, outputs: Mapping[str, str] | None = None) -> Warehouse:
    """Open a warehouse for reading.

    Args:
        root: folder or URI of the warehouse (`paths.warehouse`).
        run_id: the run to look at; default: the one that finished a stage last.
        outputs: stage -> the run whose rows stand for it; default: what the run log says.

    Raises:
        DataError: there is no warehouse yet, or no such run.
    """
    place = str(root)
    if not is_delta(place, "runs"):
        raise DataError(
            f"no parlevel warehouse at {place!r} (it has no table 'runs'). Run `parlevel run` first, or point "
            "to it with --set paths.warehouse=FOLDER."
        )
    connection = duckdb.connect(":memory:")
    if run_id is None or outputs is None:
        # By DuckDB like all tables: threads of Arrow's own reader may outlive a command that ends in an error.
        columns = "run_id, stage, status, output_run_id, started_at"
        book = connection.sql(f"SELECT {columns} FROM ({relation(connection, place, 'runs')})").to_arrow_table()
        run_id, outputs = choose_run(book, run_id)
    connection.execute("SET enable_progress_bar = false")  # it would go to stdout, into the answer
    connection.execute("CREATE SCHEMA history")
    tables = tuple(name for name in TABLES if is_delta(place, name))
    for name in tables:
        maker = run_id if name == "runs" else outputs.get(TABLES[name].stage)
        connection.execute(f'CREATE VIEW history."{name}" AS {relation(connection, place, name)}')
        if maker is not None:
            connection.execute(f'CREATE VIEW "{name}" AS {relation(connection, place, name, maker)}')
    shown = tuple(name for name in tables if name == "runs" or TABLES[name].stage in outputs)
    warehouse = Warehouse(place, run_id, outputs, shown, connection)
    warehouse.views = _make_views(connection, shown)
    allow(connection, place)
    return warehouse


def choose_run(log: pa.Table, run_id: str | None = None) -> tuple[str, dict[str, str]]:
    """The run to look at, and stage -> the run whose output stands for it there.

    A stage that the run itself did not touch (`--from`, `--to`) is taken from the run that finished it last.

    Raises:
        DataError: no stage was ever finished, or no such run.
    """
    done = log.filter(pc.is_in(log["status"], pa.array(["done", "reused"]))).sort_by("started_at").to_pylist()
    if not done:
        raise DataError("no stage of any run has finished yet. Run `parlevel run` first.")
    runs = list(dict.fromkeys(row["run_id"] for row in done))
    if run_id is not None and run_id not in runs:
        raise DataError(f"run must be one of {runs[-5:]}. Got {run_id!r}.{nearest(run_id, runs)}")
    chosen = run_id or done[-1]["run_id"]
    outputs = {row["stage"]: row["output_run_id"] for row in done}
    outputs |= {row["stage"]: row["output_run_id"] for row in done if row["run_id"] == chosen}
    return chosen, {stage: outputs[stage] for stage in STAGES if stage in outputs}


def _make_views(connection: duckdb.DuckDBPyConnection, tables: tuple[str, ...]) -> tuple[str, ...]:
    """Create the analysts' views whose tables are there; returns their names."""
    made: list[str] = []
    for view in VIEWS:
        if set(view.needs) <= {*tables, *made}:
            places = {name: f'"{name}"' for name in view.needs}
            places = {name: f'history."{name}"' if name == "runs" else place for name, place in places.items()}
            connection.execute(f"CREATE VIEW {view.name} AS {view.text('duckdb', places)}")
            made.append(view.name)
    return tuple(made)
