"""Answers as rich tables, CSV or JSON."""

from __future__ import annotations

import csv
import json
import math
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pyarrow as pa

    from parlevel.report.summary import Summary

NARROW = 12
"""Characters that a column must have before its text is folded."""


def show_answer(table: pa.Table, form: str, limit: int) -> None:
    """Print a query's answer to stdout; CSV and JSON are complete, a table stops at `limit` rows."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(1000):
            writer.writerows(
                [_flat(value) for value in row.values()] for row in batch.to_pylist(maps_as_pydicts="lossy")
            )
    elif form == "json":
        json.dump(
            _finite(table.to_pylist(maps_as_pydicts="lossy")), sys.stdout, default=_plain, allow_nan=False, indent=1
        )
        sys.stdout.write("\n")
    else:
        _print(table, limit)


def _print(table: pa.Table, limit: int) -> None:
    """A table as wide as the screen; where columns would get too narrow to read, a block per row."""
    rows = [
        {name: _cell(value) for name, value in row.items()}
        for row in table.slice(0, limit).to_pylist(maps_as_pydicts="lossy")
    ]
    screen = Console()
    widths = [max([len(name), *(len(row[name]) for row in rows)]) for name in table.column_names]
    # What would have to be folded gets at least NARROW characters a line, or the table is no longer readable.
    if sum(min(width, NARROW) + 3 for width in widths) + 1 <= screen.width or not rows:
        screen.print(_grid(table, rows))
    else:
        for row in rows:
            screen.print(_block(row))
    more = f", {limit:,} shown (--limit)" if table.num_rows > limit else ""
    screen.print(f"{table.num_rows:,} row{'' if table.num_rows == 1 else 's'}{more}", style="dim")


def _grid(table: pa.Table, rows: list[dict[str, str]]) -> Table:
    out = Table(header_style="bold", row_styles=["", "dim"])
    for field in table.schema:
        number = str(field.type) in ("double", "float") or str(field.type).startswith(("int", "uint", "decimal"))
        out.add_column(Text(field.name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        out.add_row(*(Text(value) for value in row.values()))
    return out


def _block(row: dict[str, str]) -> Table:
    out = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in row.items():
        out.add_row(Text(name, style="dim"), Text(value))
    out.add_row("", "")
    return out


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list) and len(value) > 6:
        return f"[{', '.join(_cell(item) for item in value[:5])}, ... {len(value)} values]"
    if isinstance(value, list):
        return f"[{', '.join(_cell(item) for item in value)}]"
    return f"<{len(value):,} bytes>" if isinstance(value, bytes) else str(value)


def _number(value: float) -> str:
    """Four significant digits, or two decimals where that is more; whole numbers without decimals."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:,.4g}"


def _plain(value: Any) -> Any:
    """What JSON has no type for."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def _finite(value: Any) -> Any:
    """NaN and infinity, which JSON does not have, as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _flat(value: Any) -> Any:
    """A CSV cell: arrays and maps as JSON."""
    if isinstance(value, list | dict | tuple):
        return json.dumps(_finite(value), default=_plain)
    return _plain(value) if isinstance(value, bytes) else value


def show_lines(lines: list[dict[str, Any]], screen: Console) -> None:
    """Print order lines, rows of order_ledger, each as a block that a planner can read from top to bottom."""
    for line in lines:
        ordered = f"order {_cell(line['order_qty'])}" if line["order_qty"] else "no order"
        screen.print(Text(f"{line['series_id']}  {line['order_date']}  {ordered}", style="bold"))
        screen.print(Text(line["sentence"]))
        out = Table(show_header=False, box=None, padding=(0, 2))
        levels = zip(line["levels"], line["protection_quantiles"], strict=True)
        facts = {
            "demand to protect": ", ".join(f"{100 * level:g} %: {_cell(units)}" for level, units in levels),
            "inventory position": _cell(line["inventory_position"]),
            "safety stock": _cell(line["safety_stock"]),
            "stockout without / with": f"{line['stockout_without']:.1%} / {line['stockout_probability']:.1%}",
            "held by": _held(line),
            "one case more / less": f"{_money(line['cost_one_more'])} / {_money(line['cost_one_less'])}",
            "forecast moved by": ", ".join(line["drivers"] or []) or "not told",
        }
        for name, value in facts.items():
            out.add_row(Text(name, style="dim"), Text(value))
        screen.print(out)
        screen.print()


def _held(line: dict[str, Any]) -> str:
    if not line["binding"]:
        return "nothing"
    return f"{line['binding']}; one unit more of it would save {_cell(line['shadow_price'])}"


def _money(value: float | None) -> str:
    return "not allowed" if value is None else f"{value:+,.2f}"


ACCURACY_NOTE = (
    "replenishment accuracy: how close orders came to those of perfect knowledge; safety stock counts against it"
)


def show_summary(summary: Summary, screen: Console) -> None:
    """Row counts, the plan against the history-based policy, where the report is and what to ask."""
    counts = Table(title=f"Tables of run {summary.run_id}", title_justify="left", header_style="bold")
    for name, justify in (("stage", "left"), ("table", "left"), ("rows", "right")):
        counts.add_column(name, justify=justify)  # type: ignore[arg-type]
    before = ""
    for stage, name, rows in summary.counts:
        counts.add_row("" if stage == before else stage, name, f"{rows:,}")
        before = stage
    screen.print(counts)
    if summary.kpis:
        title = (
            f"Worth of the plan: {summary.policy} against {summary.baseline}, simulated after past cutoffs item by item"
        )
        kpis = Table(
            title=title, title_justify="left", header_style="bold", caption=ACCURACY_NOTE, caption_justify="left"
        )
        kpis.add_column("")
        for name in (summary.policy, summary.baseline, "change"):
            kpis.add_column(name, justify="right")
        for kpi in summary.kpis:
            colour = "" if kpi.better is None else "green" if kpi.better else "red"
            kpis.add_row(kpi.name, kpi.plan, kpi.baseline, Text(kpi.change, style=colour))
        screen.print(kpis)
        if summary.limits:
            screen.print(Text(summary.limits), soft_wrap=True)
    screen.print(Text("tables  ") + Text(f"{summary.warehouse}/", style="bold cyan"), soft_wrap=True)
    if summary.report:
        screen.print(Text("report  ") + Text(summary.report, style="bold cyan"), soft_wrap=True)
    if summary.command:
        screen.print(Text("try     ") + Text(summary.command, style="cyan"), soft_wrap=True)
