"""Each model has names of its own in Prefect, of characters that Prefect takes."""

from __future__ import annotations

import itertools
import re

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from deployments.serve import deployments
from tasks.prefect_names import artifact_key, limit_name, slug
from tasks.settings import PipelineConfig

NAMES = [
    "売上予測", "気温", "спрос", "цена", "demand C", "demand-C++", "demand-c", "Demand-C", "R&D demand",
    "returns <10%", "€", "Größe_1.0", "a" * 150,
]  # fmt: skip


def served(name):
    config = PipelineConfig.model_validate({
        "data": {"path": "d.csv", "time": "t", "features": ["y"], "targets": ["y"]},
        "hyperparameters": {"model_name": name, "LSTM_type": "regressor"},
    })  # fmt: skip
    return deployments(config, "Europe/Athens", "out")


def test_a_name_of_plain_characters_is_its_own():
    assert slug("weather-temperature") == "weather-temperature"
    assert artifact_key("weather-temperature", "report") == "weather-temperature-report"
    assert slug(slug("R&D demand")) == slug("R&D demand")


@pytest.mark.parametrize("name", NAMES)
def test_names_are_what_prefect_takes(name):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(name))
    GlobalConcurrencyLimitCreate(name=limit_name("retrain", name), limit=1)


def test_two_models_share_nothing():
    for one, other in itertools.combinations(NAMES, 2):
        assert slug(one) != slug(other) and limit_name("retrain", one) != limit_name(
            "retrain", other
        )
    first, second = served("売上予測"), served("気温")
    assert not {d.name for d in first} & {d.name for d in second}
    resources = [
        {trigger.match.root["prefect.resource.id"] for item in made for trigger in item.triggers}
        for made in (first, second)
    ]
    assert resources[0] and not resources[0] & resources[1]


def test_hourly_scoring_misses_no_hour_when_clocks_change():
    (hourly,) = [item for item in served("sales") if item.name == "score-hourly-sales"]
    assert [item.schedule.timezone for item in hourly.schedules] == ["UTC"]
    (nightly,) = [item for item in served("sales") if item.name == "retrain-nightly-sales"]
    assert [item.schedule.timezone for item in nightly.schedules] == ["Europe/Athens"]
