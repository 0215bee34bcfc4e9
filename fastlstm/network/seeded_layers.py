"""Stock Keras layers whose random numbers follow from one seed, whatever other threads draw."""

from __future__ import annotations

import copy
import random
from typing import Any

from fastlstm.network.keras_import import import_keras

# In the name of a layer of an ensemble, what comes before the number of its member; the first member's
# layers are named like those of a single network. It is in saved networks.
MEMBER = "_member_"


# The largest seed; that of the seeds which Keras draws itself.
_LARGEST = 10**9


class SeededLayers:
    """Creates layers, each random part with a seed of its own.

    By default Keras draws these seeds from Python's global generator (``keras.utils.set_random_seed``
    sets it), and a thread that draws from it between two layers changes the network: a client that waits
    for a random time between two tries is enough. The seeds here are those that Keras draws where no
    other thread does: from the same generator, in the order in which a layer draws them.

    Args:
        seed: of the generator.
    """

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(seed)
        self._suffix = ""
        keras = import_keras()
        self._layers, self._initializers = keras.layers, keras.initializers

    def of_member(self, number: int) -> SeededLayers:
        """The layers of an ensemble's member, counted from 0, with seeds of the same generator."""
        member = copy.copy(self)
        member._suffix = f"{MEMBER}{number + 1}" if number else ""
        return member

    def dense(self, units: int, name: str, **settings: Any) -> Any:
        """``keras.layers.Dense``."""
        kernel = self._initializers.GlorotUniform(seed=self._next_seed())
        return self._layers.Dense(
            units, kernel_initializer=kernel, name=name + self._suffix, **settings
        )

    def identity(self, units: int, name: str, **settings: Any) -> Any:
        """``keras.layers.Dense`` that begins as the identity of its first inputs; it draws no seed."""
        return self._layers.Dense(
            units, kernel_initializer="identity", name=name + self._suffix, **settings
        )

    def lstm(self, units: int, name: str, **settings: Any) -> Any:
        """``keras.layers.LSTM``."""
        kernel = self._initializers.GlorotUniform(seed=self._next_seed())
        recurrent = self._initializers.Orthogonal(seed=self._next_seed())
        return self._layers.LSTM(
            units,
            kernel_initializer=kernel,
            recurrent_initializer=recurrent,
            seed=self._next_seed(),
            name=name + self._suffix,
            **settings,
        )

    def dropout(self, rate: float, name: str) -> Any:
        """``keras.layers.Dropout``."""
        seed = self._next_seed() if rate > 0 else None
        return self._layers.Dropout(rate, seed=seed, name=name + self._suffix)

    def embedding(self, count: int, size: int, name: str) -> Any:
        """``keras.layers.Embedding``."""
        vectors = self._initializers.RandomUniform(seed=self._next_seed())
        return self._layers.Embedding(
            count, size, embeddings_initializer=vectors, name=name + self._suffix
        )

    def repeat(self, times: int, name: str) -> Any:
        """``keras.layers.RepeatVector``."""
        return self._layers.RepeatVector(times, name=name + self._suffix)

    def _next_seed(self) -> int:
        return self._generator.randint(1, _LARGEST)
