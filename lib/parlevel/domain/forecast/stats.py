"""Classic models fitted to each series by itself, by statsforecast: ETS, ARIMA, Theta."""

from __future__ import annotations

import json
import logging
import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.hyper import settings
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.panel import Panel
from parlevel.domain.periods import SEASON
from parlevel.errors import DataError

Floats = NDArray[np.floating]

log = logging.getLogger(__name__)

SEASONS_NEEDED = 2
"""Full seasons that a seasonal model needs; shorter series get a model without season."""

SHORTEST = 8
"""Observations below which nothing is estimated: the series' mean, and the spread of counts or its own."""


class Local(FromDistribution):
    """Base of the models that treat each series alone; nothing is learned that outlives the panel.

    Masked periods are filled from the same place in neighbouring seasons before the fit, since these
    models need a regular axis; leading unknown periods are cut off. Quantiles are the model's own
    prediction intervals. A series that the library cannot fit gets NaN rows, so that the caller falls back.

    Args:
        horizon: kept for the protocol; any horizon can be asked for.
        seed: unused, nothing is drawn.
        season: periods in a season; 0: 7 days, 52 weeks or 12 months.
        memory: last periods that are looked at.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, **hyperparameters: Any) -> None:
        defaults = {"horizon": 28, "seed": 0, "season": 0, "memory": 400, **self.defaults}
        self.parameters = settings(self.name, defaults, hyperparameters)
        self._panel: Panel | None = None

    def library_model(self, season: int) -> Any:
        """A new statsforecast model for a season length."""
        raise NotImplementedError

    def fit(self, panel: Panel) -> Self:
        """Keep the panel: each forecast estimates its own series; see `Forecaster.fit`."""
        if np.isnan(panel.observed()).all():
            raise DataError(f"{self.name} needs one available period. Got none in {panel.n_series} series.")
        self._panel = panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles)."""
        panel = panel if panel is not None else self._panel
        if panel is None:
            raise DataError(f"{self.name} needs a panel: fit it, or give one to predict.")
        season = self.parameters["season"] or SEASON[panel.period]
        observed = panel.observed()[:, -self.parameters["memory"] :].astype(np.float64)
        levels = np.asarray(quantiles, np.float64)
        mean = np.full((panel.n_series, horizon), np.nan)
        out = np.full((panel.n_series, horizon, len(levels)), np.nan)
        for k, row in enumerate(observed):
            if not np.isnan(row).all():
                mean[k], out[k] = self._one(filled(row, season), season, horizon, levels)
        mean = np.maximum(mean, 0.0)
        return mean.astype(np.float32), enforce(out).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Hyperparameters as JSON; there is nothing else to keep."""
        return json.dumps({"parameters": self.parameters}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        return cls(**json.loads(payload)["parameters"])

    def describe(self) -> dict[str, Any]:
        """Hyperparameters."""
        return {"hyperparameters": self.parameters, "features": []}

    def _one(self, values: Floats, season: int, horizon: int, levels: Floats) -> tuple[Floats, Floats]:
        """Mean (horizon,) and quantiles (horizon, n_levels) of one series without gaps."""
        if len(values) < SHORTEST or np.ptp(values) == 0:
            return _flat(values, horizon, levels)
        length = season if len(values) >= SEASONS_NEEDED * season else 1
        upper = np.unique(np.round(np.abs(2 * levels - 1) * 100, 6))
        widths = [float(width) for width in upper if width > 0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = self.library_model(length).forecast(y=values, h=horizon, level=widths or None)
        except Exception as error:  # statsforecast raises bare exceptions of many kinds for one bad series
            log.warning("%s could not be fitted to a series of %d periods: %s", self.name, len(values), error)
            return np.full(horizon, np.nan), np.full((horizon, len(levels)), np.nan)
        columns = []
        for level in levels:
            width = round(abs(2 * level - 1) * 100, 6)
            side = "mean" if width == 0 else f"{'lo' if level < 0.5 else 'hi'}-{float(width)}"
            columns.append(np.asarray(found[side], np.float64))
        return np.asarray(found["mean"], np.float64), np.stack(columns, axis=1)


class ETS(Local):
    """Exponential smoothing, form chosen by AICc.

    Source: Hyndman, Koehler, Snyder, Grose (2002), International Journal of Forecasting 18.

    Args (beside those of `Local`):
        form: error, trend, season as letters of N, A, M or Z (chosen).
    """

    name: ClassVar[str] = "ets"
    defaults: ClassVar[dict[str, Any]] = {"form": "ZZZ"}

    def library_model(self, season: int) -> Any:
        """AutoETS of the form asked for."""
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season, model=self.parameters["form"])


class ARIMA(Local):
    """Seasonal ARIMA, orders chosen stepwise by AICc.

    Source: Hyndman and Khandakar (2008), Journal of Statistical Software 27.

    Args (beside those of `Local`):
        max_order: largest p and q.
        approximation: estimate candidates by conditional sums of squares: several times faster.
    """

    name: ClassVar[str] = "arima"
    defaults: ClassVar[dict[str, Any]] = {"max_order": 3, "approximation": True}

    def library_model(self, season: int) -> Any:
        """AutoARIMA with a bounded search."""
        from statsforecast.models import AutoARIMA

        p = self.parameters
        return AutoARIMA(
            season_length=season,
            max_p=p["max_order"],
            max_q=p["max_order"],
            max_P=1,
            max_Q=1,
            approximation=p["approximation"],
        )


class Theta(Local):
    """Optimised Theta, chosen among its forms.

    Source: Fiorucci et al. (2016), International Journal of Forecasting 32.
    """

    name: ClassVar[str] = "theta"

    def library_model(self, season: int) -> Any:
        """AutoTheta with an additive season."""
        from statsforecast.models import AutoTheta

        return AutoTheta(season_length=season, decomposition_type="additive")


def filled(row: Floats, season: int) -> Floats:
    """A series without gaps: leading unknowns cut off, others the mean of the nearest same-season neighbours.

    Where no neighbour at whole seasons is known, the mean of the known values stands in.

    >>> filled(np.array([np.nan, 1.0, 2.0, 3.0, np.nan]), 2).tolist()
    [1.0, 2.0, 3.0, 2.0]
    """
    known = ~np.isnan(row)
    values = row[int(known.argmax()) :].copy()
    gaps = np.flatnonzero(np.isnan(values))
    if not len(gaps):
        return values
    whole = float(np.nanmean(values))
    original = values.copy()
    for t in gaps.tolist():
        near = [original[s] for s in (_nearest(original, t, -season), _nearest(original, t, season)) if s >= 0]
        values[t] = float(np.mean(near)) if near else whole
    return values


def _nearest(values: Floats, t: int, step: int) -> int:
    """First known position at t + step, t + 2 step, ...; -1 where there is none."""
    s = t + step
    while 0 <= s < len(values):
        if not np.isnan(values[s]):
            return s
        s += step
    return -1


def _flat(values: Floats, horizon: int, levels: Floats) -> tuple[Floats, Floats]:
    """The mean of a series too short or too constant to estimate, with the spread of counts where it is short."""
    from scipy.stats import nbinom

    mean = max(float(values.mean()), 0.0)
    if len(values) >= SHORTEST or mean == 0:
        row = np.full(len(levels), mean)
    else:
        variance = max(mean * 1.5 + 0.1 * mean**2, float(values.var(ddof=1)) if len(values) > 1 else 0.0)
        row = nbinom.ppf(levels, mean**2 / (variance - mean), mean / variance)
    return np.full(horizon, mean), np.repeat(row[None, :], horizon, axis=0)
