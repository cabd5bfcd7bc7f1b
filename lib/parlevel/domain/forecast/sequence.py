"""What the networks over a series' past share: windows, embeddings, the quantile head, training, storage.

An encoder reads the recent past; a decoder adds what is known of each future step; the head gives all
quantiles of all steps at once. The target is demand divided by the series' own level; the head's increments are
positive, so quantiles cannot cross, and are multiplied by the seasonal profile. Trained on the pinball loss
of available periods. Source: Wen et al. (2017), "A multi-horizon quantile recurrent forecaster", for the shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.drivers import DRIVERS, index_of, switched
from parlevel.domain.forecast.hyper import settings
from parlevel.domain.forecast.networks import load_keras, pinball_loss, read_network, rounded, write_network
from parlevel.domain.forecast.quantiles import enforce, mean_of, to_levels
from parlevel.domain.forecast.traits import Traits
from parlevel.domain.forecast.windows import Standard, Windows, design_rows, draw_origins, windows
from parlevel.domain.panel import Panel
from parlevel.errors import DataError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LENGTH: dict[str, int] = {"day": 56, "week": 52, "month": 24}
"""Periods that the encoder reads."""

BATCH = 512
"""Windows forecast at once."""

SEQUENCE: dict[str, Any] = {
    "horizon": 28,
    "seed": 0,
    "lags": (1, 2, 3, 7, 14, 28),
    "windows": (7, 28, 91),
    "halflives": (14.0,),
    "units": 40,
    "hidden": 64,
    "embedding": 0,
    "dropout": 0.1,
    "max_windows": 4000,
    "epochs": 10,
    "batch": 64,
    "learning_rate": 3e-3,
    "recency": 1.0,
    "levels": (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975),
}
"""Hyperparameters of every model here: `horizon`, the largest step; `seed` of windows and weights; `lags`, `windows`,
`halflives` of the decoder's features (periods); `units` of the encoder; `hidden` units of the decoder's layers;
`embedding`, numbers that a series and each of its codes become (0: none); `dropout`, share of the decoder's inputs
dropped in training; `max_windows` drawn at most; `epochs` over them, the learning rate falling to zero; `batch`
windows a step; `learning_rate` at the start; `recency`, years after which a window is drawn half as often;
`levels` that the head is trained for."""


class Sequence(FromDistribution):
    """Base of the sequence models; a subclass names itself and builds the encoder and the decoder's state."""

    format: ClassVar[str] = "keras"
    name: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}
    work: ClassVar[tuple[str, ...]] = ("epochs", "max_windows")
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "units": (24, 40, 64),
        "hidden": (32, 64, 96),
        "dropout": (0.0, 0.1, 0.25),
        "epochs": (6, 10, 16),
        "learning_rate": (1e-3, 3e-3, 6e-3),
        "recency": (0.5, 1.0, 2.0),
    }

    def __init__(self, **hyperparameters: Any) -> None:
        self.parameters = settings(self.name, {**SEQUENCE, **self.defaults}, hyperparameters)
        self.names: list[str] = []
        self.losses: list[float] = []
        self._standard: Standard | None = None
        self._traits: Traits | None = None
        self._network: Any = None
        self._precision = "float32"
        self._panel: Panel | None = None

    def decode(self, past: Any, future: Any) -> Any:
        """(batch, horizon, k) state of each step from the past (batch, length, channels) and what is known of it."""
        raise NotImplementedError

    def fit(self, panel: Panel) -> Self:
        """Train the network; see `Forecaster.fit`."""
        p, design = self.parameters, self._design(panel)
        series, origins = draw_origins(panel, p["max_windows"], p["horizon"], p["recency"], p["seed"])
        rows = design_rows(panel, design, series, origins, p["horizon"])
        self.names, self._standard = design.names(panel), Standard.of(rows)
        self._traits = Traits.fit(panel, self.names) if p["embedding"] else None
        made = self._windows(panel, series, origins, rows)
        keras = load_keras()
        keras.backend.clear_session()
        keras.utils.set_random_seed(p["seed"])
        inputs = self._inputs(panel, series, made)
        self._network = self._build(inputs)
        n_steps = p["epochs"] * -(-len(series) // p["batch"])
        rate = keras.optimizers.schedules.CosineDecay(p["learning_rate"], n_steps)
        optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
        self._network.compile(optimizer=optimizer, loss=pinball_loss(p["levels"]))
        history = self._network.fit(inputs, made.target, batch_size=p["batch"], epochs=p["epochs"], verbose=0)
        self.losses = [float(loss) for loss in history.history["loss"]]
        if not np.isfinite(self.losses[-1]):
            raise DataError(f"the network's loss must stay finite. Got {self.losses[-3:]}. Lower learning_rate.")
        self._panel = panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles) from one pass of the network."""
        panel = panel if panel is not None else self._panel
        if self._network is None or self._standard is None or panel is None:
            raise DataError(f"{self.name} must be fitted, and given a panel once it was stored, before it predicts.")
        if horizon > self.parameters["horizon"]:
            raise DataError(
                f"horizon must be at most the {self.parameters['horizon']} steps it was trained for. Got {horizon}."
            )
        raw = np.concatenate([self._apply(panel, start) for start in range(0, panel.n_series, BATCH)])[:, :horizon]
        seen = np.asarray((panel.available & ~np.isnan(panel.demand)).any(axis=1))
        raw[~seen] = np.nan
        own = np.asarray(self.parameters["levels"], np.float64)
        mean = mean_of(raw.astype(np.float64), own).astype(np.float32)
        return mean, enforce(to_levels(raw, own, quantiles)).astype(np.float32)

    def explain(self, steps: Ints, panel: Panel) -> NDArray[np.floating]:
        """The mean split over drivers by switching them on; see `parlevel.domain.forecast.drivers`."""
        index, own = index_of(self.names), np.asarray(self.parameters["levels"], np.float64)
        recent, season, place = (DRIVERS.index(name) for name in ("recent sales", "season", "product and place"))
        parts = []
        for start in range(0, panel.n_series, BATCH):
            series, made = self._at_cutoff(panel, start)
            inputs = self._inputs(panel, series, made)

            def predict(actual: list[int], inputs: list[Any] = inputs, made: Windows = made) -> NDArray[np.floating]:
                past, future, profile, *more = inputs
                flat = np.zeros_like(past)
                flat[:, :, 0], flat[:, :, 1], flat[:, :, 2:4] = np.log(2.0), 1.0, past[:, :, 2:4]
                given = [
                    past if recent in actual else flat,
                    np.where(np.isin(index, actual), future, np.float32(0.0)),
                    profile if season in actual else np.ones_like(profile),
                ]
                if more:
                    given += [more[0] if place in actual else np.zeros_like(more[0])]
                    given += [more[1] if recent in actual else np.zeros_like(more[1])]
                out = np.asarray(self._network(given, training=False), np.float64) * made.scale[:, None, None]
                return mean_of(out, own)[:, steps - 1]

            present = sorted({*index.tolist(), recent, season, *([place] if len(inputs) > 3 else [])})
            parts.append(switched(predict, present))
        return np.concatenate(parts)

    def smaller(self) -> Iterator[tuple[str, Self]]:
        """The network with weights of fewer bits, the smallest first; see `parlevel.domain.forecast.compress`."""
        for precision in ("int8", "float16"):
            made = copy(self)
            made._network, made._precision = rounded(self._network, precision), precision
            yield f"weights as {precision}", made

    def to_bytes(self) -> bytes:
        """A .keras archive with one more entry, `parlevel.json`."""
        assert self._standard is not None
        standard = {"mean": self._standard.mean, "sd": self._standard.sd}
        about: dict[str, Any] = {
            "parameters": self.parameters,
            "names": self.names,
            "losses": self.losses,
            "standard": standard,
        }
        about["traits"] = self._traits.facts() if self._traits else None
        return write_network(self._network, {**about, "precision": self._precision}, self._precision)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        network, about = read_network(payload)
        model = cls(**about["parameters"])
        model.names, model.losses, model._network = about["names"], about["losses"], network
        model._standard = Standard(**about["standard"])
        model._traits = Traits(**about["traits"]) if about["traits"] else None
        model._precision = about["precision"]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, feature names, losses per epoch, number of weights."""
        weights = int(self._network.count_params()) if self._network is not None else 0
        return {
            "hyperparameters": self.parameters,
            "features": self.names,
            "losses": self.losses,
            "weights": weights,
        }

    def _apply(self, panel: Panel, start: int) -> Floats:
        """(n, horizon, n_levels) units for a batch of series."""
        series, made = self._at_cutoff(panel, start)
        out = self._network(self._inputs(panel, series, made), training=False)
        return np.asarray(out, np.float32) * made.scale[:, None, None]

    def _at_cutoff(self, panel: Panel, start: int) -> tuple[Ints, Windows]:
        series = np.arange(start, min(start + BATCH, panel.n_series))
        origins = np.full(len(series), panel.n_periods - 1)
        rows = design_rows(panel, self._design(panel), series, origins, self.parameters["horizon"])
        return series, self._windows(panel, series, origins, rows)

    def _windows(self, panel: Panel, series: Ints, origins: Ints, rows: Floats) -> Windows:
        assert self._standard is not None
        return windows(
            panel,
            self._design(panel),
            series,
            origins,
            horizon=self.parameters["horizon"],
            length=LENGTH[panel.period],
            rows=rows,
            standard=self._standard,
        )

    def _inputs(self, panel: Panel, series: Ints, made: Windows) -> list[Any]:
        inputs: list[Any] = [made.past, made.future, made.profile]
        if self._traits:
            inputs += [self._traits.codes(panel, series), self._traits.numbers(made.future)]
        return inputs

    def _build(self, inputs: list[Any]) -> Any:
        """Built-in layers only, so that the archive loads without code of ours."""
        keras, p = load_keras(), self.parameters
        layers, n_levels, horizon = keras.layers, len(p["levels"]), inputs[1].shape[1]
        past, future, profile = (
            keras.Input(array.shape[1:], name=name)
            for name, array in zip(("past", "future", "profile"), inputs, strict=False)
        )
        given, known = [past, future, profile], layers.Dropout(p["dropout"])(future)
        if self._traits:
            codes = keras.Input(inputs[3].shape[1:], name="codes", dtype="int32")
            numbers = keras.Input(inputs[4].shape[1:], name="numbers")
            about = self._traits.embed(codes, numbers, p["embedding"])
            given += [codes, numbers]
            known = layers.Concatenate()([known, layers.RepeatVector(horizon)(about)])
        hidden = layers.Dense(p["hidden"], activation="relu")(self.decode(past, known))
        hidden = layers.Dense(p["hidden"], activation="relu")(hidden)
        # softplus(-2.2) * n_levels is near 1.5: the untrained median starts near the level
        start = keras.initializers.Constant(-2.2)
        gaps = layers.Dense(n_levels, activation="softplus", bias_initializer=start, name="gaps")(hidden)
        total = layers.Dense(n_levels, use_bias=False, trainable=False, name="cumulate")
        quantiles = total(gaps)
        total.set_weights([np.triu(np.ones((n_levels, n_levels), np.float32))])
        return keras.Model(given, layers.Multiply()([quantiles, profile]))

    def _design(self, panel: Panel) -> Design:
        p = self.parameters
        return Design(
            lags=p["lags"], windows=p["windows"], halflives=p["halflives"], horizon=p["horizon"], period=panel.period
        )
