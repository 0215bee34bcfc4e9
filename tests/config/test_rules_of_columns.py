"""Rules of columns: what "*" sets for all, and what is left once settings are written and read."""

from __future__ import annotations

import json

import pytest

from fastlstm.config.reading import check_settings
from fastlstm.config.retrain import RetrainConfig
from fastlstm.errors import ConfigError


def settings(columns, kind="regressor", **hyperparameters):
    return check_settings(
        {
            "data": {
                "path": "d.csv", "time": "t", "features": ["x", "y"], "targets": ["y"],
                "columns": columns,
            },
            "hyperparameters": {"LSTM_type": kind, **hyperparameters},
        },
        RetrainConfig,
    )  # fmt: skip


def test_settings_that_were_written_have_the_rules_they_had():
    config = settings({"*": {"missing": "drop", "maximum": 9}, "x": {"unit": "°C"}})
    read = config
    for _ in range(2):  # as a deployment's parameters, and again as a task's
        read = RetrainConfig.model_validate(json.loads(json.dumps(read.model_dump(mode="json"))))
        for column in ("x", "y"):
            assert read.data.rules(column) == config.data.rules(column)
        assert read.data.rules("x").missing == "drop" and read.data.rules("x").maximum == 9


def test_a_label_without_a_type_stays_one_once_settings_are_written():
    config = settings({"y": {"missing": "drop"}}, "classifier")
    read = RetrainConfig.model_validate(config.model_dump())
    assert config.data.undeclared_labels == read.data.undeclared_labels == ["y"]


@pytest.mark.parametrize(
    ("common", "own", "kept"),
    [
        ({"maximum": 9, "missing": "drop"}, {"dtype": "category", "missing": "category"},
         {"maximum": None, "missing": "category"}),
        ({"missing": "forward_fill", "forward_fill_limit": 3}, {"missing": "drop"},
         {"missing": "drop", "forward_fill_limit": None}),
        ({"missing": "forward_fill", "forward_fill_limit": 3}, {"unit": "m"},
         {"missing": "forward_fill", "forward_fill_limit": 3, "unit": "m"}),
        ({"dtype": "category"}, {"dtype": "float"}, {"dtype": "float", "missing": "error"}),
    ],
)  # fmt: skip
def test_of_what_holds_for_all_a_column_takes_what_fits_it(common, own, kept):
    rules = settings({"*": common, "x": own, "y": {"dtype": "float"}}).data.rules("x")
    assert {name: getattr(rules, name) for name in kept} == kept


def test_contradicting_rules_name_the_column():
    with pytest.raises(ConfigError, match=r"columns.x: minimum: 5.0 is above maximum 3.0.*'\*'"):
        settings({"*": {"maximum": 3}, "x": {"minimum": 5}})


@pytest.mark.parametrize("common", [{"missing": "drop", "maximum": 9}, {"missing": "error"}])
def test_a_label_whose_classes_are_learned_keeps_how_missing_ones_are_treated(common):
    config = settings({"*": common, "y": {"unit": "class"}}, "classifier")
    learned = config.with_categories({"y": ["a", "b"]}, None)
    rules = learned.data.rules("y")
    assert (rules.dtype, rules.missing) == ("category", common["missing"])
