"""Label columns: their metrics, decisions and probabilities, held to scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as theirs

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.evaluation.baselines import shares_after, transition_counts
from fastlstm.evaluation.label_tally import ColumnTally, LabelTally, RankedLabels
from fastlstm.evaluation.labels import class_numbers, in_classes, label_columns, likeliest_labels
from fastlstm.evaluation.metrics import label_scores, primary_classification_metric
from fastlstm.evaluation.output_report import label_report

CLASSES = {"sky": ["fog", "rain", "sun"], "wet": ["no", "yes"]}
TARGETS = ["sky: fog", "sky: rain", "sky: sun", "wet"]
RNG = np.random.default_rng(0)


def settings(classes=CLASSES, **changes):
    return Hyperparameters.model_validate({"classes": classes, "steps_ahead": 2, **changes})


def windows(count=200, absent=None):
    """Labels and probabilities ``(n, 2 steps, 4 outputs)``."""
    sky, wet = RNG.integers(0, 3, (count, 2)), RNG.integers(0, 2, (count, 2))
    if absent is not None:
        sky[sky == absent] = (absent + 1) % 3
    truth = np.concatenate([np.eye(3)[sky], wet[..., None]], axis=2)
    noisy = truth[..., :3] + RNG.random((count, 2, 3))
    outputs = noisy / noisy.sum(axis=2, keepdims=True)
    return truth, np.concatenate([outputs, RNG.random((count, 2, 1))], axis=2)


def test_scores_are_scikit_learns_means_over_label_columns():
    truth, outputs = windows()
    sky, wet = label_columns(settings(), TARGETS)
    found = label_scores(truth, outputs, [sky, wet])
    expected = {"log_loss": [], "accuracy": [], "balanced_accuracy": []}
    for number, probability in (
        (truth[..., :3].argmax(2).ravel(), outputs[..., :3].reshape(-1, 3)),
        (truth[..., 3].ravel(), np.stack([1 - outputs[..., 3], outputs[..., 3]], 2).reshape(-1, 2)),
    ):
        decided = probability.argmax(1)
        expected["log_loss"].append(theirs.log_loss(number, probability))
        expected["accuracy"].append(theirs.accuracy_score(number, decided))
        expected["balanced_accuracy"].append(theirs.balanced_accuracy_score(number, decided))
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values)), name


def test_sums_of_parts_give_the_scores_of_all_windows():
    truth, outputs = windows()
    columns = label_columns(settings(), TARGETS)
    outputs[3] = outputs[150]  # windows with the same probabilities
    likelihood = outputs**2
    parts = [
        LabelTally.of(truth[rows], outputs[rows], columns, likelihood[rows])
        for rows in (slice(0, 30), slice(30, 31), slice(31, 200))
    ]
    joined = parts[2].plus(parts[0]).plus(parts[1])
    expected = label_scores(truth, outputs, columns, likelihood)
    assert joined.windows == 200 and joined.scores() == pytest.approx(expected)
    of_all = ColumnTally.of(truth, outputs, likelihood, columns[0])
    classes = columns[0].classes
    one, other = (label_report(found, classes) for found in (of_all, joined.columns[0]))
    assert one["by_class"] == other["by_class"] and len(one["reliability"]) > 3
    for a, b in zip(one["reliability"], other["reliability"], strict=True):
        assert a == pytest.approx(b)


def test_too_many_probabilities_are_rounded_whatever_the_order_of_the_shards():
    probability = RNG.random(3000) ** 3
    truth = RNG.random(3000) < probability
    parts = [
        RankedLabels.of(truth[rows], probability[rows])
        for rows in (slice(0, 700), slice(700, 701), slice(701, 3000))
    ]
    one = RankedLabels.joined(parts, 300)
    other = RankedLabels.joined([RankedLabels.joined(parts[1:], 300), parts[0]], 300)
    for name in ("probability", "negatives", "positives", "digits"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert 100 < len(one.probability) <= 300
    labels, rounded, weights = one.weighted
    expected = theirs.roc_auc_score(truth, probability)
    assert theirs.roc_auc_score(labels, rounded, sample_weight=weights) == pytest.approx(
        expected, abs=1e-3
    )
    exact = RankedLabels.joined(parts)
    assert len(exact.probability) == 3000 and exact.positives.sum() == truth.sum()


def test_the_primary_metric_is_defined_where_a_class_is_absent():
    truth, outputs = windows(absent=0)
    columns = label_columns(settings(), TARGETS)
    found = label_scores(truth, outputs, columns)
    assert primary_classification_metric("auto") == "log_loss"
    assert all(value is not None and np.isfinite(value) for value in found.values())
    counted = ColumnTally.of(truth, outputs, outputs, columns[0])
    report = label_report(counted, columns[0].classes)
    assert report["by_class"]["fog"]["support"] == 0 and report["by_class"]["fog"]["recall"] is None
    assert np.sum(report["confusion_matrix"]) == truth[..., 0].size
    assert np.trace(report["confusion_matrix"]) / truth[..., 0].size == report["accuracy"]


def test_the_likeliest_class_and_a_threshold_of_two():
    columns = label_columns(settings(), TARGETS)
    outputs = np.array([[[0.2, 0.5, 0.3, 0.4]]])
    found = likeliest_labels(outputs, columns, {})
    assert found["label"][0, 0].tolist() == ["rain"] * 3 + ["no"]
    np.testing.assert_allclose(found["probability"][0, 0], [0.5] * 3 + [0.6])
    assert likeliest_labels(outputs, columns, {"yes": 0.3})["label"][0, 0, 3] == "yes"


def test_shares_of_the_classes_that_follow_one():
    last, following = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    prior = (np.array([2, 2]) + 0.5) / 5
    expected = [(np.array([2, 1]) + prior) / 4, (np.array([0, 1]) + prior) / 2]
    counts = transition_counts(last, following, 2)
    np.testing.assert_allclose(shares_after(counts, np.array([0, 1])), expected)
    assert (shares_after(transition_counts(last, following, 3), np.array([2])) > 0).all()


def test_a_champion_with_other_classes_is_compared_by_those_that_both_have():
    old = label_columns(settings({"sky": ["fog", "sun"]}), ["sky"])
    new = label_columns(settings({"sky": ["fog", "rain", "sun"]}), TARGETS[:3])
    found = in_classes(np.array([[[0.7]]]), old, new)
    np.testing.assert_allclose(found[0, 0], [0.3, 0, 0.7])
    np.testing.assert_allclose(in_classes(found, new, old)[0, 0], [0.7])
    assert class_numbers(found, new[0]) == 2


def test_labels_have_the_type_of_their_names_unless_it_is_set():
    targets = ["stars: 1", "stars: 2", "stars: 10", "wet"]
    classes = {"stars": ["1", "2", "10"], "wet": ["False", "True"]}
    outputs = np.array([[[0.1, 0.2, 0.7, 0.9]]])
    hp = settings({"stars": classes["stars"]}, steps_ahead=1)
    label = likeliest_labels(outputs[..., :3], label_columns(hp, targets[:3]), {})["label"]
    assert label.dtype == np.int64 and label[0, 0].tolist() == [10, 10, 10]
    mixed = likeliest_labels(outputs, label_columns(settings(classes), targets), {})["label"]
    assert mixed[0, 0].tolist() == ["10", "10", "10", "True"]
    hp = settings(classes, label_types={"stars": "text"})
    assert [column.type for column in label_columns(hp, targets)] == ["text", "boolean"]
    for names in (["01", "2"], ["1.0", "2.0"], ["-0", "1"], ["1", str(2**63)], ["1", "two"]):
        (column,) = label_columns(settings({"x": names}), ["x"])
        assert column.type == "text", names
    with pytest.raises(ValueError, match="label_types: 'sky' is none of the label columns"):
        settings(classes, label_types={"sky": "text"})
    with pytest.raises(ValueError, match="are not of type 'integer'; use 'text'"):
        settings(classes, label_types={"wet": "integer"})
