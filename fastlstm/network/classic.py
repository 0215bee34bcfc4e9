"""The 'classic' architecture: a stack of LSTM layers over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.side_inputs import (
    output_activation,
    static_embedding,
    with_column_embedding,
)
from fastlstm.network.temporal_decoder import TemporalDecoder

# Largest size of the static features' embedding, which is appended to each row.
_STATIC_UNITS = 16


@dataclass(frozen=True)
class ClassicCore:
    """A stack ``(LSTM → Dropout) x n → Dense``.

    The layers' widths are multiples of the number of features that the LSTM reads, or without them those
    that fit the train windows. Only the last LSTM
    returns its final state alone, also when there is one. Known future covariates enter a temporal
    decoder after the last layer; see ``fastlstm.network.temporal_decoder``.

    Attributes:
        hyperparameters: widths, dropout and activation of the layers.
        architecture: the resolved architecture.
        features: number of input columns.
        targets: number of output columns.
    """

    hyperparameters: Hyperparameters
    architecture: Architecture
    features: int
    targets: int

    @property
    def widths(self) -> list[int]:
        """Units of each LSTM layer."""
        changing = self.features - len(self.architecture.unread)
        relative = self.hyperparameters.model_relative_width
        if relative is None:
            return [self.architecture.units]
        return [max(1, round(width * changing)) for width in relative]

    def lstm_sizes(self) -> tuple[list[int], int]:
        """Units of each LSTM layer, and the most time steps that one reads."""
        return self.widths, self.hyperparameters.timesteps

    def __call__(self, layers: SeededLayers, sequences: Any, window: Any) -> Any:
        """Outputs of sequences; see ``fastlstm.network.cores.Core``."""
        ops, hp, a = import_keras().ops, self.hyperparameters, self.architecture
        hidden = sequences
        if a.static:
            static = static_embedding(layers, window, a, min(_STATIC_UNITS, len(a.static)))
            of_each_row = ops.repeat(ops.expand_dims(static, 1), sequences.shape[1], axis=1)
            hidden = ops.concatenate([sequences, of_each_row], axis=2)
        widths = self.widths
        for number, (units, rate) in enumerate(zip(widths, hp.model_dropout, strict=True), start=1):
            hidden = layers.lstm(
                units,
                activation=hp.activation,
                return_sequences=number < len(widths),
                name=f"lstm_{number}",
            )(hidden)
            hidden = layers.dropout(rate, name=f"dropout_{number}")(hidden)
        joined = with_column_embedding(layers, hidden, window, a, max(1, widths[-1] // 2))
        each = (1 if a.channel_independent else self.targets) * hp.outputs_each
        outputs, activation = hp.steps_ahead * each, output_activation(hp, a)
        if not a.future:
            return layers.dense(outputs, activation=activation, name="output")(joined)
        decoded = layers.dense(outputs, name="decoded")(joined)
        decoder = TemporalDecoder(layers, a, each, hp.model_dropout[-1], activation)
        return decoder(decoded, hidden, window)
