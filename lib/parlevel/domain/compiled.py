"""Loops compiled to machine code, for what would otherwise pass over large arrays many times.

The compiler is Numba. What it makes is kept beside the source file, or in the user's cache folder where that cannot be
written (`NUMBA_CACHE_DIR` names another), so a machine compiles once and later processes load it in milliseconds.
`NUMBA_DISABLE_JIT=1` runs the same loops in Python, to step through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

P = ParamSpec("P")
R = TypeVar("R")


def compiled(loop: Callable[P, R]) -> Callable[P, R]:
    """The loop as machine code, compiled when it is first called.

    A change is noticed in the loop's own file alone: what a loop calls belongs beside it, and what it needs from
    elsewhere comes as an argument.
    """
    from numba import njit  # with the first module of loops, not with this one: the command line needs none

    try:
        made = njit(cache=True, error_model="numpy")(loop)
    except RuntimeError:  # no folder can be written: every process compiles for itself
        made = njit(error_model="numpy")(loop)
    return cast(Callable[P, R], made)


def plain(values: object, dtype: DTypeLike = np.float64) -> NDArray:
    """The values as the kind of array that loops are compiled for: contiguous, of one type, not write-protected.

    Each other kind of array would be compiled for anew.
    """
    found = np.ascontiguousarray(values, dtype)
    return found if found.flags.writeable else found.copy()
