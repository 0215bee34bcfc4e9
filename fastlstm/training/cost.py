"""An estimate of the time and memory of a training, from its network and the number of cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture

# Seconds of a gradient step and of an epoch beside its multiplications, and of a training beside its
# steps: a process that imports TensorFlow, traces of functions, evaluation, figures.
_STEP, _EPOCH, _TRAINING = 8e-4, 0.15, 25.0

# Multiplications and additions a second that a training reaches with each core, and most cores it uses.
_SPEED, _CORES = 10e9, 4

# Memory of a process that has TensorFlow, and of a row's value in the steps before: as read, as scaled
# and as the rows that windows share.
_PROCESS_BYTES, _VALUE_BYTES = 600e6, 24


@dataclass(frozen=True)
class Cost:
    """What a training takes, about.

    Attributes:
        shortest: seconds, where early stopping ends it as soon as it can.
        longest: seconds of all epochs.
        memory: bytes of the process that trains.
    """

    shortest: float
    longest: float
    memory: float


def training_cost(
    hyperparameters: Hyperparameters,
    architecture: Architecture,
    columns: int,
    targets: Sequence[str],
    batch: int,
    gradient_steps: int,
    rows: int,
) -> Cost:
    """The cost of a training.

    Args:
        hyperparameters: epochs, patience and refit.
        architecture: the network.
        columns: features and targets.
        targets: names of the target columns.
        batch: windows of a gradient step.
        gradient_steps: of an epoch.
        rows: of the table.
    """
    hp, a = hyperparameters, architecture
    sequences = batch * a.sequences
    # A backward pass takes twice the multiplications of the forward one.
    work = 3 * a.members * sequences * _multiplications(hp, a, columns, len(targets))
    step = _STEP * (1 + a.members) / 2 + work / (_SPEED * min(os.cpu_count() or 1, _CORES))
    epoch = _EPOCH + gradient_steps * step
    times = 1 if hp.refit is False else 2
    fewest = min(hp.epochs, hp.early_stop_patience + 1)
    memory = _PROCESS_BYTES + _VALUE_BYTES * rows * columns
    return Cost(_TRAINING + times * fewest * epoch, _TRAINING + times * hp.epochs * epoch, memory)


def _multiplications(hp: Hyperparameters, a: Architecture, columns: int, targets: int) -> float:
    """Multiplications of a forward pass of one sequence."""
    if a.kind == "segment":
        segments = -(-hp.timesteps // a.segment_length)
        decoded = 1 if a.decoding == "direct" else -(-hp.steps_ahead // a.segment_length)
        read = columns - targets if a.channel_independent else columns
        embedding = a.segment_length * max(1, read) * a.units
        return segments * embedding + (segments + decoded) * 8 * a.units**2
    widths = [max(1, round(w * columns)) for w in hp.model_relative_width or [1]]
    of_row, read = 0.0, columns
    for width in widths:
        of_row += 4 * width * (read + width)
        read = width
    return hp.timesteps * of_row
