"""Contestants: training and prediction of two stacked LSTM layers and a dense one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.contest import Entry

_TOLERANCE = 1e-4

SIZES = {
    "small": {"steps": 20, "features": 10, "units": 20, "batch": 128},
    "medium": {"steps": 96, "features": 7, "units": 64, "batch": 64},
    "wide": {"steps": 168, "features": 32, "units": 256, "batch": 256},
}


def trainers(work: dict[str, int]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Who trains against whom, for ``benchmarks.contest.compete``; arguments: see ``train_torch``."""
    return {
        "fastLSTM": ("benchmarks.networks:train_keras", {**work, "ours": True}),
        "plain Keras": ("benchmarks.networks:train_keras", {**work, "ours": False}),
        "PyTorch": ("benchmarks.networks:train_torch", work),
    }


def _data(windows: int, steps: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(windows, steps, features)).astype(np.float32)
    return x, x[:, -1, :1].copy()


def _weights(features: int, units: int) -> list[np.ndarray]:
    """Of all layers, in Keras' order and gate order (input, forget, cell, output)."""
    rng, made = np.random.default_rng(1), []
    for inputs in (features, units):
        made.append(rng.normal(0, 0.1, (inputs, 4 * units)).astype(np.float32))
        made.append(rng.normal(0, 0.1, (units, 4 * units)).astype(np.float32))
        made.append(rng.normal(0, 0.1, 4 * units).astype(np.float32))
    made.append(rng.normal(0, 0.1, (units, 1)).astype(np.float32))
    made.append(np.zeros(1, np.float32))
    return made


def _network(steps: int, features: int, units: int) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    inputs = keras.Input((steps, features))
    hidden = keras.layers.LSTM(units, return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.LSTM(units)(hidden)))
    model.set_weights(_weights(features, units))
    return model


def _torch(features: int, units: int) -> Any:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    # What a PyTorch user writes, here with Keras' weights; PyTorch has the same gate order.
    lstm = torch.nn.LSTM(features, units, 2, batch_first=True)
    dense = torch.nn.Linear(units, 1)
    given = [torch.from_numpy(w) for w in _weights(features, units)]
    with torch.no_grad():
        for layer in range(2):
            kernel, recurrent, bias = given[3 * layer : 3 * layer + 3]
            getattr(lstm, f"weight_ih_l{layer}").copy_(kernel.T)
            getattr(lstm, f"weight_hh_l{layer}").copy_(recurrent.T)
            getattr(lstm, f"bias_ih_l{layer}").copy_(bias)
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        dense.weight.copy_(given[6].T)
        dense.bias.copy_(given[7])
    return lstm, dense


def train_keras(
    windows: int, steps: int, features: int, units: int, batch: int, ours: bool
) -> Entry:
    """An epoch of ``fit``: as a Keras user writes it, or as ``fastlstm.training.fit.fit`` calls it."""
    from fastlstm.network.fused_lstm import fused, is_chosen, use_one_thread_per_operation
    from fastlstm.training.input_pipeline import untuned

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if ours and is_chosen("auto", steps, "tanh"):
        use_one_thread_per_operation([units])
    import keras
    import tensorflow as tf

    if ours:  # as fastlstm.training.fit.fit does, and it may cost speed
        keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
    x, y = _data(windows, steps, features)
    model = _network(steps, features, units)
    # A GPU rounds to ten bits within products by default, too coarse to compare results.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    check = np.asarray(model(x[:64]))
    tf.config.experimental.enable_tensor_float_32_execution(True)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-4), loss="mse",
        steps_per_execution=min(16, windows // batch) if ours else 1,
    )  # fmt: skip
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch).prefetch(4)
    if ours:
        made = untuned(made)

    def work() -> None:
        with fused(model, "auto" if ours else "keras"):
            model.fit(made, epochs=1, verbose=0)

    return Entry(work, windows, check, _TOLERANCE)


def train_torch(windows: int, steps: int, features: int, units: int, batch: int) -> Entry:
    """An epoch of a PyTorch loop; on a GPU where there is one, with cuDNN and page-locked batches."""
    import torch

    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    lstm, dense = (layer.to(device) for layer in _torch(features, units))
    x, y = (torch.from_numpy(a) for a in _data(windows, steps, features))
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        check = dense(lstm(x[:64].to(device))[0][:, -1]).cpu().numpy()
    torch.backends.cudnn.allow_tf32 = True  # PyTorch's default, and TensorFlow's
    if on_gpu:
        x, y = x.pin_memory(), y.pin_memory()
    optimizer = torch.optim.Adam([*lstm.parameters(), *dense.parameters()], lr=1e-4)

    def work() -> None:
        for start in range(0, windows, batch):
            inputs, truth = (a[start : start + batch].to(device, non_blocking=True) for a in (x, y))
            optimizer.zero_grad(set_to_none=True)
            outputs = dense(lstm(inputs)[0][:, -1])
            torch.nn.functional.mse_loss(outputs, truth).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()

    return Entry(work, windows, check, _TOLERANCE)


def predict_ours(windows: int, steps: int, features: int, units: int, calls: int) -> Entry:
    """``network.inference.predict`` called so often, in a process like that of the flow ``predict``."""
    from fastlstm.network.fused_lstm import is_chosen, use_one_thread_per_operation
    from fastlstm.network.inference import predict

    if is_chosen("auto", steps, "tanh"):
        use_one_thread_per_operation([units])
    x, _ = _data(windows, steps, features)
    model = _network(steps, features, units)

    def work() -> None:
        for _ in range(calls):
            predict(model, x)

    return Entry(work, windows * calls, predict(model, x)[:64], _TOLERANCE)


def predict_onnx(windows: int, steps: int, features: int, units: int, calls: int) -> Entry:
    """The same network by onnxruntime, as ``fastlstm predict`` computes it."""
    from fastlstm.network.inference import predict
    from fastlstm.network.onnx_export import onnx_model
    from fastlstm.network.onnx_session import OnnxNetwork

    x, _ = _data(windows, steps, features)
    network = OnnxNetwork(onnx_model(_network(steps, features, units)))

    def work() -> None:
        for _ in range(calls):
            predict(network, x)

    return Entry(work, windows * calls, predict(network, x)[:64], _TOLERANCE)


def predict_torch(windows: int, steps: int, features: int, units: int, calls: int) -> Entry:
    """PyTorch in batches of the same size, called so often."""
    import torch

    lstm, dense = _torch(features, units)
    x = torch.from_numpy(_data(windows, steps, features)[0])

    def once() -> np.ndarray:
        with torch.no_grad():
            parts = [dense(lstm(x[s : s + 1024])[0][:, -1]) for s in range(0, windows, 1024)]
            outputs: np.ndarray = torch.cat(parts).numpy()
            return outputs

    def work() -> None:
        for _ in range(calls):
            once()

    return Entry(work, windows * calls, once()[:64], _TOLERANCE)
