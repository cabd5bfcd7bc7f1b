"""What the Keras models share below the model: Keras itself, their loss, their archive."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parlevel.domain.forecast.archives import timeless

ABOUT = "parlevel.json"
"""Entry that is added to the .keras archive: hyperparameters, feature names, standardisation."""

WEIGHTS = "weights.npz"
"""Entry that holds the weights where they are not kept in full precision."""

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


def write_network(network: Any, about: dict[str, Any], precision: str = "float32") -> bytes:
    """A .keras archive with one more entry; with another precision, one of the architecture and packed weights."""
    if precision != "float32":
        return _write_packed(network, about, precision)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        load_keras().saving.save_model(network, path)
        return timeless(path.read_bytes(), {ABOUT: json.dumps(about)})


def read_network(payload: bytes) -> tuple[Any, dict[str, Any]]:
    """What `write_network` wrote; Keras' safe mode refuses archives with code."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        about = json.loads(archive.read(ABOUT))
        if WEIGHTS in archive.namelist():
            network = load_keras().models.model_from_json(archive.read("config.json").decode())
            with np.load(io.BytesIO(archive.read(WEIGHTS)), allow_pickle=False) as packed:
                network.set_weights(_unpack(packed))
            return network, about
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(payload)
        return load_keras().saving.load_model(path, compile=False, safe_mode=True), about


def rounded(network: Any, precision: str) -> Any:
    """A copy of a network whose weights are what they will be once stored as int8 or float16."""
    made = load_keras().models.model_from_json(_architecture(network))
    made.set_weights(_unpack(_pack(network.get_weights(), precision)))
    return made


def _architecture(network: Any) -> str:
    """A network's layers as JSON, without the loss: that is code of ours, and not needed to forecast."""
    content = json.loads(network.to_json())
    content.pop("compile_config", None)
    return json.dumps(content)


def _write_packed(network: Any, about: dict[str, Any], precision: str) -> bytes:
    packed, buffer = io.BytesIO(), io.BytesIO()
    np.savez(packed, **_pack(network.get_weights(), precision))  # type: ignore[arg-type]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("config.json", _architecture(network)), (WEIGHTS, packed.getvalue())):
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(ABOUT), json.dumps(about), compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _pack(weights: Sequence[np.ndarray[Any, Any]], precision: str) -> dict[str, np.ndarray[Any, Any]]:
    """Weights by name; int8 with one scale per output, so that a large column does not coarsen the others."""
    out: dict[str, np.ndarray[Any, Any]] = {}
    for k, array in enumerate(weights):
        if precision == "float16" or array.ndim < 2:  # biases are few
            out[f"w{k}"] = array.astype(np.float16)
            continue
        scale = np.abs(array).max(axis=tuple(range(array.ndim - 1)), keepdims=True) / 127
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        out[f"w{k}"], out[f"s{k}"] = np.round(array / scale).astype(np.int8), scale
    return out


def _unpack(packed: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    n = sum(name.startswith("w") for name in packed)
    scales = [packed[f"s{k}"] if f"s{k}" in packed else np.float32(1.0) for k in range(n)]
    return [packed[f"w{k}"].astype(np.float32) * scale for k, scale in enumerate(scales)]
