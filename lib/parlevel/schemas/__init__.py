"""THE table contracts: every table that parlevel reads or writes, declared once.

Look a table up with `contract("order_plan")`; `inputs`, `outputs` and `plans` hold the declarations.
"""

from __future__ import annotations

from parlevel.errors import SchemaError
from parlevel.registry import nearest
from parlevel.schemas.form import Column, Table, arrow_schema
from parlevel.schemas.inputs import CLEAN, FEATURES, SOURCES
from parlevel.schemas.outputs import EVERY_STAGE, FORECAST, TRAIN
from parlevel.schemas.plans import EVALUATE, REPLENISH

__all__ = ["STAGES", "TABLES", "Column", "Table", "arrow_schema", "contract", "of_stage"]

STAGES: tuple[str, ...] = (
    "sources",
    "clean",
    "features",
    "train",
    "forecast",
    "replenish",
    "evaluate",
    "publish",
)

TABLES: dict[str, Table] = {
    entry.name: entry
    for entry in (
        *SOURCES,
        *CLEAN,
        *FEATURES,
        *TRAIN,
        *FORECAST,
        *REPLENISH,
        *EVALUATE,
        *EVERY_STAGE,
    )
}


def contract(name: str) -> Table:
    """The contract of table `name`.

    Raises:
        SchemaError: no such table.
    """
    if name not in TABLES:
        raise SchemaError(f"table must be one of {sorted(TABLES)}. Got {name!r}.{nearest(name, list(TABLES))}")
    return TABLES[name]


def of_stage(stage: str) -> list[Table]:
    """The tables that `stage` writes, in contract order."""
    return [entry for entry in TABLES.values() if entry.stage == stage]
