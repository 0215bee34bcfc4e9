"""Labels and categories of rows in memory as they are: trained, forecast, stored and opened."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from fastlstm import LSTMClassifier, fastLSTM
from fastlstm.api.reports import label_table
from fastlstm.errors import ConfigError, DataError

ROWS = 60
SKY = np.array(["rain", "sun", "fog"])[np.arange(ROWS) % 3]
X = pd.DataFrame({"level": np.arange(ROWS) % 3.0, "site": ["a", None, "b"] * (ROWS // 3)})


def model(Y, **changes):
    given = {"timesteps": 2, "model_relative_width": [1], "batch_size": 32, "seed": 0, **changes}
    return fastLSTM(X, Y, **given)


@pytest.mark.usefixtures("tmp_path")
def test_a_text_label_is_trained_forecast_stored_and_opened(tmp_path, capsys):
    given = model(pd.Series(SKY, name="sky"), data_storage_path=tmp_path)
    given.network_training(epochs=1, verbose=0)
    assert given.output_column_names() == ["sky: fog", "sky: rain", "sky: sun"]
    probability = given.model_predict(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    labels = given.model_predict_labels(X)
    assert list(labels) == ["sky", "sky probability"]
    assert labels["sky"].tolist() == [
        ["fog", "rain", "sun"][number] for number in probability.argmax(axis=1)
    ]
    assert given.metrics["primary"]["name"] == "log_loss"
    assert set(given.metrics["labels"]["sky"]["by_class"]) == {"fog", "rain", "sun"}
    predictions = pd.read_parquet(next(given.run_folder.glob("*PREDICTIONS*.parquet")))
    assert {"label", "probability", "true_label"} <= {*predictions}
    assert predictions["true_label"].isin(SKY).all()
    report = next(given.run_folder.glob("*REPORT*.md")).read_text()
    assert "Classes of sky on test" in report and "log loss" in report
    given.network_predictions_evaluation()
    assert "rain" in capsys.readouterr().out
    file = next(given.run_folder.glob("*HYPERPARAMETERS*.json"))
    again = fastLSTM().load_all(file.name, file.parent)
    np.testing.assert_array_equal(again.model_predict(X), probability)
    assert again.model_predict_labels(X.tail(2))["sky"].tolist() == labels["sky"].tail(1).tolist()
    with pytest.raises(ConfigError, match="'snow' is no output or class that has a threshold"):
        again.model_predict_labels(X, thresholds={"snow": 0.2})


def test_kinds_of_labels_and_unknown_ones():
    numbers = model(pd.DataFrame({"grade": np.arange(ROWS) % 3 + 1}))
    assert numbers.output_column_names() == ["grade: 1", "grade: 2", "grade: 3"]
    named = model(pd.Series(np.where(np.arange(ROWS) % 2, "yes", "no"), name="wet"))
    assert named.output_column_names() == ["wet"]
    assert named.Y_train["wet"].tolist() == (np.arange(42) % 2).tolist()
    plain = model(pd.Series(np.arange(ROWS) % 2, name="wet"))
    assert plain.hyperparameters["classes"] is None and plain.output_column_names() == ["wet"]
    late = SKY.astype(object)
    late[-1] = "hail"
    rare = model(pd.Series(late, name="sky"))
    assert rare.output_column_names() == ["sky: fog", "sky: rain", "sky: sun"]
    assert rare.Y_test.iloc[-1].isna().all()
    assert list(rare.X_train) == ["level", "site=a", "site=b", "site=(missing)"]


def test_what_is_refused():
    with pytest.raises(DataError, match=r"column 'Y' holds 0\.5, a classifier's labels are text"):
        model(pd.Series(np.arange(ROWS) / 2))
    with pytest.raises(DataError, match=r"column 'sky' holds text; a regressor forecasts numbers"):
        model(pd.Series(SKY, name="sky"), LSTM_type="regressor")
    with pytest.raises(ConfigError, match="class_weight: has classes"):
        model(pd.Series(SKY, name="sky"), class_weight={"sun": 1.0, "snow": 2.0})._config()


def test_the_classifier_takes_any_labels():
    for labels in (SKY, np.arange(ROWS) % 2 == 0, np.arange(ROWS) % 3 - 1):
        fitted = LSTMClassifier(timesteps=2, epochs=1, random_state=0, model_relative_width=(1,))
        fitted.fit(X[["level"]].to_numpy(), labels)
        assert set(fitted.classes_) == set(labels)
        assert np.isin(fitted.predict(X[["level"]].to_numpy()), labels).all()


def test_a_category_known_ahead_in_a_notebook():
    x = pd.DataFrame({"sky": SKY, "promotion": np.where(np.arange(ROWS) % 4, "none", "tv")})
    settings = {"known_future": ["promotion"], "steps_ahead": 2, "model_relative_width": [1]}
    given = fastLSTM(x, x[["sky"]], timesteps=2, **settings)
    assert list(given.X_train)[-2:] == ["promotion=none+2", "promotion=tv+2"]
    rows = pd.concat([x, pd.DataFrame({"promotion": ["tv", "radio"]})], ignore_index=True)
    with pytest.warns(UserWarning, match="1 rows of column 'promotion' hold 'radio', which"):
        windows = given._inputs.windows(rows, scale=False).values
    # The label, a category too, tells which rows have happened.
    assert len(windows) == ROWS - 1
    assert windows[-1, :, -2:].tolist() == [[0, 1], [0, 0]]
    with pytest.raises(DataError, match="'promotion' is not known for all of the 2 rows"):
        given._inputs.windows(x, scale=False)
    # Tables as a run stores them hold the indicators.
    given.X_data, given.Y_data = given._rows.table.given_x, given._rows.table.given_y
    given.split_and_scale()
    assert list(given.X_train)[-2:] == ["promotion=none+2", "promotion=tv+2"]
    assert given._hp.classes == {"sky": ["fog", "rain", "sun"]}


@pytest.mark.parametrize("kind", [bool, object, "boolean"])
def test_booleans_come_back_as_booleans(kind):
    wet = pd.Series(np.arange(ROWS) % 2 == 0, name="wet").astype(kind)
    given = model(wet, class_weight={0: 1.0, 1: 2.0})
    assert given.output_column_names() == ["wet"]
    hp, targets = given._hp, ["wet"]
    labels = label_table(np.array([[0.2], [0.9]]), hp, targets)
    assert labels["wet"].dtype == bool and labels["wet"].tolist() == [False, True]
    low = label_table(np.array([[0.2], [0.1]]), hp, targets, thresholds={"True": 0.15})
    assert low["wet"].tolist() == [True, False]
    both = model(pd.DataFrame({"wet": wet, "sky": SKY}))
    found = label_table(np.array([[0.9, 0.2, 0.5, 0.3]]), both._hp, both.output_column_names())
    assert found["wet"].dtype == bool and found["sky"].tolist() == ["rain"]


@pytest.mark.parametrize(
    ("kind", "lowest"),
    [
        (np.int64, -1), ("Int16", -1), (object, -1), ("category", -1), (float, -1), (str, "-1"),
        (lambda number: f"00{number}", "00-1"),
    ],
)  # fmt: skip
def test_whole_numbers_come_back_as_whole_numbers_and_text_as_text(kind, lowest):
    level = pd.Series(np.arange(ROWS) % 3 - 1, name="stars")
    level = level.map(kind) if callable(kind) and not isinstance(kind, type) else level.astype(kind)
    given = model(level)
    outputs = given.output_column_names()
    assert len(outputs) == 3
    labels = label_table(np.eye(3), given._hp, outputs)["stars"]
    assert (labels.dtype == np.int64) == (lowest == -1) and lowest in labels.tolist()
    both = model(pd.DataFrame({"stars": level, "sky": SKY}))
    found = label_table(np.eye(3)[:, [0, 1, 2] * 2], both._hp, both.output_column_names())
    assert found["stars"].tolist() == labels.tolist() and found["sky"].tolist()[0] == "fog"


@pytest.mark.parametrize("steps", [1, 3])
def test_a_feature_that_is_a_later_label_is_named(steps):
    sky = np.array(["fog", "rain", "sun"])[np.random.default_rng(3).integers(0, 3, 300)]
    x = pd.DataFrame({"level": np.arange(300) % 7.0, "told": np.roll(sky, -2), "sky": sky})
    given = {"timesteps": 2, "model_relative_width": [1], "steps_ahead": steps}
    y = pd.DataFrame({"sky": sky, "windy": np.arange(300) % 7 > 2})
    with pytest.warns(UserWarning, match="column 'told': it equals 'sky' 2 rows later in 100%"):
        found = fastLSTM(x, y, **given)._rows.table.findings
    assert [(finding.check, finding.column) for finding in found] == [("leak suspected", "told")]
    # Labels of the next three rows: the label of the same row tells two of them.
    label = pd.Series(sky).shift(-2).to_frame("sky")
    with pytest.warns(UserWarning, match="'sky': it equals 'sky' of the same row, which depends"):
        fastLSTM(x[["level"]].assign(sky=label["sky"]), label, target_lookahead=2, timesteps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastLSTM(x, y, known_future=["told"], **given)
        fastLSTM(x.drop(columns="told"), y, **given)
