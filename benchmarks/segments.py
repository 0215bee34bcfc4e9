"""Contestants: training and forecasts of the network over segments, at ETTh1's size."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.contest import Entry

_TOLERANCE = 1e-4
_COLUMNS, _LOOK_BACK, _BATCH = 7, 720, 32


def _network(steps_ahead: int, ours: bool) -> tuple[Any, np.ndarray]:
    """The default network and 32 windows for it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from fastlstm.config.hyperparameters import Hyperparameters
    from fastlstm.network.build import build_network, use_fitting_threads

    hp = Hyperparameters(
        LSTM_type="regressor", timesteps=_LOOK_BACK, steps_ahead=steps_ahead, seed=0
    )
    names = [f"column_{number}" for number in range(_COLUMNS)]
    if ours:
        use_fitting_threads(hp, names, names)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_BATCH, _LOOK_BACK, _COLUMNS)).astype(np.float32)
    return build_network(hp, names, names), x


def train(steps_ahead: int, steps: int, ours: bool) -> Entry:
    """So many gradient steps by ``fit``: as Keras computes the layers, or as the library does."""
    model, x = _network(steps_ahead, ours)
    import tensorflow as tf

    from fastlstm.network.fused_lstm import fused
    from fastlstm.training.input_pipeline import untuned

    model.compile(optimizer="adam", loss="mae", steps_per_execution=steps)
    y = np.zeros((_BATCH, model.output_shape[1]), np.float32)
    made = untuned(tf.data.Dataset.from_tensors((x, y)).repeat(steps).prefetch(4))

    def work() -> None:
        with fused(model, "auto" if ours else "keras"):
            model.fit(made, epochs=1, verbose=0)

    return Entry(work, steps * _BATCH, np.asarray(model(x)), _TOLERANCE)


def forecast(steps_ahead: int, calls: int, ours: bool) -> Entry:
    """So many times 32 windows: by Keras' ``predict_on_batch``, or by the library's ``predict``."""
    model, x = _network(steps_ahead, ours)
    from fastlstm.network.inference import predict

    def once() -> np.ndarray:
        return predict(model, x) if ours else np.asarray(model.predict_on_batch(x))

    def work() -> None:
        for _ in range(calls):
            once()

    return Entry(work, calls * _BATCH, once(), _TOLERANCE)
