"""A small Transformer in Keras 3: the past attends to itself, each future step attends to the past."""

from __future__ import annotations

from typing import Any, ClassVar

from parlevel.domain.forecast.networks import load_keras
from parlevel.domain.forecast.sequence import Sequence


class Transformer(Sequence):
    """Encoder blocks of self-attention over the past; each step queries them with what is known of it.

    The order of the past is in its inputs: a causal convolution over a week mixes neighbours, and sine and cosine
    give the place in the season. Source: Vaswani et al. (2017). Hyperparameters (beside `sequence.SEQUENCE`):
    `units` is the width; `blocks` of the encoder; `heads` of each attention.
    """

    name: ClassVar[str] = "transformer"
    defaults: ClassVar[dict[str, Any]] = {"embedding": 8, "units": 32, "blocks": 2, "heads": 4, "learning_rate": 2e-3}

    def decode(self, past: Any, future: Any) -> Any:
        """What each step found in the past beside what is known of the step."""
        layers, p = load_keras().layers, self.parameters
        width, heads = p["units"], p["heads"]
        x = layers.Conv1D(width, 7, padding="causal", activation="relu")(past)
        for _ in range(p["blocks"]):
            seen = layers.MultiHeadAttention(heads, max(1, width // heads))(x, x)
            x = layers.LayerNormalization()(layers.Add()([x, seen]))
            inner = layers.Dense(width)(layers.Dense(2 * width, activation="relu")(x))
            x = layers.LayerNormalization()(layers.Add()([x, inner]))
        query = layers.Dense(width)(future)
        found = layers.MultiHeadAttention(heads, max(1, width // heads))(query, x)
        return layers.Concatenate()([layers.LayerNormalization()(layers.Add()([query, found])), future])
