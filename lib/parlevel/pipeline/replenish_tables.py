"""What a group's plan sends back from a worker: few rows that hold its tables packed, and a table's rows again."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.domain.replenish.orders import LINE
from parlevel.domain.replenish.output import USE, GroupTables
from parlevel.pipeline.train_groups import pick, union_columns, union_rows
from parlevel.schemas import Column, arrow_schema, contract
from parlevel.spark.grouped import fit_schema, map_packed

KINDS = ("order_plan", "order_ledger", "plan_report", "projection")
"""Tables of the contract that the stage writes."""

_LINE = "order_line"
ABOUT_ITEMS = (_LINE, "order_plan", "projection")
WRITTEN = (*ABOUT_ITEMS, "plan_report", "shared_use")
"""Kinds of rows that a worker sends back: those of `ABOUT_ITEMS` are about single series, and come packed."""

_COLUMNS = {
    _LINE: LINE,
    "order_plan": contract("order_plan").data_columns,
    "projection": contract("projection").data_columns,
    "plan_report": contract("plan_report").data_columns,
    "shared_use": USE,
}
# Nothing reads the tables of series before they are written. As columns of one wide frame, mostly nulls, Spark turned
# each cell over four times: from Arrow to a row and to a file, and both again for the table.
_PACKED = (
    Column("packed", "binary", "rows of the kind's table: an Arrow record batch, without its schema"),
    Column("gone", "array<string>", "series whose packed rows other rows stand in for"),
)
_SCHEMAS = {
    kind: fit_schema(arrow_schema(_COLUMNS[kind]).empty_table(), arrow_schema(_COLUMNS[kind])).schema
    for kind in ABOUT_ITEMS
}
OUTPUT = union_columns(_PACKED, _COLUMNS["plan_report"], USE)
# An order line is a row of two tables: it leaves the worker once.
_KINDS_OF = {"order_plan": ("order_plan", _LINE), "order_ledger": (_LINE,)}
PIECE = 500
"""Rows packed together at most: some 250 kB. Spark reads 256 packs of a file at once."""


def group_rows(made: GroupTables, group: pa.Scalar, kinds: Collection[str] = WRITTEN) -> pa.Table:
    """Rows of a group, columns `OUTPUT`, with its name in each, so that a group's plan can be replaced.

    Args:
        made: its tables.
        group: its name.
        kinds: of `WRITTEN`: what is wanted.
    """
    parts = {
        _LINE: made.lines, "order_plan": made.without, "plan_report": made.plan_report,
        "projection": made.projection, "shared_use": made.shared_use,
    }  # fmt: skip
    wanted = {name: part for name, part in parts.items() if name in kinds and part.num_rows}
    sent = {name: _pack(part, name) if name in ABOUT_ITEMS else part for name, part in wanted.items()}
    return union_rows({name: _of_group(part, group) for name, part in sent.items()}, OUTPUT)


def table_rows(plan: DataFrame, name: str) -> DataFrame:
    """A contract table's rows, with its columns.

    Args:
        plan: columns `OUTPUT`.
        name: of `KINDS`, or shared_use.
    """
    kinds = _KINDS_OF.get(name, (name,))
    columns = USE if name == "shared_use" else contract(name).data_columns
    if not set(kinds) <= set(ABOUT_ITEMS):
        return pick(plan, name, columns)
    packs = plan.where(F.col("kind").isin(*kinds)).select("kind", "packed", "gone")
    return map_packed(packs, partial(_unpack, columns=columns), columns)


def without(plan: DataFrame, series: DataFrame) -> DataFrame:
    """A plan whose packed rows of some series do not count any more.

    Args:
        plan: columns `OUTPUT`, nothing gone yet.
        series: `series_id` and `solve_group` of them.
    """
    gone = series.groupBy("solve_group").agg(F.collect_set("series_id").alias("gone"))
    return plan.drop("gone").join(gone, "solve_group", "left").select(*plan.columns)


def _pack(part: pa.Table, kind: str) -> pa.Table:
    rows = fit_schema(part, _SCHEMAS[kind])
    packs = [batch.serialize().to_pybytes() for batch in rows.to_batches(max_chunksize=PIECE)]
    return pa.table({"packed": pa.array(packs, pa.binary())})


def _unpack(packs: pa.Table, *, columns: tuple[Column, ...]) -> pa.Table:
    """The rows of packs; in one piece, since small groups have a row or two each."""
    names = [column.name for column in columns]
    parts = []
    for kind, packed, gone in zip(packs["kind"].to_pylist(), packs["packed"], packs["gone"].to_pylist(), strict=True):
        rows = pa.Table.from_batches([pa.ipc.read_record_batch(packed.as_buffer(), _SCHEMAS[kind])])
        if gone:
            rows = rows.filter(pc.invert(pc.is_in(rows["series_id"], pa.array(gone))))
        parts.append(rows.select(names))
    return pa.concat_tables(parts).combine_chunks()


def _of_group(part: pa.Table, group: pa.Scalar) -> pa.Table:
    named = part if "solve_group" not in part.column_names else part.drop_columns(["solve_group"])
    return named.append_column("solve_group", pa.repeat(group, part.num_rows))
