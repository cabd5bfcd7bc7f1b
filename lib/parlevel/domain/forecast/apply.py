"""Forecast a group with what was trained: the chosen combination, else the floor, else the mean of what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.base import Forecaster
from parlevel.domain.forecast.build import distribution
from parlevel.domain.forecast.calibrate import Calibration, spread
from parlevel.domain.forecast.choose import PRIOR_CORRELATION
from parlevel.domain.forecast.coldstart import SIMILAR_ITEMS, Donors, cold_start, is_cold
from parlevel.domain.forecast.quantiles import blend, to_levels
from parlevel.domain.forecast.registry import forecaster_class
from parlevel.domain.forecast.seasonal_naive import SeasonalNaive
from parlevel.domain.panel import Panel

LAST_RESORT = "seasonal_mean"
"""Name of the forecast made of whatever demand is known, masked periods included."""


@dataclass(frozen=True)
class Stored:
    """A row of `models`, as the forecast stage needs it."""

    model: str
    chosen: bool
    weight: float
    artifact: bytes
    calibration: str
    path_correlation: float
    note: str

    @cached_property
    def forecaster(self) -> Forecaster:
        """The model, loaded once."""
        return forecaster_class(self.model).from_bytes(self.artifact)


@dataclass(frozen=True)
class GroupForecast:
    """Forecasts of a group's series.

    Attributes:
        mean: (n, horizon) units; NaN rows could not be forecast.
        quantiles: (n, horizon, n_levels) units.
        model, reason: (n,) which model made the row, and why; for a NaN row why there is none.
        fallback: (n,) True where it was not the group's choice.
        path_correlation: (n,).
    """

    mean: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    model: NDArray[np.object_]
    fallback: NDArray[np.bool_]
    reason: NDArray[np.object_]
    path_correlation: NDArray[np.float64]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(n,) True where there is no forecast."""
        return ~_complete(self.mean, self.quantiles)


def forecast_group(
    panel: Panel, stored: Sequence[Stored], horizon: int, levels: NDArray[np.float64], floor: str
) -> GroupForecast:
    """Forecast every series of a group; each ends in a forecast or in a reason why there is none.

    Args:
        panel: the group's series.
        stored: the group's chosen models and its floor; may be empty.
        horizon: periods ahead.
        levels: (n_levels,) quantile levels.
        floor: registry name of the fallback.
    """
    n = panel.n_series
    out = GroupForecast(
        mean=np.full((n, horizon), np.nan, np.float32),
        quantiles=np.full((n, horizon, len(levels)), np.nan, np.float32),
        model=np.full(n, "", object),
        fallback=np.zeros(n, bool),
        reason=np.full(n, "no period with known demand", object),
        path_correlation=np.zeros(n),
    )
    chosen = [each for each in stored if each.chosen]
    floors = [each for each in stored if each.model == floor and each.artifact and not each.chosen]
    notes = [each.note for each in stored if each.note]
    why = "" if chosen else (notes[0] if notes else "the group has no trained model")
    if chosen:
        why = _try(out, panel, chosen, "+".join(sorted(each.model for each in chosen)), levels, chosen[0].note, False)
    if floors and out.failed.any():
        why = _try(out, panel, floors, floor, levels, f"fallback to {floor}: {why or 'the choice gave none'}", True)
    if out.failed.any():
        _last_resort(out, panel, levels, why)
    _close(out, panel)
    return out


