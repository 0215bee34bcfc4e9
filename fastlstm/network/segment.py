"""The 'segment' architecture: an LSTM over segments of rows.

SegRNN (Lin et al. 2023, "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
Forecasting") with an LSTM in place of its GRU. The look-back is cut into segments, each embedded by one
linear layer; the LSTM reads the embeddings, and a decoder makes the future segments of its final state.
What is known of the rows to forecast enters a temporal decoder after it. The embedding also reads the
hour, weekday or month of each row, as sines and cosines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import numbered
from fastlstm.network.fused_decoder import REPEATED
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.side_inputs import (
    output_activation,
    static_embedding,
    with_column_embedding,
)
from fastlstm.network.temporal_decoder import TemporalDecoder


@dataclass(frozen=True)
class SegmentCore:
    """SegRNN with an LSTM.

    Attributes:
        hyperparameters: dropout, quantiles and steps.
        architecture: the resolved architecture, with the segments' length, the LSTM's units and how it
            decodes.
        features: number of input columns.
        targets: number of output columns.
    """

    hyperparameters: Hyperparameters
    architecture: Architecture
    features: int
    targets: int

    @property
    def segments(self) -> int:
        """Segments of the look-back, the first one filled up with zeros."""
        return -(-self.hyperparameters.timesteps // self.architecture.segment_length)

    @property
    def outputs_of_step(self) -> int:
        """Outputs of a sequence for each step ahead."""
        targets = 1 if self.architecture.channel_independent else self.targets
        return self.hyperparameters.outputs_each * targets

    def lstm_sizes(self) -> tuple[list[int], int]:
        """Units of each LSTM layer, and the most time steps that one reads."""
        return [self.architecture.units], self.segments

    def __call__(self, layers: SeededLayers, sequences: Any, window: Any) -> Any:
        """Outputs of sequences; see ``fastlstm.network.cores.Core``."""
        hp = self.hyperparameters
        embedded = self._embedded_segments(layers, sequences, window)
        # Encoder and decoder share their weights, as in SegRNN.
        lstm = layers.lstm(self.architecture.units, return_state=True, name="lstm_1")
        _, hidden, cell = lstm(embedded)
        dropout = layers.dropout(hp.segment_dropout, name="dropout_1")
        decoded = self._decoded(layers, lstm, dropout, hidden, cell, window)
        if not self.architecture.future:
            return decoded
        decoder = TemporalDecoder(
            layers,
            self.architecture,
            self.outputs_of_step,
            hp.segment_dropout,
            output_activation(hp, self.architecture),
        )
        return decoder(decoded, dropout(hidden), window)

    def _decoded(
        self, layers: SeededLayers, lstm: Any, dropout: Any, hidden: Any, cell: Any, window: Any
    ) -> Any:
        """Final encoder states ``(n, units)`` to the outputs of all steps, step-major."""
        hp, units = self.hyperparameters, self.architecture.units
        if self.architecture.decoding == "direct":
            return self._all_steps(layers, dropout(hidden), window)
        length = min(self.architecture.segment_length, hp.steps_ahead)
        segments = -(-hp.steps_ahead // length)
        output = self._output_layer(layers, length)
        decoder: RecursiveDecoder | SegmentDecoder
        if self.architecture.decoding == "recursive":
            decoder = RecursiveDecoder(layers, lstm, dropout, output, segments, units)
        else:
            columns = self.architecture.sequences
            decoder = SegmentDecoder(layers, lstm, dropout, output, segments, units, columns)
        return self._joined(decoder(hidden, cell, window), segments * length)

    def _embedded_segments(self, layers: SeededLayers, sequences: Any, window: Any) -> Any:
        """Sequences ``(n, timesteps, columns)`` to embedded segments ``(n, segments, units)``."""
        ops, a = import_keras().ops, self.architecture
        segments = self._segments_of(sequences)
        shared = self._of_window(layers, window)
        if not shared:
            return layers.dense(a.units, activation="relu", name="segment")(segments)
        return ops.relu(sum(shared, layers.dense(a.units, name="segment")(segments)))

    def _of_window(self, layers: SeededLayers, window: Any) -> list[Any]:
        """What the target columns of a window add alike to their embedded segments."""
        ops, a, parts = import_keras().ops, self.architecture, []
        if a.static:
            # Once for all segments: in every row, a static feature would cost as much as one that
            # changes.
            parts.append(ops.expand_dims(static_embedding(layers, window, a, a.units), 1))
        if a.calendar:
            rows = self._segments_of(ops.take(window, list(a.calendar), axis=2))
            embedded = layers.dense(a.units, use_bias=False, name="segment_calendar")(rows)
            parts.append(ops.repeat(embedded, a.sequences, axis=0))
        return parts

    def _segments_of(self, rows: Any) -> Any:
        """Rows ``(n, timesteps, columns)`` as segments ``(n, segments, segment_length * columns)``."""
        ops, length = import_keras().ops, self.architecture.segment_length
        missing = self.segments * length - rows.shape[1]
        if missing:  # the zeros come first, among the rows that matter least
            rows = ops.pad(rows, ((0, 0), (missing, 0), (0, 0)))
        return ops.reshape(rows, (-1, self.segments, length * rows.shape[2]))

    def _output_layer(self, layers: SeededLayers, steps: int) -> Any:
        """The layer that gives the outputs of so many steps; a temporal decoder's come after it."""
        if self.architecture.future:
            return layers.dense(steps * self.outputs_of_step, name="decoded")
        activation = output_activation(self.hyperparameters, self.architecture)
        return layers.dense(steps * self.outputs_of_step, activation=activation, name="output")

    def _all_steps(self, layers: SeededLayers, hidden: Any, window: Any) -> Any:
        """'direct' decoding: outputs of all steps by one layer, ``(n, steps_ahead * outputs)``."""
        a = self.architecture
        state = with_column_embedding(layers, hidden, window, a, a.units // 2)
        return self._output_layer(layers, self.hyperparameters.steps_ahead)(state)

    def _joined(self, decoded: Any, steps: int) -> Any:
        """Decoded segments, which hold so many steps, cut to ``(n, steps_ahead * outputs)``."""
        ops, ahead, outputs = (
            import_keras().ops,
            self.hyperparameters.steps_ahead,
            self.outputs_of_step,
        )
        by_step = ops.reshape(decoded, (-1, steps, outputs))[:, :ahead]
        return ops.reshape(by_step, (-1, ahead * outputs))


@dataclass(frozen=True)
class SegmentDecoder:
    """Decodes all future segments at once, one LSTM step for each position (SegRNN, section 3.3).

    The step of a position begins with the encoder's final state, and reads a learned embedding of the
    position and of the target column that the sequence is of.

    Attributes:
        layers: makes the embeddings.
        lstm: the encoder's LSTM layer, shared with the decoder.
        dropout: the layer before ``output``.
        output: the layer that gives a segment's outputs.
        positions: number of future segments, m.
        units: of the LSTM.
        columns: target columns that share the network.
    """

    layers: SeededLayers
    lstm: Any
    dropout: Any
    output: Any
    positions: int
    units: int
    columns: int

    def __call__(self, hidden: Any, cell: Any, window: Any) -> Any:
        """Final encoder states ``(n, units)`` to outputs of all segments, ``(n * m, outputs)``."""
        ops = import_keras().ops
        queries = self._queries(window)
        # Layers with names, so that ``fastlstm.network.fused_decoder`` knows what is repeated.
        states = [
            ops.reshape(
                self.layers.repeat(self.positions, name=f"{REPEATED}_{name}")(state),
                (-1, self.units),
            )
            for name, state in (("hidden", hidden), ("cell", cell))
        ]
        decoded = self.lstm(queries, initial_state=states)[0]
        return self.output(self.dropout(decoded))

    def _queries(self, window: Any) -> Any:
        """What the LSTM reads for each sequence and position, ``(n * m, 1, units)``."""
        ops, m, columns = import_keras().ops, self.positions, self.columns
        of_position = self.units // 2 if columns > 1 else self.units
        position = self.layers.embedding(m, of_position, name="position")(numbered(window, m))
        queries = ops.expand_dims(position, 0)
        if columns > 1:
            column = self.layers.embedding(columns, self.units - of_position, name="column")(
                numbered(window, columns)
            )
            queries = ops.concatenate(
                [
                    ops.repeat(queries, columns, axis=0),
                    ops.repeat(ops.expand_dims(column, 1), m, axis=1),
                ],
                axis=2,
            )
        queries = ops.reshape(queries, (1, columns * m, self.units))
        queries = ops.zeros_like(window[:, :1, :1]) + queries  # for each window of the batch
        return ops.reshape(queries, (-1, 1, self.units))


@dataclass(frozen=True)
class RecursiveDecoder:
    """Decodes one future segment after the other, each from the state after the one before it.

    Attributes:
        layers: makes the layer that embeds a decoded segment for the next step.
        lstm: the encoder's LSTM layer, shared with the decoder.
        dropout: the layer before ``output``.
        output: the layer that gives a segment's outputs.
        positions: number of future segments, m.
        units: of the LSTM.
    """

    layers: SeededLayers
    lstm: Any
    dropout: Any
    output: Any
    positions: int
    units: int

    def __call__(self, hidden: Any, cell: Any, window: Any) -> Any:
        """Final encoder states ``(n, units)`` to outputs of all segments, ``(n, m, outputs)``."""
        ops = import_keras().ops
        embedding = self.layers.dense(self.units, activation="relu", name="forecast_segment")
        decoded = []
        for number in range(self.positions):
            decoded.append(self.output(self.dropout(hidden)))
            if number + 1 < self.positions:
                embedded = ops.expand_dims(embedding(decoded[-1]), 1)
                _, hidden, cell = self.lstm(embedded, initial_state=[hidden, cell])
        return ops.stack(decoded, axis=1)
