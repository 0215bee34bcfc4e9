"""Names of models are folders, keys and parts of file names; what cannot be one is refused first."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.runs.file_names import KINDS, file_name
from tasks.settings import MonitorConfig, ScoringConfig

GOOD = [
    "weather",
    "R&D demand",
    "returns <10%",
    "売上予測",
    "спрос",
    "demand-C++",
    "پیش\u200cبینی",
    "a" * 150,
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_of_any_language_is_taken(name):
    assert Hyperparameters(model_name=name).model_name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "cannot name a folder"),
        ("../x", "cannot name a folder"),
        ("a/b", "cannot name a folder"),
        (".hidden", "cannot name a folder"),
        ("sales ", "begins or ends with a space"),
        ("a\u200bb", "nobody sees"),
        ("a\nb", "nobody sees"),
        ("売" * 51, "153 bytes in UTF-8"),
    ],
)
def test_a_name_that_cannot_travel_is_refused_by_every_flow(name, message):
    place = {"model_name": name, "store": "runs"}
    source = {"path": "rows.csv"}
    with pytest.raises(ValidationError, match=message):
        Hyperparameters(model_name=name)
    with pytest.raises(ValidationError, match=message):
        ScoringConfig.model_validate({**place, "input": source, "output": {"path": "out"}})
    with pytest.raises(ValidationError, match=message):
        MonitorConfig.model_validate({**place, "forecasts": {"path": "out"}})


@pytest.mark.parametrize("model_name", ["weather", "売" * 50, "m" * 150])
@pytest.mark.parametrize("kind", [*KINDS, "curve"])
def test_files_of_targets_of_any_name_differ_and_fit(kind, model_name):
    targets = [
        "km/h", "km:h", "km%2Fh", "a\\b", "x" * 300, "x" * 301, "気温" * 90, "what?", "\n", "..",
        "gnp\u202eexe", "a\u2028b", "\x9b31m",
    ]  # fmt: skip
    if kind == "curve":
        targets = ["mean_absolute_percentage_error", "loss"]
    names = [file_name("2026-11-24 03-00-00 (10)", kind, model_name, name) for name in targets]
    assert len(set(names)) == len(names)
    for name in names:
        assert len(name.encode()) <= 255 and not set(name) & set('/\\:*?"<>|\n\u202e\u2028\x9b')


def test_a_plain_target_keeps_its_file_name():
    expected = "2026-11-24 03-00-00 - FORECAST AGAINST TRUTH heat load - weather.png"
    assert file_name("2026-11-24 03-00-00", "forecast", "weather", "heat load") == expected


def test_the_model_of_a_group_is_scored_and_monitored_by_its_name():
    name = "sales/region=north"
    settings = {"model_name": name, "store": "runs", "forecasts": {"path": "out"}}
    assert MonitorConfig.model_validate(settings).model_name == name
    with pytest.raises(ValidationError, match="cannot name a folder"):
        MonitorConfig.model_validate({**settings, "model_name": "sales/../x=1"})
