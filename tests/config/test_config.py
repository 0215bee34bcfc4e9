"""Wrong settings are refused before any work; one line per problem names key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from fastlstm.config.hyperparameter_defaults import ALIASES, REGRESSOR_DEFAULTS
from fastlstm.config.hyperparameters import STORED, Hyperparameters
from fastlstm.config.keras_names import ACTIVATIONS, LOSSES, METRICS, canonical_loss
from fastlstm.config.reading import parse_config, read_config
from fastlstm.config.retrain import RetrainConfig
from fastlstm.errors import ConfigError
from fastlstm.network.keras_import import import_keras
from fastlstm.network.metrics import keras_metric

EXAMPLES = sorted(Path("deployments").glob("weather_*.yaml"))


@pytest.mark.parametrize(
    ("sections", "key", "remedy"),
    [
        ({"hyperparameters": {"learning_rat": 1}}, "hyperparameters.learning_rat", "learning_rate"),
        ({"hyperparameters": {"batch_size": "128"}}, "hyperparameters.batch_size", "valid integer"),
        ({"hyperparameters": {"shuffle": 1}}, "hyperparameters.shuffle", "valid boolean"),
        ({"hyperparameters": {"model_dropout": [0, 0]}}, "hyperparameters.model_dropout", "one rate"),
        (
            {
                "hyperparameters": {
                    "LSTM_type": "classificator",
                    "scale_targets": False,
                    "last_layer_activation": "softmax",
                    "loss": "categorical_crossentropy",
                }
            },
            "hyperparameters.steps_ahead",
            "steps_ahead 1",
        ),
        (
            {
                "hyperparameters": {"LSTM_type": "classifier", "steps_ahead": 1, "scale_targets": False},
                "evaluation": {"primary_metric": "mase"},
            },
            "evaluation.primary_metric",
            "remove it",
        ),
        ({"evaluation": {"primary_metric": "smape"}}, "evaluation.primary_metric", "'mase'"),
        ({"hyperparameters": {"train_size_rate": 0.9}}, "hyperparameters.validation_size_rate", "lower"),
        ({"hyperparameters": {"loss": "bianry"}}, "hyperparameters.loss", "choose one of"),
        ({"hyperparameters": {"loss": "binary_crossentropy"}}, "hyperparameters.loss", "'mse'"),
        ({"hyperparameters": {"class_weight": "balanced"}}, "hyperparameters.class_weight", "remove"),
        ({"hyperparameters": {"loss": "msle"}}, "hyperparameters.loss: 'msle'", "use 'poisson',"),
        ({"hyperparameters": {"loss": "MeanAbsolutePercentageError"}}, "hyperparameters.loss", "oisson"),
        ({"hyperparameters": {"loss": "cosine_similarity"}}, "hyperparameters.loss", "use 'mae' or"),
        ({"hyperparameters": {"metrics": ["mae", "mape"]}}, "metrics: 'mape'", "remove it"),
        ({"hyperparameters": {"early_stop_condittion": "val_auc"}}, "early_stop_monitor", "choose one"),
        ({"hyperparameters": {"model_name": "../x"}}, "hyperparameters.model_name", "letters"),
        ({"seed": 3}, "seed", "belongs under hyperparameters"),
        ({"work": "gs://b/x"}, "work", "give a folder of this machine or s3://bucket/prefix"),
        ({"data": {"frequency": "1 decade"}}, "data.frequency", "use e.g."),
        ({"data": {"time_zone": "Mars/Olympus"}}, "data.time_zone", "IANA"),
        ({"data": {"features": ["load", "load"]}}, "features", "list it once"),
        ({"data": {"features": ["when"]}}, "features, targets", "remove it there"),
        ({"data": {"columns": {"laod": {}}}}, "columns: 'laod'", "did you mean 'load'"),
        ({"data": {"columns": {"load": {"missing": "interpolate"}}}}, "load.missing", "rows after it"),
        (
            {"data": {"columns": {"load": {"missing": "forward_fill"}}}},
            "data.columns.load.forward_fill_limit",
            "give the maximum number",
        ),
        ({"data": {"columns": {"load": {"minimum": 3, "maximum": 1}}}}, "load.minimum", "swap"),
        ({"data": {"features": ["__load"]}}, "'__load'", "rename"),
    ],
)  # fmt: skip
def test_refusals_name_key_and_remedy(settings, sections, key, remedy):
    with pytest.raises(ConfigError) as refused:
        parse_config(settings(**sections))
    assert all("\n" not in line for line in refused.value.problems)
    assert any(key in line and remedy in line for line in refused.value.problems), refused.value


def test_derived_target_may_not_be_a_feature(settings, rain_sections):
    rain_sections["data"]["features"].append("wet")
    with pytest.raises(ConfigError, match="which depends on future rows"):
        parse_config(settings(**rain_sections))


def test_class_weights_of_several_labels_0_and_1_are_of_each(settings, rain_sections):
    rain_sections["hyperparameters"] |= {"steps_ahead": 2, "class_weight": "balanced"}
    hp = parse_config(settings(**rain_sections)).hyperparameters
    assert hp.classes == {"wet": ["0", "1"]} and hp.weighs_each_label
    rain_sections["hyperparameters"]["class_weight"] = {"no": 1.0, "yes": 2.0}
    with pytest.raises(ConfigError, match=r"has classes \['no', 'yes'\], the train rows have"):
        parse_config(settings(**rain_sections))
    del rain_sections["hyperparameters"]["class_weight"]
    assert parse_config(settings(**rain_sections)).hyperparameters.classes is None


def test_all_problems_are_reported_at_once(settings):
    with pytest.raises(ConfigError) as refused:
        parse_config(settings(hyperparameters={"batch_size": 0, "epochs": 0, "foo": 1}))
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("loss", ["msle", "mape", "hinge"])
def test_losses_of_amounts_take_targets_in_their_own_units_and_stored_runs_open(loss):
    """As the refusal advises; an earlier version trained with them, and its runs are opened."""
    given = {"LSTM_type": "regressor", "loss": loss}
    own_units = {"scale_targets": False, "architecture": "classic"}
    assert Hyperparameters.model_validate({**given, **own_units}).has_stock_loss
    with pytest.raises(
        ValidationError, match="scale_targets to false and architecture to 'classic'"
    ):
        Hyperparameters.model_validate(given)
    assert Hyperparameters.model_validate(given, context=STORED).loss == loss


def test_old_names_are_aliases():
    old = Hyperparameters.model_validate(
        {
            "LSTM_type": "classificator", "scaler": "RobustScaler", "metric": "auc",
            "check_point_metric": "val_auc", "metric_mode": "max",
            "early_stop_condittion": "val_loss",
        }
    )  # fmt: skip
    assert old.LSTM_type == "classifier"
    assert (old.scaler_type, old.metrics) == ("RobustScaler", ["auc"])
    assert old.checkpoint_monitor_metric == "val_auc"
    assert old.early_stop_monitor_metric == "val_loss"
    assert old.checkpoint_mode == old.early_stop_mode == "max"
    assert set(ALIASES.values()) <= set(Hyperparameters.model_fields)


def test_two_spellings_of_one_setting_are_refused():
    with pytest.raises(ValidationError, match="keep one"):
        Hyperparameters.model_validate({"metric": "auc", "metrics": ["auc"]})


def test_regressor_defaults_replace_nothing_that_was_set():
    plain = Hyperparameters(LSTM_type="regressor")
    assert (plain.loss, plain.metrics, plain.last_layer_activation) == ("mae", ["mae"], "linear")
    classic = Hyperparameters(LSTM_type="regressor", architecture="classic")
    assert (classic.loss, classic.metrics) == ("mse", ["mae"])
    assert (plain.checkpoint_monitor_metric, plain.checkpoint_mode) == ("val_loss", "min")
    chosen = Hyperparameters(LSTM_type="regressor", loss="huber", last_layer_activation="sigmoid")
    assert (chosen.loss, chosen.last_layer_activation) == ("huber", "sigmoid")


def test_settings_survive_json(settings, rain_sections):
    for given in (settings(), settings(**rain_sections)):
        config = parse_config(given)
        assert RetrainConfig.model_validate(config.model_dump(mode="json")) == config
    weighted = Hyperparameters(class_weight={0: 1.0, 1: 9.0})
    assert Hyperparameters.model_validate(weighted.model_dump(mode="json")) == weighted


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_valid(example):
    assert read_config(example).hyperparameters.epochs > 1


def test_there_are_two_examples():
    assert {read_config(e).hyperparameters.LSTM_type for e in EXAMPLES} == {
        "regressor",
        "classifier",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: [1,", "line"),
        ("- 1\n", "holds no mapping of settings"),
        ("data: {}\ndata: {}\n", "given twice"),
        ("x: !!python/object/apply:os.system [echo]\n", "could not determine a constructor"),
    ],
)
def test_files_that_are_no_settings(tmp_path, text, expected):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=expected) as refused:
        read_config(file)
    assert str(file) in str(refused.value)


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="is missing; check the path"):
        read_config(tmp_path / "absent.yaml")


def test_relative_paths_start_at_the_config_file(tmp_path):
    file = tmp_path / "deep" / "my.yaml"
    file.parent.mkdir()
    file.write_text(
        "data: {path: ../t.csv, time: t, features: [a], targets: [a]}\n"
        "hyperparameters: {LSTM_type: regressor}\nstore: out\n"
    )
    config = read_config(file)
    assert config.data.path == str(tmp_path / "t.csv")
    assert config.store == str(tmp_path / "deep" / "out")


def test_every_field_has_a_description():
    def walk(schema):
        for name, field in schema["properties"].items():
            assert field.get("description"), name

    schema = RetrainConfig.model_json_schema()
    walk(schema)
    for part in schema["$defs"].values():
        if "properties" in part:
            walk(part)


def test_known_names_exist_in_keras():
    keras = import_keras()
    for name in LOSSES:
        assert callable(keras.losses.get(name))
        assert canonical_loss(keras.losses.get(name).__name__) == name
    for name in ACTIVATIONS:
        assert callable(keras.activations.get(name))
    hp = Hyperparameters()
    for name in METRICS:
        assert keras_metric(name, hp, 1).name == name
    for alias in ("mse", "MAE", "BinaryCrossentropy", "KLDivergence", "Huber", "LogCosh"):
        canonical_loss(alias)


def test_schema_holds_no_default_that_depends_on_the_task():
    """A form fills in a schema's defaults, and a classifier's would be wrong for a regressor."""
    schema = Hyperparameters.model_json_schema()["properties"]
    assert not [name for name in REGRESSOR_DEFAULTS if "default" in schema[name]]
    assert schema["epochs"]["default"] == 100
