"""Seasonal naive with a memory: the floor that every series can fall back to, from one observation on."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.drivers import plain
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.panel import Panel
from parlevel.domain.periods import SEASON
from parlevel.errors import DataError

Floats = NDArray[np.float32]

CYCLES: dict[str, int] = {"day": 8, "week": 2, "month": 3}
"""Seasons looked back on for each period's place in the season."""

RECENT: dict[str, int] = {"day": 56, "week": 13, "month": 12}
"""Available periods that make the recent level and the residuals."""

GRID = np.concatenate([[0.005, 0.01], np.arange(1, 40) / 40, [0.99, 0.995]])
"""Levels at which the group's pooled residuals are kept."""


class SeasonalNaive(FromDistribution):
    """Mean of the same place in recent seasons, shrunk to the recent level; residual quantiles around it.

    A series' own residuals count as n / (n + `prior`), the group's pooled ones (in units of the series'
    spread) for the rest. What has neither gets negative-binomial quantiles of its mean.

    Args:
        horizon: largest step; kept for the protocol, any horizon can be asked for.
        seed: unused, nothing is drawn.
        shrink: seasons' worth of weight that the recent level has against the season's place.
        prior: own residuals at which own and pooled quantiles weigh the same.
    """

    format: ClassVar[str] = "json"

    def __init__(self, *, horizon: int = 28, seed: int = 0, shrink: float = 2.0, prior: float = 20.0) -> None:
        self.parameters: dict[str, Any] = {"horizon": horizon, "seed": seed, "shrink": shrink, "prior": prior}
        self._pooled: list[float] = []
        self._panel: Panel | None = None

    def fit(self, panel: Panel) -> Self:
        """Pool the group's residuals; see `Forecaster.fit`."""
        residual, level = self._residuals(panel)
        scaled = residual / _spread(level)[:, None]
        pool = scaled[~np.isnan(scaled) & (level > 0)[:, None]]
        self._pooled = np.quantile(pool, GRID).tolist() if len(pool) >= 20 else []
        self._panel = panel
        return self

    def predict_mean(self, horizon: int, panel: Panel | None = None) -> Floats:
        """Expected demand; see `Forecaster.predict_mean`."""
        panel = self._given(panel)
        observed, level = panel.observed(), self._level(panel.observed(), panel.period)
        season = SEASON[panel.period]
        profile = self._profile(observed, level, season, CYCLES[panel.period])
        # column k of the profile is the place in the season of the k-th period after the cutoff
        mean = profile[:, np.arange(horizon) % season]
        return np.maximum(mean, 0.0).astype(np.float32)

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles)."""
        panel = self._given(panel)
        mean = self.predict_mean(horizon, panel)
        residual, level = self._residuals(panel)
        count = (~np.isnan(residual)).sum(axis=1)
        own = _row_quantiles(residual, quantiles)
        if self._pooled:
            pooled = np.interp(quantiles, GRID, self._pooled)[None, :] * _spread(level)[:, None]
        else:
            pooled = _count_quantiles(level, quantiles) - level[:, None]
        share = (count / (count + self.parameters["prior"]))[:, None]
        around = np.where(count[:, None] > 0, share * own + (1 - share) * pooled, pooled)
        around[level == 0] = 0.0
        return mean, enforce(mean[:, :, None] + around[:, None, :].astype(np.float32))

    def explain(self, steps: NDArray[np.int64], panel: Panel) -> NDArray[np.floating]:
        """Recent level and what the place in the season adds; see `parlevel.domain.forecast.drivers`."""
        mean = self.predict_mean(int(steps.max()), panel)[:, steps - 1].astype(np.float64)
        level = self._level(panel.observed(), panel.period)[:, None]
        return plain(np.broadcast_to(level, mean.shape)) + plain(mean - level, "season")

    def to_bytes(self) -> bytes:
        """Hyperparameters and pooled residual quantiles as JSON."""
        return json.dumps({"parameters": self.parameters, "pooled": self._pooled}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls(**content["parameters"])
        model._pooled = content["pooled"]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters and the pooled residual quantiles."""
        return {"hyperparameters": self.parameters, "features": [], "pooled": self._pooled}

    def _given(self, panel: Panel | None) -> Panel:
        panel = panel if panel is not None else self._panel
        if panel is None:
            raise DataError("seasonal_naive needs a panel: fit it, or give one to predict.")
        return panel

    def _level(self, observed: Floats, period: str) -> NDArray[np.float64]:
        """(n_series,) mean of the last available periods; NaN for a series without any."""
        return _last_mean(observed, RECENT[period])

    def _profile(self, observed: Floats, level: NDArray[np.float64], season: int, cycles: int) -> NDArray[np.float64]:
        """(n_series, season) expected demand in the season's places that follow the last column."""
        recent = _folded(observed, season, cycles)
        n = (~np.isnan(recent)).sum(axis=1)
        mean = np.nansum(recent, axis=1) / np.maximum(n, 1)
        weight = n / (n + self.parameters["shrink"])
        return np.where(n > 0, weight * mean + (1 - weight) * level[:, None], level[:, None])

    def _residuals(self, panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Demand minus profile over the last periods, (n_series, recent), NaN where masked; and the level."""
        observed = panel.observed()
        level = self._level(observed, panel.period)
        season, recent = SEASON[panel.period], min(RECENT[panel.period], panel.n_periods)
        profile = self._profile(observed, level, season, CYCLES[panel.period])
        place = np.arange(-recent, 0) % season
        residual = observed[:, -recent:] - profile[:, place]
        # each profile was made with the period in it, which makes residuals too small by (n - weight) / n
        n = (~np.isnan(_folded(observed, season, CYCLES[panel.period]))).sum(axis=1)
        own = n / (n + self.parameters["shrink"]) / np.maximum(n, 1)
        return residual / np.sqrt(1 - np.minimum(own, 0.5))[:, place], level


def _folded(observed: Floats, season: int, cycles: int) -> Floats:
    """(n_series, cycles, season) the last seasons, NaN where unknown."""
    n, width = observed.shape[0], season * cycles
    padded = np.full((n, width), np.nan, np.float32)
    taken = min(width, observed.shape[1])
    padded[:, width - taken :] = observed[:, observed.shape[1] - taken :]
    return padded.reshape(n, cycles, season)


def _last_mean(observed: Floats, count: int) -> NDArray[np.float64]:
    """Mean of each row's last `count` known values; NaN where a row has none."""
    known = ~np.isnan(observed)
    rank = known[:, ::-1].cumsum(axis=1)[:, ::-1]
    taken = known & (rank <= count)
    n = taken.sum(axis=1)
    total = np.where(taken, observed, 0.0).sum(axis=1, dtype=np.float64)
    return np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)


def _spread(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation to expect at a level: counting noise plus a tenth of its square."""
    return np.sqrt(np.maximum(level, 1e-9) + 0.1 * level**2)


def _row_quantiles(values: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of each row's known values, (n, n_levels); zeros for rows without any."""
    n = (~np.isnan(values)).sum(axis=1)
    ordered = np.sort(values, axis=1)
    position = np.clip(np.asarray(levels)[None, :] * n[:, None] - 0.5, 0, np.maximum(n - 1, 0)[:, None])
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(n - 1, 0)[:, None])
    share = position - low
    found = np.take_along_axis(ordered, low, 1) * (1 - share) + np.take_along_axis(ordered, high, 1) * share
    return np.where(n[:, None] > 0, found, 0.0)


def _count_quantiles(level: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative-binomial quantiles with variance `_spread` squared, (n, n_levels)."""
    mean = np.maximum(np.nan_to_num(level), 1e-9)
    variance = np.maximum(_spread(mean) ** 2, mean * (1 + 1e-9))
    success = mean / variance
    return nbinom.ppf(np.asarray(levels)[None, :], (mean * success / (1 - success))[:, None], success[:, None])
