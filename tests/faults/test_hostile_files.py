"""Files made to run code, to leave their folder, or to fill the memory: refused, named, nothing done."""

from __future__ import annotations

import copyreg
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from fastlstm.artifacts.folders import read_manifest, write_manifest
from fastlstm.config.reading import read_settings
from fastlstm.data.scaler_files import read_scaler, read_scaler_pair
from fastlstm.errors import ConfigError, StoreError
from fastlstm.escaping import markdown
from fastlstm.network.model_files import check_model_file
from fastlstm.runs.csv_export import read_export, write_export
from fastlstm.runs.saved_run import SavedRun
from tasks.settings import PipelineConfig

CANARY = "canary-was-here"


class Runs:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


class Built(Runs):
    """Runs in the state that is set after building."""

    def __reduce__(self):
        return (StandardScaler, (), {"mean_": Runs(*self.made[:1], *self.made[1])})


def shapes(canary: Path) -> dict[str, object]:
    touch, code = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    shell = Runs(os.system, touch)
    scaler = StandardScaler().fit([[1.0], [2.0]])
    scaler.mean_ = np.array([shell], dtype=object)
    return {
        "os.system": shell,
        "eval": Runs(eval, code),
        "exec": Runs(exec, code),
        "subprocess": Runs(subprocess.call, ["touch", str(canary)]),
        "open": Runs(open, str(canary), "w"),
        "Path.touch": Runs(Path.touch, canary),
        "__import__": Runs(__import__, "antigravity"),
        "getattr": Runs(getattr, shell, "anything"),
        "nested in a list, a dict and a tuple": [{"a": (1, shell)}],
        "nested reduce": Runs(Runs, os.system, touch),
        "in the state of a scaler": Built(os.system, touch),
        "an object array": np.array([[shell]], dtype=object),
        "in a fitted attribute": scaler,
        "copyreg": Runs(copyreg._reconstructor, Runs, object, None),
        "a pickle in a pickle": Runs(pickle.loads, pickle.dumps(shell)),
        "numpy's loader": Runs(np.load, str(canary), None, True),
        "a shell by name": Runs(os.popen, touch),
    }


