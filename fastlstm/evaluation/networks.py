"""The two networks of one training that an evaluation needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class EvaluatedNetworks:
    """The two networks of one training that an evaluation needs.

    They are the same network unless the training ended with a refit on train and validation windows.

    Attributes:
        served: the network that is stored and forecasts; the test metrics are its.
        chosen: the network that validation chose, which has not learned from validation windows; its
            outputs there give thresholds, intervals and feature importance.
    """

    served: keras.Model
    chosen: keras.Model
