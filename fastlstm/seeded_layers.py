"""Stock Keras layers whose random numbers follow from one seed, whatever other threads draw."""

from __future__ import annotations

import random
from typing import Any

from fastlstm.network import import_keras

# Of the seeds that Keras draws itself.
_LARGEST = 10**9


class SeededLayers:
    """Makes layers, each random part with a seed of its own.

    Left alone, Keras draws these seeds from Python's global generator (``keras.utils.set_random_seed``
    sets it), and a thread that draws from it between two layers changes the network: a server's client
    that waits a random while between two tries is enough. The seeds here are the ones that Keras draws
    where no other thread does: the same generator, asked in the order in which a layer asks it.

    Args:
        seed: of all of them.
    """

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(seed)
        keras = import_keras()
        self._layers, self._initializers = keras.layers, keras.initializers

    def dense(self, units: int, **settings: Any) -> Any:
        """``keras.layers.Dense``."""
        kernel = self._initializers.GlorotUniform(seed=self._drawn())
        return self._layers.Dense(units, kernel_initializer=kernel, **settings)

    def lstm(self, units: int, **settings: Any) -> Any:
        """``keras.layers.LSTM``."""
        kernel = self._initializers.GlorotUniform(seed=self._drawn())
        recurrent = self._initializers.Orthogonal(seed=self._drawn())
        return self._layers.LSTM(
            units,
            kernel_initializer=kernel,
            recurrent_initializer=recurrent,
            seed=self._drawn(),
            **settings,
        )

    def dropout(self, rate: float, **settings: Any) -> Any:
        """``keras.layers.Dropout``."""
        return self._layers.Dropout(rate, seed=self._drawn() if rate > 0 else None, **settings)

    def embedding(self, count: int, size: int, **settings: Any) -> Any:
        """``keras.layers.Embedding``."""
        vectors = self._initializers.RandomUniform(seed=self._drawn())
        return self._layers.Embedding(count, size, embeddings_initializer=vectors, **settings)

    def _drawn(self) -> int:
        return self._generator.randint(1, _LARGEST)
