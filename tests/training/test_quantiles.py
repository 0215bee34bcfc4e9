"""Networks that forecast quantiles: shape, loss, order, and point forecasts."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.metrics import mean_pinball_loss

from fastlstm import fastLSTM
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.network.combination import set_combination
from fastlstm.network.compiling import compile_network
from fastlstm.network.inference import load_network, predict, predict_each, predict_point
from fastlstm.runs.saved_run import SavedRun

pytestmark = pytest.mark.usefixtures("untraced")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


THREE = [0.1, 0.5, 0.9]


def hyperparameters(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 26, "steps_ahead": 5, "segment_length": 4,
        "segment_units": 8, "scale_targets": True, "quantiles": THREE, **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("architecture", "normalization", "independent", "decoding"),
    [
        *product(["classic"], ["none", "last", "revin"], [True, False], ["parallel"]),
        *product(["segment"], ["last"], [True, False], ["parallel", "direct", "recursive"]),
    ],
)
def test_every_architecture_has_them(tmp_path, architecture, normalization, independent, decoding):
    hp = hyperparameters(
        architecture=architecture, instance_normalization=normalization, decoding=decoding,
        channel_independent=independent, quantiles=[0.05, 0.25, 0.5, 0.75, 0.95],
    )  # fmt: skip
    network = build_network(hp, ["a", "b", "c"], ["c", "a"])
    x = RNG.normal(size=(6, 26, 3)).astype(np.float32)
    each = predict_each(network, x, 10)
    assert each.shape == (6, 10, 5)
    assert (np.diff(each, axis=2) >= 0).all() and (np.diff(each, axis=2) > 0).any()
    np.testing.assert_array_equal(predict_point(network, x, 10), each[:, :, 2])
    if normalization == "last":
        moved = x + np.array([5, 0, 5], np.float32)  # b is no target
        higher = predict_each(network, moved, 10)
        np.testing.assert_allclose(higher, each + 5, atol=1e-4)
    network.save(tmp_path / "n.keras")
    np.testing.assert_array_equal(
        predict(load_network(tmp_path / "n.keras"), x), predict(network, x)
    )


def test_outputs_stand_by_step_then_target_then_quantile():
    """Where the last value has all weight, every quantile is the last value."""
    hp = hyperparameters(architecture="segment")
    network = build_network(hp, ["a", "b"], ["b", "a"])
    set_combination(network, np.repeat(np.eye(7)[1], 5 * 2))  # the last value
    x = RNG.normal(size=(3, 26, 2)).astype(np.float32)
    each = predict(network, x).reshape(3, 5, 2, 3)
    np.testing.assert_allclose(each, np.broadcast_to(x[:, None, -1, ::-1, None], each.shape))


def test_the_loss_is_scikit_learns_and_metrics_are_the_medians():
    hp = hyperparameters(architecture="classic", metrics=["mae"])
    network = build_network(hp, ["a"], ["a"])
    compile_network(network, hp, 1)
    x = RNG.normal(size=(40, 26, 1)).astype(np.float32)
    y = RNG.normal(size=(40, 5)).astype(np.float32)
    loss, mae = network.evaluate(x, y, verbose=0)
    each = predict_each(network, x, 5)
    by_hand = np.mean(
        [mean_pinball_loss(y.ravel(), each[:, :, i].ravel(), alpha=q) for i, q in enumerate(THREE)]
    )
    assert loss == pytest.approx(by_hand, rel=1e-5)
    assert mae == pytest.approx(np.abs(each[:, :, 1] - y).mean(), rel=1e-5)


@pytest.mark.soak
@pytest.mark.parametrize("loss", ["mae", "mse", "huber", "quantile"])
def test_steps_may_weigh_differently(loss):
    quantiles = THREE if loss == "quantile" else None
    weights = [4.0, 2.0, 1.0, 0.0, 1.0]
    given = {"architecture": "classic", "loss": loss, "quantiles": quantiles}
    plain, weighted = hyperparameters(**given), hyperparameters(**given, step_weights=weights)
    network = build_network(plain, ["a", "b"], ["a", "b"])
    x = RNG.normal(size=(40, 26, 2)).astype(np.float32)
    y = RNG.normal(size=(40, 10)).astype(np.float32)
    # The loss of each step by itself: what the others forecast and are is the same.
    each = predict_each(network, x, 10)
    by_step = []
    for step in range(5):
        error = y[:, 2 * step : 2 * step + 2, None] - each[:, 2 * step : 2 * step + 2]
        if loss == "quantile":
            shares = np.array(THREE)
            found = np.maximum(shares * error, (shares - 1) * error)
        else:
            small = np.minimum(np.abs(error), 1)
            huber = 0.5 * small**2 + (np.abs(error) - small)
            found = {"mae": np.abs(error), "mse": error**2, "huber": huber}[loss]
        by_step.append(found.mean())
    for hp, expected in (
        (plain, np.mean(by_step)),
        (weighted, np.average(by_step, weights=weights)),
    ):
        compile_network(network, hp, 1)
        assert network.evaluate(x, y, verbose=0)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.soak
def test_a_weighted_training_is_saved_and_opens(tmp_path):
    x = pd.DataFrame({"y": np.sin(np.arange(300) / 5)})
    model = fastLSTM(
        x, x, data_storage_path=tmp_path, LSTM_type="regressor", timesteps=6, steps_ahead=2,
        step_weights=[1.0, 0.0], scale_target=True, model_relative_width=[3], batch_size=32,
        architecture="classic", learning_rate=0.02,
    )  # fmt: skip
    model.network_training(epochs=8, verbose=0)
    errors = [row["model"]["mae"] for row in model.metrics["by_step"]]
    assert errors[0] < 0.5 * errors[1]  # what has no weight is not learned
    keras.models.load_model(SavedRun(model.run_folder).path("model"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_weights": [1.0]}, "step_weights: 1 given for steps_ahead 5"),
        ({"step_weights": [0.0] * 5}, "step_weights: none may be below 0"),
        ({"quantiles": [0.1, 0.5, 0.8]}, "symmetric about 0.5"),
        ({"quantiles": [0.9, 0.5, 0.1]}, "rising"),
        ({"quantiles": [0.1, 0.4, 0.6, 0.9]}, "quantiles: "),
        ({"quantiles": [0.0, 0.5, 1.0]}, "between 0 and 1"),
        ({"loss": "mae"}, "loss: 'mae' is set together with quantiles"),
        (
            {"LSTM_type": "classifier", "scale_targets": False},
            "a classifier forecasts probabilities",
        ),
        ({"quantiles": None, "loss": "quantile"}, "loss: 'quantile' needs quantiles"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValidationError, match=message):
        hyperparameters(**changes)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Noise whose size the network can know: by the hour."""
    rng = np.random.default_rng(0)
    hours = np.arange(1500)
    size = np.where(hours % 24 < 12, 0.2, 3.0)
    index = pd.date_range("2024-01-01", periods=1500, freq="1h", tz="UTC", name="when")
    clock = {"sin": np.sin(2 * np.pi * hours / 24), "cos": np.cos(2 * np.pi * hours / 24)}
    x = pd.DataFrame({**clock, "y": rng.normal(size=1500) * size}, index=index)
    folder = tmp_path_factory.mktemp("quantiles")
    model = fastLSTM(
        x, x[["y"]], data_storage_path=folder, LSTM_type="regressor", timesteps=3,
        quantiles=[0.025, 0.1, 0.5, 0.9, 0.975], scale_target=True, architecture="classic",
        model_relative_width=[4], learning_rate=0.01, batch_size=64, model_name="noisy",
    )  # fmt: skip
    model.network_training(epochs=25, verbose=0)
    return model, x, size


