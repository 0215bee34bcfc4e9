"""Runs of fastLSTM 1.0 open, safely, and give 1.0's numbers."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.errors import StoreError
from tests.runs.legacy_writer import STAMP, write_legacy_run

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
    return x, pd.DataFrame({"up": (rng.random(120) > 0.5).astype(int)})


@pytest.fixture(scope="module")
def old_run(tmp_path_factory, tables):
    return write_legacy_run(tmp_path_factory.mktemp("old"), *tables, regressor=False)


@pytest.fixture
def file(old_run, tmp_path):
    """The hyperparameter JSON of a copy of an old classifier's run."""
    return shutil.copytree(old_run.parent, tmp_path / "run") / old_run.name


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("regressor", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_old_runs_give_their_own_numbers(tmp_path, tables, layers, regressor, bare):
    x, y = tables
    file = write_legacy_run(
        tmp_path / "a", x, y, regressor=regressor, scale_target=regressor, layers=layers,
        bare_arrays=bare,
    )  # fmt: skip
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "a", moved)
    model = fastLSTM().load_all(file.name, moved)
    assert model._hp.LSTM_type == ("regressor" if regressor else "classifier")
    np.testing.assert_allclose(
        model.model_predict(x[["c", "a", "b"]]),
        np.load(moved / "expected.npy"),
        rtol=1e-4,
        atol=1e-5,
    )
    assert list(model.loss_df.columns) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert model.output_column_names() == ["up"]
    assert len(model.X_train) == 84 and len(model.X_test) == 18
    assert model.hyperparameters["model_name"] == "old"
    text = model.network_predictions_evaluation(0.5)
    assert "precision" in text or "mae" in text
    assert "old" in repr(model)


@pytest.mark.soak
def test_a_moved_old_run_can_be_trained_on(tmp_path, file):
    model = fastLSTM().load_all(file)
    model.data_storage_path = tmp_path / "new"
    history = model.network_training(1, verbose=0)
    assert len(history) == 1 and (model.run_folder / "manifest.json").exists()


class Shell:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def test_code_in_an_old_scaler_file_does_not_run(tmp_path, file):
    canary, scaler = tmp_path / "canary", file.parent / f"{STAMP} - SCALER FOR LSTM MODEL - old.pkl"
    hostile = Shell(canary)
    nested = np.array([hostile], dtype=object)
    for shape in (hostile, {"X_scaler": hostile, "Y_scaler": nested}, {"X_scaler": nested}, nested):
        for write in (joblib.dump, lambda v, f: f.write_bytes(pickle.dumps(v))):
            write(shape, scaler)
            with pytest.raises(StoreError, match=r"SCALER.*it names posix\.system"):
                fastLSTM().load_all(file)
        joblib.dump(shape, scaler, compress=3)
        with pytest.raises(StoreError, match="is no pickle"):
            fastLSTM().load_all(file)
    assert not canary.exists()


@pytest.mark.parametrize("content", [{"X_scaler": 1, "Y_scaler": 2}, [1], {"X_scaler": None}])
def test_old_scaler_files_of_other_content(file, content):
    joblib.dump(content, file.parent / f"{STAMP} - SCALER FOR LSTM MODEL - old.pkl")
    with pytest.raises(StoreError, match=r"not a (scaler|dict)"):
        fastLSTM().load_all(file)


@pytest.mark.parametrize("name", ["../x.keras", "/etc/passwd", "..\\x.keras", "sub/x.keras", 3])
def test_names_may_not_leave_the_folder(file, name):
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "model_file_name": name}))
    with pytest.raises(StoreError, match="leaves the folder"):
        fastLSTM().load_all(file)


def test_broken_old_settings(file):
    settings = json.loads(file.read_text())
    for change, message in (
        ({"timesteps": -3}, "timesteps"),
        ({"model_file_name": None}, "names no model_file_name"),
        ({"model_file_name": "gone.keras"}, "is missing"),
    ):
        file.write_text(json.dumps({**settings, **change}))
        with pytest.raises(StoreError, match=message):
            fastLSTM().load_all(file)
    file.write_text("[1]")
    with pytest.raises(StoreError, match="is no hyperparameter file"):
        fastLSTM().load_all(file)
