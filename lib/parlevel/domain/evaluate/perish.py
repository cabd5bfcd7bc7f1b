"""Units that perish: batches on the shelf by what is left of their life, the oldest sold first."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints


class Batches:
    """Stock of the items that perish within the periods played.

    A unit received in period t sells in periods t .. t + shelf_life - 1 and is thrown away at the end of the last.
    Shops sell the oldest first. Policies see the stock, as books show it, not its age.

    Args:
        on_hand: (n,) units at the start, taken for fresh: as old as what arrives in the first period.
        shelf_life: (n,) periods; 0: the item does not perish.
        periods: played.
    """

    def __init__(self, on_hand: Floats, shelf_life: Ints, periods: int) -> None:
        self._rows = np.flatnonzero((shelf_life > 0) & (shelf_life <= periods))
        self._fresh = np.arange(len(self._rows)), shelf_life[self._rows] - 1
        self._units = np.zeros((len(self._rows), int(shelf_life[self._rows].max(initial=1))))
        self.receive(on_hand)

    def receive(self, units: Floats) -> None:
        """(n,) units arrive, fresh."""
        self._units[self._fresh] += units[self._rows]

    def close(self, gone: Floats) -> Floats:
        """End a period: (n,) units that perish, when `gone` (n,) were sold or left the shelf otherwise."""
        before = self._units.cumsum(axis=1) - self._units
        self._units -= np.clip(gone[self._rows, None] - before, 0.0, self._units)
        perished = np.zeros(len(gone))
        perished[self._rows] = self._units[:, 0]
        self._units[:, :-1] = self._units[:, 1:]
        self._units[:, -1] = 0.0
        return perished
