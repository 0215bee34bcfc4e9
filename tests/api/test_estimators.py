"""The estimators keep scikit-learn's habits, as far as windows allow."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from fastlstm import LSTMClassifier, LSTMRegressor
from fastlstm.api import windowed_estimator
from fastlstm.errors import ConfigError
from tests.api.conftest import step_by_step
from tests.api.sklearn_checks import stub_fit, stub_predict
from tests.conftest import shorten_trainings

HOURS = np.arange(240.0)
X = np.column_stack([np.sin(HOURS / 4), np.cos(HOURS / 4)])
LEARNS = {"epochs": 5, "learning_rate": 0.15, "batch_size": 64, "timesteps": 3, "random_state": 0}
QUICK = {**LEARNS, "epochs": 1, "batch_size": 128}


KINDS = pytest.mark.parametrize("kind", [LSTMRegressor, LSTMClassifier])


def target_of(kind):
    return X[:, 0] if kind is LSTMRegressor else X[:, 0] > 0


@pytest.fixture(scope="module")
def quickly_fitted():
    """Both estimators after one epoch, for tests that only read them."""
    with step_by_step(), pytest.MonkeyPatch.context() as patch:
        shorten_trainings(patch)
        return {
            kind: kind(**QUICK).fit(X, target_of(kind)) for kind in (LSTMRegressor, LSTMClassifier)
        }


def test_regressor_learns_a_wave():
    model = LSTMRegressor(**LEARNS).fit(X[:180], X[:180, 0])
    assert model.predict(X[180:]).shape == (60,)
    assert model.score(X[183:], X[183:, 0]) > 0.8
    assert model.n_features_in_ == 2 and 0 < model.n_iter_ <= 5
    # The training mean stands for the rows before the first, unless X follows the training rows.
    followed = copy.copy(model).set_params(history="train")
    errors = [np.abs(m.predict(X[180:])[:2] - X[180:182, 0]).mean() for m in (model, followed)]
    assert errors[1] < errors[0]


def test_a_forecast_never_sees_its_own_row(quickly_fitted):
    model = quickly_fitted[LSTMRegressor]
    changed = X.copy()
    changed[100:] += 7
    np.testing.assert_array_equal(model.predict(X)[:101], model.predict(changed)[:101])
    assert model.predict(X)[101] != model.predict(changed)[101]


def test_scalers_see_no_validation_row(quickly_fitted):
    changed = X.copy()
    changed[-36:] *= 100
    other = LSTMRegressor(**QUICK).fit(changed, X[:, 0])
    expected = quickly_fitted[LSTMRegressor].scalers_.x.mean_
    np.testing.assert_array_equal(other.scalers_.x.mean_, expected)


@pytest.mark.soak
def test_several_steps_and_targets():
    y = X[:, :2]
    model = LSTMRegressor(**{**LEARNS, "steps_ahead": 3}).fit(X, y)
    assert model.predict(X).shape == (240, 6)
    assert model.score(X, y) > 0.5


def test_several_targets_of_one_step_have_a_column_each():
    assert LSTMRegressor(**QUICK).fit(X, X[:, :2]).predict(X).shape == (240, 2)


@KINDS
def test_an_ensemble_has_its_networks_in_one(kind, quickly_fitted):
    weight = np.linspace(0.5, 1.5, len(X))
    one, two = quickly_fitted[kind], kind(**QUICK, ensemble_size=2)
    two.fit(X, target_of(kind), weight)
    trained = [sum(w.numpy().size for w in m.model_.trainable_weights) for m in (one, two)]
    assert trained[1] == 2 * trained[0]
    assert clone(two).ensemble_size == 2
    assert two.predict(X).shape == one.predict(X).shape


@KINDS
def test_averaged_weights_are_evaluated_and_kept(kind, quickly_fitted):
    last = quickly_fitted[kind]
    averaged = kind(**QUICK, ema_momentum=0.9).fit(X, target_of(kind))
    of_last, of_averaged = (model.history_.iloc[0] for model in (last, averaged))
    assert of_averaged["loss"] == of_last["loss"]
    assert of_averaged["val_loss"] != of_last["val_loss"]
    weights = [model.model_.get_weights() for model in (last, averaged)]
    assert any((a != b).any() for a, b in zip(*weights, strict=True))


@pytest.mark.soak
@KINDS
def test_a_refit_learns_the_rows_that_were_held_out(kind, quickly_fitted):
    y = target_of(kind)
    other = y.copy()
    other[-20:] = other[-20:][::-1]  # held out, where the weights of both stay in range
    one, two = (kind(**QUICK, refit=True).fit(X, truth) for truth in (y, other))
    plain = quickly_fitted[kind]
    assert one.history_.equals(plain.history_)
    weights = [model.model_.get_weights() for model in (one, two, plain)]
    for another in weights[1:]:
        assert any((a != b).any() for a, b in zip(weights[0], another, strict=True))


@pytest.mark.parametrize(
    "classes", [["dry", "wet"], pytest.param(["low", "mid", "high"], marks=pytest.mark.soak)]
)
def test_classifier_with_labels_of_any_kind(classes):
    labels = np.array(classes)[np.digitize(X[:, 0], np.linspace(-1, 1, len(classes) + 1)[1:-1])]
    model = LSTMClassifier(**LEARNS, class_weight="balanced").fit(X, labels)
    assert list(model.classes_) == sorted(classes)
    probability = model.predict_proba(X)
    assert probability.shape == (240, len(classes))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
    assert model.score(X[5:], labels[5:]) > 0.75


@pytest.mark.soak
def test_class_weights_by_label():
    labels = np.where(X[:, 0] > 0, "wet", "dry")
    given = [None, {"dry": 1.0, "wet": 1.0}, {"dry": 1.0, "wet": 5.0}]
    plain, equal, heavier = (
        LSTMClassifier(**QUICK, class_weight=weight).fit(X, labels).history_["loss"].item()
        for weight in given
    )
    assert plain == equal < heavier


def test_pipeline_time_series_split_and_grid_search(monkeypatch):
    monkeypatch.setattr(windowed_estimator, "fit", stub_fit)
    monkeypatch.setattr(windowed_estimator, "predict", stub_predict)
    model = make_pipeline(MinMaxScaler(), LSTMRegressor(**QUICK))
    scores = cross_val_score(model, X, X[:, 0], cv=TimeSeriesSplit(2))
    assert scores.shape == (2,) and np.isfinite(scores).all()
    grid = GridSearchCV(LSTMRegressor(**QUICK), {"timesteps": [2, 4]}, cv=TimeSeriesSplit(2))
    grid.fit(X, X[:, 0])
    assert grid.best_params_["timesteps"] in (2, 4)
    assert grid.predict(X).shape == (240,)


def test_same_random_state_same_numbers_frames_by_name_and_pickles():
    frame = pd.DataFrame(X, columns=["s", "c"])
    one = LSTMRegressor(**QUICK).fit(frame, X[:, 0])
    expected = one.predict(frame)
    two = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(expected, two.predict(frame))
    np.testing.assert_array_equal(expected, two.fit(frame, X[:, 0]).predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        one.predict(frame[["c", "s"]])


def test_amounts_may_be_transformed_as_the_refusal_of_their_loss_advises():
    amounts = np.expm1(2 + X[:, 0])
    model = TransformedTargetRegressor(
        LSTMRegressor(**{**QUICK, "epochs": 1}, loss="mse"), func=np.log1p, inverse_func=np.expm1
    )
    assert (model.fit(X, amounts).predict(X) > -1).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LSTMRegressor(timesteps=300), r"n_samples=240 is too few"),
        (LSTMRegressor(history="both"), r"history: 'both' given"),
        (LSTMRegressor(loss="nonsense"), r"no loss is named 'nonsense'"),
        (LSTMRegressor(loss="msle"), r"wrap the estimator with loss 'mse' in sklearn.compose"),
        (LSTMRegressor(loss="hinge"), r"a regressor takes e.g. 'mae' or 'mse'"),
        (LSTMRegressor(model_dropout=(0, 0)), r"one rate for each layer"),
        (LSTMClassifier(steps_ahead=2), r"steps_ahead: 2 given"),
        (LSTMClassifier(class_weight={0: 1.0}), r"class 1 has none"),
    ],
)
def test_refusals(model, message):
    y = (X[:, 0] > 0).astype(int) if isinstance(model, LSTMClassifier) else X[:, 0]
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.soak
def test_targets_among_the_columns_give_the_segment_network_their_past():
    rng = np.random.default_rng(0)
    level = np.cumsum(rng.normal(0, 0.3, 240))  # outside the range of training in the end
    rows = pd.DataFrame({"other": X[:, 1], "level": level + X[:, 0]})
    quick = {**QUICK, "timesteps": 24, "batch_size": 32, "learning_rate": 0.03, "history": "train"}
    fitted = LSTMRegressor(**quick, target_columns=["level"]).fit(rows[:180], rows["level"][:180])
    names = {layer.name for layer in fitted.model_.layers}
    assert "segment" in names and fitted.hyperparameters_.loss == "mae"
    # In any unit: a scaler before the estimator leaves the target with its past.
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


@pytest.mark.soak
@KINDS
def test_a_column_known_ahead_is_seen_in_the_row_it_is_of(kind):
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"noise": draw.normal(size=240), "price": draw.normal(size=240)})
    wanted = table["price"] if kind is LSTMRegressor else table["price"] > 0
    settings = {**LEARNS, "known_future": ["price"]}
    model = kind(**settings).fit(table[:200], wanted[:200])
    assert model.score(table[200:], wanted[200:]) > 0.7

    def outputs(rows):
        return model.predict(rows) if kind is LSTMRegressor else model.predict_proba(rows)[:, 1]

    before = outputs(table)
    for row in (0, 7, 239):
        changed = table.copy()
        changed.loc[row, "price"] *= -1
        assert np.flatnonzero(outputs(changed) != before)[0] == row
        changed = table.copy()
        changed.loc[row, "noise"] += 1
        assert not (outputs(changed) != before)[: row + 1].any()
    for wrong, message in (
        ({"known_future": ["prize"]}, "known_future: X has no column 'prize'"),
        ({"known_future": ["price", 1]}, "names a column twice"),
        ({"known_future": [0], "steps_ahead": 2}, "known_future: steps_ahead is 2"),
    ):
        with pytest.raises(ConfigError, match=message):
            LSTMRegressor(**{**QUICK, **wrong}).fit(table, table["price"])


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


def test_columns_of_names_become_indicators(monkeypatch):
    monkeypatch.setattr(windowed_estimator, "fit", stub_fit)
    monkeypatch.setattr(windowed_estimator, "predict", stub_predict)
    sky = np.where(HOURS % 3 == 0, "rain", "sun")
    table = pd.DataFrame({
        "wave": X[:, 0], "sky": sky,
        "site": pd.Categorical.from_codes(HOURS.astype(int) % 2, ["b", "a"]),
        "wet": pd.Series([True, None] * 120, dtype=object), "hour": HOURS.astype(object),
        "shop": [f"s{number:.0f}" for number in HOURS % 12],
    })  # fmt: skip
    late = table.assign(sky=[*sky[:-1], "hail"])
    for kind in (LSTMRegressor, LSTMClassifier):
        model = kind(**QUICK).fit(late, target_of(kind))
        assert model.n_features_in_ == 6 and model.feature_names_in_.tolist() == [*table]
        assert model._named.categories["sky"] == ["rain", "sun"]  # 'hail' is a held-out row's
        assert model._named.categories["wet"] == ["True", "(missing)"]
        assert model._named.widths == [1, 2, 2, 2, 1, 12]
        assert [len(group) for group in model.hyperparameters_.embedded_features] == [12]
        assert model.last_rows_.shape == (3, 20)
        assert model.last_rows_[-1, 1:7].tolist() == [0, 0, 1, 0, 0, 1]
        with pytest.warns(UserWarning, match="1 rows of column 'sky' hold 'hail', which"):
            forecast = model.predict(late)
        assert len(model.predict(table.to_numpy())) == len(forecast) == 240
        with pytest.raises(ValueError, match="feature names"):
            model.predict(table[[*table][::-1]])
        assert len(pickle.loads(pickle.dumps(model)).predict(table)) == 240
    with pytest.raises(ConfigError, match="column 'sky' holds names, a target is a quantity"):
        LSTMRegressor(**QUICK, target_columns=["sky"]).fit(table, X[:, 0])
    LSTMRegressor(**QUICK, target_columns=["hour"]).fit(table, HOURS)
