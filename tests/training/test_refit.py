"""A refit repeats the chosen training on train and validation windows; validation scores the first."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import CHOSEN_MODEL_FILE
from fastlstm.data.split import LEARNED, SPLITS, parts_of
from fastlstm.network.inference import predict
from fastlstm.steps.train import train_into
from fastlstm.training import refit
from fastlstm.training.checkpoint import refit_checkpoint
from fastlstm.training.epochs import compiled_network
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.windows.parquet import WindowDataset
from tests.training.test_fit import dataset, regressor

pytestmark = pytest.mark.usefixtures("untraced")
ROWS = 240


def settings(**changes):
    given = {"timesteps": 6, "steps_ahead": 1, "epochs": 4, "learning_rate": 0.02, "refit": True}
    return regressor(**{**given, "model_dropout": [0.2], **changes})


def written(folder, hp, change=lambda frame: None):
    return dataset(folder, hp, rows=ROWS, change=change)


def same(one, two):
    return all(
        np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True)
    )


class TrainHoldsBoth:
    """Windows whose train split holds those of validation too."""

    def __init__(self, windows):
        self.manifest, self._dataset = windows.manifest, windows

    def count(self, split):
        return len(self.read(split).y)

    def read(self, split, columns=("x", "y")):
        if split != "train":
            return self._dataset.read(split)
        both = [self._dataset.read(name) for name in ("train", "validation")]
        names = ("series", "origin", "x", "y")
        return type(both[0])(*(np.concatenate([getattr(w, n) for w in both]) for n in names))

    def batches(self, split, batch_size, seed=None):
        windows = self.read(split)
        order = np.arange(len(windows.y))
        if seed is not None:
            order = np.random.default_rng(seed).permutation(len(order))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield windows.x[chosen], windows.y[chosen]

    def folded(self, split):
        return None

    def weights(self, split, seed=None):
        return None


@pytest.mark.soak
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {
                "learning_rate_patience": 1,
                "learning_rate_factor": 0.3,
                "learning_rate": 0.3,
                "epochs": 8,
                "batch_size": 32,
            },
            marks=pytest.mark.soak,
        ),
        {"learning_rate_schedule": "exponential"},
        pytest.param({"ema_momentum": 0.9, "ensemble_size": 2}, marks=pytest.mark.soak),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_it_is_the_training_of_the_chosen_epoch_with_validation_windows_too(tmp_path, changes):
    hp = settings(**changes)
    windows = written(tmp_path / "w", hp)
    events = []
    trained = fit(windows, hp, events.append)
    chosen = fit(windows, hp.model_copy(update={"refit": False}))
    assert trained.refitted and not chosen.refitted
    assert same(trained.chosen, chosen.model) and not same(trained.model, chosen.model)
    pd.testing.assert_frame_equal(trained.history, chosen.history)
    assert trained.best_epoch == chosen.best_epoch
    refit = [e for e in events if e["event"] == "epoch" and e.get("refit")]
    assert [e["epoch"] for e in refit] == list(range(1, trained.best_epoch + 1))
    assert {e["epochs"] for e in refit} == {trained.best_epoch}

    rates = chosen.history["learning_rate"].tolist()
    if "learning_rate_patience" in changes:
        assert trained.best_epoch > 1 and len(set(rates[: trained.best_epoch])) > 1
    by_plateau = hp.learning_rate_schedule == "reduce_on_plateau"
    again = hp.model_copy(
        update={
            "refit": False, "epochs": trained.best_epoch, "save_best_only": False,
            "early_stop_patience": 100,
            "learning_rate_schedule": "constant" if by_plateau else "exponential",
        }
    )  # fmt: skip
    as_then = keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])
    expected = fit(TrainHoldsBoth(windows), again, callbacks=[as_then] if by_plateau else [])
    x = windows.read("test").x
    np.testing.assert_allclose(predict(trained.model, x), predict(expected.model, x), atol=1e-5)
    assert np.abs(predict(trained.model, x) - predict(chosen.model, x)).max() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"ema_momentum": 0.9, "ensemble_size": 2}])
def test_a_network_that_goes_on_has_the_numbers_of_a_new_one(tmp_path, monkeypatch, changes):
    hp = settings(epochs=2, **changes)
    windows = written(tmp_path / "w", hp)
    went_on = fit(windows, hp)
    compiled = []

    def spy(*given):
        compiled.append(given[1])
        return compiled_network(*given)

    monkeypatch.setattr(refit, "compiled_network", spy)
    assert same(fit(windows, hp).model, went_on.model) and compiled == []
    monkeypatch.setattr(refit, "_same_steps", lambda *_: False)
    new = fit(windows, hp)
    assert compiled == [LEARNED]
    assert same(went_on.model, new.model) and same(went_on.chosen, new.chosen)
    assert not same(new.model, new.chosen)


def test_it_learns_from_validation_rows_and_from_no_test_row(tmp_path):
    hp = settings(epochs=2)

    def other_test(frame):
        frame.loc[int(ROWS * 0.85) :, ["x.a", "x.b", "y.t0"]] = 50.0

    def other_validation(frame):
        frame.loc[int(ROWS * 0.75) : int(ROWS * 0.8), "y.t0"] += 0.5

    models = [
        fit(written(tmp_path / str(n), hp, change), hp).model
        for n, change in enumerate((lambda frame: None, other_test, other_validation))
    ]
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


@pytest.mark.parametrize("pool", [1, 2**20])
def test_windows_of_both_splits_come_once_and_mixed(tmp_path, pool):
    windows = WindowDataset(written(tmp_path / "w", settings()).folder, pool_bytes=pool)
    train, validation = (windows.read(split).x for split in ("train", "validation"))
    whole = np.concatenate([train, validation])
    assert windows.count(LEARNED) == len(whole) == len(windows.read(LEARNED).x)
    in_order = np.concatenate([x for x, _ in windows.batches(LEARNED, 32)])
    np.testing.assert_array_equal(in_order, whole)
    sizes = [len(x) for x, _ in windows.batches(LEARNED, 32, (0, 1))]
    assert sizes[:-1] == [32] * (len(whole) // 32)
    mixed = np.concatenate([x for x, _ in windows.batches(LEARNED, 32, (0, 1))])
    flat = [sorted(map(tuple, each.reshape(len(each), -1).tolist())) for each in (mixed, whole)]
    assert flat[0] == flat[1]
    assert not np.array_equal(mixed, whole)


def test_names_of_splits():
    assert [parts_of(name) for name in SPLITS] == [("train",), ("validation",), ("test",)]
    assert parts_of(LEARNED) == ("train", "validation")
    with pytest.raises(ValueError, match="no split is named 'tset'; choose one of train, "):
        parts_of("tset")


def interrupting(epoch, refit):
    def interrupt(event):
        if (event["event"], event["epoch"], bool(event.get("refit"))) == ("epoch", epoch, refit):
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.soak
@pytest.mark.parametrize(("epoch", "refit"), [(2, False), (1, True)])
def test_after_ctrl_c_there_is_the_network_that_validation_chose(tmp_path, epoch, refit):
    hp = settings()
    trained = fit(written(tmp_path / "w", hp), hp, interrupting(epoch, refit))
    assert trained.interrupted and not trained.refitted
    assert trained.note == "interrupted, so not retrained with the validation windows"
    facts = write_network(tmp_path, trained)
    assert "refit" not in facts and not (tmp_path / CHOSEN_MODEL_FILE).exists()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({}, 2),
        pytest.param({"ema_momentum": 0.9, "ensemble_size": 2}, 3, marks=pytest.mark.soak),
    ],
)
def test_killed_within_the_refit_it_goes_on_with_the_same_numbers(tmp_path, changes, after):
    hp = settings(epochs=3, save_best_only=False, **changes)
    windows, state = str(written(tmp_path / "w", hp).folder), tmp_path / "state.npz"
    events = []

    def lost(event):
        events.append(event)
        # The third is the last one: what is left to do is to write the network.
        if event["event"] == "epoch" and event.get("refit") and event["epoch"] == after:
            raise ConnectionError("gone")

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    arguments = windows, hp.model_dump()
    with pytest.raises(ConnectionError):
        train_into(str(tmp_path / "one"), *arguments, lost, str(state))
    assert state.exists() and refit_checkpoint(state).exists()
    events.clear()
    facts = train_into(str(tmp_path / "one"), *arguments, events.append, str(state))
    assert facts["refit"] and facts["note"].startswith("resumed after epoch 3")
    epochs = [(bool(e.get("refit")), e["epoch"]) for e in events if e["event"] == "epoch"]
    assert epochs == [(True, number) for number in range(after, 4)]
    train_into(str(tmp_path / "two"), *arguments, lambda _: None)
    for file in ("model.keras", CHOSEN_MODEL_FILE):
        one, two = (keras.models.load_model(tmp_path / n / file) for n in ("one", "two"))
        assert same(one, two)
