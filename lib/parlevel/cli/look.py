"""Commands that look at what a run left, without a JVM: sql, explain, tables, report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from parlevel.cli.shared import Configs, Preset, Sets, console, settings
from parlevel.errors import ConfigError, DataError
from parlevel.registry import nearest

RunId = Annotated[str | None, typer.Option("--run", help="Look at this run; default: the latest.", metavar="RUN_ID")]


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sql")(sql)
    app.command("explain")(explain)
    app.command("tables")(tables)
    app.command("report")(report)


def sql(
    query: Annotated[str, typer.Argument(help="One query; - reads it from standard input.")],
    form: Annotated[Form, typer.Option("--format", "-f", help="How the answer is printed.")] = Form.table,
    limit: Annotated[int, typer.Option("--limit", help="Rows that a printed table shows.", min=1)] = 200,
    run_id: RunId = None,
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
) -> None:
    """Ask the tables, e.g. [bold]parlevel sql "SELECT * FROM orders_today"[/bold]; `SHOW TABLES` lists them.

    A table shows the rows of the latest run; history.TABLE holds those of every run. Nothing can be changed.
    """
    from parlevel.cli.show import show_answer
    from parlevel.report.warehouse import open_warehouse

    cfg = settings(config, preset, sets)
    warehouse = open_warehouse(cfg.paths.warehouse, run_id)
    show_answer(warehouse.ask(sys.stdin.read() if query == "-" else query), form.value, limit)


def explain(
    series: Annotated[str, typer.Argument(help="A series, or a product: all its series.")],
    form: Annotated[Form, typer.Option("--format", "-f", help="How the answer is printed.")] = Form.table,
    run_id: RunId = None,
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
) -> None:
    """Why a series is ordered or not: every order line of the plan with what explains it."""
    from parlevel.cli.show import show_answer, show_lines
    from parlevel.report.warehouse import open_warehouse

    house = open_warehouse(settings(config, preset, sets).paths.warehouse, run_id)
    query = "SELECT * FROM order_ledger WHERE series_id = ? OR product_id = ? ORDER BY series_id, order_date LIMIT 1000"
    found = house.ask(query, [series, series])
    if not found.num_rows:
        names = "SELECT DISTINCT unnest([series_id, product_id]) AS name FROM order_plan ORDER BY 1 LIMIT 100000"
        known = [row["name"] for row in house.rows(names)]
        if series in known:
            raise DataError(f"{series!r} has no forecast, so nothing is ordered: see its reason in order_plan.")
        raise DataError(
            f"the plan must have a line of {series!r}. Got none.{nearest(series, known)} "
            'All of them: parlevel sql "SELECT DISTINCT series_id, product_id FROM order_plan"'
        )
    if form is Form.table:
        show_lines(found.to_pylist(), console())
    else:
        show_answer(found, form.value, found.num_rows)


def tables(
    name: Annotated[str | None, typer.Argument(help="A table or view to explain; default: list all.")] = None,
    run_id: RunId = None,
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
) -> None:
    """What each table and view holds: rows, keys, columns, types and units."""
    from parlevel.report.views import VIEWS
    from parlevel.schemas import TABLES

    if name is None:
        _list(settings(config, preset, sets).paths.warehouse, run_id)
    elif name in TABLES:
        _explain_table(name)
    elif view := next((view for view in VIEWS if view.name == name), None):
        console().print(Text(f"{view.name}: a row is {view.doc}.\n"))
        console().print(view.sql, markup=False, highlight=False)
    else:
        known = [*TABLES, *(view.name for view in VIEWS)]
        raise ConfigError(f"table or view must be one of {sorted(known)}. Got {name!r}.{nearest(name, known)}")


def report(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it; default: paths.report.")] = None,
    run_id: RunId = None,
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
) -> None:
    """Draw the HTML report of a run again; it opens offline in any browser."""
    from parlevel.report.render import write_report

    cfg = settings(config, preset, sets)
    place, size = write_report(cfg, run_id, out)
    console().print(f"{place} ({size / 1e6:.1f} MB)", highlight=False, soft_wrap=True)


def _list(root: str, run_id: str | None) -> None:
    from parlevel.report.views import VIEWS
    from parlevel.report.warehouse import open_warehouse
    from parlevel.schemas import STAGES, TABLES

    try:
        house = open_warehouse(root, run_id)
    except DataError:
        if run_id:
            raise
        house = None
    out = Table(header_style="bold", title_justify="left", title=f"Tables in {root}" if house else "Tables")
    for head in ("stage", "table", "a row is"):
        out.add_column(head)
    out.add_column("rows", justify="right")
    order = {stage: position for position, stage in enumerate([*STAGES, "every"])}
    before = ""
    for table in sorted(TABLES.values(), key=lambda table: order[table.stage]):
        rows = f"{house.count(table.name):,}" if house and house.has(table.name) else ""
        out.add_row("" if table.stage == before else table.stage, table.name, Text(table.row), rows)
        before = table.stage
    out.add_section()
    for position, view in enumerate(VIEWS):
        out.add_row("" if position else "views", view.name, Text(view.doc), "")
    console().print(out)
    if house is None:
        console().print(f"No warehouse at {root} yet: `parlevel run` makes it.", highlight=False)
    console().print("`parlevel tables NAME` explains one.", style="dim")


def _explain_table(name: str) -> None:
    from parlevel.schemas import contract

    table = contract(name)
    screen = console()
    screen.print(Text(f"{name}: a row is {table.row}. Written by stage {table.stage}. Key: {', '.join(table.keys)}."))
    out = Table(header_style="bold")
    for head in ("column", "type", "unit", "meaning"):
        out.add_column(head)
    for column in table.columns:
        kind = column.type + ("" if column.nullable else " not null")
        out.add_row(Text(column.name), Text(kind), Text(column.unit), Text(column.doc))
    screen.print(out)
