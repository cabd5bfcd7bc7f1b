"""What a network is told of a series as such: an embedding of its codes, and one of its history in numbers.

A series' embedding is computed from its own recent numbers, not looked up by name, so that names do not matter and
a series that was not there in training has one too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.drivers import driver_of
from parlevel.domain.forecast.networks import load_keras
from parlevel.domain.panel import Panel

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MAX_CODES = 200
"""Values of a code that get an embedding of their own: the most frequent ones."""


@dataclass(frozen=True)
class Traits:
    """How codes and numbers become embeddings.

    Attributes:
        values: name of a coded static -> its known values; another value is 0.
        positions: of the features that describe a series' recent history.
    """

    values: dict[str, list[float]]
    positions: list[int]

    @classmethod
    def fit(cls, panel: Panel, names: list[str]) -> Self:
        """Learn which codes there are."""
        found: dict[str, list[float]] = {}
        for name, numbers in panel.statics.items():
            if name.endswith("_code"):
                values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
                kept = values[np.lexsort((values, -counts))[:MAX_CODES]]
                found[name] = np.sort(kept).astype(float).tolist()
        told = ("recent sales", "age", "availability")
        return cls(found, [k for k, name in enumerate(names) if driver_of(name) in told])

    def codes(self, panel: Panel, series: Ints) -> NDArray[np.int32]:
        """(m, max(1, n_codes)) position of each code's value + 1; 0 = unknown."""
        out = np.zeros((len(series), max(1, len(self.values))), np.int32)
        for k, (name, known) in enumerate(self.values.items()):
            values, table = panel.statics[name][series], np.asarray(known, np.float32)
            at = np.minimum(np.searchsorted(table, values), max(len(table) - 1, 0))
            out[:, k] = np.where(table[at] == values, at + 1, 0) if len(table) else 0
        return out

    def numbers(self, future: Floats) -> Floats:
        """(m, len(positions)) standardised numbers of the history, from the first step's features."""
        return np.ascontiguousarray(future[:, 0, self.positions])

    def embed(self, codes: Any, numbers: Any, size: int) -> Any:
        """Keras tensor of all embeddings side by side."""
        layers = load_keras().layers
        parts = [layers.Dense(size, activation="tanh", name="series_embedding")(numbers)]
        sizes = [len(known) + 1 for known in self.values.values()] or [1]
        split = [codes] if len(sizes) == 1 else [codes[:, k : k + 1] for k in range(len(sizes))]
        for n_values, one in zip(sizes, split, strict=True):
            parts.append(layers.Flatten()(layers.Embedding(n_values, size)(one)))
        return layers.Concatenate()(parts)

    def facts(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self)
