"""Forecasts, intervals, evaluation reports, plots and feature importance of the class."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import classification_report

from fastlstm import fastLSTM
from fastlstm.errors import ConfigError, DataError
from fastlstm.training.class_weights import label_class_weights
from tests.api.examples import classifier, regressor, settings_file


def test_prediction_of_one_window_many_and_a_table(trained):
    x = pd.concat([trained.X_train, trained.X_validation, trained.X_test])
    table = trained.model_predict(x[["b", "a"]])
    assert table.shape == (300 - 6 + 1, 2)
    windows = np.stack([x.to_numpy()[i : i + 6] for i in range(4)])
    np.testing.assert_allclose(trained.model_predict(windows), table[:4], rtol=1e-5)
    np.testing.assert_allclose(trained.model_predict(windows[2]), table[2:3], rtol=1e-5)
    sample = trained.prepare_input_sample(x, 7)
    np.testing.assert_allclose(
        trained.model_predict(sample, apply_scaler=False), table[2:3], rtol=1e-5
    )
    np.testing.assert_allclose(trained.model_predict(sample), table[2:3], rtol=1e-5)  # not twice
    np.testing.assert_allclose(trained.model_predict(trained.X_train_s[2:8]), table[2:3], rtol=1e-5)
    raw = trained.prepare_input_sample(x, 7, apply_scaler=False)
    np.testing.assert_allclose(trained.model_predict(raw), table[2:3], rtol=1e-5)
    np.testing.assert_array_equal(raw[0], x.to_numpy()[2:8])
    scaled = trained.model_predict(windows, descale_result=False)
    back = trained.Y_scaler.inverse_transform(pd.DataFrame(scaled[:, :1], columns=["next"]))
    np.testing.assert_allclose(back[:, 0], table[:4, 0], rtol=1e-5)
    with pytest.raises(DataError, match="column 'b' is absent"):
        trained.model_predict(x[["a"]])
    with pytest.raises(DataError, match=r"allow 5 to 299"):
        trained.prepare_input_sample(x, 2)


def test_intervals_come_from_validation_alone(wave, tmp_path):
    x, y = wave
    noisy = y + np.random.default_rng(1).normal(0, 0.5, y.shape)
    spoiled = noisy.copy()
    spoiled.iloc[-45:] += 1000.0  # every test row
    bounds = []
    for name, targets in (("as is", noisy), ("spoiled", spoiled)):
        model = regressor(x, targets, tmp_path / name)
        model.network_training(epochs=1, verbose=0)
        bounds.append(model.prediction_intervals(x, 0.9))
    np.testing.assert_array_equal(bounds[0], bounds[1])
    lower, upper = bounds[0]
    np.testing.assert_allclose((lower + upper) / 2, model.model_predict(x), rtol=1e-6)
    truth = noisy.to_numpy()[model._hp.timesteps :]
    validation = slice(204, 249)  # origins 210 to 254
    assert 0.85 <= ((lower[:-1] <= truth) & (truth <= upper[:-1]))[validation].mean() <= 1

    (file,) = (tmp_path / "as is").glob("wave/*/*HYPERPARAMETERS*")
    loaded = fastLSTM().load_all(file)
    np.testing.assert_allclose(loaded.prediction_intervals(x, 0.9), bounds[0], rtol=1e-6)
    with pytest.raises(ConfigError, match="level: 1 given"):
        loaded.prediction_intervals(x, 1)
    loaded.network_structure_set_compile()
    with pytest.raises(ConfigError, match="no intervals yet"):
        loaded.prediction_intervals(x)


def test_regressor_report_in_both_forms(trained, capsys):
    text = trained.network_predictions_evaluation()
    assert capsys.readouterr().out.strip() == text.strip() and "next_step_2" in text
    forecast, report = trained.network_predictions_evaluation(output_dict=True)
    by_hand = np.abs(forecast["next_step_1"] - trained.Y_test["next"].reindex(forecast.index))
    assert report["next_step_1"]["mae"] == pytest.approx(by_hand.mean(), rel=1e-5)


def test_plots_return_axes_and_show_nothing(trained, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("shown"))
    assert isinstance(trained.plot_training_history(), Axes)
    axes = Figure().subplots()
    assert trained.plot_training_history("mae", ax=axes) is axes
    with pytest.raises(ConfigError, match="is not in the history; it has loss, mae"):
        trained.plot_training_history("accuracy")
    plt.close("all")


def test_importances_name_the_feature_that_matters(trained):
    gradient = trained.gradient_feature_importance()
    assert gradient.index[0] == "a" and gradient.sum() == pytest.approx(1)
    permuted = trained.permutation_feature_importance(3)
    assert permuted.index[0] == "a" and permuted.loc["a", "mean"] > 5 * abs(
        permuted.loc["b", "mean"]
    )


def test_type_and_class_weight_are_saved(trained_classifier):
    file = settings_file(trained_classifier)
    saved = json.loads(file.read_text())
    assert saved["LSTM_type"] == "classifier" and saved["class_weight"] == {"0": 1.0, "1": 3.0}
    again = fastLSTM().load_all(file)
    assert again._hp.class_weight == {0: 1.0, 1: 3.0}


def test_classifier_report_is_a_report(trained_classifier, capsys):
    model = trained_classifier
    capsys.readouterr()
    text = model.network_predictions_evaluation(0.5)
    assert "precision" in text and capsys.readouterr().out.strip() == text.strip()
    decided, report = model.network_predictions_evaluation(0.5, output_dict=True)
    truth = model.Y_test["high"].reindex(decided.index)
    assert report == classification_report(
        truth, decided["high"], output_dict=True, zero_division=0
    )
    axes = Figure().subplots()
    table = model.binary_precision_recall_vs_scoring(n_points=20, ax=axes)
    assert len(axes.lines) >= 2
    pd.testing.assert_frame_equal(table, model.binary_precision_recall_vs_scoring(20, plot=False))
    with pytest.raises(ConfigError, match=r"the first cutoff is n_points / 100"):
        model.binary_precision_recall_vs_scoring(n_points=100)
    assert list(table.columns) == ["Cutoff", "Precision", "Recall"]
    assert table["Cutoff"].iloc[[0, -1]].tolist() == [0.2, 0.99]
    half = table.set_index("Cutoff").loc[0.5]
    assert half["Recall"] == pytest.approx(report["1"]["recall"])
    assert isinstance(model.plot_training_history(ax=Figure().subplots()), Axes)


def test_softmax_gives_each_row_its_most_probable_class(labels, tmp_path, capsys):
    x, y = labels
    third = pd.Series(np.arange(len(y)) % 3 == 0, y.index)
    classes = {"high": y["high"].eq(1) & ~third, "low": y["high"].eq(0) & ~third, "third": third}
    y = pd.DataFrame(classes).astype(int)
    model = classifier(
        x, y, tmp_path, last_layer_activation="softmax", loss="categorical_crossentropy"
    )
    model.network_structure_set_compile()
    decided, report = model.network_predictions_evaluation(output_dict=True)
    assert (decided.sum(axis=1) == 1).all()
    truth, probability = model._test_outputs()
    likeliest = probability.to_numpy().argmax(axis=1)
    assert (decided.to_numpy().argmax(axis=1) == likeliest).all()
    for number, name in enumerate(y):
        of_class = truth[name].to_numpy() == 1
        recall = (likeliest[of_class] == number).mean()
        assert report[name]["1"]["recall"] == pytest.approx(recall)
    with pytest.raises(ConfigError, match=r"0.6 given, but softmax outputs have no cut-off"):
        model.network_predictions_evaluation(0.6)


@pytest.mark.soak
def test_several_outputs(labels, tmp_path):
    x, y = labels
    y = y.assign(low=1 - y["high"])
    model = classifier(x, y, tmp_path)
    model.network_training(1, verbose=0)
    decided, report = model.network_predictions_evaluation(output_dict=True)
    assert list(report) == ["high", "low"] and list(decided) == ["high", "low"]
    weighed = classifier(x, y, tmp_path, class_weight="balanced")
    assert weighed._hp.classes == {"high": ["0", "1"], "low": ["0", "1"]}
    balanced, opposite = label_class_weights(weighed._rows.windows(weighed._hp), weighed._hp)
    np.testing.assert_allclose(balanced, opposite[::-1])
    weighed.network_training(1, verbose=0)
    found = weighed.model_predict_labels(x)
    assert {*found["high"]} | {*found["low"]} <= {0, 1} and found["high"].dtype == np.int64
    with pytest.raises(ConfigError, match="give one weight per class"):
        classifier(x, y, tmp_path, class_weight={0: 1.0}).network_training(1, verbose=0)