def forecast_left_out(
    panel: Panel,
    stored: Sequence[Stored],
    levels: NDArray[np.float64],
    floor: str,
    teachers: Panel | None,
    made: GroupForecast,
) -> GroupForecast:
    """Forecast the series that a group does not learn from; cold ones from similar items where there are enough.

    Args:
        panel: the series left out.
        stored, levels, floor: see `forecast_group`.
        teachers: the series that the group learns from; None: no cold start.
        made: their forecast.
    """
    out = forecast_group(panel, stored, made.mean.shape[1], levels, floor)
    rows = np.flatnonzero(is_cold(panel))
    if teachers is None or not len(rows):
        return out
    correlation = float(np.mean(made.path_correlation))
    cold = cold_start(panel.take(rows), Donors(teachers, made.mean, made.quantiles), levels, correlation)
    good = _complete(cold.mean, cold.quantiles)
    rows, own = rows[good], cold.seen[good]
    out.mean[rows], out.quantiles[rows] = cold.mean[good], cold.quantiles[good]
    out.model[rows], out.fallback[rows] = SIMILAR_ITEMS, True
    out.reason[rows] = [
        f"mixed from items similar in attributes and price, with {n} known periods of its own" for n in own
    ]
    out.path_correlation[rows] = cold.correlation[good]
    _close(out, panel)
    return out


def _close(out: GroupForecast, panel: Panel) -> None:
    """No demand on days that the location is known to be closed: models never learn them, training masks them."""
    if "open" not in panel.channels:
        return
    ahead = panel.channels["open"][:, panel.n_periods : panel.n_periods + out.mean.shape[1]]
    closed = np.zeros(out.mean.shape, bool)
    closed[:, : ahead.shape[1]] = ahead == 0.0
    closed &= ~out.failed[:, None]
    out.mean[closed] = 0.0
    out.quantiles[closed] = 0.0


def _try(
    out: GroupForecast,
    panel: Panel,
    models: Sequence[Stored],
    name: str,
    levels: NDArray[np.float64],
    reason: str,
    fallback: bool,
) -> str:
    """Fill the rows that have no forecast yet; says what went wrong, if it did."""
    try:
        mean, quantiles = _combine(panel, models, out.mean.shape[1], levels)
    except Exception as error:  # a model that cannot be loaded or applied sends its series to the next one
        return f"{name} failed: {type(error).__name__}: {error}"
    usable = out.failed & _complete(mean, quantiles)
    out.mean[usable], out.quantiles[usable] = mean[usable], quantiles[usable]
    out.model[usable], out.reason[usable], out.fallback[usable] = name, reason, fallback
    out.path_correlation[usable] = models[0].path_correlation
    return "" if usable.all() else f"{name} had no forecast for the series"


def _combine(
    panel: Panel, models: Sequence[Stored], horizon: int, levels: NDArray[np.float64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Calibrated forecast of a weighted combination."""
    calibration = Calibration.from_json(models[0].calibration) if models[0].calibration else None
    trained = np.asarray(calibration.levels, np.float64) if calibration else levels
    parts = [distribution(each.forecaster, horizon, trained, panel) for each in models]
    weights = [each.weight if each.chosen else 1.0 for each in models]
    mean, quantiles = (blend([part[k] for part in parts], weights) for k in (0, 1))
    if calibration:
        quantiles = calibration.apply(quantiles, spread(panel))
    same = len(trained) == len(levels) and bool(np.allclose(trained, levels))
    return mean, quantiles if same else to_levels(quantiles, trained, levels)


def _last_resort(out: GroupForecast, panel: Panel, levels: NDArray[np.float64], why: str) -> None:
    """Seasonal mean of every known demand, masked or not: better than nothing, and marked as such."""
    everything = replace(panel, available=np.isfinite(panel.demand))
    model = SeasonalNaive(horizon=out.mean.shape[1]).fit(everything)
    mean, quantiles = model.distribution(out.mean.shape[1], levels, everything)
    usable = out.failed & _complete(mean, quantiles)
    out.mean[usable], out.quantiles[usable] = mean[usable], quantiles[usable]
    out.model[usable], out.fallback[usable] = LAST_RESORT, True
    out.reason[usable] = f"mean of all known demand, masked periods included: {why or 'no period to train on'}"
    out.path_correlation[usable] = PRIOR_CORRELATION


def _complete(mean: NDArray[np.floating], quantiles: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(n,) True where a row has all its numbers."""
    return np.asarray(np.isfinite(mean).all(axis=1) & np.isfinite(quantiles).all(axis=(1, 2)), bool)
