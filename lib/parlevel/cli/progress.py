"""A live table of the stages of a run: what is done, what is going on, for how long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from parlevel.pipeline.runner import Event

MARK = {"done": ("✓", "green"), "reused": ("=", "cyan"), "failed": ("✗", "bold red")}


@dataclass
class Line:
    """What is known of a stage."""

    status: str = "waiting"
    seconds: float = 0.0
    rows: int | None = None
    note: str = ""
    started: float = 0.0


class Progress:
    """Draws events of the runner; without a terminal nothing is drawn and the log lines tell the story."""

    def __init__(self, stages: Sequence[str], screen: Console) -> None:
        self._lines = {stage: Line() for stage in stages}
        self._message = ""
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=screen, get_renderable=self.render, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._message = ""
        self._live.stop()

    def say(self, message: str) -> None:
        """What happens before the first stage."""
        self._message = message

    def on_event(self, event: Event) -> None:
        """Take in an event of the runner."""
        line = self._lines.setdefault(event.stage, Line())
        self._message = ""
        line.note = event.note or line.note
        if event.status == "working":
            return
        if event.status == "start":
            line.status, line.started = "running", time.monotonic()
        else:
            line.status, line.seconds = event.status, event.seconds
            line.rows = sum(event.rows.values()) if event.rows else None

    def render(self) -> RenderableType:
        """The table as it is now."""
        table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=True, header_style="dim")
        table.add_column("", width=1)
        table.add_column("stage")
        table.add_column("seconds", justify="right")
        table.add_column("rows", justify="right")
        table.add_column("", overflow="ellipsis", no_wrap=True, style="dim")
        for stage, line in self._lines.items():
            mark, colour = MARK.get(line.status, ("·", "dim"))
            running = line.status == "running"
            seconds = time.monotonic() - line.started if running else line.seconds
            clock = f"{seconds:.1f}" if running or line.status in ("done", "failed") else ""
            rows = "" if line.rows is None else f"{line.rows:,}"
            first = self._spinner if running else Text(mark, style=colour)
            table.add_row(first, Text(stage, style="bold" if running else ""), clock, rows, Text(line.note))
        return Group(table, Text(self._message, style="dim")) if self._message else table
