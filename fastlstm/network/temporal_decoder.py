"""The temporal decoder: each step's outputs are corrected by what is known of that very row.

TiDE (Das et al. 2023, "Long-term Forecasting with TiDE: Time-series Dense Encoder", section 4.2): a
small dense residual block, shared by the steps, reads the covariates of a step (a holiday, a promotion,
the hour of the day) and the encoder's final state, and is added to the decoder's output of the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import numbered
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers

# Units of the block's hidden layer: few, and the step's outputs are not among their inputs, so that
# hourly series teach it no noise by the hour of the day.
_UNITS = 16


def future_covariates(window: Any, architecture: Architecture) -> Any:
    """Covariates of the rows to forecast, ``(batch, steps_ahead, covariates)``.

    A feature that is shifted by some rows holds them in the last rows of the window, where
    ``Architecture.future`` says.

    Args:
        window: the network's input, ``(batch, timesteps, n_features)``.
        architecture: the network's, with known future covariates.
    """
    ops, before, parts = import_keras().ops, 0, []
    for rows, positions in architecture.future:
        shifted = ops.take(window, list(positions), axis=2)
        parts.append(shifted[:, window.shape[1] - (rows - before) :])
        before = rows
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)


@dataclass(frozen=True)
class TemporalDecoder:
    """A dense residual block, shared by the steps and by the target columns of a shared network.

    Its last layer begins as the identity of the outputs, so that the network begins as one without
    covariates.

    Attributes:
        layers: makes the layers; the last one is named ``output``.
        architecture: the network's.
        outputs: outputs of a sequence for each step.
        dropout: rate, after the hidden layer.
        activation: of the outputs.
    """

    layers: SeededLayers
    architecture: Architecture
    outputs: int
    dropout: float
    activation: str

    def __call__(self, decoded: Any, state: Any, window: Any) -> Any:
        """Outputs of sequences without and with what is known of the rows they are for.

        Args:
            decoded: ``(n, steps_ahead * outputs)``, step-major, before their activation.
            state: the encoder's final state, ``(n, units)``.
            window: the network's input, ``(batch, timesteps, n_features)``.

        Returns:
            Same shape as ``decoded``.
        """
        ops, layers = import_keras().ops, self.layers
        columns = self.architecture.sequences
        covariates = ops.expand_dims(future_covariates(window, self.architecture), 1)
        steps = covariates.shape[2]
        # A dense layer of both side by side, as a sum of one for each of them: the covariates are
        # multiplied once for all target columns, and the state once for all steps.
        by_step = ops.reshape(decoded, (-1, columns, steps, self.outputs))
        of_state = layers.dense(_UNITS, use_bias=False, name="future_state")(state)
        hidden = layers.dense(_UNITS, name="future_covariates")(covariates)
        hidden = hidden + ops.reshape(of_state, (-1, columns, 1, _UNITS))
        if columns > 1:
            column = layers.embedding(columns, _UNITS, name="future_column")
            of_column = column(numbered(window, columns))
            hidden = hidden + ops.reshape(of_column, (1, columns, 1, _UNITS))
        hidden = layers.dropout(self.dropout, name="future_dropout")(ops.relu(hidden))
        linear = ops.zeros_like(by_step[..., :1]) + covariates
        block = ops.concatenate([by_step, hidden, linear], axis=3)
        output = layers.identity(self.outputs, activation=self.activation, name="output")
        return ops.reshape(output(block), (-1, steps * self.outputs))
