"""What a group's plan sends back from a worker: rows of several tables in one, and a table's rows again."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.domain.replenish.orders import LINE
from parlevel.domain.replenish.output import USE, GroupTables
from parlevel.pipeline.train_groups import union_columns, union_rows
from parlevel.schemas import contract

KINDS = ("order_plan", "order_ledger", "plan_report", "projection")
"""Tables of the contract that the stage writes."""

_LINE = "order_line"
ABOUT_ITEMS = (_LINE, "order_plan", "projection")
WRITTEN = (*ABOUT_ITEMS, "plan_report", "shared_use")
"""Kinds of rows that a worker sends back: those of `ABOUT_ITEMS` are about single series."""

OUTPUT = union_columns(LINE, contract("plan_report").data_columns, contract("projection").data_columns, USE)
# An order line is a row of two tables: it leaves the worker once.
_KINDS_OF = {"order_plan": ("order_plan", _LINE), "order_ledger": (_LINE,)}


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
    return union_rows({name: _of_group(part, group) for name, part in wanted.items()}, OUTPUT)


def table_rows(plan: DataFrame, name: str) -> DataFrame:
    """A contract table's rows, with its columns.

    Args:
        plan: columns `OUTPUT`.
        name: of `KINDS`, or shared_use.
    """
    columns = USE if name == "shared_use" else contract(name).data_columns
    kinds = _KINDS_OF.get(name, (name,))
    return plan.where(F.col("kind").isin(*kinds)).select(*(column.name for column in columns))


def _of_group(part: pa.Table, group: pa.Scalar) -> pa.Table:
    named = part if "solve_group" not in part.column_names else part.drop_columns(["solve_group"])
    return named.append_column("solve_group", pa.repeat(group, part.num_rows))
