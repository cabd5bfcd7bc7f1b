"""What a view for analysts is: SQL for two engines with names of tables in braces.

A view's SQL names tables of `parlevel.schemas` and earlier views in braces, `{order_plan}`, so that a dialect can
say where they are. `ARRAY_SUM(x)` stands for the sum of a packed array, `ARRAY_SUM(x, n)` for that of its first n; a
view that explodes arrays has one text per dialect, because the two engines share no syntax for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["duckdb", "spark"]

_ARRAY_SUM = {
    "duckdb": r"coalesce(list_sum(\1), 0)",
    "spark": r"aggregate(\1, CAST(0 AS DOUBLE), (a, x) -> a + x)",
}
_ARRAY_HEAD = {
    "duckdb": r"coalesce(list_sum(list_slice(\1, 1, \2)), 0)",
    "spark": r"aggregate(slice(\1, 1, \2), CAST(0 AS DOUBLE), (a, x) -> a + x)",
}


@dataclass(frozen=True)
class View:
    """A view: its name, what a row is, and its SQL (both dialects, or one text each)."""

    name: str
    doc: str
    sql: str
    spark: str | None = None

    def text(self, dialect: Dialect, places: Mapping[str, str]) -> str:
        """The SQL in a dialect.

        Args:
            dialect: the engine.
            places: table or view name -> how the engine names it.
        """
        sql = self.spark if dialect == "spark" and self.spark else self.sql
        sql = re.sub(r"ARRAY_SUM\(([\w.]+)\)", _ARRAY_SUM[dialect], sql)
        sql = re.sub(r"ARRAY_SUM\(([\w.]+), ([\w.+ ]+)\)", _ARRAY_HEAD[dialect], sql)
        return re.sub(r"\{(\w+)\}", lambda match: places[match[1]], sql)

    @property
    def needs(self) -> tuple[str, ...]:
        """Tables and views that the SQL reads."""
        return tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", self.sql + (self.spark or ""))))
