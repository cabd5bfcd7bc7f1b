"""Command tidy: rows of old runs, out of the warehouse."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from parlevel.cli.shared import Configs, Preset, Sets, console, settings
from parlevel.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tidy")(tidy)


def tidy(
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Finished runs to keep; default: paths.keep_runs.", metavar="N")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which runs would go.")] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Files leave the disk now, not after a week; nobody may be reading them.")
    ] = False,
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
) -> None:
    """Remove old runs from every table; runs that the kept ones build on stay.

    The setting paths.keep_runs does it at the end of every run.
    """
    from parlevel.pipeline.lock import only_run
    from parlevel.pipeline.publish_retention import needless, remove_old
    from parlevel.spark.old_runs import HOURS, REMOVED, InFolder, warehouse_of

    cfg = settings(config, preset, sets)
    most = cfg.paths.keep_runs if keep is None else keep
    if most is None:
        raise ConfigError("how many runs to keep must be given. Got neither --keep N nor paths.keep_runs.")
    house = warehouse_of(cfg)
    if not isinstance(house, InFolder):
        raise ConfigError(
            f"parlevel tidy works in a folder of this machine. Got {cfg.paths.catalog or cfg.paths.warehouse!r}. "
            "There set paths.keep_runs: stage publish then does it through Spark."
        )
    rows = house.log()
    if not rows:
        raise ConfigError(f"there must be a warehouse to tidy. Got {cfg.paths.warehouse!r}, which has no table 'runs'.")
    old = needless(rows, most, house.serving)
    started: dict[str, datetime] = {}
    for row in rows:
        if row.status != REMOVED:
            started[row.run_id] = min(row.started_at, started.get(row.run_id, row.started_at))
    _show([(run, at, house.bytes_of(run), run in old) for run, at in sorted(started.items(), key=lambda item: item[1])])
    if dry_run:
        return
    with only_run(cfg):
        gone = remove_old(house, most, hours=0 if at_once else HOURS)
    when = "" if at_once or not gone else f" Their files leave the disk after {HOURS // 24} days, when runs go again."
    console().print(f"{len(gone)} run{'' if len(gone) == 1 else 's'} removed.{when}", soft_wrap=True)


def _show(runs: list[tuple[str, datetime, int, bool]]) -> None:
    """Each run with when it started, what it takes on the disk and whether it goes."""
    out = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    out.add_column("run")
    out.add_column("started")
    out.add_column("MiB", justify="right")
    out.add_column("")
    for run, at, size, goes in runs:
        out.add_row(run, f"{at:%Y-%m-%d %H:%M}", f"{size / 2**20:,.1f}", "goes" if goes else "stays")
    console().print(out)
