"""Counted work, which no busy machine disturbs, against slower code; times are in benchmarks/."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.parquet as pq

from benchmarks.windows import FEATURES, table, write_into
from fastlstm.artifacts.folders import write_manifest
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.network.fused_lstm import fused
from fastlstm.windows.parquet import WindowDataset


def test_bytes_written_and_row_groups_read(tmp_path, monkeypatch):
    rows, timesteps = 40_000, 50
    frame, cuts = table(rows, 1)
    write_manifest(tmp_path, write_into(tmp_path, frame, cuts, timesteps))
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    assert size < 2 * rows * FEATURES * 4

    files = sorted((tmp_path / "train").glob("*.parquet"))
    groups = sum(pq.read_metadata(file).num_row_groups for file in files)
    assert groups > 1
    read, right = Counter(), pq.ParquetFile.read_row_group

    def counted(self, *args, **kwargs):
        read["groups"] += 1
        return right(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    dataset = WindowDataset(tmp_path)
    for epoch in range(3):
        assert sum(len(x) for x, _ in dataset.batches("train", 128, (0, epoch))) == (
            dataset.count("train")
        )
    assert read["groups"] == groups  # decoded once, whatever the number of epochs


def test_operations_of_a_gradient_step():
    """Each time step of a layer is one operation forward, and one and a product backward."""
    import tensorflow as tf

    steps, layers, halves = 12, 2, 2
    hp = Hyperparameters(timesteps=steps, model_relative_width=[2, 2], model_dropout=[0, 0])
    model = build_network(hp, list("abc"), ["y"])

    @tf.function(input_signature=[tf.TensorSpec((None, steps, 3))])
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    with fused(model):
        graph = gradients.get_concrete_function().graph
    counts = Counter(operation.type for operation in graph.get_operations())
    assert counts["LSTMBlockCell"] == counts["LSTMBlockCellGrad"] == steps * layers * halves
    # Besides one product a step: weights (2), bias and inputs of each layer and half; the output's 3.
    assert counts["MatMul"] <= (steps + 4) * layers * halves + 3
    assert counts["While"] == counts["StatelessWhile"] == 0


def test_validation_is_forecast_once_for_all_weights_of_the_combination(monkeypatch):
    from fastlstm.network import inference
    from fastlstm.training.combination import Combination
    from fastlstm.training.fit import fit
    from tests.training.test_combination import hyperparameters, wave, windows

    forecast, right = [], inference.predict
    monkeypatch.setattr(inference, "predict", lambda m, x: forecast.append(len(x)) or right(m, x))
    hp = hyperparameters(epochs=1)
    dataset = windows(wave(), hp)
    trained = fit(dataset, hp)
    assert trained.finding(Combination).forecasters[:3] == ("lstm", "linear", "naive")
    assert sum(forecast) == dataset.count("validation")


def test_windows_of_many_values_are_forecast_few_at_once(monkeypatch):
    from fastlstm.network import inference

    hp = Hyperparameters(timesteps=5, model_relative_width=[1], model_dropout=[0])
    model, sizes = build_network(hp, list("abc"), ["y"]), []
    x = np.random.default_rng(0).normal(size=(1100, 5, 3)).astype(np.float32)
    right, compile_it = inference.predict(model, x), inference._compile

    def spying(*arguments):
        compute = compile_it(*arguments)
        return lambda part: sizes.append(len(part)) or compute(part)

    monkeypatch.setattr(inference, "_compile", spying)
    for most, expected in ((inference._BATCH_VALUES, [512, 512, 76]), (15 * 400, [400, 400, 300])):
        monkeypatch.setattr(inference, "_BATCH_VALUES", most)
        inference._compiled.clear()
        np.testing.assert_allclose(inference.predict(model, x), right, atol=1e-6)
        assert sizes == expected
        sizes.clear()
    shape = {"timesteps": 720, "features": ["f"] * 321, "steps_ahead": 720, "targets": ["t"] * 321}
    assert inference.windows_at_once(shape) == 34
    assert inference.windows_at_once({**shape, "features": ["f"], "targets": ["t"]}) == 4096
