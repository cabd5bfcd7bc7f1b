"""What models on the design matrix share: rows, cross-fitting, the distribution around the mean.

The training rows are split in two halves by series (by blocks of time where there are few series). A
member is learned on each half; its errors on the other half give the distribution, and the forecast is
the members' mean. So honest errors cost no second fit.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.drivers import DRIVERS, in_units, index_of, switched
from parlevel.domain.forecast.hyper import settings
from parlevel.domain.forecast.spread import Spread
from parlevel.domain.forecast.tabular import UNKNOWN, Rows, forecast_rows, step_rows, training_rows
from parlevel.domain.panel import Panel
from parlevel.domain.periods import SEASON
from parlevel.errors import DataError

Floats = NDArray[np.floating]

YEARLY_GROWTH = 2.0
"""A dormant series may still sell this many times what it sold a year before: seasonal items come back."""

FEW_SERIES = 20
"""Below it the halves are blocks of time: too few series to speak for each other."""

ROWS: dict[str, Any] = {
    "horizon": 28,
    "seed": 0,
    "lags": (1, 2, 3, 4, 5, 6, 7, 14, 21, 28),
    "windows": (7, 14, 28, 56, 91, 182),
    "halflives": (3.5, 14.0, 56.0),
    "max_rows": 100_000,
    "years": 2.0,
    "recency": 1.0,
}
"""Hyperparameters of every model here: `horizon` and `seed`; `lags`, `windows`, `halflives` of the features
(periods); `max_rows` drawn at most; `years` of targets; `recency`, the years after which a target is
drawn half as often."""


class Pooled(FromDistribution):
    """Base of the models on the design matrix; a subclass learns and applies members, and stores itself."""

    name: ClassVar[str]
    defaults: ClassVar[dict[str, Any]]
    refit: ClassVar[bool] = False
    """True: forecast with one member learned on all rows; the halves only give the errors."""
    work: ClassVar[tuple[str, ...]] = ("max_rows",)
    """Hyperparameters that the time of a fit is proportional to."""
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {}
    """Hyperparameter -> values that a search may try; see `parlevel.domain.forecast.tune`."""

    def __init__(self, **hyperparameters: Any) -> None:
        self.parameters = settings(self.name, {**ROWS, **self.defaults}, hyperparameters)
        self.features: list[str] = []
        self.members: list[Any] = []
        self.spread: Spread | None = None
        self.n_rows = 0
        self._panel: Panel | None = None

    def learn(self, rows: Rows, seed: int) -> Any:
        """A member fitted to rows (target in units of the scale)."""
        raise NotImplementedError

    def apply(self, member: Any, features: Floats) -> Floats:
        """(m,) expected demand / scale."""
        raise NotImplementedError

    def fit(self, panel: Panel) -> Self:
        """Learn members and errors; see `Forecaster.fit`."""
        ordered = panel.take(content_order(panel))
        rows = self._draw(ordered)
        self.features, self.n_rows, seed = rows.names, len(rows.target), self.parameters["seed"]
        half = self._halves(ordered, rows)
        both = bool(half.any()) and not bool(half.all())
        parts = [rows_where(rows, half), rows_where(rows, ~half)] if both else [rows]
        self.members = [self.learn(part, seed + k) for k, part in enumerate(parts)]
        # each half is judged by the member that did not see it
        others = (~half, half) if both else (np.ones(self.n_rows, bool),)
        expected = np.empty(self.n_rows)
        for member, where in zip(self.members, others, strict=True):
            expected[where] = self.apply(member, rows.features[where])
        self._fit_spread(rows, expected)
        if self.refit and both:
            self.members = [self.learn(rows, seed)]
        self._panel = panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles) from one design matrix."""
        panel = self._given(panel)
        features, scale, known = forecast_rows(panel, self._design(panel), horizon)
        mean = np.maximum(self._expect(features), 0.0) * scale
        mean = np.minimum(mean, self._ceiling(panel, features, horizon))
        share = np.tile(np.arange(1, horizon + 1) / self.parameters["horizon"], panel.n_series)
        assert self.spread is not None
        found = self.spread.quantiles(mean, self._own_sd(features, scale), share, quantiles)
        shape = (panel.n_series, horizon)
        lost = ~known
        out = found.reshape(*shape, -1).astype(np.float32)
        point = mean.reshape(shape).astype(np.float32)
        out[lost], point[lost] = np.nan, np.nan
        return point, out

    def explain(self, steps: NDArray[np.int64], panel: Panel) -> NDArray[np.floating]:
        """The mean split over drivers; see `parlevel.domain.forecast.drivers`."""
        features, scale, level = step_rows(panel, self._design(panel), steps)
        index = index_of(self.features)
        ratio = np.mean([self.attribute(member, features, index) for member in self.members], axis=0)
        effects = in_units(ratio, scale, level)
        raw = effects.sum(axis=1)
        mean = np.minimum(np.maximum(raw, 0.0), self._ceiling(panel, features, len(steps)))
        # a long run without a sale caps the forecast whatever the model says
        effects[:, DRIVERS.index("recent sales")] += mean - raw
        return effects.reshape(panel.n_series, len(steps), -1)

    def attribute(self, member: Any, features: Floats, index: NDArray[np.int64]) -> Floats:
        """Effects on a member's output: (m, len(DRIVERS)), adding up to `apply`; here by switching drivers on.

        Args:
            member: from `learn`.
            features: (m, n_features).
            index: (n_features,) position of each feature's driver.
        """

        def predict(actual: list[int]) -> Floats:
            return self.apply(member, np.where(np.isin(index, actual)[None, :], features, np.float32(UNKNOWN)))

        return switched(predict, np.unique(index).tolist())

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, features and size."""
        return {"hyperparameters": self.parameters, "features": self.features, "rows": self.n_rows}

    def about(self) -> dict[str, Any]:
        """JSON-able content beside the members."""
        spread = self.spread.facts() if self.spread else None
        return {"parameters": self.parameters, "features": self.features, "rows": self.n_rows, "spread": spread}

    @classmethod
    def from_about(cls, content: dict[str, Any]) -> Self:
        """A model from what `about` gave, without members."""
        model = cls(**content["parameters"])
        model.features, model.n_rows = content["features"], content["rows"]
        model.spread = Spread.load(content["spread"]) if content["spread"] else None
        return model

    def _draw(self, ordered: Panel) -> Rows:
        p = self.parameters
        return training_rows(
            ordered,
            self._design(ordered),
            max_rows=p["max_rows"],
            years=p["years"],
            halflife=p["recency"],
            seed=p["seed"],
        )

    def _halves(self, ordered: Panel, rows: Rows) -> NDArray[np.bool_]:
        """(m,) True for the first half: every other series, or every other block of `horizon` targets."""
        if ordered.n_series >= FEW_SERIES:
            return rows.series % 2 == 0
        return ((ordered.n_periods - 1 - rows.column) // self.parameters["horizon"]) % 2 == 0

    def _fit_spread(self, rows: Rows, expected: Floats) -> None:
        share = rows.features[:, rows.names.index("step")] / self.parameters["horizon"]
        self.spread = Spread.fit(
            np.maximum(expected, 0.0) * rows.scale,
            rows.target * rows.scale,
            self._own_sd(rows.features, rows.scale),
            share,
        )

    def _own_sd(self, features: Floats, scale: Floats) -> Floats:
        """(m,) sd of the series over the longest window, units; NaN = unknown."""
        name = f"sd_{max(self.parameters['windows'])}" if self.parameters["windows"] else ""
        if name not in self.features:
            return np.full(len(features), np.nan)
        values = features[:, self.features.index(name)].astype(np.float64)
        return np.where(values >= 0, values, np.nan) * scale

    def _expect(self, features: Floats) -> Floats:
        return np.mean([self.apply(member, features) for member in self.members], axis=0)

    def _ceiling(self, panel: Panel, features: Floats, horizon: int) -> Floats:
        """(m,) most that a series may be expected to sell after its run without a sale, units; see `dormant`."""
        limit = np.repeat(dormant(panel.observed(), SEASON[panel.period]), horizon)
        level = np.exp(features[:, self.features.index("log_scale")].astype(np.float64))
        year_ago = features[:, self.features.index("year_ago_mean")] * level
        return np.maximum(limit, YEARLY_GROWTH * np.maximum(year_ago, 0.0))

    def _given(self, panel: Panel | None) -> Panel:
        panel = panel if panel is not None else self._panel
        if not self.members or panel is None:
            raise DataError(f"{self.name} must be fitted, and given a panel once it was stored, before it predicts.")
        return panel

    def _design(self, panel: Panel) -> Design:
        p = self.parameters
        return Design(
            lags=p["lags"], windows=p["windows"], halflives=p["halflives"], horizon=p["horizon"], period=panel.period
        )


def dormant(observed: Floats, season: int) -> Floats:
    """What a series can be expected to sell at most, given how long it has sold nothing.

    After k observed periods in a row without a sale the chance of one is about 1 / (k + 1); three times
    that, times the mean size of a sale, leaves live intermittent items alone and lets dead ones go. A pooled
    model alone would never quite forget them: it lends them its other series' level.

    Args:
        observed: (n, width) units, NaN = unknown.
        season: periods; shorter runs say nothing.

    Returns: (n,) units per period, infinite where the run is shorter than a season.

    >>> dormant(np.array([[0.0] * 11, [4.0] + [0.0] * 9 + [np.nan], [0.0] * 10 + [4.0]]), 7).tolist()
    [0.25, 1.2, inf]
    """
    seen, sold = ~np.isnan(observed), observed > 0
    later = sold[:, ::-1].cumsum(axis=1)[:, ::-1]
    run = (seen & (later == 0)).sum(axis=1)
    count = sold.sum(axis=1)
    size = np.where(sold, observed, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(run >= season, 3.0 * np.where(count > 0, size, 1.0) / (run + 1.0), np.inf)


def content_order(panel: Panel) -> NDArray[np.int64]:
    """Rows of a panel ordered by what they hold, so that neither names nor the order given can show.

    Returns: (n_series,) positions; series with equal content are interchangeable.
    """
    parts = [panel.observed(), *(panel.channels[name] for name in sorted(panel.channels))]
    codes = [panel.statics[name][:, None] for name in sorted(panel.statics)]
    # codes only break ties: one category more renumbers them
    return np.lexsort((_row_keys(codes, panel.n_series), _row_keys(parts, panel.n_series)))


def _row_keys(parts: list[Floats], n: int) -> NDArray[np.uint64]:
    """(n,) 64-bit hash of each row over all parts, NaN as -1."""
    if not parts or not n:
        return np.zeros(n, np.uint64)
    filled = [np.nan_to_num(np.asarray(part, np.float32), nan=-1.0) for part in parts]
    content = np.ascontiguousarray(np.concatenate(filled, axis=1))
    keys = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in content]
    return np.frombuffer(b"".join(keys), np.uint64)


def rows_where(rows: Rows, mask: NDArray[np.bool_]) -> Rows:
    """Some of the rows."""
    return replace(
        rows,
        features=rows.features[mask],
        target=rows.target[mask],
        scale=rows.scale[mask],
        weight=rows.weight[mask],
        series=rows.series[mask],
        column=rows.column[mask],
    )
