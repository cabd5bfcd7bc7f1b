"""The peers of `accuracy.py`, each given the history that parlevel is given, each as its documentation shows.

statsforecast's models make their own intervals, or conformal ones where they have none; mlforecast's LightGBM has
lags, rolling means, calendar features and the covariates known ahead, with conformal intervals. All are cut at 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from accuracy_score import LEVELS, SEASON, quantile_column
from parlevel.errors import ConfigError

FREQ = {"day": "D", "week": "W-MON", "month": "MS"}
WIDTHS = [50, 80, 90, 95]
WINDOWS = 2  # of conformal intervals
MEAN_OF = {"day": (7, 4), "week": (1, 13), "month": (1, 6)}
"""Recent mean: periods in a season, and how many of the same place are averaged."""


@dataclass(frozen=True)
class Task:
    """What a peer gets.

    Attributes:
        history: unique_id, ds, y and known covariates on a regular axis per series, without gaps.
        future: unique_id, ds and the covariates, `horizon` periods per series.
        known: names of the covariates.
    """

    history: pd.DataFrame
    future: pd.DataFrame
    period: str
    horizon: int
    known: tuple[str, ...]


def task(seen: pd.DataFrame, every: pd.DataFrame, period: str, horizon: int, known: tuple[str, ...]) -> Task:
    """Lay the history out for the peers: a period without a value is 0 where rows are missing, else interpolated.

    Args:
        seen: series_id, date, sales, covariates; up to the cutoff.
        every: the same with what is known of the time after it.
        period: length of a period.
        horizon: periods ahead.
        known: covariates known ahead.
    """
    freq, cutoff = FREQ[period], seen["date"].max()
    ahead = pd.date_range(cutoff, periods=horizon + 1, freq=freq)[1:]
    columns = ["date", "sales", *known]
    parts, later = [], []
    after = dict(tuple(every[every["date"] > cutoff].groupby("series_id"))) if known else {}
    for name, rows in seen.groupby("series_id"):
        axis = pd.date_range(rows["date"].min(), cutoff, freq=freq)
        laid = rows[columns].set_index("date").reindex(axis)
        absent = ~axis.isin(rows["date"])
        laid.loc[absent] = 0.0
        laid["sales"] = laid["sales"].interpolate(limit_direction="both")
        parts.append(laid.rename_axis("ds").reset_index().assign(unique_id=name))
        next_ = pd.DataFrame({"ds": ahead, "unique_id": name})
        if known:
            found = after.get(name, rows.iloc[:0]).set_index("date")[list(known)].reindex(ahead).fillna(0.0)
            next_[list(known)] = found.to_numpy()
        later.append(next_)
    history = pd.concat(parts, ignore_index=True).rename(columns={"sales": "y"})
    return Task(history, pd.concat(later, ignore_index=True), period, horizon, known)


def recent_mean(given: Task) -> pd.DataFrame:
    """Mean of the same weekday in the last four weeks (13 weeks, 6 months), quantiles of its own past errors."""
    season, count = MEAN_OF[given.period]
    out = []
    for name, rows in given.history.groupby("unique_id"):
        y = rows["y"].to_numpy(float)
        lagged = [
            np.concatenate([np.full(min(k * season, len(y)), np.nan), y[: -k * season]]) for k in range(1, count + 1)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a series shorter than its season
            error = (y - np.nanmean(lagged, axis=0))[-13 * season * (1 if season > 1 else 3) :]
            places = [np.nanmean(y[len(y) - season + k :: -season][:count]) if len(y) >= season - k else y.mean()
                      for k in range(season)]  # fmt: skip
        mean = np.array([places[k % season] for k in range(given.horizon)])
        error = error[np.isfinite(error)]
        around = np.quantile(error, LEVELS) if len(error) else np.zeros(len(LEVELS))
        ahead = given.future.loc[given.future["unique_id"] == name, "ds"]
        out.append(_frame(np.repeat(name, given.horizon), ahead, mean, mean[:, None] + around))
    return pd.concat(out, ignore_index=True)


def _lagged(y: Any, lag: int) -> Any:
    """The values `lag` periods before each, NaN where there are none."""
    return np.concatenate([np.full(min(lag, len(y)), np.nan), y[:-lag]])


def _local(make: Callable[[Any, int], Any], own: bool = False) -> Callable[[Task], pd.DataFrame]:
    """A statsforecast model as a peer; `make` gets the module and the season, `own` says that it has intervals."""

    def forecast(given: Task) -> pd.DataFrame:
        from statsforecast import StatsForecast, models
        from statsforecast.utils import ConformalIntervals

        model = make(models, SEASON[given.period])
        intervals = None if own else ConformalIntervals(h=given.horizon, n_windows=WINDOWS)
        engine = StatsForecast(models=[model], freq=FREQ[given.period], n_jobs=1)
        found = engine.forecast(
            df=given.history[["unique_id", "ds", "y"]], h=given.horizon, level=WIDTHS, prediction_intervals=intervals
        )
        return _named(found, repr(model))

    return forecast


def lightgbm(given: Task) -> pd.DataFrame:
    """mlforecast with LightGBM at its defaults."""
    try:
        from mlforecast import MLForecast
        from mlforecast.lag_transforms import RollingMean
        from mlforecast.utils import PredictionIntervals
    except ImportError:
        raise ConfigError("the peer lightgbm needs mlforecast: pip install 'parlevel[peers]'") from None
    from lightgbm import LGBMRegressor

    lags, windows, dates = {
        "day": ([1, 2, 3, 4, 5, 6, 7, 14, 21, 28], [7, 28], ["dayofweek", "day", "month", "dayofyear"]),
        "week": ([1, 2, 3, 4, 8, 13, 26, 52], [4, 13], ["week", "month"]),
        "month": ([1, 2, 3, 6, 12], [3, 6], ["month"]),
    }[given.period]
    # conformal windows eat history: a longer lag would leave nothing to learn from
    room = int(given.history.groupby("unique_id").size().max()) - WINDOWS * given.horizon - 1
    lags, windows = ([k for k in each if k < room] or [1] for each in (lags, windows))
    engine = MLForecast(
        models={"lightgbm": LGBMRegressor(verbosity=-1, n_jobs=1, random_state=0)},
        freq=FREQ[given.period],
        lags=lags,
        lag_transforms={1: [RollingMean(window) for window in windows]},
        date_features=dates,
        num_threads=1,
    )
    intervals = PredictionIntervals(h=given.horizon, n_windows=WINDOWS)
    engine.fit(given.history, static_features=[], prediction_intervals=intervals)
    ahead = given.future if given.known else None
    found = engine.predict(given.horizon, X_df=ahead, level=WIDTHS)
    return _named(found, "lightgbm")


def complete(found: pd.DataFrame, given: Task) -> pd.DataFrame:
    """A peer's forecasts, the recent mean's for series that it leaves out (too short for its lags or intervals)."""
    # whole forecasts only: a library may leave out single periods, or give them no number
    whole = found.dropna().groupby("series_id").size() == given.horizon
    known = found[found["series_id"].map(whole).fillna(False).astype(bool)]
    lost = ~given.history["unique_id"].isin(known["series_id"])
    if not lost.any():
        return known
    names = given.history.loc[lost, "unique_id"].unique()
    future = given.future[given.future["unique_id"].isin(names)]
    rest = recent_mean(replace(given, history=given.history[lost], future=future))
    return pd.concat([known, rest], ignore_index=True)


def drawn(given: Task, peer: str, most: int | None = None) -> Task:
    """The task of some series drawn at random, the same ones in every run; all of them where there are no more.

    Args:
        given: the whole task.
        peer: slow ones get `MOST` observations.
        most: series, in place of that.
    """
    names = np.sort(given.history["unique_id"].unique())
    if most is None:
        most = int(MOST[peer] // (len(given.history) / len(names))) if peer in MOST else len(names)
    if len(names) <= most:
        return given
    some = np.random.default_rng(0).choice(names, max(most, 1), replace=False)
    history, future = (rows[rows["unique_id"].isin(some)] for rows in (given.history, given.future))
    return replace(given, history=history, future=future)


def _named(found: pd.DataFrame, model: str) -> pd.DataFrame:
    """parlevel's columns from a library's."""
    mean = found[model].to_numpy(float)
    sides = []
    for level in LEVELS:
        width = round(abs(2 * level - 1) * 100)
        sides.append(mean if width == 0 else found[f"{model}-{'lo' if level < 0.5 else 'hi'}-{width}"].to_numpy(float))
    return _frame(found["unique_id"], found["ds"], mean, np.stack(sides, axis=1))


def _frame(names: Any, dates: Any, mean: Any, quantiles: Any) -> pd.DataFrame:
    rows = pd.DataFrame({"series_id": np.asarray(names), "date": np.asarray(dates), "demand_mean": np.maximum(mean, 0)})
    ordered = np.sort(np.maximum(quantiles, 0), axis=1)
    rows[[quantile_column(level) for level in LEVELS]] = ordered
    return rows


PEERS: dict[str, Callable[[Task], pd.DataFrame]] = {
    "seasonal_naive": _local(lambda m, season: m.SeasonalNaive(season_length=season)),
    "recent_mean": recent_mean,
    "lightgbm": lightgbm,
    "autoets": _local(lambda m, season: m.AutoETS(season_length=season), own=True),
    "autoarima": _local(lambda m, season: m.AutoARIMA(season_length=season), own=True),
    "croston": _local(lambda m, season: m.CrostonOptimized()),
    "sba": _local(lambda m, season: m.CrostonSBA()),
    "tsb": _local(lambda m, season: m.TSB(alpha_d=0.1, alpha_p=0.1)),
    "adida": _local(lambda m, season: m.ADIDA()),
    "imapa": _local(lambda m, season: m.IMAPA()),
}
"""Name -> peer."""

SEASONAL = ("autoets", "autoarima")
"""Not for weeks: the season is 52 long, and few histories hold two."""

MOST = {"autoets": 500_000, "autoarima": 20_000}
"""Observations that a slow peer gets at most: for those it takes minutes, for a thousand daily series hours."""

INTERMITTENT = ("croston", "sba", "tsb", "adida", "imapa")


def peers_for(dataset: str, asked: str) -> list[str]:
    """The peers to run: those named (comma-separated), or for "all" those that suit the data set.

    Raises:
        ConfigError: an unknown peer.
    """
    if asked != "all":
        names = [name.strip() for name in asked.split(",")]
        unknown = [name for name in names if name not in PEERS]
        if unknown:
            raise ConfigError(f"--peers must name any of {list(PEERS)}, or all. Got {unknown}.")
        return names
    left_out = {"carparts": (), "vn2": SEASONAL}.get(dataset, INTERMITTENT)
    return [name for name in PEERS if name not in left_out]
