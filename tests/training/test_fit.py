"""The network has the declared shape, and training is chosen by validation, seeded, and stopped."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fastlstm.artifacts.folders import publish
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.errors import ConfigError, DataError, StoreError, TrainingError
from fastlstm.network.build import build_network
from fastlstm.network.compiling import compile_network
from fastlstm.network.inference import load_network, predict
from fastlstm.steps.train import train_into
from fastlstm.training.class_weights import class_weights
from fastlstm.training.fit import fit
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset, write_windows

pytestmark = pytest.mark.usefixtures("untraced")


def dataset(folder, hp, *, labels=False, targets=1, rows=300, change=lambda frame: None, own=False):
    """Windows of a noisy wave; with labels, whether the wave is high. ``change`` changes the rows.

    With ``own`` the target is the feature 'a'.
    """
    rng = np.random.default_rng(0)
    hours = np.arange(rows)
    wave = np.sin(hours / 4) + rng.normal(0, 0.1, rows)
    frame = pd.DataFrame(
        {
            SERIES: "", TIME: pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC"),
            SEGMENT: 0, "x.a": wave, "x.b": np.cos(hours / 4),
        }
    )  # fmt: skip
    names = [f"t{i}" for i in range(targets)]
    for i, name in enumerate(names):
        shifted = np.roll(wave, -i)
        frame[f"y.{name}"] = (shifted > 0.5).astype(float) if labels else shifted
    change(frame)
    if own:
        names = ["a"]
        frame["y.a"] = frame["x.a"]
    stamps = pd.DatetimeIndex(frame[TIME]).tz_convert(None).as_unit("us").asi8
    publish(
        folder,
        lambda f: write_windows(
            f, frame, features=["a", "b"], targets=names, timesteps=hp.timesteps,
            steps_ahead=hp.steps_ahead, lookahead=0,
            cuts=Cuts(int(stamps[int(rows * 0.7)]), int(stamps[int(rows * 0.85)])),
        ),
    )  # fmt: skip
    return WindowDataset(folder)


def regressor(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 8, "steps_ahead": 2, "epochs": 3,
        "learning_rate": 0.01, "batch_size": 128, "model_relative_width": [2], **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


@pytest.mark.parametrize("widths", [[1], [3, 0.5], [2, 2, 1]])
def test_structure(widths):
    hp = regressor(model_relative_width=widths, model_dropout=[0.1] * len(widths))
    model = build_network(hp, list("abcd"), list("xyz"))
    assert model.input_shape == (None, 8, 4) and model.output_shape == (None, 6)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", *["LSTM", "Dropout"] * len(widths), "Dense"]
    lstms = [layer for layer in model.layers if type(layer).__name__ == "LSTM"]
    assert [layer.units for layer in lstms] == [max(1, round(w * 4)) for w in widths]
    assert [layer.return_sequences for layer in lstms] == [True] * (len(widths) - 1) + [False]


@pytest.mark.parametrize(
    "schedule",
    [
        "reduce_on_plateau",
        *(pytest.param(n, marks=pytest.mark.soak) for n in ("constant", "cosine", "exponential")),
    ],
)
def test_learning_rate_schedules(tmp_path, schedule):
    hp = regressor(
        learning_rate_schedule=schedule, learning_rate_decay=0.5, learning_rate_patience=1,
        epochs=6, learning_rate=2.0 if schedule == "reduce_on_plateau" else 0.01,
    )  # fmt: skip
    rates = fit(dataset(tmp_path / "w", hp), hp).history["learning_rate"].to_numpy()
    if schedule == "constant":
        assert np.allclose(rates, 0.01)
    elif schedule == "exponential":
        np.testing.assert_allclose(rates, 0.01 * 0.5 ** np.arange(6), rtol=1e-5)
    elif schedule == "cosine":
        np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(6) / 6)), rtol=1e-4)
    else:
        assert rates[-1] < rates[0] and set(np.round(rates / 2.0, 6)) <= {
            1,
            0.5,
            0.25,
            0.125,
            0.0625,
        }


@pytest.mark.parametrize(("setting", "other", "cut"), [("timesteps", 6, 8), ("steps_ahead", 3, 2)])
def test_windows_cut_with_other_settings_are_refused(tmp_path, setting, other, cut):
    windows = dataset(tmp_path / "w", regressor())
    message = (
        f"{setting}: the hyperparameters have {other}, the windows were cut with {cut}; cut the "
        f"windows again, or set {setting} to {cut}"
    )
    with pytest.raises(ConfigError, match=message):
        fit(windows, regressor(epochs=1, **{setting: other}))


@pytest.mark.soak
def test_same_seed_same_numbers_other_seed_others(tmp_path):
    hp = regressor(model_dropout=[0.2])
    windows = dataset(tmp_path / "w", hp)
    one, two = fit(windows, hp), fit(WindowDataset(tmp_path / "w"), hp)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    x = windows.read("test").x
    np.testing.assert_array_equal(predict(one.model, x), predict(two.model, x))
    other = fit(windows, hp.model_copy(update={"seed": 5}))
    assert not one.history["loss"].equals(other.history["loss"])


@pytest.mark.soak
def test_best_epoch_is_kept(tmp_path):
    # A huge step makes later epochs worse than an early one.
    hp = regressor(epochs=6, learning_rate=0.3, batch_size=64, learning_rate_schedule="constant")
    windows = dataset(tmp_path / "w", hp)
    trained = fit(windows, hp)
    losses = trained.history["val_loss"]
    assert trained.best_epoch == losses.idxmin() + 1 < 6
    compile_network(trained.model, hp, 1)
    validation = windows.read("validation")
    scored = trained.model.evaluate(
        validation.x, validation.y.reshape(len(validation.y), -1), verbose=0
    )
    assert scored[0] == pytest.approx(losses.min(), rel=1e-4)
    last = fit(windows, hp.model_copy(update={"save_best_only": False}))
    assert last.best_epoch == 6


def test_averages_of_the_weights_are_scored_and_kept_while_training_goes_on_from_the_last(tmp_path):
    hp = regressor(
        timesteps=3, epochs=4, learning_rate=0.05, batch_size=1000, ema_momentum=0.6,
        learning_rate_schedule="constant", seed=3,
    )  # fmt: skip
    windows = dataset(tmp_path / "w", hp)
    held = windows.read("validation")
    last, averages = [], []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            averages.append(self.model.get_weights())

        def on_epoch_begin(self, epoch, logs=None):
            last.append(self.model.get_weights())

    trained = fit(windows, hp, callbacks=[Look()])
    # One gradient step an epoch: the second epoch begins with the weights of the first step.
    average = last[1]
    for step in (1, 2, 3):
        for found, expected in zip(averages[step - 1], average, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
        if step < 3:
            average = [0.6 * a + 0.4 * w for a, w in zip(average, last[step + 1], strict=True)]
    assert any(np.abs(a - w).max() > 1e-3 for a, w in zip(average, last[3], strict=True))
    for found, expected in zip(
        trained.model.get_weights(), averages[trained.best_epoch - 1], strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    outputs = predict(trained.model, held.x)
    loss = np.abs(outputs - held.y.reshape(outputs.shape)).mean()
    assert trained.history["val_mae"].iloc[trained.best_epoch - 1] == pytest.approx(loss, rel=1e-4)


def test_early_stopping(tmp_path):
    hp = regressor(
        epochs=50, learning_rate=0.3, early_stop_patience=2, learning_rate_schedule="constant"
    )
    trained = fit(dataset(tmp_path / "w", hp), hp)
    assert trained.stopped_early and len(trained.history) < 50
    assert len(trained.history) == trained.history["val_loss"].idxmin() + 1 + 2


def test_loss_that_is_not_finite_stops_at_once(tmp_path):
    hp = regressor(learning_rate=10.0, loss="mse", epochs=40, activation="relu")
    windows = dataset(tmp_path / "w", hp)
    _, y = windows.folded("train")
    y.rows[:] *= 1e30
    with pytest.raises(
        TrainingError, match=r"loss became (inf|nan) in epoch 1; .*lower learning_rate"
    ):
        fit(windows, hp)


@pytest.mark.parametrize("weighted", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_rows_in_memory_and_batches_from_disk_feed_the_same(tmp_path, weighted):
    """Too many windows for memory come in another order, so here unshuffled."""
    hp = regressor(shuffle=False, epochs=2)
    options: dict = {"labels": True} if weighted else {}
    if weighted:
        hp = Hyperparameters(
            timesteps=4, epochs=2, batch_size=32, shuffle=False, class_weight="balanced"
        )
    dataset(tmp_path / "w", hp, **options)
    kept, streamed = (
        fit(WindowDataset(tmp_path / "w", pool_bytes=pool), hp) for pool in (1 << 28, 1)
    )
    assert WindowDataset(tmp_path / "w", pool_bytes=1).folded("train") is None
    pd.testing.assert_frame_equal(kept.history, streamed.history)


def test_accuracy_of_several_sigmoid_outputs_is_per_output(tmp_path):
    # What is logged while training is of the LSTM alone, before its probabilities are calibrated.
    hp = Hyperparameters(
        timesteps=4, epochs=1, batch_size=32, metrics=["accuracy"], calibration="none",
        linear_component=False, naive_unless_better=False,
    )  # fmt: skip
    windows = dataset(tmp_path / "w", hp, labels=True, targets=3)
    trained = fit(windows, hp)
    validation = windows.read("validation")
    probability = predict(trained.model, validation.x)
    by_hand = ((probability >= 0.5) == validation.y[:, 0]).mean()
    assert trained.history["val_accuracy"].iloc[0] == pytest.approx(by_hand, abs=1e-6)


def test_class_weights():
    y = np.array([[0.0]] * 6 + [[1.0]] * 2)
    weigh = lambda w: Hyperparameters(class_weight=w)  # noqa: E731
    np.testing.assert_allclose(class_weights(weigh("balanced"), y), [8 / 12, 8 / 4])
    np.testing.assert_allclose(class_weights(weigh({0: 1.0, 1: 9.0}), y), [1, 9])
    assert class_weights(weigh(None), y) is None
    onehot = np.eye(3)[[0, 0, 1, 2]]
    np.testing.assert_allclose(class_weights(weigh("balanced"), onehot), [4 / 6, 4 / 3, 4 / 3])
    with pytest.raises(DataError, match="class 1 has no train window"):
        class_weights(weigh("balanced"), np.zeros((4, 1)))


def test_class_weight_moves_the_loss_of_train_windows(tmp_path):
    def loss(weight):
        hp = Hyperparameters(timesteps=4, epochs=1, batch_size=512, class_weight=weight)
        return fit(dataset(tmp_path / "w", hp, labels=True), hp).history

    plain, doubled = loss(None), loss({0: 2.0, 1: 2.0})
    assert doubled["loss"].iloc[0] == pytest.approx(2 * plain["loss"].iloc[0], rel=1e-4)
    np.testing.assert_allclose(doubled["val_loss"], plain["val_loss"], rtol=0.05)


def test_softmax_over_classes(tmp_path):
    hp = Hyperparameters(
        timesteps=4, epochs=2, batch_size=32, last_layer_activation="softmax",
        loss="categorical_crossentropy",
    )  # fmt: skip
    windows = dataset(tmp_path / "w", hp, labels=True, targets=2)
    probability = predict(fit(windows, hp).model, windows.read("test").x)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


def test_network_files_open_again(tmp_path):
    hp = regressor()
    windows = dataset(tmp_path / "w", hp)
    facts = train_into(str(tmp_path), str(tmp_path / "w"), hp.model_dump(), lambda _: None)
    assert facts["epochs"] == 3 and facts["parameters"] > 0
    model = load_network(tmp_path / "model.keras")
    assert predict(model, windows.read("test").x).shape == (windows.count("test"), 2)
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(StoreError, match=r"model\.keras: cannot be opened"):
        load_network(tmp_path / "model.keras")


@given(batch=st.integers(1, 70), pool=st.sampled_from([1, 4000, 1 << 28]), seed=st.integers(0, 9))
@hypothesis_settings(max_examples=30, deadline=None)
def test_batches_hold_every_window_once(tmp_path_factory, batch, pool, seed):
    hp = regressor()
    folder = tmp_path_factory.getbasetemp() / "batches"
    if not folder.exists():
        dataset(folder, hp)
    windows = WindowDataset(folder, pool_bytes=pool)
    whole = windows.read("train")
    ordered = list(windows.batches("train", batch))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in ordered]), whole.x)
    assert all(len(x) == batch for x, _ in ordered[:-1])
    shuffled = list(windows.batches("train", batch, (seed, 0)))
    again = list(WindowDataset(folder, pool_bytes=pool).batches("train", batch, (seed, 0)))
    for (x1, y1), (x2, y2) in zip(shuffled, again, strict=True):
        np.testing.assert_array_equal(x1, x2)
        np.testing.assert_array_equal(y1, y2)
    x = np.concatenate([x for x, _ in shuffled])
    y = np.concatenate([y for _, y in shuffled])
    assert all(len(a) == batch for a, _ in shuffled[:-1])
    key = {w.tobytes(): t.tobytes() for w, t in zip(whole.x, whole.y, strict=True)}
    assert sorted(w.tobytes() for w in x) == sorted(key)
    assert all(key[w.tobytes()] == t.tobytes() for w, t in zip(x, y, strict=True))
    other = np.concatenate([x for x, _ in windows.batches("train", batch, (seed, 1))])
    assert not np.array_equal(x, other)


@pytest.mark.soak
def test_tensorflow_tunes_no_dataset_while_training(tmp_path):
    # Its tuner holds up the end of an epoch, at times for as long as the epoch took.
    from fastlstm.training.input_pipeline import Epoch, tf_dataset

    hp = regressor()
    batches = tf_dataset(dataset(tmp_path / "w", hp), "train", hp, epoch=Epoch())
    assert batches.options().autotune.enabled is False


@pytest.mark.soak
@pytest.mark.parametrize("pool", [1 << 28, 1], ids=["rows in memory", "streamed"])
def test_a_training_that_is_over_holds_no_windows(tmp_path, pool):
    # TensorFlow never lets go of a generator's function, so what that refers to is never freed.
    hp = regressor()
    dataset(tmp_path / "w", hp)
    windows = WindowDataset(tmp_path / "w", pool_bytes=pool)
    held = [weakref.ref(windows)]
    if pool > 1:
        held += [weakref.ref(part.rows) for part in windows.folded("train")]
    fit(windows, hp)
    del windows
    gc.collect()
    assert [there() for there in held] == [None] * len(held)


@pytest.mark.soak
def test_a_training_on_draws_is_repeatable_and_has_the_steps_of_an_epoch(tmp_path):
    """The windows are too many for memory; validation decides by a sample."""
    hp = regressor(epochs=2, windows_per_epoch=100)
    dataset(tmp_path / "w", hp)
    windows = [DrawnWindows(WindowDataset(tmp_path / "w", pool_bytes=1)) for _ in range(2)]
    one, other = (fit(drawn, hp) for drawn in windows)
    pd.testing.assert_frame_equal(one.history, other.history)
    assert len(one.history) == 2
    assert np.isfinite(one.history["val_loss"]).all()
