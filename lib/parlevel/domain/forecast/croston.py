"""Intermittent demand: Croston, SBA, TSB, ADIDA and IMAPA, each for all series at once.

All forecast a flat mean. The distribution is a hurdle: no demand with probability 1 - p, else a size from
the series' own sizes (shrunk to the group's where there are few), rescaled so that the mean is kept.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.hyper import choice, settings
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.forecast.smoothing import adida, compress, croston_rates, imapa, ses
from parlevel.domain.panel import Panel
from parlevel.errors import DataError

Floats = NDArray[np.floating]

METHODS = ("croston", "sba", "tsb", "adida", "imapa")

GRID = (np.arange(100) + 0.5) / 100
"""Levels at which size distributions are kept."""

PRIOR_SIZES = 10.0
"""Own sizes at which own and group distributions weigh the same."""


class Croston(FromDistribution):
    """The family of Croston's method; masked periods are skipped, as if they had not been.

    Source: Croston (1972); Syntetos and Boylan (2005), SBA; Teunter, Syntetos, Babai (2011), TSB;
    Nikolopoulos et al. (2011), ADIDA; Petropoulos and Kourentzes (2015), IMAPA.

    Args:
        horizon: kept for the protocol; the forecast is flat.
        seed: unused, nothing is drawn.
        method: croston, sba, tsb, adida or imapa.
        alpha: smoothing of sizes, and of intervals (croston, sba).
        alpha_probability: smoothing of the probability of a sale (tsb).
        memory: last available periods that are looked at.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str] = "croston"
    method: ClassVar[str] = "croston"

    def __init__(self, **hyperparameters: Any) -> None:
        defaults = {
            "horizon": 28,
            "seed": 0,
            "method": self.method,
            "alpha": 0.1,
            "alpha_probability": 0.05,
            "memory": 1000,
        }
        self.parameters = settings(self.name, defaults, hyperparameters)
        choice(self.name, "method", self.parameters["method"], METHODS)
        self._sizes: Floats = np.ones(len(GRID))
        self._panel: Panel | None = None

    def fit(self, panel: Panel) -> Self:
        """Pool the group's sizes (relative to each series' mean size); see `Forecaster.fit`."""
        values, _ = self._values(panel)
        if values.size == 0 or np.isnan(values).all():
            raise DataError(f"{self.name} needs one available period. Got none in {panel.n_series} series.")
        positive = np.where(values > 0, values, np.nan)
        count = (values > 0).sum(axis=1)
        mean = np.nansum(positive, axis=1) / np.maximum(count, 1)
        pool = (positive / np.where(mean > 0, mean, np.nan)[:, None])[count > 1]
        pool = np.sort(pool[~np.isnan(pool)])
        self._sizes = np.quantile(pool, GRID, method="hazen") if len(pool) else np.ones(len(GRID))
        self._panel = panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles)."""
        panel = self._given(panel)
        mean, probability = self._rates(panel)
        sizes = self._size_grid(self._values(panel)[0])
        size = np.divide(mean, probability, out=np.zeros_like(mean), where=probability > 0)
        # level q of the mixture lies in the sizes where q exceeds the share of zeros
        inside = (np.asarray(quantiles)[None, :] - (1.0 - probability[:, None])) / np.maximum(probability, 1e-12)[
            :, None
        ]
        position = np.clip(inside * len(GRID) - 0.5, 0, len(GRID) - 1)
        low = np.floor(np.nan_to_num(position)).astype(np.int64)
        high = np.minimum(low + 1, len(GRID) - 1)
        part = position - low
        found = np.take_along_axis(sizes, low, 1) * (1 - part) + np.take_along_axis(sizes, high, 1) * part
        flat = np.where(inside > 0, found * size[:, None], 0.0)
        flat[np.isnan(mean)] = np.nan
        out = np.repeat(enforce(flat)[:, None, :], horizon, axis=1).astype(np.float32)
        return np.repeat(mean[:, None], horizon, axis=1).astype(np.float32), out

    def to_bytes(self) -> bytes:
        """Hyperparameters and the group's sizes as JSON."""
        return json.dumps({"parameters": self.parameters, "sizes": self._sizes.tolist()}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls(**content["parameters"])
        model._sizes = np.asarray(content["sizes"], np.float64)
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters and deciles of the group's sizes over the mean size."""
        return {"hyperparameters": self.parameters, "features": [], "sizes": self._sizes[4::10].round(4).tolist()}

    def _rates(self, panel: Panel) -> tuple[Floats, Floats]:
        """Mean demand per period and probability of a sale, each (n_series,); NaN where nothing was seen."""
        values, lengths = self._values(panel)
        p = self.parameters
        mean: Floats
        probability: Floats
        size, interval = croston_rates(values, lengths, p["alpha"])
        share = (values > 0).sum(axis=1) / np.maximum(lengths, 1)
        if p["method"] == "tsb":
            probability = ses((values > 0).astype(np.float64), lengths, p["alpha_probability"])
            mean = probability * size
        elif p["method"] in ("adida", "imapa"):
            mean = (adida if p["method"] == "adida" else imapa)(values, lengths)
            probability = np.minimum(share, 1.0)
        else:
            probability = 1.0 / np.maximum(interval, 1.0)
            mean = size / np.maximum(interval, 1e-12) * (1 - p["alpha"] / 2 if p["method"] == "sba" else 1.0)
        sold = (values > 0).any(axis=1)
        mean, probability = np.where(sold, mean, 0.0), np.where(sold, np.clip(probability, 0.0, 1.0), 0.0)
        return np.where(lengths > 0, mean, np.nan), probability

    def _size_grid(self, values: Floats) -> Floats:
        """(n_series, len(GRID)) quantiles of the sizes over their mean: own ones, shrunk to the group's."""
        positive = np.sort(np.where(values > 0, values, np.nan), axis=1)
        n = (values > 0).sum(axis=1)
        top = np.maximum(n - 1, 0)[:, None]
        position = np.clip(GRID[None, :] * n[:, None] - 0.5, 0, top)
        low = np.floor(position).astype(np.int64)
        part = position - low
        own = np.take_along_axis(positive, low, 1) * (1 - part)
        own = own + np.take_along_axis(positive, np.minimum(low + 1, top), 1) * part
        own = np.nan_to_num(own, nan=1.0)
        own /= own.mean(axis=1, keepdims=True)
        weight = (n / (n + PRIOR_SIZES))[:, None]
        grid = own * weight + self._sizes / self._sizes.mean() * (1 - weight)
        return grid / grid.mean(axis=1, keepdims=True)

    def _values(self, panel: Panel) -> tuple[Floats, NDArray[np.int64]]:
        """Available demand, left-aligned without the gaps, (n_series, memory) NaN behind it; and the counts."""
        values, lengths = compress(panel.observed(), self.parameters["memory"])
        return np.maximum(values, 0.0), lengths

    def _given(self, panel: Panel | None) -> Panel:
        panel = panel if panel is not None else self._panel
        if panel is None:
            raise DataError(f"{self.name} needs a panel: fit it, or give one to predict.")
        return panel


class SBA(Croston):
    """Croston's method without its upward bias."""

    name = method = "sba"


class TSB(Croston):
    """Smoothed probability of a sale times smoothed size: forgets items that die."""

    name = method = "tsb"


class ADIDA(Croston):
    """Aggregate to the mean interval, smooth, spread back."""

    name = method = "adida"


class IMAPA(Croston):
    """Mean of the smoothed forecasts over all aggregation levels up to the mean interval."""

    name = method = "imapa"
