"""A stored run opens again: with plain Keras, with the class, and only if it is whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm import SavedRun, fastLSTM
from fastlstm.artifacts.folders import read_manifest, write_manifest
from fastlstm.errors import ConfigError, DataError, StoreError
from tasks.references import StepOutput
from tests.conftest import make_panel


@pytest.fixture(scope="module")
def folder(finished) -> Path:
    return Path(finished.run.location)


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    target = tmp_path / "moved" / "elsewhere"
    shutil.copytree(folder, target)
    return target


def remanifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    about = {k: v for k, v in manifest.items() if k not in ("files", "content_sha256")}
    write_manifest(folder, about)


@pytest.mark.soak
def test_plain_keras_predicts_the_same_numbers(folder, tmp_path):
    """In a process where only what TensorFlow brings can be imported."""
    saved = SavedRun(folder)
    x = np.random.default_rng(0).normal(size=(9, 6, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    program = textwrap.dedent(
        f"""
        import sys
        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("fastlstm", "pandas", "sklearn", "prefect", "pyarrow"):
                    raise ImportError(name)
        sys.meta_path.insert(0, Refuse())
        import keras, numpy as np
        model = keras.models.load_model({str(saved.path("model"))!r})
        np.save({str(tmp_path / "y.npy")!r}, model.predict(np.load({str(tmp_path / "x.npy")!r})))
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True)
    model = fastLSTM().load_all(saved.path("hyperparameters"))
    own = model.model_predict(x, apply_scaler=False, descale_result=False)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), own, rtol=1e-5, atol=1e-6)


def test_class_predicts_what_the_run_was_scored_with(copied):
    """Also from a moved folder: windows of the table give the stored test predictions."""
    saved = SavedRun(copied)
    model = fastLSTM().load_all(saved.path("hyperparameters").name, copied)
    assert model.output_column_names() == ["load_step_1", "load_step_2"]
    assert "lstm_1" in model.model_summary and len(model.loss_df) == 2
    assert model.hyperparameters["target_names"] == ["load"]
    rows = make_panel().query("site == 'b'").sort_values("when")
    predicted = model.model_predict(rows[["heat", "site", "load"]])  # other order, and the series
    assert predicted.shape == (240 - 6 + 1, 2)
    stored = pd.read_parquet(saved.path("predictions")).query("series == 'b'")
    hour = (stored["origin"] - rows["when"].iloc[0]) // pd.Timedelta("1h")
    np.testing.assert_allclose(
        predicted[hour - 6, stored["step"] - 1], stored["prediction"], rtol=1e-5
    )
    one = model.model_predict(rows[["load", "heat"]].to_numpy()[:6], series="b")
    np.testing.assert_allclose(one, predicted[:1], rtol=1e-5)


def test_class_refuses_what_does_not_fit(folder):
    model = fastLSTM()
    with pytest.raises(ConfigError, match="load_all first"):
        model.model_predict(make_panel())
    with pytest.raises(StoreError, match="does not exist"):
        model.load_all("none.json")
    model.load_all(SavedRun(folder).path("hyperparameters"))
    with pytest.raises(DataError, match="column 'heat' is absent"):
        model.model_predict(make_panel()[["load"]])
    with pytest.raises(DataError, match="3 rows given, one window needs 6"):
        model.model_predict(make_panel().head(3))
    with pytest.raises(DataError, match=r"windows of shape \(5, 2\)"):
        model.model_predict(np.zeros((5, 2)))
    with pytest.raises(DataError, match="missing values"):
        model.model_predict(np.full((6, 2), np.nan))


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def test_any_changed_file_is_refused(folder, tmp_path):
    for number, name in enumerate(sorted(p.name for p in folder.iterdir())):
        damaged = tmp_path / str(number)
        shutil.copytree(folder, damaged)
        _flip(damaged / name)
        with pytest.raises(StoreError):
            SavedRun(damaged)


@pytest.mark.parametrize(
    "damage",
    [_flip, Path.unlink, lambda file: os.truncate(file, file.stat().st_size // 2)],
    ids=["a flipped bit", "deleted", "cut short"],
)
def test_any_damage_of_any_cached_file_is_seen_before_it_is_used(folder, tmp_path, damage):
    """A step whose folder is not intact is made again (test_retrain); here: each file counts."""
    work = folder.parents[2] / "work"
    steps = [made for made in work.glob("*/[0-9a-f]*") if made.is_dir()]
    assert {made.parent.name for made in steps} == {
        "load", "validate", "scale", "windows", "train", "evaluate",
    }  # fmt: skip
    count = 0
    for made in steps:
        content = read_manifest(made)["content_sha256"]
        for file in [f for f in made.rglob("*") if f.is_file()]:
            damaged = tmp_path / str(count)
            shutil.copytree(made, damaged)
            step = StepOutput(path=str(damaged), key="k", content_sha256=content, rows=1)
            assert step.is_intact()
            damage(damaged / file.relative_to(made))
            assert not step.is_intact(), file
            count += 1
    assert count >= 20


def test_settings_that_are_no_settings(copied):
    saved = SavedRun(copied)
    saved.path("hyperparameters").write_text('{"timesteps": -1, "data": {}}')
    remanifest(copied)
    with pytest.raises(StoreError, match="timesteps"):
        SavedRun(copied)
    saved.path("hyperparameters").write_text("[]")
    remanifest(copied)
    with pytest.raises(StoreError, match="its JSON is no object"):
        SavedRun(copied)


@pytest.mark.parametrize("key", ["run_id", "model_name"])
def test_names_in_a_manifest_may_not_leave_the_folder(copied, key):
    manifest = json.loads((copied / "manifest.json").read_text())
    about = {k: v for k, v in manifest.items() if k not in ("files", "content_sha256")}
    write_manifest(copied, {**about, key: "../../x"})
    with pytest.raises(StoreError, match="leaves the folder"):
        SavedRun(copied)


def test_a_model_with_code_in_it_is_refused(copied):
    from fastlstm.network.keras_import import import_keras

    keras = import_keras()
    saved = SavedRun(copied)
    model = keras.Sequential([keras.Input((6, 2)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(saved.path("model"))
    remanifest(copied)
    with pytest.raises(StoreError, match="cannot be opened as a Keras model"):
        _ = SavedRun(copied).network
