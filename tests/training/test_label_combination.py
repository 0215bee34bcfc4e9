"""Outputs of label columns, a classifier's logistic regression, and how validation weighs it."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.errors import ConfigError
from fastlstm.evaluation.labels import label_columns
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network
from fastlstm.network.combination import COMBINATION, set_combination
from fastlstm.network.inference import load_network, predict
from fastlstm.network.losses import loss_of
from fastlstm.reporting.combination import label_combination_of
from fastlstm.training import label_combination
from fastlstm.training.class_shifts import ColumnLogits, class_shifts
from fastlstm.training.fit import fit
from fastlstm.training.label_combination import LabelCombination, combination_weights
from fastlstm.training.label_combination import _ValidationLogits as ValidationLogits
from fastlstm.training.logistic_component import LabelledInputs, LogisticPenalty, solve_logistic
from fastlstm.windows.in_memory import RowWindows

pytestmark = pytest.mark.usefixtures("untraced")
ROWS, CUTS = 400, Cuts(200, 300)
FEATURES, TARGETS = ["a", "b"], ["y: p", "y: q", "y: r"]


def settings(**changes):
    given = {"timesteps": 3, "classes": {"y": ["p", "q", "r"]}, "ensemble_size": 1, **changes}
    return Hyperparameters.model_validate(given)


def windows(hp=None, targets=TARGETS):
    """Labels that follow from the row before."""
    hp, rng = hp or settings(), np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 2)).astype(np.float32)
    score = np.column_stack([x[:, 0], x[:, 1], np.zeros(ROWS)]) * 2 + rng.gumbel(size=(ROWS, 3))
    y = np.eye(3, dtype=np.float32)[np.roll(score.argmax(axis=1), 1)][:, : len(targets)]
    frame = pd.DataFrame(
        {SERIES: "", TIME: pd.to_datetime(np.arange(ROWS), unit="us", utc=True), SEGMENT: 0}
    )
    return RowWindows(
        frame, x, y, features=FEATURES, targets=list(targets), timesteps=3,
        steps_ahead=hp.steps_ahead, cuts=CUTS, time_unit="row",
    )  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2])
def test_each_step_and_label_column_is_a_distribution(tmp_path, steps):
    classes = {"y": ["p", "q", "r"], "z": ["no", "yes"]}
    hp = settings(classes=classes, steps_ahead=steps)
    network = build_network(hp, FEATURES, [*TARGETS, "z"])
    x = np.random.default_rng(1).normal(size=(5, 3, 2)).astype(np.float32)
    outputs = predict(network, x).reshape(5, steps, 4)
    np.testing.assert_allclose(outputs[..., :3].sum(axis=2), 1, rtol=1e-5)
    truth = np.zeros_like(outputs)
    truth[..., 1], truth[..., 3] = 1, 1
    loss = np.asarray(loss_of(hp)(truth.reshape(5, -1), outputs.reshape(5, -1)))
    by_hand = -(np.log(outputs[..., 1]) + np.log(outputs[..., 3])) / 2
    np.testing.assert_allclose(loss, by_hand.mean(axis=1), rtol=1e-5)
    weights = [[1.0, 5.0, 1.0], [1.0, 3.0]]
    loss = np.asarray(loss_of(hp, weights)(truth.reshape(5, -1), outputs.reshape(5, -1)))
    by_hand = -(5 * np.log(outputs[..., 1]) + 3 * np.log(outputs[..., 3])) / 2
    np.testing.assert_allclose(loss, by_hand.mean(axis=1), rtol=1e-5)
    network.save(tmp_path / "n.keras")
    np.testing.assert_array_equal(
        predict(load_network(tmp_path / "n.keras"), x).reshape(outputs.shape), outputs
    )


def test_the_logistic_component_is_scikit_learns():
    hp, dataset = settings(), windows()
    network = build_network(hp, FEATURES, TARGETS)
    architecture = resolve(hp, FEATURES, TARGETS, 197)
    learned = LabelledInputs.of(network, dataset, "train", None)
    columns = label_columns(hp, TARGETS)
    penalty = LogisticPenalty(0.01, 0.0)
    solve_logistic(network, learned, None, columns, architecture, 3, penalty)
    set_combination(network, np.array([0, 1, 0])[:, None, None] * np.ones((3, 1, 3)))
    x = learned.inputs
    standardised = (x - x.mean(0)) / x.std(0)
    fitted = LogisticRegression(C=1 / (0.01 * len(x)), max_iter=500)
    fitted.fit(standardised, learned.labels[:, 0].argmax(axis=1))
    given = dataset.read("train", columns=("x",)).x
    np.testing.assert_allclose(
        predict(network, given), fitted.predict_proba(standardised), atol=2e-3
    )
    number, weights = learned.labels[:, 0].argmax(axis=1), np.array([1.0, 4.0, 1.0])
    weighted = replace(learned, class_weights=[weights])
    solve_logistic(network, weighted, None, columns, architecture, 3, penalty)
    fitted.fit(standardised, number, sample_weight=weights[number])
    np.testing.assert_allclose(
        predict(network, given), fitted.predict_proba(standardised), atol=2e-3
    )


def test_a_class_that_train_lacks_is_unlikely_and_two_classes_have_one_logit():
    hp = settings(classes={"y": ["no", "yes"]})
    dataset = windows(hp, ["y"])
    network = build_network(hp, FEATURES, ["y"])
    architecture = resolve(hp, FEATURES, ["y"], 197)
    learned = LabelledInputs.of(network, dataset, "train", None)
    one_class = LabelledInputs(learned.inputs, np.ones_like(learned.labels), learned.weight)
    columns, penalty = label_columns(hp, ["y"]), LogisticPenalty(0.01, 1.0)
    for labels, low, high in ((learned, 0.05, 0.95), (one_class, 0.99, 1.0)):
        solve_logistic(network, labels, None, columns, architecture, 3, penalty)
        set_combination(network, np.array([0.0, 1.0, 0.0]))
        mean = predict(network, dataset.read("train", columns=("x",)).x).mean()
        assert low < mean < high


def test_validation_gives_the_weight_to_what_forecasts_well():
    rng = np.random.default_rng(0)
    number = rng.integers(0, 3, 500)
    good = np.eye(3)[number] * 2 + rng.normal(size=(500, 3))
    noise, share = rng.normal(size=(500, 3)) * 3, np.zeros((500, 3))
    for logits, best in (((good, noise, share), 0), ((noise, good, share), 1)):
        given = ValidationLogits([(np.stack(logits), number)], np.ones(500))
        weights = combination_weights(given, 500)
        assert weights.argmax() == best and weights[1 - best] < 0.2
        drawn = combination_weights(given, 5)
        assert np.abs(drawn - [0.4, 0.4, 0.2]).sum() < np.abs(weights - [0.4, 0.4, 0.2]).sum()
        assert (weights >= 0).all() and given.loss(weights) < given.loss(np.array([0.5, 0.5, 0]))


def test_labels_of_several_steps_are_trained_with_the_weights_of_their_classes():
    hp = settings(
        epochs=1, windows_per_epoch=64, learning_rate=0.01, steps_ahead=2,
        class_weight={"p": 1.0, "q": 1.0, "r": 30.0},
    )  # fmt: skip
    dataset = windows(hp)
    trained = fit(dataset, hp)
    outputs = predict(trained.model, dataset.read("train", columns=("x",)).x).reshape(-1, 2, 3)
    assert (outputs.mean(axis=0)[:, 2] > 0.8).all()  # a third of the labels
    with pytest.raises(ConfigError, match="a loss object cannot weigh"):
        fit(dataset, hp, loss=keras.losses.CategoricalCrossentropy())


def column(rng, moved, count=400):
    """Logits of three classes, calibrated before the third one became rarer or more frequent."""
    logits = rng.normal(size=(count, 3)) * 2
    number = (logits + np.array([0, 0, moved]) + rng.gumbel(size=(count, 3))).argmax(axis=1)
    return ColumnLogits(logits, number, np.ones(count), np.arange(count))


def test_classes_of_another_frequency_are_shifted_and_others_hardly_ever():
    rng = np.random.default_rng(0)
    for moved in (-2.0, 2.0):
        given = column(rng, moved)
        shifts = class_shifts(given, 1)
        assert 0.5 < (shifts[2] - shifts[:2].mean()) / moved < 1.2
        new = column(rng, moved, 4000)
        assert new.losses(shifts).mean() < new.losses(np.zeros(3)).mean() - 0.1
    assert sum(class_shifts(column(rng, 0.0), 1).any() for _ in range(40)) <= 4
    # What holds in the first half alone does not last.
    late, early = column(rng, 0.0), column(rng, 3.0)
    number = np.where(np.arange(400) < 200, early.number, late.number)
    logits = np.where(np.arange(400)[:, None] < 200, early.logits, late.logits)
    assert not class_shifts(replace(late, logits=logits, number=number), 1).any()
    assert not class_shifts(late.of(np.arange(1)), 1).any()


def test_a_training_ends_with_it_and_says_so(monkeypatch):
    hp = settings(epochs=1, windows_per_epoch=64, learning_rate=0.01)
    for name in ("read", "batches"):
        method = getattr(RowWindows, name)

        def without_test(self, split, *given, _method=method, **options):
            assert split != "test", "a training reads no test window"
            return _method(self, split, *given, **options)

        monkeypatch.setattr(RowWindows, name, without_test)
    shifts = np.array([0.5, 0.0, -0.5])
    monkeypatch.setattr(label_combination, "class_shifts", lambda *_: shifts)
    trained = fit(windows(hp), hp)
    monkeypatch.undo()
    stored = trained.model.get_layer(COMBINATION).get_weights()[0].reshape(3, 3)
    ratio = (stored[2] - shifts) / trained.finding(LabelCombination).weights[2]
    assert np.exp(ratio).sum() == pytest.approx(1)  # the class shares' logits
    (sentence,) = label_combination_of(trained.facts())
    assert "Logits of y are shifted by class" in sentence
    monkeypatch.setattr(label_combination, "class_shifts", lambda *_: np.zeros(3))
    trained = fit(windows(hp), hp)
    found = trained.finding(LabelCombination)
    assert found is not None and found.weights[1] > 0.3
    facts = trained.facts()["label_combination"]
    assert set(facts["weights"]) == {"lstm", "logistic", "prior"} and facts["windows"] > 90
    test = windows(hp).read("test")
    probability = predict(trained.model, test.x)
    truth = test.y[:, 0].argmax(axis=1)
    loss = -np.log(probability[np.arange(len(truth)), truth]).mean()
    assert loss < 0.9 < np.log(3)
    assert isinstance(trained.model, keras.Model)
