"""GRU in Keras 3: as the LSTM with a quarter fewer weights, and embeddings of series and codes."""

from __future__ import annotations

from typing import Any, ClassVar

from parlevel.domain.forecast.networks import load_keras
from parlevel.domain.forecast.sequence import Sequence


class GRU(Sequence):
    """Gated recurrent units over the recent past, whose last state every step of the decoder sees.

    Source: Cho et al. (2014). Hyperparameters: `sequence.SEQUENCE`.
    """

    name: ClassVar[str] = "gru"
    defaults: ClassVar[dict[str, Any]] = {"embedding": 8}

    def decode(self, past: Any, future: Any) -> Any:
        """The encoder's last state beside what is known of each step."""
        layers = load_keras().layers
        state = layers.GRU(self.parameters["units"], name="encoder")(past)
        return layers.Concatenate()([layers.RepeatVector(future.shape[1])(state), future])
