"""The output of a network whose targets are counts."""

from __future__ import annotations

from typing import Any

from fastlstm.network.keras_import import import_keras

# Counts are divided by their mean. From about a third of the mean on, the output is what it was; at 0 it
# is 7% of the mean.
_SHARPNESS = 10.0


def above_zero(outputs: Any) -> Any:
    """Outputs of any shape as positive means: the softplus function, sharp at the scale of counts."""
    return import_keras().ops.softplus(outputs * _SHARPNESS) / _SHARPNESS
