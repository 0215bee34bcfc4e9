"""Several processes train one network: the losses of one, and what happens when one is killed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fastlstm.artifacts.file_names import HISTORY_FILE, MODEL_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.reading import check_settings
from fastlstm.errors import TrainingError, WorkerEndedError, WorkerKilledError
from fastlstm.network.inference import load_network, predict
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps import train, worker
from fastlstm.training.fit import fit
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset
from tasks import training_ranks
from tasks.engine import close_engines
from tasks.settings import PipelineConfig
from tests.conftest import build_settings
from tests.training.test_fit import dataset, regressor

pytestmark = pytest.mark.soak
HERE = "tests.faults.test_training_ranks"
# No batch divides evenly, and the last one has fewer windows than there are ranks.
SETTINGS = {"batch_size": 67, "epochs": 4, "metrics": ["mae"], "windows_per_epoch": 202}


def train_and_kill(rank, flag, kills, on_event, **arguments):
    """Train; this rank is killed after its second epoch, where fewer than ``kills`` were before."""

    def listen(event):
        on_event(event)
        if rank == 0 and event["event"] == "epoch" and event["epoch"] >= 2:
            Path(flag).touch()

    def die():
        while not Path(flag).exists():
            time.sleep(0.01)
        Path(flag).rename(f"{flag}-{len(list(Path(flag).parent.glob('flag-*')))}")
        os.kill(os.getpid(), signal.SIGKILL)

    if rank == 1 and len(list(Path(flag).parent.glob("flag-*"))) < kills:
        threading.Thread(target=die, daemon=True).start()
    return train.train_into(rank=rank, on_event=listen, **arguments)


def train_on_drawn(**arguments):
    """Train on windows that each epoch draws from the disk, as if they were too many for memory."""
    train.DrawnWindows = partial(DrawnWindows, always=True)
    return train.train_into(**arguments)


@pytest.fixture
def config(tmp_path):
    """Settings, by those of the execution; the engines end with the test."""
    yield lambda **execution: check_settings(
        build_settings(tmp_path, execution=execution), PipelineConfig
    )
    close_engines()


def trained(config, folder, windows, hp, function="fastlstm.steps.train:train_into", **more):
    """History, weights and facts of a training on the workers of the settings."""
    folder.mkdir()
    facts = training_ranks.call_training(
        config, "train", function,
        {
            "folder": str(folder), "windows": str(windows), "hyperparameters": hp.model_dump(),
            "checkpoint": str(folder / "state.npz"), **more,
        },
        lambda _: None,
    )  # fmt: skip
    weights = load_network(folder / MODEL_FILE).get_weights()
    return pd.read_csv(folder / HISTORY_FILE), weights, facts


def assert_close(one, two):
    pd.testing.assert_frame_equal(one[0], two[0], rtol=1e-4)
    for a, b in zip(one[1], two[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    found = []
    monkeypatch.setattr(training_ranks, "notify", lambda _, message: found.append(message))
    return found


@pytest.mark.parametrize(
    ("engine", "changes"),
    [("local", {}), ("local", {"ema_momentum": 0.9, "refit": True}), ("dask", {})],
)
def test_two_ranks_have_the_losses_of_one(config, tmp_path, engine, changes):
    hp, windows = regressor(**SETTINGS, **changes), tmp_path / "windows"
    dataset(windows, hp)
    one = trained(config(), tmp_path / "one", windows, hp)
    two = trained(config(engine=engine, training_workers=2), tmp_path / "two", windows, hp)
    assert_close(one, two)
    # Not the same bytes: it was another order of sums.
    assert any((a != b).any() for a, b in zip(one[1], two[1], strict=True))


def test_uneven_shards_and_no_test_windows(config, tmp_path):
    """Neither rank may open a test window: there are none. The shards have 30 and 261 train windows."""
    hp, windows = regressor(**SETTINGS), tmp_path / "windows"
    dataset(windows, hp)
    (part,) = (windows / "train").iterdir()
    rows = pq.read_table(part)
    for number, piece in enumerate((rows.slice(0, 30), rows.slice(30))):
        file = windows / "train" / f"part-{number:05d}-00000.parquet"
        pq.write_table(piece, file, row_group_size=40)
    part.unlink()
    shutil.rmtree(windows / "test")
    function = f"{HERE}:train_on_drawn"
    one = trained(config(), tmp_path / "one", windows, hp, function)
    two = trained(config(training_workers=2), tmp_path / "two", windows, hp, function)
    assert_close(one, two)


def test_a_killed_rank_ends_both_which_go_on_from_the_checkpoint(config, tmp_path, messages):
    hp, windows = regressor(**SETTINGS, model_dropout=[0.2]), tmp_path / "windows"
    dataset(windows, hp)
    two = config(training_workers=2)
    whole = trained(two, tmp_path / "whole", windows, hp)
    function, flag = f"{HERE}:train_and_kill", str(tmp_path / "flag")
    killed = trained(two, tmp_path / "killed", windows, hp, function, flag=flag, kills=2)
    pd.testing.assert_frame_equal(whole[0], killed[0])
    assert killed[2]["note"].startswith("resumed after epoch ")
    assert len(messages) == 2 and "all workers begin again" in messages[0]
    hp = hp.model_copy(update={"epochs": 9})
    with pytest.raises((WorkerEndedError, WorkerKilledError), match=r"rank|killed"):
        trained(two, tmp_path / "never", windows, hp, function, flag=flag, kills=9)
    assert not list((tmp_path / "work" / "unfinished").iterdir())


def test_an_error_of_the_training_is_told_and_not_tried_again(config, tmp_path, messages):
    hp, windows = regressor(**SETTINGS), tmp_path / "windows"
    dataset(windows, hp, change=lambda frame: frame.update(frame[["y.t0"]] * 1e30))
    with pytest.raises(TrainingError, match=r"loss became .* lower learning_rate"):
        trained(config(training_workers=2), tmp_path / "run", windows, hp)
    assert not messages


def train_twice(folder, windows, hyperparameters, devices, on_event):
    """Train on some devices of this machine, and once more from the weights of the first training."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * devices
    )
    strategy = None
    if devices > 1:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(devices)])
    hp = Hyperparameters.model_validate(hyperparameters)
    found = WindowDataset(Path(windows))
    first = fit(found, hp, strategy=strategy)
    data = SimpleNamespace(features=found.manifest["features"], targets=found.manifest["targets"])
    champion = SimpleNamespace(
        run_id="earlier",
        manifest=found.manifest,
        hyperparameters=hp,
        data=data,
        network=first.model,
    )
    second = fit(found, hp, strategy=strategy, champion=champion)
    return {
        "losses": first.history.to_dict("list"), "scores": second.facts()["warm_start"],
        "forecasts": predict(second.model, found.read("validation").x).tolist(),
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"ensemble_size": 2}])
def test_two_devices_of_one_machine_have_the_losses_of_one(tmp_path, changes):
    hp, windows = regressor(**SETTINGS, **changes), tmp_path / "windows"
    dataset(windows, hp)
    one, two = (
        worker.call(
            f"{HERE}:train_twice",
            {
                "folder": str(tmp_path), "windows": str(windows), "hyperparameters": hp.model_dump(),
                "devices": devices,
            },
            fresh=True,
        )
        for devices in (1, 2)
    )  # fmt: skip
    if "ensemble_size" in changes:  # each device draws its own weights of windows
        assert np.allclose(one["losses"]["val_loss"], two["losses"]["val_loss"], rtol=0.2)
        return
    pd.testing.assert_frame_equal(
        pd.DataFrame(one["losses"]), pd.DataFrame(two["losses"]), rtol=1e-4
    )
    assert one["scores"]["champion"] == pytest.approx(two["scores"]["champion"], rel=1e-3)
    assert "kept" in one["scores"] and "why" not in one["scores"]
    np.testing.assert_allclose(one["forecasts"], two["forecasts"], rtol=0.01, atol=1e-3)


def test_a_retraining_on_two_workers(prefect_server, tmp_path):
    from flows.retrain import retrain

    given = build_settings(
        tmp_path, execution={"training_workers": 2}, hyperparameters={"refit": "all", "epochs": 2}
    )
    state = retrain(check_settings(given, PipelineConfig), return_state=True)
    assert state.is_completed(), state.message
    run = SavedRun(Path(state.result().run.location))
    assert len(pd.read_csv(run.path("history"))) == 2
    # The network that serves was trained on all windows, by both workers too.
    served, evaluated = (one.network.get_weights() for one in (run, run.evaluated))
    assert any((a != b).any() for a, b in zip(served, evaluated, strict=True))
