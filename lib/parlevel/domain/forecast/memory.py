"""A group that does not fit its worker's memory learns from fewer of its series, and says so."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from parlevel.domain.panel import Panel

log = logging.getLogger(__name__)

FEWEST = 16
"""Series below which a group is not made smaller: memory is then short for another reason."""

SHARES = (1, 2, 4)
"""Every series, every second, every fourth."""

# numpy and Arrow raise MemoryError; LightGBM and TensorFlow have errors of their own, known by their words
WORDS = ("bad_alloc", "failed to allocate memory", "ResourceExhausted", "OOM when allocating")

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"
"""What Linux's file of references takes for: the largest size so far counts no more."""

Result = TypeVar("Result")


class Use:
    """Seconds, and bytes beyond those held before, that a block of this process takes, as a context manager.

    Attributes:
        seconds: of the wall clock.
        peak_bytes: most resident memory beyond that at the beginning; None where the system does not tell.
    """

    def __enter__(self) -> Self:
        self.seconds = 0.0
        self.peak_bytes: int | None = None
        self._began, self._held = time.perf_counter(), _forget_peak()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        peak = None if self._held is None else _status("VmHWM")
        self.peak_bytes = None if peak is None else max(peak - (self._held or 0), 0)


def _forget_peak() -> int | None:
    """Bytes held now, from which the peak counts; None where that cannot be asked for."""
    try:
        REFERENCES.write_text(FORGET_PEAK)
    except OSError:  # not Linux, or not allowed to
        return None
    return _status("VmRSS")


def _status(name: str) -> int | None:
    """A size in what Linux tells of this process, bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(word in f"{type(error).__name__}: {error}" for word in WORDS)


def within_memory(panel: Panel, train: Callable[[Panel, bool], Result]) -> tuple[Result, str]:
    """What `train` makes of a group, or of half or a quarter of its series where memory runs out.

    Where that does not help, memory is short for a reason of one candidate's own: the whole group is trained without
    those that fail.

    Args:
        panel: the group, its rows in an order that depends on what they hold alone.
        train: of the group or a part of it; told whether a candidate that runs out of memory ends the attempt.

    Returns: the result, and what to tell of it: empty where all series taught.
    """
    for every in SHARES:
        part = panel if every == 1 else panel.take(np.arange(0, panel.n_series, every))
        if every > 1 and part.n_series < FEWEST:
            break
        try:
            made = train(part, True)
        except Exception as error:
            if not out_of_memory(error):
                raise
            log.warning("%s series are too many for the memory there is: %s", f"{part.n_series:,}", error)
        else:
            told = f"out of memory with {panel.n_series:,} series: learned from {part.n_series:,}"
            return made, told if every > 1 else ""
        gc.collect()  # bounded: not Spark's; what the failed attempt left in cycles
    return train(panel, False), ""
