"""Bits of the `flags` column of the panel: what was found and done in one period of one series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RECORD = 1  # the period has at least one accepted row of `sales`
GAP = 2  # no row between the first record and the cutoff
MISSING = 4  # a row, or a gap under gaps=missing, without a usable value
FILLED = 8  # the missing value was replaced
OUTLIER = 16  # a spike that no promotion or event explains
CAPPED = 32  # ... and demand was capped
CENSORED = 64  # not (fully) in stock: sales are only a lower bound of demand
ESTIMATED = 128  # ... and demand was estimated
CLOSED = 256  # the location was closed
RETURN = 512  # a return was recorded here, or ate into this period's sales
UNMATCHED = 1024  # ... and (part of) it found no earlier sale

NAMES: dict[str, int] = {
    "RECORD": RECORD,
    "GAP": GAP,
    "MISSING": MISSING,
    "FILLED": FILLED,
    "OUTLIER": OUTLIER,
    "CAPPED": CAPPED,
    "CENSORED": CENSORED,
    "ESTIMATED": ESTIMATED,
    "CLOSED": CLOSED,
    "RETURN": RETURN,
    "UNMATCHED": UNMATCHED,
}
"""Name -> bit, in the order of the bits."""


def describe(flags: int) -> list[str]:
    """The names in one period's flags.

    >>> describe(RECORD | OUTLIER)
    ['RECORD', 'OUTLIER']
    """
    return [name for name, bit in NAMES.items() if flags & bit]


def has(flags: NDArray[np.int32], bits: int) -> NDArray[np.bool_]:
    """Whether any of `bits` is set, elementwise."""
    return (flags & bits) != 0
