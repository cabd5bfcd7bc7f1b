"""A group that does not fit its worker's memory learns from fewer of its series, and says so."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from parlevel.domain.panel import Panel

log = logging.getLogger(__name__)

FEWEST = 16
"""Series below which a group is not made smaller: memory is then short for another reason."""

# numpy and Arrow raise MemoryError; LightGBM and TensorFlow have errors of their own, known by their words
WORDS = ("bad_alloc", "failed to allocate memory", "ResourceExhausted", "OOM when allocating")

Result = TypeVar("Result")


def retried(error: BaseException, panel: Panel) -> bool:
    """Whether an error says that memory ran out, and fewer series could mend it."""
    short = isinstance(error, MemoryError) or any(word in f"{type(error).__name__}: {error}" for word in WORDS)
    return short and panel.n_series >= 2 * FEWEST


def within_memory(panel: Panel, train: Callable[[Panel], Result]) -> tuple[Result, str]:
    """What `train` makes of a group, or of half, a quarter ... of its series where memory runs out.

    Args:
        panel: the group, its rows in an order that depends on what they hold alone.
        train: of the group or a part of it.

    Returns: the result, and what to tell of it: empty where all series taught.
    """
    part, every = panel, 1
    while True:
        try:
            made = train(part)
        except Exception as error:
            if not retried(error, part):
                raise
            log.warning("%s series are too many for the memory there is: %s", f"{part.n_series:,}", error)
        else:
            told = f"out of memory with {panel.n_series:,} series: learned from {part.n_series:,}"
            return made, told if every > 1 else ""
        every *= 2
        part = panel.take(np.arange(0, panel.n_series, every))
        gc.collect()  # bounded: not Spark's; what the failed attempt left in cycles
