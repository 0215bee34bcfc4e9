"""The estimators keep scikit-learn's habits, as far as windows allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from fastlstm import LSTMClassifier, LSTMRegressor

HOURS = np.arange(240.0)
X = np.column_stack([np.sin(HOURS / 4), np.cos(HOURS / 4)])
QUICK = {"epochs": 15, "learning_rate": 0.03, "batch_size": 16, "timesteps": 3, "random_state": 0}


@pytest.mark.traced
def test_regressor_learns_a_wave():
    model = LSTMRegressor(**QUICK).fit(X[:180], X[:180, 0])
    assert model.predict(X[180:]).shape == (60,)
    assert model.score(X[183:], X[183:, 0]) > 0.8
    assert model.n_features_in_ == 2 and 0 < model.n_iter_ <= 15
    # Rows before the first stand at the training mean unless X follows the training rows.
    followed = clone(model).set_params(history="train").fit(X[:180], X[:180, 0])
    errors = [np.abs(m.predict(X[180:])[:2] - X[180:182, 0]).mean() for m in (model, followed)]
    assert errors[1] < errors[0]


def test_a_forecast_never_sees_its_own_row():
    model = LSTMRegressor(**{**QUICK, "epochs": 1}).fit(X, X[:, 0])
    changed = X.copy()
    changed[100:] += 7
    np.testing.assert_array_equal(model.predict(X)[:101], model.predict(changed)[:101])
    assert model.predict(X)[101] != model.predict(changed)[101]


def test_scalers_see_no_validation_row():
    changed = X.copy()
    changed[-36:] *= 100
    one, two = (LSTMRegressor(**{**QUICK, "epochs": 1}).fit(rows, X[:, 0]) for rows in (X, changed))
    np.testing.assert_array_equal(one.scalers_.x.mean_, two.scalers_.x.mean_)


@pytest.mark.traced
def test_several_steps_and_targets():
    y = X[:, :2]
    model = LSTMRegressor(**{**QUICK, "steps_ahead": 3}).fit(X, y)
    assert model.predict(X).shape == (240, 6)
    assert model.score(X, y) > 0.5
    one = LSTMRegressor(**{**QUICK, "epochs": 1}).fit(X, y)
    assert one.predict(X).shape == (240, 2)


@pytest.mark.parametrize("made", [LSTMRegressor, LSTMClassifier])
def test_an_ensemble_has_its_networks_in_one(made):
    y = X[:, 0] if made is LSTMRegressor else X[:, 0] > 0
    one, two = (
        made(**{**QUICK, "epochs": 1}, ensemble_size=size).fit(X, y, np.linspace(0.5, 1.5, len(X)))
        for size in (1, 2)
    )
    assert two.model_.count_params() == 2 * one.model_.count_params()
    assert clone(two).ensemble_size == 2
    assert two.predict(X).shape == one.predict(X).shape


@pytest.mark.parametrize("made", [LSTMRegressor, LSTMClassifier])
def test_averages_of_the_weights_are_what_is_judged_and_kept(made):
    y = X[:, 0] if made is LSTMRegressor else X[:, 0] > 0
    last, averaged = (
        made(**{**QUICK, "epochs": 1}, ema_momentum=momentum).fit(X, y) for momentum in (None, 0.9)
    )
    of_last, of_averaged = (model.history_.iloc[0] for model in (last, averaged))
    assert of_averaged["loss"] == of_last["loss"]
    assert of_averaged["val_loss"] != of_last["val_loss"]
    assert np.abs(averaged.predict(X) != last.predict(X)).any()


@pytest.mark.parametrize("made", [LSTMRegressor, LSTMClassifier])
def test_a_refit_learns_the_rows_that_were_held_back(made):
    y = X[:, 0] if made is LSTMRegressor else X[:, 0] > 0
    other = y.copy()
    other[-20:] = other[-20:][::-1]  # the rows held back, where the weights of both stay in range
    one, two, plain = (
        made(**{**QUICK, "epochs": 1}, refit=refit).fit(X, truth)
        for truth, refit in ((y, True), (other, True), (y, False))
    )
    assert one.history_.equals(plain.history_)
    weights = [model.model_.get_weights() for model in (one, two, plain)]
    for another in weights[1:]:
        assert any((a != b).any() for a, b in zip(weights[0], another, strict=True))


@pytest.mark.traced
@pytest.mark.parametrize("classes", [["dry", "wet"], ["low", "mid", "high"]])
def test_classifier_with_labels_of_any_kind(classes):
    labels = np.array(classes)[np.digitize(X[:, 0], np.linspace(-1, 1, len(classes) + 1)[1:-1])]
    model = LSTMClassifier(**QUICK, class_weight="balanced").fit(X, labels)
    assert list(model.classes_) == sorted(classes)
    probability = model.predict_proba(X)
    assert probability.shape == (240, len(classes))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
    assert model.score(X[5:], labels[5:]) > 0.75
    weighted = LSTMClassifier(**{**QUICK, "epochs": 1}, class_weight=dict.fromkeys(classes, 1.0))
    weighted.fit(X, labels)


def test_pipeline_time_series_split_and_grid_search():
    quick = {**QUICK, "epochs": 1, "batch_size": 128}
    model = make_pipeline(MinMaxScaler(), LSTMRegressor(**quick))
    scores = cross_val_score(model, X, X[:, 0], cv=TimeSeriesSplit(2))
    assert scores.shape == (2,) and np.isfinite(scores).all()
    grid = GridSearchCV(LSTMRegressor(**quick), {"timesteps": [2, 4]}, cv=TimeSeriesSplit(2)).fit(
        X, X[:, 0]
    )
    assert grid.best_params_["timesteps"] in (2, 4)
    assert grid.predict(X).shape == (240,)


def test_same_random_state_same_numbers_and_frames_by_name():
    frame = pd.DataFrame(X, columns=["s", "c"])
    one, two = (LSTMRegressor(**{**QUICK, "epochs": 2}).fit(frame, X[:, 0]) for _ in range(2))
    np.testing.assert_array_equal(one.predict(frame), two.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        one.predict(frame[["c", "s"]])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (LSTMRegressor(timesteps=300), r"n_samples=240 is too few"),
        (LSTMRegressor(history="both"), r"history: 'both' given"),
        (LSTMRegressor(loss="nonsense"), r"no Keras loss"),
        (LSTMRegressor(model_dropout=(0, 0)), r"one rate for each layer"),
        (LSTMClassifier(steps_ahead=2), r"steps_ahead: 2 given"),
        (LSTMClassifier(class_weight={0: 1.0}), r"class 1 has none"),
    ],
)
def test_refusals(model, told):
    y = (X[:, 0] > 0).astype(int) if isinstance(model, LSTMClassifier) else X[:, 0]
    with pytest.raises(ValueError, match=told):
        model.fit(X, y)


@pytest.mark.traced
def test_targets_among_the_columns_give_the_segment_network_their_past():
    rng = np.random.default_rng(0)
    level = np.cumsum(rng.normal(0, 0.3, 240))  # outside the range of training in the end
    rows = pd.DataFrame({"other": X[:, 1], "level": level + X[:, 0]})
    quick = {**QUICK, "timesteps": 24, "epochs": 3, "history": "train"}
    fitted = LSTMRegressor(**quick, target_columns=["level"]).fit(rows[:180], rows["level"][:180])
    names = {layer.name for layer in fitted.model_.layers}
    assert "segment" in names and fitted.hyperparameters_.loss == "mae"
    # In any unit: a scaler before the estimator does not part the target from its past.
    scaled = make_pipeline(MinMaxScaler(), LSTMRegressor(**quick, target_columns=[1]))
    scaled.fit(rows[:180], rows["level"][:180])
    np.testing.assert_allclose(
        scaled.predict(rows[180:]), fitted.predict(rows[180:]), rtol=1e-3, atol=1e-3
    )
    classic = clone(fitted).set_params(architecture="classic").fit(rows[:180], rows["level"][:180])
    assert "segment" not in {layer.name for layer in classic.model_.layers}
    assert classic.model_.layers[1].units == 4  # twice the features, as without target_columns
    assert fitted.score(rows[180:], rows["level"][180:]) > classic.score(
        rows[180:], rows["level"][180:]
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["nothing"], r"X has no column 'nothing'; give names or numbers of its 2 columns"),
        ([2], r"X has no column 2"),
        ([0, 1], r"\[0, 1\] given for 1 targets"),
        ([1], r"column 1 of X and target 0 differ in 2\d\d rows, first in row \d"),
    ],
)
def test_target_columns_that_hold_no_target_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        LSTMRegressor(**QUICK, target_columns=columns).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="target_columns: is for quantities"):
        LSTMClassifier(**QUICK, target_columns=columns).fit(X, X[:, 0] > 0)
