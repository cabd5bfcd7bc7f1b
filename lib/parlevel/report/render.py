"""The HTML report: one file, no network, light and dark, printable."""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from parlevel.config import Config
from parlevel.places import write_whole
from parlevel.report import data, sections, sections_network, sections_plan, sections_run
from parlevel.report.warehouse import Warehouse, open_warehouse
from parlevel.report.words import Words, day, plural

SECTIONS = (
    sections.headline,
    sections.forecast_fans,
    sections.accuracy,
    sections_plan.policies,
    sections_plan.inventory,
    sections_plan.order_plan,
    sections_network.shipments,
    sections_plan.solves,
    sections_run.worst,
    sections_run.quality,
    sections_run.failures,
    sections_run.facts,
)
"""In the order in which they are read."""


def write_report(
    cfg: Config, run_id: str | None = None, out: Path | None = None, house: Warehouse | None = None
) -> tuple[Path, int]:
    """Draw the report of a run.

    Args:
        cfg: says where the warehouse and the report are.
        run_id: the run; default: the latest.
        out: where to write; default: `paths.report`.
        house: the warehouse, if it is open already.

    Returns: the file and its size, bytes.

    Raises:
        DataError: there is no warehouse, or no such run.
        EnvironmentFault: the place cannot be written.
    """
    html = render(house or open_warehouse(cfg.paths.warehouse, run_id), cfg)
    place = Path(out or cfg.paths.report).expanduser()
    write_whole(place, html)
    return place, len(html.encode())


def render(house: Warehouse, cfg: Config) -> str:
    """The report as HTML text; the same tables and configuration give the same text."""
    say = Words(cfg.report.currency, cfg.calendar.period)
    folder = resources.files("parlevel.report")
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        page=_page(house, cfg, say),
        css=Markup((folder / "report.css").read_text(encoding="utf-8")),
        js=Markup((folder / "report.js").read_text(encoding="utf-8")),
    )


def _page(house: Warehouse, cfg: Config, say: Words) -> dict[str, Any]:
    about = data.overview(house)
    series, horizon = about.get("n_series"), about.get("horizon")
    title = f"Forecast and order plan from {day(about['first_day'])}" if about.get("first_day") else "parlevel run"
    size = f"{plural(series, 'series', 'series')}, {say.periods(horizon)} ahead. " if series and horizon else ""
    when: datetime | None = about.get("started_at")
    return {
        "title": title,
        "kicker": f"{cfg.name} · {about.get('source', '')}",
        "subtitle": f"{size}Last observed {cfg.calendar.period}: {day(about.get('cutoff'))}. Run {house.run_id}"
        + (f", {when:%Y-%m-%d %H:%M} UTC." if when else "."),
        "sections": [made for section in SECTIONS if (made := section(house, cfg, say))],
        "footer": "Drawn from the Delta tables of this run; the page needs no network. Ask the same tables with "
        "`parlevel sql`.",
    }
