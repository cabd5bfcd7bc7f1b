"""What the Keras models share below the model: Keras itself, their loss, their archive."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ABOUT = "parlevel.json"
"""Entry that is added to the .keras archive: hyperparameters, feature names, standardisation."""

_state: set[str] = set()


def load_keras() -> Any:
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


def pinball_loss(levels: Sequence[float]) -> Any:
    """Keras loss: mean pinball over levels and over the periods that count; target (batch, horizon, 2)."""
    ops = load_keras().ops
    wanted = np.asarray(levels, np.float32)

    def loss(target: Any, predicted: Any) -> Any:
        short = target[:, :, :1] - predicted
        pinball = ops.mean(ops.maximum(wanted * short, (wanted - 1.0) * short), axis=-1)
        counts = target[:, :, 1]
        return ops.sum(pinball * counts) / ops.maximum(ops.sum(counts), 1.0)

    return loss


def write_network(network: Any, about: dict[str, Any]) -> bytes:
    """A .keras archive with one more entry."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        load_keras().saving.save_model(network, path)
        buffer = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(ABOUT), json.dumps(about))
    return buffer.getvalue()


def read_network(payload: bytes) -> tuple[Any, dict[str, Any]]:
    """What `write_network` wrote; Keras' safe mode refuses archives with code."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        about = json.loads(archive.read(ABOUT))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(payload)
        return load_keras().saving.load_model(path, compile=False, safe_mode=True), about
