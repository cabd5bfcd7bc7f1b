"""LSTM in Keras 3: one network over all series of a group, quantiles of every step at once."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.forecast.quantiles import enforce, mean_of, to_levels
from parlevel.domain.forecast.windows import Standard, Windows, design_rows, draw_origins, windows
from parlevel.domain.panel import Panel
from parlevel.errors import DataError

Floats = NDArray[np.float32]

LENGTH: dict[str, int] = {"day": 56, "week": 52, "month": 24}
"""Periods that the encoder reads."""

ABOUT = "parlevel.json"
"""Entry that is added to the .keras archive: hyperparameters, feature names, standardisation."""

BATCH = 512
"""Windows forecast at once."""


class LSTM:
    """Encoder LSTM over the recent past, a decoder over known-future features per step, a quantile head.

    The target is demand divided by the series' own level; the head's increments are positive, so quantiles
    cannot cross, and are multiplied by the seasonal profile. Trained on the pinball loss of available periods.
    Source: Wen et al. (2017), "A multi-horizon quantile recurrent forecaster", for the shape.

    Args:
        horizon: largest step.
        seed: of windows and weights.
        lags, windows, halflives: of the decoder's features; see `parlevel.domain.features.design`.
        units: of the LSTM.
        hidden: of the decoder's dense layers.
        dropout: share of the decoder's inputs that is dropped while training.
        max_windows: windows drawn at most.
        epochs: passes over them; the learning rate falls to zero over all of them.
        batch: windows a step.
        learning_rate: at the start.
        recency: years after which a window is drawn half as often.
        levels: quantile levels that the head is trained for.
    """

    format: ClassVar[str] = "keras"

    def __init__(
        self,
        *,
        horizon: int = 28,
        seed: int = 0,
        lags: Sequence[int] = (1, 2, 3, 7, 14, 28),
        windows: Sequence[int] = (7, 28, 91),
        halflives: Sequence[float] = (14.0,),
        units: int = 40,
        hidden: int = 64,
        dropout: float = 0.1,
        max_windows: int = 4000,
        epochs: int = 10,
        batch: int = 64,
        learning_rate: float = 3e-3,
        recency: float = 1.0,
        levels: Sequence[float] = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975),
    ) -> None:
        self.parameters: dict[str, Any] = {
            "horizon": horizon,
            "seed": seed,
            "lags": list(lags),
            "windows": list(windows),
            "halflives": list(halflives),
            "units": units,
            "hidden": hidden,
            "dropout": dropout,
            "max_windows": max_windows,
            "epochs": epochs,
            "batch": batch,
            "learning_rate": learning_rate,
            "recency": recency,
            "levels": list(levels),
        }
        self.names: list[str] = []
        self.losses: list[float] = []
        self._standard: Standard | None = None
        self._network: Any = None
        self._panel: Panel | None = None

    def fit(self, panel: Panel) -> Self:
        """Train the network; see `Forecaster.fit`."""
        p, design = self.parameters, self._design(panel)
        series, origins = draw_origins(panel, p["max_windows"], p["horizon"], p["recency"], p["seed"])
        rows = design_rows(panel, design, series, origins, p["horizon"])
        self.names, self._standard = design.names(panel), Standard.of(rows)
        made = windows(
            panel,
            design,
            series,
            origins,
            horizon=p["horizon"],
            length=LENGTH[panel.period],
            rows=rows,
            standard=self._standard,
        )
        keras = _keras()
        keras.backend.clear_session()
        keras.utils.set_random_seed(p["seed"])
        self._network = _network(made, p)
        n_steps = p["epochs"] * -(-len(series) // p["batch"])
        rate = keras.optimizers.schedules.CosineDecay(p["learning_rate"], n_steps)
        optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
        self._network.compile(optimizer=optimizer, loss=pinball_loss(p["levels"]))
        inputs = [made.past, made.future, made.profile]
        history = self._network.fit(inputs, made.target, batch_size=p["batch"], epochs=p["epochs"], verbose=0)
        self.losses = [float(loss) for loss in history.history["loss"]]
        if not np.isfinite(self.losses[-1]):
            raise DataError(f"the network's loss must stay finite. Got {self.losses[-3:]}. Lower learning_rate.")
        self._panel = panel
        return self

    def predict(self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None) -> Floats:
        """Quantile forecasts; see `Forecaster.predict`."""
        return self.distribution(horizon, quantiles, panel)[1]

    def predict_mean(self, horizon: int, panel: Panel | None = None) -> Floats:
        """Expected demand; see `Forecaster.predict_mean`."""
        return self.distribution(horizon, np.array([0.5]), panel)[0]

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles) from one pass of the network."""
        panel = panel if panel is not None else self._panel
        if self._network is None or self._standard is None or panel is None:
            raise DataError("an lstm must be fitted, and given a panel once it was stored, before it predicts.")
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

    def to_bytes(self) -> bytes:
        """A .keras archive with one more entry, `parlevel.json`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            _keras().saving.save_model(self._network, path)
            content = path.read_bytes()
        buffer = io.BytesIO(content)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(zipfile.ZipInfo(ABOUT), json.dumps(self._about()))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote; Keras' safe mode refuses archives with code."""
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            about = json.loads(archive.read(ABOUT))
        model = cls(**about["parameters"])
        model.names, model.losses = about["names"], about["losses"]
        model._standard = Standard(**about["standard"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(payload)
            model._network = _keras().saving.load_model(path, compile=False, safe_mode=True)
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
        p, design = self.parameters, self._design(panel)
        series = np.arange(start, min(start + BATCH, panel.n_series))
        origins = np.full(len(series), panel.n_periods - 1)
        rows = design_rows(panel, design, series, origins, p["horizon"])
        assert self._standard is not None
        made = windows(
            panel,
            design,
            series,
            origins,
            horizon=p["horizon"],
            length=LENGTH[panel.period],
            rows=rows,
            standard=self._standard,
        )
        out = self._network([made.past, made.future, made.profile], training=False)
        return np.asarray(out, np.float32) * made.scale[:, None, None]

    def _about(self) -> dict[str, Any]:
        assert self._standard is not None
        standard = {"mean": self._standard.mean, "sd": self._standard.sd}
        return {"parameters": self.parameters, "names": self.names, "losses": self.losses, "standard": standard}

    def _design(self, panel: Panel) -> Design:
        p = self.parameters
        return Design(
            lags=p["lags"], windows=p["windows"], halflives=p["halflives"], horizon=p["horizon"], period=panel.period
        )


def pinball_loss(levels: Sequence[float]) -> Any:
    """Keras loss: mean pinball over levels and over the periods that count; target (batch, horizon, 2)."""
    ops = _keras().ops
    wanted = np.asarray(levels, np.float32)

    def loss(target: Any, predicted: Any) -> Any:
        short = target[:, :, :1] - predicted
        pinball = ops.mean(ops.maximum(wanted * short, (wanted - 1.0) * short), axis=-1)
        counts = target[:, :, 1]
        return ops.sum(pinball * counts) / ops.maximum(ops.sum(counts), 1.0)

    return loss


def _network(made: Windows, p: dict[str, Any]) -> Any:
    """Built-in layers only, so that the archive loads without code of ours."""
    keras = _keras()
    layers, n_levels, horizon = keras.layers, len(p["levels"]), made.future.shape[1]
    past = keras.Input(made.past.shape[1:], name="past")
    future = keras.Input(made.future.shape[1:], name="future")
    profile = keras.Input(made.profile.shape[1:], name="profile")
    state = layers.LSTM(p["units"], name="encoder")(past)
    joined = layers.Concatenate()([layers.RepeatVector(horizon)(state), layers.Dropout(p["dropout"])(future)])
    hidden = layers.Dense(p["hidden"], activation="relu")(joined)
    hidden = layers.Dense(p["hidden"], activation="relu")(hidden)
    # softplus(-2.2) * n_levels is near 1.5: the untrained median starts near the level
    start = keras.initializers.Constant(-2.2)
    gaps = layers.Dense(n_levels, activation="softplus", bias_initializer=start, name="gaps")(hidden)
    total = layers.Dense(n_levels, use_bias=False, trainable=False, name="cumulate")
    quantiles = total(gaps)
    total.set_weights([np.triu(np.ones((n_levels, n_levels), np.float32))])
    return keras.Model([past, future, profile], layers.Multiply()([quantiles, profile]))


def _keras() -> Any:
    """Keras, with TensorFlow (unless KERAS_BACKEND says otherwise) held to one thread and to repeatable sums."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters is raised as well
    # OR-Tools crashes a process that loaded TensorFlow before it, and Spark's workers serve every stage: load it first.
    import ortools.linear_solver.python.model_builder_helper  # noqa: F401
    import keras  # isort: skip

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not _state:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
            tf.config.experimental.enable_op_determinism()
    _state.add("ready")
    return keras


_state: set[str] = set()
