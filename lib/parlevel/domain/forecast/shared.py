"""Models learned once from the series of all groups, and offered to each group beside its own.

A group is a few hundred series; what all of them have in common (weekdays, holidays, what a promotion does, how
demand dies) is learned better from all. Such a model is fitted once per cutoff, on a sample that fits the memory
budget of one task; a group only applies it, judges it on its own folds like any other candidate and stores it.
"""

from __future__ import annotations

from collections.abc import Mapping

from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.registry import SHARED, forecaster_class
from parlevel.errors import DataError

Ready = Mapping[tuple[str, int], bytes]
"""(candidate, cutoff as a period index) -> the fitted model; no bytes where it could not be fitted."""


def is_shared(name: str) -> bool:
    """Whether a candidate is learned from all groups."""
    return name.startswith(SHARED)


def load_shared(name: str, cutoff: int, ready: Ready) -> Forecaster:
    """The model that was learned from all groups at a cutoff.

    Raises:
        DataError: there is none.
    """
    payload = ready.get((name, cutoff), b"")
    if not payload:
        raise DataError(f"{name} could not be learned from all groups at period {cutoff}: see the log of stage train.")
    return forecaster_class(name).from_bytes(payload)
