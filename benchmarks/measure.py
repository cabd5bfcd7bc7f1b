"""What every benchmark shares: cost of a process tree, a printed table, a JSON file.

Memory is the proportional set size summed over the whole tree (JVM, Python workers), so that pages
shared by forked workers count once. Linux only: it reads /proc.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table

TICK = os.sysconf("SC_CLK_TCK")
SET_CHILD_SUBREAPER = 36  # of prctl(2)


def tree(root: int) -> list[int]:
    """Process ids of `root` and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it ended while we looked
                continue
            parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, open_ = [], [root]
    while open_:
        pid = open_.pop()
        found.append(pid)
        open_ += parents.get(pid, [])
    return found


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends first, such as the JVM of a Python process that is done.

    Init would take them otherwise, and their CPU time with them.
    """
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def memory_gib(pids: Iterable[int]) -> float:
    """Proportional set size of the processes, GiB."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 2**20


def cpu_seconds(pids: Iterable[int]) -> dict[int, tuple[float, float]]:
    """User + system seconds of each process: its own, and with its ended children that were waited for."""
    used = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        own, children = (sum(int(fields[k]) for k in pair) / TICK for pair in ((11, 12), (13, 14)))
        used[pid] = own, own + children
    return used


@dataclass
class Cost:
    """Wall, CPU and peak memory of a block of code, with everything it started.

    Attributes:
        wall_s: seconds.
        cpu_s: user + system seconds of the process tree.
        peak_gib: highest proportional set size of the tree seen, GiB.
        began_ms, ended_ms: the clock's milliseconds since 1970.
    """

    every_s: float = 0.5
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_gib: float = 0.0
    began_ms: float = 0.0
    ended_ms: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        adopt_orphans()
        self._begin, self.began_ms = time.monotonic(), 1000 * time.time()
        self._first = cpu_seconds(tree(os.getpid()))
        self._last, self._own = dict(self._first), {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self.wall_s, self.ended_ms = time.monotonic() - self._begin, 1000 * time.time()
        # A child that ended is counted in its parent's fields, so only roots that still live are summed
        # against what they had; a child alive at the end, or an orphan that nobody waits for, is added by itself.
        at_end = sum(used - self._first.get(pid, (0.0, 0.0))[1] for pid, (_, used) in self._last.items())
        # Nobody waits for the workers of Spark's daemon: what each was last seen with is the better sum then.
        seen = sum(own - self._first.get(pid, (0.0, 0.0))[0] for pid, own in self._own.items())
        self.cpu_s = max(at_end, seen)

    def _watch(self) -> None:
        wait = self.every_s
        while not self._stop.wait(wait):
            began = time.thread_time()
            self._look()
            # summing the pages of a large JVM is dear: never more than 2 % of a core
            wait = max(self.every_s, 50 * (time.thread_time() - began))

    def _look(self) -> None:
        pids = tree(os.getpid())
        self.peak_gib = max(self.peak_gib, memory_gib(pids))
        self._last = cpu_seconds(pids)
        for pid, (own, _) in self._last.items():
            self._own[pid] = max(own, self._own.get(pid, 0.0))


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; columns are the keys of the first row."""
    table = Table(title=title, title_justify="left")
    for k, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*(_text(row.get(name, "")) for name in rows[0]))
    Console(width=140 if not os.isatty(1) else None).print(table)


def save(file: str | None, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON when a file was asked for."""
    if file:
        Path(file).write_text(json.dumps(figures, indent=2, default=float) + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)
