"""Command tidy: rows of old runs, out of the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from parlevel.cli.shared import Configs, Preset, Sets, console, listing, settings
from parlevel.errors import ConfigError

if TYPE_CHECKING:
    from parlevel.spark.old_runs import InFolder, Logged


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
    from parlevel.pipeline.publish_retention import needless, remove
    from parlevel.report.words import plural
    from parlevel.spark.old_runs import HOURS, in_folder

    cfg = settings(config, preset, sets)
    most = cfg.paths.keep_runs if keep is None else keep
    if most is None:
        raise ConfigError("how many runs to keep must be given. Got neither --keep N nor paths.keep_runs.")
    house = in_folder(cfg)
    if house is None:
        raise ConfigError(
            f"parlevel tidy works in a folder of this machine. Got {cfg.paths.catalog or cfg.paths.warehouse!r}. "
            "There set paths.keep_runs: stage publish then does it through Spark."
        )
    if not house.log():  # before the lock, which makes the folder
        raise ConfigError(f"there must be a warehouse to tidy. Got {cfg.paths.warehouse!r}, which has no table 'runs'.")
    with nullcontext() if dry_run else only_run(cfg):
        rows = house.log()
        old = needless(rows, most, house.serving)
        _show(house, rows, old)
        if dry_run:
            return
        remove(house, rows, old, 0 if at_once else HOURS)
    when = "" if at_once or not old else f" Their files leave the disk after {HOURS // 24} days, when runs go again."
    console().print(f"{plural(len(old), 'run')} removed.{when}", soft_wrap=True, highlight=False)


def _show(house: InFolder, rows: Sequence[Logged], old: Sequence[str]) -> None:
    """Each run that is there: when it started, what it takes on the disk and whether it goes."""
    from parlevel.spark.old_runs import REMOVED

    started: dict[str, datetime] = {}
    for row in sorted(rows, key=lambda row: row.started_at):
        if row.status != REMOVED:
            started.setdefault(row.run_id, row.started_at)
    out = listing("run", "started", "MiB", "")
    out.columns[2].justify = "right"
    for run, at in started.items():
        size, fate = house.bytes_of(run) / 2**20, "goes" if run in old else "stays"
        out.add_row(Text(run), f"{at:%Y-%m-%d %H:%M}", f"{size:,.1f}", fate)
    console().print(out, highlight=False)
