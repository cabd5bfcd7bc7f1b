"""Dynamic regression: each series' demand as a moving level times what week, year, events and prices do to it.

Smooth series (whole stores, departments, fast items) repeat themselves closely, and what a holiday does to one of them
is in its own history: one regression per series says it with few numbers, and goes beyond what it has seen where trees
only repeat. It complements the pooled models, which learn from other series.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import nbinom

from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.drivers import DRIVERS, LEVEL, multiplied
from parlevel.domain.forecast.hyper import settings
from parlevel.domain.forecast.pooled import content_order, dormant
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.forecast.regressors import PER_DAY, Columns, calendar_columns, own_columns
from parlevel.domain.panel import Panel
from parlevel.domain.periods import PER_YEAR, SEASON
from parlevel.errors import DataError

Floats = NDArray[np.floating]

SPEEDS = (0.002, 0.004, 0.008, 0.016, 0.032)
"""Speeds of the level that a group chooses from, logarithms per square root of a day."""

SAMPLE = 24
"""Series that the speed is judged on, spread over the group's content order."""

STEPS = 4
"""Newton steps; the second and third also estimate the dispersion."""

DISPERSION = (0.05, 0.0005, 2.0)
"""Variance beyond counting noise over the squared mean: at first, at least, at most."""

GROWTH = 2.0
"""A forecast is at most this many times the largest demand seen."""


@dataclass(frozen=True)
class Fit:
    """One series' regression.

    Attributes:
        base: logarithm of the level that coefficients start from.
        slopes: (k,).
        root: Cholesky factor of the coefficients' precision, as `cho_factor` gives it.
        dispersion: variance beyond counting noise over the squared mean.
        evidence: logarithm of the data's probability, up to a constant: how well the priors suit the series.
    """

    base: float
    slopes: Floats
    root: Any
    dispersion: float
    evidence: float