NAMES = list(shapes(Path("x")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_scaler_pickle_that_runs_code(name, protocol, tmp_path):
    canary, file = tmp_path / CANARY, tmp_path / "scaler.pkl"
    file.write_bytes(pickle.dumps(shapes(canary)[name], protocol=protocol))
    with pytest.raises(StoreError, match=r"scaler\.pkl"):
        read_scaler(file)
    assert not canary.exists() and "antigravity" not in sys.modules


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_a_joblib_file_that_runs_code(name, compress, tmp_path):
    canary, file = tmp_path / CANARY, tmp_path / "scalers.pkl"
    pair = {"X_scaler": shapes(canary)[name], "Y_scaler": StandardScaler()}
    joblib.dump(pair, file, compress=compress)
    for read in (read_scaler, read_scaler_pair):
        with pytest.raises(StoreError, match=r"scalers\.pkl"):
            read(file)
    assert not canary.exists()


def test_joblib_arrays_mapped_into_memory_are_no_way_in(tmp_path):
    canary, file = tmp_path / CANARY, tmp_path / "scalers.pkl"
    array = np.array([Runs(os.system, f"touch {canary}")] * 100, dtype=object)
    joblib.dump({"X_scaler": array, "Y_scaler": np.zeros(1 << 16)}, file)
    with pytest.raises(StoreError, match=r"scalers\.pkl"):
        read_scaler_pair(file)
    assert not canary.exists()


# Networks


def config_of(layer: dict) -> bytes:
    stock = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
             "config": {"batch_shape": [None, 4, 2], "dtype": "float32", "name": "x"}}  # fmt: skip
    return json.dumps(
        {"module": "keras", "class_name": "Sequential", "registered_name": None,
         "config": {"name": "m", "layers": [stock, layer]}, "build_config": {}}
    ).encode()  # fmt: skip


def weights() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["vars/0"] = np.zeros(3, np.float32)
    return content.getvalue()


def model_file(path: Path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    stock = {"module": "keras.layers", "class_name": "Dense", "registered_name": None,
             "config": {"units": 1, "name": "d"}}  # fmt: skip
    whole = {"metadata.json": b"{}", "config.json": config_of(stock),
             "model.weights.h5": weights(), **members}  # fmt: skip
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
    return path


def layer(module, name, **config):
    made = {"module": module, "class_name": name, "registered_name": None, "config": config}
    return {"config.json": config_of(made)}


def linked(kind: str) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        if kind == "external link":
            file["vars"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            file["vars"] = h5py.SoftLink("/elsewhere")
        elif kind == "external data":
            file.create_dataset("vars", (10,), "u1", external=[("/etc/passwd", 0, 10)])
        else:  # terabytes that lie nowhere
            file.create_dataset("vars", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    return content.getvalue()


HOSTILE = {
    "a lambda": (layer("keras.layers", "Lambda", function="x"), "names keras.layers.Lambda"),
    "a saved model elsewhere": (layer("keras.layers", "TFSMLayer", filepath="/tmp/x"), "TFSMLayer"),
    "a module of Python": (layer("os", "system"), "names os.system"),
    "a function": (layer("builtins", "function", config="eval"), "names builtins.function"),
    "Keras' own download": (layer("keras.utils", "get_file", fname="x"), "names keras.utils.get_file"),
    "a class of one's own": (layer("mypackage", "Mine"), "names mypackage.Mine"),
    "a class without a module": (layer(None, "Mine"), "names None.Mine"),
    "an activation that is a class": (
        layer("keras.layers", "Dense", units=1,
              activation={"module": "subprocess", "class_name": "Popen", "config": {}}),
        "names subprocess.Popen",
    ),
    "a member that leaves the folder": ({"../evil.py": b"x"}, r"a member '\.\./evil\.py'"),
    "an absolute member": ({"/etc/cron.d/x": b"x"}, "a member '/etc/cron"),
    "an unknown member": ({"assets/run.sh": b"x"}, "a member 'assets/run.sh'"),
    "a zip bomb": ({"model.weights.h5": b"\0" * 400_000_000}, "zip bomb"),
    "an oversized config": ({"config.json": b" " * (17 << 20)}, "config.json has 17,825,792 bytes"),
    "a config nested without end": ({"config.json": b"[" * 100_000}, "is damaged|recursion"),
    "weights that link elsewhere": ({"model.weights.h5": linked("external link")}, "hold a link"),
    "weights behind a soft link": ({"model.weights.h5": linked("soft link")}, "hold a link"),
    "weights in another file": ({"model.weights.h5": linked("external data")}, "in another file"),
    "weights without end": ({"model.weights.h5": linked("bomb")}, "zip bomb"),
    "weights that are none": ({"model.weights.h5": b"no weights"}, "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_network_file(name, tmp_path):
    members, told = HOSTILE[name]
    packed = zipfile.ZIP_DEFLATED if "bomb" in name or "oversized" in name else zipfile.ZIP_STORED
    file = model_file(tmp_path / "model.keras", members, packed)
    with pytest.raises(StoreError, match=told) as refused:
        check_model_file(file)
    assert str(file) in str(refused.value) and len(str(refused.value)) < 500
    assert not (tmp_path / "evil.py").exists() and not (tmp_path.parent / "evil.py").exists()


def test_a_stock_network_passes_and_other_files_do_not(tmp_path):
    check_model_file(model_file(tmp_path / "model.keras", {}))
    for content in (b"", b"no zip", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        (tmp_path / "other.keras").write_bytes(content)
        with pytest.raises(StoreError, match=r"other\.keras: cannot be opened as a Keras model"):
            check_model_file(tmp_path / "other.keras")
    with pytest.raises(StoreError, match="is missing"):
        check_model_file(tmp_path / "none.keras")


# Text


@pytest.mark.parametrize(
    ("text", "told"),
    [("[" * 200_000, "damaged"), ('{"files": ' + "9" * 10_000 + "}", "damaged"), ("{}", "damaged"),
     ('{"files": {}, "content_sha256": {}}', "damaged"), ("\x00", "damaged")],
    ids=["nested without end", "a number without end", "empty", "no hash", "a zero byte"],
)  # fmt: skip
def test_a_manifest(text, told, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=told) as refused:
        read_manifest(tmp_path)
    assert "manifest.json" in str(refused.value)


def test_a_manifest_of_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(3 << 30)  # takes no room on the disk
    with pytest.raises(StoreError, match=r"manifest\.json: has over 67,108,864 bytes"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/../../x", "..", "sub/x"])
def test_names_in_a_runs_manifest(name, tmp_path):
    folder = tmp_path / "2026-11-24 03-00-00"
    folder.mkdir()
    write_manifest(folder, {"run_id": folder.name, "model_name": name})
    with pytest.raises(StoreError, match=r"leaves the folder|HYPERPARAMETERS.* is missing"):
        SavedRun(folder)


@pytest.mark.parametrize(
    "text",
    ["data: !!python/object/apply:os.system ['touch {canary}']", "!!python/name:os.system",
     "a: &a [x, x]\nb: !!python/module:os", "data: !include /etc/passwd"],
)  # fmt: skip
def test_yaml_tags(text, tmp_path):
    canary, file = tmp_path / CANARY, tmp_path / "my.yaml"
    file.write_text(text.replace("{canary}", str(canary)))
    with pytest.raises(ConfigError, match=r"my\.yaml: line \d+ could not determine a constructor"):
        read_settings(file, PipelineConfig)
    assert not canary.exists()


def test_formulas_in_our_own_exports(tmp_path):
    frame = pd.DataFrame(
        {
            "=cmd|' /C calc'!A0": [1.5, -2.5, 3.0, 4.0],
            "shop": ["=1+1", "@SUM(A1)", "-2+3", "'=kept"],
            "plain": ["+39 06", "a", "\tx", "b'"],
        }
    )
    write_export([frame.iloc[:1], frame.iloc[1:]], tmp_path / "x.csv")
    seen = pd.read_csv(tmp_path / "x.csv", dtype=str)
    texts = [*seen.columns, *seen["shop"], *seen["plain"]]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in texts)
    assert seen.iloc[1, 0] == "-2.5"  # a number stays one
    pd.testing.assert_frame_equal(read_export(tmp_path / "x.csv"), frame)


def test_names_in_a_report_are_no_markup():
    given = "<img src=x onerror=alert(1)> [a](javascript:x) | b\n# c `d`"
    shown = markdown(given)
    assert "<" not in shown and "\n" not in shown
    assert "\\[a\\]" in shown and "\\|" in shown and "\\`d\\`" in shown
