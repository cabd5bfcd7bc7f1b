"""LSTM in Keras 3: one network over all series of a group, quantiles of every step at once."""

from __future__ import annotations

from typing import Any, ClassVar

from parlevel.domain.forecast.networks import load_keras
from parlevel.domain.forecast.sequence import Sequence


class LSTM(Sequence):
    """A long short-term memory over the recent past, whose last state every step of the decoder sees.

    Source: Hochreiter and Schmidhuber (1997). Hyperparameters: `sequence.SEQUENCE`.
    """

    name: ClassVar[str] = "lstm"

    def decode(self, past: Any, future: Any) -> Any:
        """The encoder's last state beside what is known of each step."""
        layers = load_keras().layers
        state = layers.LSTM(self.parameters["units"], name="encoder")(past)
        return layers.Concatenate()([layers.RepeatVector(future.shape[1])(state), future])
