"""Runs that the class saves and opens again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fastlstm import SavedRun, fastLSTM
from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.network import serving
from fastlstm.network.onnx_session import OnnxNetwork
from fastlstm.network.serving import ServingNetwork
from tests.api.examples import regressor, settings_file


def test_training_writes_a_whole_run_and_loads_again(trained):
    names = sorted(f.name.split(" - ", 1)[-1] for f in trained.run_folder.iterdir())
    for name in (
        "LSTM MODEL - wave.keras", "SCALER FOR LSTM MODEL - wave.pkl",
        "Y SCALER FOR LSTM MODEL - wave.pkl", "X_data FOR LSTM MODEL - wave.csv",
        "Y_data FOR LSTM MODEL - wave.csv", "TRAINING HISTORY OF LSTM MODEL - wave.csv",
        "HYPERPARAMETERS OF LSTM MODEL - wave.json", "ONNX MODEL - wave.onnx", "manifest.json",
    ):  # fmt: skip
        assert name in names
    file = settings_file(trained)
    again = fastLSTM().load_all(file)
    pd.testing.assert_frame_equal(again.X_test, trained.X_test, check_freq=False)
    np.testing.assert_array_equal(again.X_test_s, trained.X_test_s)
    first, _ = trained.network_predictions_evaluation(output_dict=True)
    second, _ = again.network_predictions_evaluation(output_dict=True)
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
    assert again.hyperparameters == trained.hyperparameters
    assert "lstm_1" in again.model_summary and again.model.count_params() == 230
    pd.testing.assert_frame_equal(again.loss_df, trained.loss_df)


_FORECAST = """
import json, sys
import numpy as np, pandas as pd
from fastlstm import SavedRun
run = SavedRun(sys.argv[1])
rows = pd.read_csv(run.path("x_data")).rename(columns={"when": "__time"})
found = run.forecast(rows, np.arange(10, len(rows) + 1))
print(json.dumps(found.tolist()))
heavy = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "h5py", "prefect"}
print(sorted(heavy & set(sys.modules)))
"""


def test_a_run_forecasts_without_what_trains(trained):
    run = SavedRun(trained.run_folder)
    assert run.has_onnx and run.manifest["training"]["onnx"] == {"windows": 44}
    done = subprocess.run(
        [sys.executable, "-c", _FORECAST, str(run.folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    rows = pd.read_csv(run.path("x_data"))
    run.serving = ServingNetwork(run.folder / "none", lambda: run.network, run._network_shape)
    expected = run.forecast(rows, np.arange(10, len(rows) + 1))
    np.testing.assert_allclose(json.loads(found), expected, rtol=1e-5)


def test_a_bulk_of_windows_goes_on_with_the_faster_engine(trained, monkeypatch):
    run, timed = SavedRun(trained.run_folder), []
    # onnxruntime before it has chosen how; then onnxruntime, TensorFlow compiling, TensorFlow
    seconds = iter([3.0, 3.0, 0.0, 2.0, 3.0, 0.0, 4.0])

    def made_up(network, x):
        timed.append(network)
        return np.zeros((2, 1)), next(seconds)

    monkeypatch.setattr(serving, "_timed", made_up)
    network = ServingNetwork(run.path("onnx"), lambda: run.network, run._network_shape)
    network.predict_each(np.zeros((2, 6, 2), np.float32), 1, left=1_000)
    assert network.by_onnx and len(timed) == 1
    monkeypatch.setattr(OnnxNetwork, "is_settled", True)
    for by_onnx in (False, True):
        network = ServingNetwork(run.path("onnx"), lambda: run.network, run._network_shape)
        network.predict_each(np.zeros((2, 6, 2), np.float32), 1, left=1_000)
        assert network.by_onnx == by_onnx
    network = ServingNetwork(
        run.path("onnx"), lambda: pytest.fail("TensorFlow was started"), run._network_shape
    )
    monkeypatch.setattr(serving, "_timed", lambda network, x: (np.zeros((2, 1)), 0.1))
    network.predict_each(np.zeros((2, 6, 2), np.float32), 1, left=1_000)
    assert len(timed) == 7 and timed[2] is run.network


def test_moved_folder_loads(trained, tmp_path):
    target = tmp_path / "far" / "away"
    shutil.copytree(trained.run_folder, target)
    (file,) = target.glob("*HYPERPARAMETERS*")
    assert fastLSTM().load_all(file.name, target).run_folder == target


def test_histories(trained):
    read = fastLSTM().load_training_history(next(trained.run_folder.glob("*HISTORY*")))
    pd.testing.assert_frame_equal(read, trained.loss_df)
    with pytest.raises(StoreError, match="is missing"):
        fastLSTM().load_training_history("none.csv")
    with pytest.raises(ConfigError, match="no run was saved"):
        fastLSTM().load_training_history()


def test_index_survives_saving(trained):
    x = pd.read_csv(next(trained.run_folder.glob("*X_data*")))
    assert list(x.columns) == ["when", "a", "b"]
    assert pd.to_datetime(x["when"]).iloc[0] == trained.X_train.index[0]


def test_evaluation_follows_new_data(wave, tmp_path):
    x, y = wave
    model = regressor(x, y, tmp_path)
    model.network_training(1, verbose=0)
    scaler = model.X_scaler
    before, _ = model.network_predictions_evaluation(output_dict=True)
    later = x.shift(freq="300h")
    model.X_data, model.Y_data = later + 0.1, y.shift(freq="300h")
    model.split_and_scale()
    after, _ = model.network_predictions_evaluation(output_dict=True)
    assert after.index.min() == before.index.min() + pd.Timedelta("300h")
    assert model.X_scaler is scaler  # the network's inputs keep their meaning
    model.X_data = later[["a"]]
    with pytest.raises(DataError, match="column 'b' is absent"):
        model.split_and_scale()


@pytest.mark.soak
@pytest.mark.figures
def test_a_run_has_figures_and_feature_importance(wave, tmp_path):
    model = regressor(*wave, tmp_path)
    model.network_training(1, verbose=0)
    names = {file.name.split(" - ", 1)[-1] for file in model.run_folder.glob("*.png")}
    assert names >= {
        "TRAINING LOSS CURVE - wave.png", "TRAINING MAE CURVE - wave.png",
        "ERROR BY STEP - wave.png", "FORECAST AGAINST TRUTH - wave.png",
        "COVERAGE OF INTERVALS - wave.png", "IMPORTANCE OF INPUTS - wave.png",
    }  # fmt: skip
    assert {line["feature"] for line in model.metrics["importance"]} == {"a", "b"}