@pytest.mark.soak
def test_intervals_are_wide_where_it_is_uncertain(noisy):
    model, x, size = noisy
    lower, upper = model.prediction_intervals(x, 0.8)
    width = (upper - lower)[:-1, 0]
    assert width[size[3:] == 3.0].mean() > 3 * width[size[3:] == 0.2].mean()
    by_level = {
        (row["level"], row["method"]): row
        for row in model.metrics["intervals"]["overall"]
        if row["forecast"] == "model"
    }
    for level in (0.8, 0.95):
        assert abs(by_level[level, "conformal"]["coverage"] - level) < 0.08
    # 0.9 has no quantiles of its own: around the forecast, as wide everywhere.
    lower, upper = model.prediction_intervals(x, 0.9)
    np.testing.assert_allclose(upper - lower, (upper - lower)[0, 0], rtol=1e-6)


@pytest.mark.soak
def test_a_run_with_quantiles_opens_everywhere(noisy):
    model, x, _ = noisy
    run = SavedRun(model.run_folder)
    assert run.hyperparameters.quantiles == [0.025, 0.1, 0.5, 0.9, 0.975]
    assert set(run.half_widths) == {(0.5, 0.5), (0.1, 0.9), (0.025, 0.975)}
    forecast = run.forecast(x, np.array([3, 700]))
    each = run.forecast_each(x, np.array([3, 700]))
    assert each.shape == (2, 1, 1, 5)
    np.testing.assert_array_equal(forecast, each[..., 2])
    np.testing.assert_allclose(model.model_predict(x)[[0, 697], 0], forecast[:, 0, 0], rtol=1e-5)
    keras.models.load_model(run.path("model"))  # compiled or not, without this library
    (file,) = model.run_folder.glob("*HYPERPARAMETERS*")
    again = fastLSTM().load_all(file)
    for one, other in zip(
        again.prediction_intervals(x, 0.8), model.prediction_intervals(x, 0.8), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    test = pd.read_parquet(run.path("predictions"))
    assert (test["lower_0.95"] <= test["lower_0.8"]).mean() > 0.9
    assert model.metrics["importance"]
