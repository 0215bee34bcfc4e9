"""Columns of categories: learned on train rows, numbered, and made into indicators and outputs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import TABLE_FILE
from fastlstm.config.categories import MISSING, bin_names, in_order
from fastlstm.config.class_weights import weights_of_columns
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.categories import categories_of, encode, names_or_numbers, numbered, renumbered
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.tables import read_table, write_table
from fastlstm.data.validation import validate
from fastlstm.errors import ConfigError, DataError
from fastlstm.evaluation.labels import label_columns, likeliest_labels
from fastlstm.steps.prepare import load_into, with_resolved_columns
from fastlstm.steps.shard_map import ShardMap
from fastlstm.training.class_weights import class_weights, class_weights_in, label_class_weights

ROWS = 100


def table(**changes):
    """Three kinds of weather, one of them after the train rows alone; a city that is once missing."""
    weather = np.where(np.arange(ROWS) % 3 == 0, "rain", "sun").astype(object)
    weather[90] = "hail"
    city = np.where(np.arange(ROWS) < 50, "Rome", "Oslo").astype(object)
    city[1], city[80] = None, "Bonn"
    columns = {
        "time": pd.date_range("2024-01-01", periods=ROWS, freq="D"),
        "weather": weather, "city": city, "level": np.arange(ROWS) % 12 + 1.0,
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


def settings(path, **data):
    given = {
        "path": str(path), "time": "time", "frequency": "1D", "calendar": [],
        "features": ["weather", "city"], "targets": ["weather"],
        "columns": {"city": {"dtype": "category"}}, **data,
    }  # fmt: skip
    return RetrainConfig.model_validate(
        {"data": given, "hyperparameters": {"LSTM_type": "classifier", "timesteps": 3}}
    )


def resolved(frame, folder, ending="csv", **data):
    file = folder / f"rows.{ending}"
    frame.to_csv(file, index=False) if ending == "csv" else frame.to_parquet(file)
    config = settings(file, **data)
    load_into(folder, config.data, 4, 1_000, ShardMap(folder / "shards"), labels=True)
    return with_resolved_columns(config, folder)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_train_rows_alone_teach_them_and_nothing_is_listed(tmp_path, ending):
    config = resolved(table(), tmp_path, ending)
    assert config.data.categories == {"weather": ["rain", "sun"], "city": ["Oslo", "Rome", MISSING]}
    assert config.data.targets == ["weather"]
    assert config.data.features == [
        "weather=rain", "weather=sun", "city=Oslo", "city=Rome", f"city={MISSING}",
    ]  # fmt: skip
    assert config.hyperparameters.classes == {"weather": ["rain", "sun"]}
    again = RetrainConfig.model_validate(config.model_dump())
    assert again == config and again.data.value_columns == ["weather", "city"]


def test_unknown_and_missing_ones_have_a_place_of_their_own_and_are_counted(tmp_path):
    config = resolved(table(), tmp_path)
    frame = load(config.data).frame
    clean, report = validate(frame, config.data, labels=True)
    assert report.passed
    found = {warning.column: warning for warning in report.warnings}
    assert "1 rows hold 'hail'" in found["weather"].message and found["weather"].rows == 1
    assert "'Bonn'" in found["city"].message and found["city"].cases[0]["value"] == "Bonn"
    features = clean[config.data.features]
    assert (features.loc[[80, 90], ["city=Oslo", "city=Rome"]].sum(axis=1) == [0, 1]).all()
    assert features[f"city={MISSING}"].sum() == features.loc[1, f"city={MISSING}"] == 1
    assert features.loc[90, ["weather=rain", "weather=sun"]].sum() == 0
    # No window has an unknown label as its target.
    assert clean["weather"].isna().sum() == 1 and np.isnan(clean.loc[90, "weather"])
    assert clean["weather"].dropna().isin([0, 1]).all()


@pytest.mark.parametrize("kind", ["integers", "booleans", "zeros and ones", "numbers of text"])
def test_labels_of_any_kind(tmp_path, kind):
    labels = {
        "integers": np.arange(ROWS) % 12 + 1, "booleans": np.arange(ROWS) % 2 == 0,
        "zeros and ones": np.arange(ROWS) % 2, "numbers of text": [f"{i % 3}" for i in range(ROWS)],
    }[kind]  # fmt: skip
    config = resolved(table(weather=labels), tmp_path, "parquet")
    expected = {
        "integers": [str(number) for number in range(1, 13)], "booleans": ["False", "True"],
        "numbers of text": ["0", "1", "2"],
    }  # fmt: skip
    assert config.data.label_columns.get("weather") == expected.get(kind)
    activation = config.hyperparameters.last_layer_activation
    assert activation == ("softmax" if len(expected.get(kind, [])) > 2 else "sigmoid")
    clean, _ = validate(load(config.data, labels=True).frame, config.data, labels=True)
    outputs = clean[config.data.targets]
    if len(config.data.targets) == 1:
        assert outputs.iloc[:, 0].tolist() == np.asarray(labels).astype(float).tolist()
    else:
        assert (outputs.sum(axis=1) == 1).all()
        assert config.data.targets[-1] == f"weather: {expected[kind][-1]}"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_categories_and_classes_are_text_as_it_stands(tmp_path, ending):
    names = ["NA", "None", "nan", "007", "7", "1e5", " x", "x"]
    column = np.array([names[i % len(names)] for i in range(ROWS)], object)
    config = resolved(table(weather=column, city=column), tmp_path, ending)
    assert config.data.categories == {"weather": sorted(names), "city": sorted(names)}
    clean, report = validate(load(config.data, labels=True).frame, config.data, labels=True)
    assert not report.errors and not report.missing
    for name in names:
        assert (clean[f"city={name}"] == (column == name)).all()
        assert (clean[f"weather: {name}"] == (column == name)).all()


def test_zeros_and_ones_with_missing_values_are_numbers():
    column = pd.Series(["0.0", "1.0", "NA", None], dtype="str")
    np.testing.assert_array_equal(names_or_numbers(column), [0, 1, np.nan, np.nan])
    assert names_or_numbers(pd.Series(["NA", "None"])).tolist() == ["NA", "None"]
    # Of a shard not all rows are seen at once: the missing values are no class there either.
    counts = {"0": 5, "1": 4, "NA": 1}
    assert categories_of(counts, "y", has_missing=False, is_label=True) == ["0", "1"]
    assert categories_of({"7": 5, "NA": 4}, "y", has_missing=False, is_label=True) == ["7", "NA"]


@pytest.mark.parametrize(
    ("weights", "classes", "expected"),
    [
        ({"007": 1, 7: 2}, ["007", "7"], {"007": 1, "7": 2}),
        ({0: 1, 1: 2}, ["False", "True"], {"False": 1, "True": 2}),
        ({0: 1, 1: 2}, ["0", "1", "2"], None),
    ],
)
def test_weights_by_the_names_of_classes(weights, classes, expected):
    given = Hyperparameters(class_weight=weights).class_weight
    if expected is None:
        with pytest.raises(ConfigError, match=r"has classes \['0', '1'\], the train rows have"):
            weights_of_columns(given, {"level": classes})
    else:
        assert weights_of_columns(given, {"level": classes}) == [expected]


def test_weights_of_several_label_columns():
    labels = {"sky": ["fog", "sun"], "wet": ["False", "True"], "late": ["no", "sun"]}
    given = Hyperparameters(class_weight={"sun": 3.0, "fog": 2.0, "no": 5.0, 0: 1.0, 1: 4.0})
    assert weights_of_columns(given.class_weight, labels) == [
        {"fog": 2, "sun": 3}, {"False": 1, "True": 4}, {"no": 5, "sun": 3},
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="'snow'"):
        weights_of_columns({**given.class_weight, "snow": 1.0}, labels)
    by_column = {"late": {"sun": 2, "no": 1.0}, "wet": "balanced"}
    given = Hyperparameters.model_validate({"class_weight": by_column})
    stored = json.loads(given.model_dump_json())
    assert Hyperparameters.model_validate(stored).class_weight == given.class_weight
    assert weights_of_columns(given.class_weight, labels) == [
        {"fog": 1, "sun": 1}, "balanced", {"no": 1, "sun": 2},
    ]  # fmt: skip
    of_wet = Hyperparameters(class_weight={"wet": {"0": 1.0, "1": 4.0}}).class_weight
    assert weights_of_columns(of_wet, labels)[1] == {"False": 1, "True": 4}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"sea": {"fog": 1.0, "sun": 2.0}},
            r"\['sea'\] are no label columns, which are \['sky', 'wet'",
        ),
        (
            {"sky": {"fog": 1.0, "snow": 2.0}},
            r"class_weight\.sky: has classes \['fog', 'snow'\], the tr",
        ),
        ({"sky": {"fog": 1.0}}, r"class_weight\.sky: has classes \['fog'\], the train rows have"),
    ],
)
def test_weights_of_unknown_columns_and_classes_are_refused(tmp_path, weights, message):
    data = {**settings(tmp_path).data.model_dump(), "targets": ["sky", "wet"]}
    given = {"data": data, "hyperparameters": {"timesteps": 3, "class_weight": weights}}
    with pytest.raises(ValueError, match=message) as refused:
        config = RetrainConfig.model_validate(given)
        config.with_categories({"sky": ["fog", "sun"], "wet": ["no", "yes"]})
    assert str(refused.value).count("class_weight") == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"sky": {"fog": 1.0, "sun": 2.0}, "sun": 2.0},
            r"\['sky'\] are label columns with weights",
        ),
        ({"sky": {"fog": 1.0, "sun": 0.0}}, "every weight must be above 0"),
    ],
)
def test_weights_of_no_form(weights, message):
    with pytest.raises(ValueError, match=message):
        Hyperparameters.model_validate({"class_weight": weights})


@pytest.mark.parametrize(
    ("thresholds", "wrong"),
    [
        ({"wet": 0.3, "wet_step_2": 0.4, "yes": 0.2, "fog": 0.1, "sky: sun": 0.5}, None),
        ({"no": 0.3}, "'no'"), ({"wet_step_3": 0.3}, "'wet_step_3'"), ({"snow": 0.3}, "'snow'"),
    ],
)  # fmt: skip
def test_thresholds_by_name(tmp_path, thresholds, wrong):
    data = settings(tmp_path).data.model_dump()
    given = {
        "data": {**data, "targets": ["wet", "sky"]},
        "hyperparameters": {"LSTM_type": "classifier", "timesteps": 3, "steps_ahead": 2},
        "evaluation": {"thresholds": thresholds},
    }
    config = RetrainConfig.model_validate(given)
    classes = {"wet": ["no", "yes"], "sky": ["fog", "rain", "sun"]}
    if wrong is not None:
        with pytest.raises(ConfigError, match=f"{wrong} is no output or class"):
            config.with_categories(classes)
        with pytest.raises(ConfigError, match=f"{wrong} is no output or class"):
            config.with_known_classes()  # labels that are all 0 and 1
        return
    targets = config.with_categories(classes).data.targets
    columns = label_columns(config.with_categories(classes).hyperparameters, targets)
    outputs = np.full((1, 2, 4), [0.35, 0.2, 0.2, 0.6])
    labels = likeliest_labels(outputs, columns, thresholds)["label"]
    assert labels[0, :, 0].tolist() == ["yes", "no"] and labels[0, 0, 3] == "sun"


def test_weights_of_several_labels_are_those_of_each_label():
    classes = {"sky": ["fog", "sun"], "level": ["1", "2", "3"]}
    hp = Hyperparameters(
        LSTM_type="classifier", timesteps=2, steps_ahead=2, classes=classes, class_weight="balanced"
    )
    assert hp.weighs_each_label and not hp.has_stock_loss
    y = np.zeros((4, 2, 4))
    y[:, :, 0] = np.array([[1, 0], [0, 0], [0, 0], [0, 1]])
    y[np.arange(4), :, [1, 2, 3, 1]] = 1
    windows = SimpleNamespace(
        manifest={"targets": ["sky", "level: 1", "level: 2", "level: 3"]},
        read=lambda split, columns: SimpleNamespace(y=y),
    )
    sky, level = label_class_weights(windows, hp)
    np.testing.assert_allclose(sky, [8 / (2 * 6), 8 / (2 * 2)])
    np.testing.assert_allclose(level, [8 / (3 * 4), 8 / (3 * 2), 8 / (3 * 2)], rtol=1e-6)
    assert class_weights_in(windows, "train", hp) is None
    named = hp.model_copy(update={"class_weight": {"fog": 1.0, "sun": 2, 1: 3, 2: 4, 3: 5}})
    assert [w.tolist() for w in label_class_weights(windows, named)] == [[1, 2], [3, 4, 5]]
    by_column = {"sky": "balanced", "level": {1: 3.0, 2: 4.0, 3: 5.0}}
    mixed = label_class_weights(windows, hp.model_copy(update={"class_weight": by_column}))
    assert [w.tolist() for w in mixed] == [sky.tolist(), [3, 4, 5]]
    plain = Hyperparameters(LSTM_type="classifier", timesteps=2, class_weight="balanced")
    with pytest.raises(ConfigError, match="8 outputs have no common class"):
        class_weights_in(windows, "train", plain)


def test_weights_of_integers_wait_for_the_rows(tmp_path):
    weights = {"hyperparameters": {"class_weight": {1: 1.0, 2: 3.0, 3: 1.0}}}
    config = RetrainConfig.model_validate({"data": settings(tmp_path).data.model_dump(), **weights})
    levels = {"weather": ["1", "2", "3"]}
    assert config.with_categories(levels).hyperparameters.classes == levels
    with pytest.raises(
        ConfigError, match=r"has classes \['1', '2', '3'\], the train rows have \['0'"
    ):
        class_weights(config.hyperparameters, np.array([[0.0], [1.0]]))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_several_labels_0_and_1_are_weighed_by_their_classes(tmp_path, ending):
    wet = (np.arange(100) % 3 == 0).astype(float)
    times = pd.date_range("2024-01-01", periods=100, freq="1D")
    rows = pd.DataFrame({"time": times, "wet": wet, "dry": 1 - wet, "level": wet.cumsum()})
    file = tmp_path / f"rows.{ending}"
    rows.to_csv(file, index=False) if ending == "csv" else rows.to_parquet(file)
    config = RetrainConfig.model_validate({
        "data": {
            "path": str(file), "time": "time", "frequency": "1D", "calendar": [],
            "features": ["wet", "level"], "targets": ["wet", "dry"],
        },
        "hyperparameters": {"timesteps": 3, "class_weight": {"0": 1.0, "1": 2.0}},
    })  # fmt: skip
    load_into(tmp_path, config.data, 4, 1_000, ShardMap(tmp_path / "shards"), labels=True)
    found = with_resolved_columns(config, tmp_path)
    assert config.hyperparameters.classes is None
    assert found.hyperparameters.classes == {"wet": ["0", "1"], "dry": ["0", "1"]}
    assert found.data.targets == ["wet", "dry"]
    clean, _ = validate(read_table(tmp_path / TABLE_FILE), found.data, labels=True)
    np.testing.assert_array_equal(clean["dry"], 1 - wet)


def test_what_cannot_be_learned(tmp_path):
    one = np.array(["sun"] * 90 + ["rain"] * 10)
    with pytest.raises(DataError, match=r"target 'weather': the train rows hold 'sun' alone"):
        resolved(table(weather=one), tmp_path)
    with pytest.raises(ConfigError, match=r"class_weight: has classes \['fog', 'sun'\]"):
        settings(tmp_path).model_copy(
            update={
                "hyperparameters": settings(tmp_path).hyperparameters.model_copy(
                    update={"class_weight": {"sun": 1.0, "fog": 2.0}}
                )
            }
        ).with_categories({"weather": ["rain", "sun"]})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_empty_label_is_a_class_where_the_settings_say_so(tmp_path, ending):
    sky = table()["weather"].where(np.arange(ROWS) % 4 != 1, None)
    of_sky = {"dtype": "category", "missing": "class"}
    columns = {"city": {"dtype": "category"}, "weather": of_sky}
    config = resolved(table(weather=sky), tmp_path, ending, columns=columns)
    assert config.hyperparameters.classes == {"weather": ["rain", "sun", MISSING]}
    clean, report = validate(load(config.data).frame, config.data, labels=True)
    assert report.passed and len(clean) == ROWS
    # A label that train rows do not have is no class of these.
    empty = clean[f"weather: {MISSING}"]
    assert np.flatnonzero(empty.isna()).tolist() == [90]
    assert empty.drop(index=90).tolist() == sky.isna().drop(index=90).tolist()
    refused = resolved(table(weather=sky), tmp_path, ending)
    assert not validate(load(refused.data).frame, refused.data, labels=True)[1].passed
    with pytest.raises(ValueError, match="'class' is for label columns, 'city' is no target"):
        settings(tmp_path, columns={"city": of_sky})


def test_all_series_and_many_categories(tmp_path):
    frame = table(city=[f"town {i % 12:02}" for i in range(ROWS)], shop=["b", "a"] * (ROWS // 2))
    config = resolved(frame, tmp_path, series="shop", embedded_series="all")
    assert config.data.embedded_series == ["a", "b"]
    assert config.hyperparameters.static_features == ["shop=a", "shop=b"]
    (group,) = config.hyperparameters.embedded_features
    assert group == [f"city=town {i:02}" for i in range(12)]


def test_bins_of_a_derived_target_are_its_classes(tmp_path):
    derived = {"wet": {"column": "level", "operation": "sum", "horizon": 2, "bins": [5, 12]}}
    columns = {name: {"dtype": "category"} for name in ("weather", "city")}
    config = resolved(
        table(), tmp_path, targets=["wet"], derived_targets=derived, columns=columns,
        features=["weather", "city", "level"],
    )  # fmt: skip
    assert bin_names([5, 12]) == ["up to 5", "5 to 12", "above 12"]
    assert config.data.targets == [f"wet: {name}" for name in bin_names([5, 12])]
    clean, report = validate(load(config.data).frame, config.data, labels=True)
    total = clean["level"] + clean["level"].shift(-1)
    assert report.passed
    assert clean["wet: 5 to 12"].dropna().tolist() == ((total > 5) & (total <= 12))[:-1].tolist()
    assert clean[config.data.targets].iloc[-1].isna().all()


def test_numbers_in_other_orders():
    assert in_order(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert in_order(["b", "10", "a"]) == ["10", "a", "b"]
    number, counts = numbered(pd.Series(["b", None, "x", "a"]), ["a", "b"])
    np.testing.assert_array_equal(number, [1, np.nan, -1, 0])
    assert (counts.unknown, counts.first, counts.missing) == (1, ("x",), 1)
    np.testing.assert_array_equal(renumbered(number, ["a", "b"], ["b", "c"]), [0, np.nan, -1, -1])


def test_a_stored_table_is_numbered_the_same_whatever_its_order(tmp_path):
    config = resolved(table(), tmp_path)
    frame = load(config.data).frame
    shuffled = frame.sample(frac=1, random_state=0)
    for given in (frame, shuffled):
        encode(given, config.data, ["weather", "city"])
    pd.testing.assert_frame_equal(shuffled.sort_index(), frame)
    write_table(frame[[SERIES, TIME, "city"]], tmp_path / "t.parquet")


def test_one_known_ahead_is_what_holds_at_the_row_to_forecast(tmp_path):
    promotion = np.where(np.arange(ROWS) % 4 == 0, "tv", "none").astype(object)
    future = {
        "time": pd.date_range("2024-04-10", periods=3, freq="D"), "promotion": ["tv", "radio", None],
    }  # fmt: skip
    frame = pd.concat([table(promotion=promotion), pd.DataFrame(future)], ignore_index=True)
    rules = {"columns": {"promotion": {"dtype": "category"}}, "features": ["level"]}
    config = resolved(frame, tmp_path, known_future=["promotion"], **rules)
    config = RetrainConfig.model_validate(config.model_dump())
    names = ["promotion=none", "promotion=tv"]
    later = [f"{name}+1" for name in names]
    assert config.data.features == ["level", *names, *later]
    assert [*config.hyperparameters.future_features] == later
    assert config.data.read_features == ["level", "promotion"]

    data, _ = config.data.with_future([3], 3)
    clean, report = validate(load(data).frame, data, labels=True)
    assert report.passed and len(clean) == ROWS
    messages = [w.message for w in report.warnings if w.column == "promotion"]
    assert "'radio', which the train rows do not teach" in messages[0] and len(messages) == 2
    assert "1 rows to forecast lack it" in messages[1]
    np.testing.assert_array_equal(clean["promotion=tv+3"][:-3], clean["promotion=tv"][3:])
    assert clean["promotion=tv+3"].tail(3).tolist() == [1, 0, 0]
    assert clean["promotion=none+3"].tail(3).tolist() == [0, 0, 0]

    # Without rows of the future it is not known.
    clean, _ = validate(load(data).frame.head(ROWS), data, labels=True)
    assert clean["promotion=tv+3"].tail(3).isna().all()


def test_a_category_that_looks_like_a_later_rows_value_is_none(tmp_path):
    grade = np.where(np.arange(ROWS) % 2, "5", "5+1").astype(object)
    rules = {"columns": {"grade": {"dtype": "category"}}, "features": ["level"]}
    with pytest.raises(ConfigError, match=r"'grade=5\+1'.*rename"):
        resolved(table(grade=grade), tmp_path, known_future=["grade"], **rules)
    config = resolved(table(grade=grade), tmp_path, **{**rules, "features": ["level", "grade"]})
    assert config.data.ahead_sources == {}
