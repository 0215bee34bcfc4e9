"""A training killed with -9 goes on after its last finished epoch, as if nothing had happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import HISTORY_FILE, MODEL_FILE
from fastlstm.errors import StoreError, TrainingError
from fastlstm.network.inference import load_network
from fastlstm.steps import worker
from fastlstm.steps.train import train_into
from fastlstm.training.checkpoint import State, read_state, write_state
from tests.training.test_fit import dataset, regressor

HERE = "tests.faults.test_training_resumes"
# Dropout has random states, and the plateau a memory.
SETTINGS = {
    "model_dropout": [0.2], "epochs": 6, "learning_rate": 0.2, "learning_rate_patience": 1,
    "early_stop_patience": 3, "batch_size": 128,
}  # fmt: skip


def train_and_die(folder, windows, hyperparameters, checkpoint, at, on_event):
    """Train, and be killed in the middle of an epoch, or as the state after one is written."""
    kind, number = at
    seen = {"sync": 0}

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def told(event):
        if kind == "batch" and event["event"] == "batch" and event["epoch"] == number:
            die()

    sync = os.fsync

    def synced(descriptor):
        seen["sync"] += 1
        if kind == "write" and seen["sync"] == number:
            # Part of it had reached the disk. (The descriptor itself may be open for reading only.)
            os.truncate(f"/proc/self/fd/{descriptor}", 100)
            die()
        sync(descriptor)

    os.fsync = synced
    return train_into(folder, windows, hyperparameters, told, checkpoint)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Windows, settings, and what training on them gives."""
    folder = tmp_path_factory.mktemp("undisturbed")
    hp = regressor(**SETTINGS)
    dataset(folder / "windows", hp)
    train_into(str(folder), str(folder / "windows"), hp.model_dump(), lambda _: None)
    return folder, hp


def assert_same(folder: Path, other: Path) -> None:
    one, two = (pd.read_csv(f / HISTORY_FILE) for f in (folder, other))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    for a, b in zip(
        load_network(folder / MODEL_FILE).get_weights(),
        load_network(other / MODEL_FILE).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.soak
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param([["write", 2]], marks=pytest.mark.slow, id="as a state is written"),
        pytest.param([["batch", 2], ["write", 2]], marks=pytest.mark.soak, id="twice"),
    ],
)
def test_killed_in_a_training(kills, undisturbed, tmp_path):
    whole, hp = undisturbed
    state = tmp_path / "unfinished" / "state.npz"
    arguments = {
        "folder": str(tmp_path), "windows": str(whole / "windows"),
        "hyperparameters": hp.model_dump(), "checkpoint": str(state),
    }  # fmt: skip
    finished = []
    for at in kills:
        with pytest.raises(TrainingError, match="killed by the system"):
            worker.call(f"{HERE}:train_and_die", {**arguments, "at": at}, fresh=True)
        finished.append(len(read_state(state).rows))
        assert not (tmp_path / MODEL_FILE).exists()
    assert finished == list(range(1, len(kills) + 1))
    facts = train_into(**arguments, on_event=lambda _: None)
    assert facts["note"] == f"resumed after epoch {len(kills)}"
    assert_same(whole, tmp_path)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({}, 4),
        pytest.param({"learning_rate_schedule": "cosine"}, 1, marks=pytest.mark.soak),
        pytest.param({"ema_momentum": 0.9}, 2, marks=pytest.mark.soak),
        pytest.param({"ensemble_size": 2}, 2, marks=pytest.mark.soak),
    ],
)
def test_same_numbers_wherever_it_was_interrupted(undisturbed, tmp_path, changes, after):
    whole, hp = undisturbed
    hp = hp.model_copy(update={"epochs": 6, **changes})
    windows, state = str(whole / "windows"), str(tmp_path / "state.npz")

    def interrupt(event):
        if event["event"] == "epoch" and event["epoch"] == after + 1:
            raise ConnectionError("gone")

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with pytest.raises(ConnectionError):
        train_into(str(tmp_path / "one"), windows, hp.model_dump(), interrupt, state)
    facts = train_into(str(tmp_path / "one"), windows, hp.model_dump(), lambda _: None, state)
    assert facts["note"] == f"resumed after epoch {after}"
    train_into(str(tmp_path / "two"), windows, hp.model_dump(), lambda _: None)
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.soak
@pytest.mark.usefixtures("untraced")
def test_a_training_that_had_stopped_early_is_not_gone_on_with(undisturbed, tmp_path):
    whole, hp = undisturbed
    hp = hp.model_copy(update={"epochs": 40, "early_stop_patience": 1})
    state, windows = tmp_path / "state.npz", str(whole / "windows")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        facts = train_into(
            str(tmp_path / name), windows, hp.model_dump(), lambda _: None, str(state)
        )
        assert facts["stopped_early"] and facts["epochs"] < 40
    assert facts["note"] == f"resumed after epoch {facts['epochs']}"
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("damage", ["cut short", "a byte changed", "empty"])
def test_a_damaged_state_is_named(tmp_path, damage):
    state = tmp_path / "state.npz"
    values = [np.arange(100.0), np.zeros((3, 4), np.float32)]
    write_state(state, State([{"epoch": 1.0}], 1.0, False, {}, values, b"weights" * 50))
    np.testing.assert_array_equal(read_state(state).variables[0], values[0])
    content = bytearray(state.read_bytes())
    if damage == "cut short":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = bytearray()
    else:
        content[len(content) // 3] ^= 1
    state.write_bytes(content)
    with pytest.raises(StoreError, match=r"state\.npz: is damaged"):
        read_state(state)


@pytest.mark.soak
def test_a_state_that_cannot_be_used_is_named_and_training_begins_anew(undisturbed, tmp_path):
    whole, hp = undisturbed
    state, windows = tmp_path / "state.npz", str(whole / "windows")
    other = hp.model_copy(update={"epochs": 1, "model_relative_width": [3]})
    train_into(str(tmp_path), windows, other.model_dump(), lambda _: None, str(state))
    facts = train_into(str(tmp_path), windows, hp.model_dump(), lambda _: None, str(state))
    assert str(state) in facts["note"] and facts["note"].endswith(
        "so the training began with the first epoch"
    )
    assert_same(whole, tmp_path)
