"""A multilayer perceptron on the design matrix; trained by scikit-learn, stored and run as plain matrices."""

from __future__ import annotations

import json
import warnings
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.encode import Encoder
from parlevel.domain.forecast.pooled import Pooled
from parlevel.domain.forecast.tabular import Rows

Floats = NDArray[np.floating]

LEAST_STEPS = 600
"""Gradient steps at least: few rows are passed over more often."""

TOP = 20.0
"""Targets (demand / scale) beyond which the network does not learn more."""


@dataclass(frozen=True)
class Network:
    """Encoder, weight matrices and biases; ReLU between layers, exp at the end. No layers: nothing was ever sold."""

    encoder: Encoder
    weights: list[Floats]
    biases: list[Floats]


class MLP(Pooled):
    """A small network with a Poisson loss of demand / scale, so that its output is a mean > 0.

    Source: Rumelhart, Hinton, Williams (1986); Kingma and Ba (2015), Adam.

    Args (beside those of `pooled.ROWS`):
        layers: units of each hidden layer.
        epochs: passes over the rows; more where they are few.
        learning_rate: of Adam.
        batch: rows per step.
        decay: L2 penalty of the weights.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str] = "mlp"
    defaults: ClassVar[dict[str, Any]] = {
        "max_rows": 60_000,
        "layers": (48, 24),
        "epochs": 12,
        "learning_rate": 0.002,
        "batch": 256,
        "decay": 1e-3,
    }
    work: ClassVar[tuple[str, ...]] = ("max_rows", "epochs")
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "layers": ([32], [48, 24], [96, 48]),
        "epochs": (8, 12, 20),
        "learning_rate": (0.001, 0.002, 0.004),
        "decay": (1e-4, 1e-3, 1e-2),
        "recency": (0.5, 1.0, 2.0),
    }

    def learn(self, rows: Rows, seed: int) -> Network:
        """Train a network on the rows."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        p = self.parameters
        encoder = Encoder.fit(rows.features, rows.names)
        if not rows.target.any():
            return Network(encoder, [], [])
        batch = max(1, min(p["batch"], len(rows.target)))
        network = MLPRegressor(
            loss="poisson",
            hidden_layer_sizes=tuple(p["layers"]),
            alpha=p["decay"],
            batch_size=batch,
            learning_rate_init=p["learning_rate"],
            max_iter=max(p["epochs"], -(-LEAST_STEPS * batch // len(rows.target))),
            tol=0.0,
            random_state=seed,
        )
        with warnings.catch_warnings():
            # the number of epochs is the budget, not a failure to converge
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(encoder.apply(rows.features), np.clip(rows.target, 0.0, TOP).astype(np.float64))
        # stored as float32, so used as float32: a loaded model must not differ in the last digit
        return Network(encoder, [_rounded(w) for w in network.coefs_], [_rounded(b) for b in network.intercepts_])

    def apply(self, member: Network, features: Floats) -> Floats:
        """Expected demand / scale, (m,)."""
        if not member.weights:
            return np.zeros(len(features))
        values = member.encoder.apply(features)
        for weight, bias in zip(member.weights[:-1], member.biases[:-1], strict=True):
            values = np.maximum(values @ weight + bias, 0.0)
        raw = (values @ member.weights[-1] + member.biases[-1])[:, 0]
        return np.minimum(np.exp(np.minimum(raw, np.log(TOP))), TOP)

    def to_bytes(self) -> bytes:
        """JSON with the matrices as base64 of little-endian float32."""
        members = [
            {
                "encoder": m.encoder.facts(),
                "weights": [_pack(w) for w in m.weights],
                "biases": [_pack(b) for b in m.biases],
            }
            for m in self.members
        ]
        return json.dumps({**self.about(), "members": members}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls.from_about(content)
        model.members = [
            Network(Encoder.load(m["encoder"]), [_unpack(w) for w in m["weights"]], [_unpack(b) for b in m["biases"]])
            for m in content["members"]
        ]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, features and number of weights."""
        sizes = [array.size for m in self.members for array in (*m.weights, *m.biases)]
        return {**super().describe(), "weights": int(sum(sizes))}


def _rounded(array: Floats) -> Floats:
    return array.astype(np.float32).astype(np.float64)


def _pack(array: Floats) -> dict[str, Any]:
    return {"shape": list(array.shape), "data": b64encode(array.astype("<f4").tobytes()).decode()}


def _unpack(content: dict[str, Any]) -> Floats:
    values = np.frombuffer(b64decode(content["data"]), "<f4").reshape(content["shape"])
    return values.astype(np.float64)
