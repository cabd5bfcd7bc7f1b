"""Features as a matrix without gaps: codes become indicators, numbers are filled, standardised and clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.tabular import UNKNOWN

Floats = NDArray[np.floating]

INDICATORS = ("dow", "month")
"""Columns whose values are names; columns that end in `_code` are too."""

MAX_VALUES = 40
"""A code with more values than this is left out: it would be a series' name in disguise."""

CLIP = 6.0
"""Standard deviations beyond which a feature says no more; nor beyond what the training rows held."""


@dataclass(frozen=True)
class Encoder:
    """How features become columns; learned once, applied to any rows.

    Attributes:
        numbers: positions of the numeric features.
        mean, sd: (len(numbers),) of the training rows.
        low, high: (len(numbers),) smallest and largest standardised value of the training rows.
        values: position of a coded feature -> its known values; an unknown value has all indicators zero.
    """

    numbers: list[int]
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    values: dict[int, list[float]]

    @classmethod
    def fit(cls, features: Floats, names: list[str]) -> Self:
        """Learn means, spreads and codes of (m, n_features); constant and unknown columns are left out."""
        coded = {k for k, name in enumerate(names) if name in INDICATORS or name.endswith("_code")}
        values: dict[int, list[float]] = {}
        for k in sorted(coded):
            found = np.unique(features[:, k][features[:, k] != UNKNOWN])
            if 1 < len(found) <= MAX_VALUES:
                values[k] = found.astype(float).tolist()
        known = _known(features)
        with np.errstate(invalid="ignore"):
            count = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, features, 0.0).sum(axis=0, dtype=np.float64) / count
            sd = np.sqrt((np.where(known, features - mean, 0.0) ** 2).sum(axis=0) / count)
        numbers = [k for k in range(len(names)) if k not in coded and sd[k] > 1e-6 * (1.0 + abs(mean[k]))]
        mean, sd, known = mean[numbers], sd[numbers], known[:, numbers]
        scaled = np.where(known, (features[:, numbers] - mean) / sd, 0.0)
        low, high = scaled.min(axis=0, initial=0.0), scaled.max(axis=0, initial=0.0)
        return cls(numbers, mean, sd, np.maximum(low, -CLIP), np.minimum(high, CLIP), values)

    def apply(self, features: Floats) -> Floats:
        """(m, n_columns) float64: standardised numbers (unknown = their mean, 0), then indicators."""
        chosen = features[:, self.numbers]
        scaled = np.clip((chosen - self.mean) / self.sd, self.low, self.high)
        parts = [np.where(_known(chosen), scaled, 0.0)]
        parts += [features[:, [k]] == np.asarray(found, features.dtype) for k, found in self.values.items()]
        return np.concatenate(parts, axis=1).astype(np.float64)

    def names(self, features: list[str]) -> list[str]:
        """Column names of `apply`."""
        coded = [f"{features[k]}={value:g}" for k, found in self.values.items() for value in found]
        return [features[k] for k in self.numbers] + coded

    def facts(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "numbers": self.numbers,
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "values": {str(k): found for k, found in self.values.items()},
        }

    @classmethod
    def load(cls, facts: dict[str, Any]) -> Self:
        """The inverse of `facts`."""
        values = {int(k): found for k, found in facts["values"].items()}
        mean, sd, low, high = (np.asarray(facts[name], np.float64) for name in ("mean", "sd", "low", "high"))
        return cls(facts["numbers"], mean, sd, low, high, values)


def _known(features: Floats) -> NDArray[np.bool_]:
    return (features != UNKNOWN) & np.isfinite(features)
