"""How long runs are kept: which of them nothing needs any more, and that they go from every table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from parlevel.schemas import STAGES
from parlevel.spark.old_runs import HOURS, REMOVED, Logged, Warehouse

log = logging.getLogger(__name__)

Serving = Callable[[Collection[str]], Collection[str]]
"""Runs -> the runs whose models serve them."""


def remove_old(house: Warehouse, keep: int, *, now: str | None = None) -> list[str]:
    """Take runs out of every table that the newest ones do not need.

    Args:
        house: the tables.
        keep: finished runs to keep.
        now: the run that is about to finish.

    Returns: the runs that went, the oldest first.
    """
    rows = house.log()
    old = needless(rows, keep, house.serving, now)
    remove(house, rows, old)
    return old


def remove(house: Warehouse, rows: Sequence[Logged], old: Sequence[str], hours: int = HOURS) -> None:
    """Take runs out of every table, and those whose removal was not brought to its end.

    The log says so first: a process killed on the way leaves no run that looks whole, and the next call goes on.

    Args:
        house: the tables.
        rows: their log.
        old: the runs, from `needless`.
        hours: that files stay on the disk after their rows are gone.
    """
    begun = {row.run_id for row in rows} - {row.run_id for row in rows if row.status != REMOVED}
    if not old and not begun:
        return
    house.mark(old)
    house.remove(sorted(begun.union(old)), hours)
    if old:
        log.info("old runs removed: %s", ", ".join(old))


def needless(rows: Sequence[Logged], keep: int, serving: Serving, now: str | None = None) -> list[str]:
    """Runs, the oldest first, that are older than the newest finished ones and give none of them anything.

    A run that failed or stopped early counts for none: a week of failures must not push the last good plan out. Runs
    whose output or models a kept run uses are kept, too.

    Args:
        rows: the log.
        keep: finished runs to keep, at least 1.
        serving: tells whose models serve a run.
        now: a run that is about to finish; newer than all others.
    """
    there = [row for row in rows if row.status != REMOVED]
    last: dict[str, tuple[bool, datetime]] = {}
    for row in there:
        at = (row.run_id == now, row.started_at)
        last[row.run_id] = max(at, last.get(row.run_id, at))
    if now is not None:
        last.setdefault(now, (True, datetime.max))
    ended = {row.run_id for row in there if row.stage == STAGES[-1] and row.status != "failed"} | {now}
    finished = sorted((run for run in last if run in ended), key=lambda run: (last[run], run), reverse=True)
    if len(finished) <= keep:
        return []
    oldest = last[finished[keep - 1]]
    kept = {run for run, at in last.items() if at >= oldest}
    while needed := ({row.output_run_id for row in there if row.run_id in kept} | set(serving(kept))) - kept:
        kept |= needed
    return sorted(set(last) - kept, key=lambda run: (last[run], run))