class Dynamic(FromDistribution):
    """Negative-binomial regression of each series on `regressors`, its level a random walk.

    With normal priors the mode is a few penalised least-squares steps, and the curvature there gives the uncertainty of
    level and effects, to which the steps ahead add the walk's. The group only chooses how fast levels move, by the
    evidence of a sample; nothing else outlives the panel: each forecast estimates its own series.
    Source: Harvey (1989), Forecasting, structural time series models and the Kalman filter, ch. 7; McCullagh and
    Nelder (1989), Generalized linear models, ch. 11.

    Args:
        horizon: kept for the protocol; the channels must cover what is asked for.
        seed: unused, nothing is drawn.
        years: of history looked at.
        recency: years after which a period counts half as much.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str] = "dynamic"
    defaults: ClassVar[dict[str, Any]] = {"horizon": 28, "seed": 0, "years": 6.0, "recency": 1.5}

    def __init__(self, **hyperparameters: Any) -> None:
        self.parameters = settings(self.name, self.defaults, hyperparameters)
        self._speed = SPEEDS[1]
        self._panel: Panel | None = None
        self._made: tuple[Panel, Floats, Floats, Floats] | None = None

    def fit(self, panel: Panel) -> Self:
        """Choose how fast levels move; see `Forecaster.fit`."""
        if np.isnan(panel.observed()).all():
            raise DataError(f"{self.name} needs one available period. Got none in {panel.n_series} series.")
        recent = self._recent(panel)
        sold, observed = content_order(recent), recent.observed()
        sold = sold[(np.nan_to_num(observed[sold]) > 0).sum(axis=1) > SEASON[panel.period]]
        drawn = sold[np.linspace(0, len(sold) - 1, min(SAMPLE, len(sold))).astype(np.int64)] if len(sold) else sold
        if len(drawn):
            self._speed = self._likeliest(recent, drawn)
        self._panel = panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles)."""
        panel = self._given(panel)
        log_mean, sd, dispersion = self._ahead(panel, horizon)
        mean = np.exp(log_mean.sum(axis=2)) * self._limit(panel, log_mean)
        spread = dispersion[:, None] + np.expm1(sd**2)
        # nbinom of variance m + spread m^2
        size = 1.0 / np.maximum(spread, 1e-9)
        chance = size / (size + np.maximum(mean, 1e-9))
        levels = np.asarray(quantiles, np.float64)
        found = nbinom.ppf(levels, size[:, :, None], chance[:, :, None])
        found[mean <= 0] = 0.0
        found[np.isnan(mean)] = np.nan
        return mean.astype(np.float32), enforce(found).astype(np.float32)

    def explain(self, steps: NDArray[np.int64], panel: Panel) -> NDArray[np.floating]:
        """The factors of the mean as additive effects; see `parlevel.domain.forecast.drivers`."""
        log_mean = self._ahead(panel, int(steps.max()))[0]
        limit = self._limit(panel, log_mean)[:, steps - 1]
        effects = multiplied(log_mean[:, steps - 1].reshape(-1, len(DRIVERS))).reshape(*limit.shape, -1)
        return np.asarray(effects * limit[:, :, None])

    def to_bytes(self) -> bytes:
        """Hyperparameters and the level's speed as JSON."""
        return json.dumps({"parameters": self.parameters, "speed": self._speed}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls(**content["parameters"])
        model._speed = content["speed"]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters and the level's speed."""
        return {"hyperparameters": self.parameters, "features": [], "speed": self._speed}

    def _likeliest(self, panel: Panel, rows: NDArray[np.int64]) -> float:
        """The speed with the most evidence, reached from the middle one by its neighbours: evidence has one peak."""
        observed, at = panel.observed(), len(SPEEDS) // 2
        found: dict[int, float] = {}
        while True:
            for k in {max(at - 1, 0), at, min(at + 1, len(SPEEDS) - 1)} - found.keys():
                shared = calendar_columns(panel, 0, SPEEDS[k])
                fits = (self._fit(panel, observed[row], self._columns(panel, row, 0, shared)) for row in rows)
                found[k] = sum(each.evidence for each in fits)
            best = max(found, key=lambda k: (found[k], -k))
            if best == at:
                return SPEEDS[at]
            at = best

    def _ahead(self, panel: Panel, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Log means by driver (n, horizon, len(DRIVERS)), their sd (n, horizon), dispersion (n,); NaN where unknown."""
        # a forecast and what explains it ask for the same panel
        if self._made is None or self._made[0] is not panel or self._made[1].shape[1] < horizon:
            self._made = (panel, *self._estimate(self._recent(panel), horizon))
        _, log_mean, sd, dispersion = self._made
        return log_mean[:, :horizon], sd[:, :horizon], dispersion

    def _estimate(self, panel: Panel, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Fit every series of a panel; see `_ahead`."""
        shared = calendar_columns(panel, horizon, self._speed)
        out = np.full((panel.n_series, horizon, len(DRIVERS)), np.nan)
        sd, dispersion = np.zeros((panel.n_series, horizon)), np.ones(panel.n_series)
        walk = self._speed**2 * PER_DAY[panel.period] * np.arange(1, horizon + 1)
        observed = panel.observed()
        for row in range(panel.n_series):
            if np.isnan(observed[row]).all():
                continue
            given = self._columns(panel, row, horizon, shared)
            found = self._fit(panel, observed[row], given)
            ahead = given.values[panel.n_periods :]
            out[row] = (ahead * found.slopes) @ np.eye(len(DRIVERS))[given.driver]
            out[row, :, DRIVERS.index(LEVEL)] += found.base
            own = (ahead.T * cho_solve(found.root, ahead.T, check_finite=False)).sum(axis=0)
            sd[row], dispersion[row] = np.sqrt(own + walk), found.dispersion
        return out, sd, dispersion

    def _fit(self, panel: Panel, observed: Floats, given: Columns) -> Fit:
        """The mode of one series' coefficients and the curvature there.

        Args:
            panel: for its time axis.
            observed: (n_periods,) units, NaN = unknown.
            given: its columns.
        """
        seen = ~np.isnan(observed)
        y, x = np.maximum(observed[seen].astype(np.float64), 0.0), given.values[: panel.n_periods][seen]
        age = (panel.n_periods - 1 - np.flatnonzero(seen)) / PER_YEAR[panel.period]
        weight = 0.5 ** (age / self.parameters["recency"])
        base = float(np.log(max(float(weight @ y / weight.sum()), 1e-3)))
        slopes, (dispersion, least, most) = np.zeros(x.shape[1]), DISPERSION
        for step in range(STEPS):
            away = np.clip(x @ slopes, -10.0, 10.0)
            mean = np.exp(base + away)
            error = np.clip((y - mean) / mean, -0.95, 3.0)
            if step in (1, 2):
                beyond = np.clip(error**2, 0.0, 16.0 * (dispersion + 1.0 / mean)) - 1.0 / mean
                # periods with large means tell more of what is beyond counting noise
                told = weight * (mean / (1.0 + dispersion * mean)) ** 2
                dispersion = float(np.clip(told @ beyond / told.sum(), least, most))
            precision = weight * mean / (1.0 + dispersion * mean)
            root = cho_factor((x * precision[:, None]).T @ x + np.eye(x.shape[1]), check_finite=False)
            slopes = cho_solve(root, x.T @ (precision * (away + error)), check_finite=False)
        left = away + error - x @ slopes
        fit = np.log(precision / weight) * weight - precision * left**2
        evidence = 0.5 * (fit.sum() - slopes @ slopes) - np.log(np.diag(root[0])).sum()
        return Fit(base, slopes, root, dispersion, float(evidence))

    def _columns(self, panel: Panel, row: int, horizon: int, shared: Columns) -> Columns:
        own = own_columns(panel, row, horizon)
        return Columns(np.concatenate([shared.values, own.values], axis=1), np.concatenate([shared.driver, own.driver]))

    def _limit(self, panel: Panel, log_mean: Floats) -> Floats:
        """(n, horizon) what to multiply means by: dead series are let go, odd covariates not followed without end."""
        observed = self._recent(panel).observed().astype(np.float64)
        top = GROWTH * np.where(np.isnan(observed), 0.0, observed).max(axis=1)
        top = np.minimum(top, dormant(observed, SEASON[panel.period]))
        mean = np.exp(log_mean.sum(axis=2))
        return np.minimum(1.0, top[:, None] / np.maximum(mean, 1e-9))

    def _recent(self, panel: Panel) -> Panel:
        return panel.last(round(self.parameters["years"] * PER_YEAR[panel.period]))

    def _given(self, panel: Panel | None) -> Panel:
        panel = panel if panel is not None else self._panel
        if panel is None:
            raise DataError(f"{self.name} needs a panel: fit it, or give one to predict.")
        return panel
