"""The state in which each flow ends, by what its steps return or raise; without a server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError, DataError
from flows.outcomes import DAY, HOUR, final_state
from tasks.concurrency import AlreadyRunning
from tasks.notify import headline
from tasks.settings import PipelineConfig

FLOWS = {
    "retrain": DAY, "backtest": DAY, "tune": 7 * DAY, "predict": HOUR, "monitor": HOUR, "upkeep": DAY,
}  # fmt: skip


@pytest.fixture
def config(settings):
    return check_settings(settings(), PipelineConfig)


def raising(error):
    def steps(_):
        raise error

    return steps


def test_an_outcome_is_a_completed_state_with_its_message(config):
    outcome = SimpleNamespace(message="Promoted: MAE 1")
    state = final_state(config, lambda _: outcome, only_one_of=("retrain", "small"))
    assert state.is_completed() and state.message == "Promoted: MAE 1" and state.data is outcome


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("2 of 3 checks failed"), "Data refused: 2 of 3 checks failed"),
        (ConfigError("data.path: nothing there"), "data.path: nothing there"),
    ],
)
def test_an_error_a_person_can_correct_is_a_failed_state(config, error, message):
    state = final_state(config, raising(error))
    assert state.is_failed() and state.message == message and state.data is error


def test_a_run_beside_another_is_skipped_without_an_error(config):
    state = final_state(config, raising(AlreadyRunning("Skipped: another one is running")))
    # Prefect logs any state but a completed one as an error.
    assert state.is_completed() and state.name == "Skipped"
    assert state.message.startswith("Skipped: ")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Kept champion: MAE 2.11 against champion 2.05; not better", "Kept champion"),
        ("No new data since 2026-11-23 03-00-12 UTC, and the same settings: nothing",
         "No new data since 2026-11-23 03-00-12 UTC"),
        ("Healthy", "Healthy"),
        ("word " * 30, "word word word word word word word word word …"),
    ],
)  # fmt: skip
def test_the_name_of_a_run_tells_its_outcome(message, words):
    assert headline(message) == words


def test_an_unexpected_error_is_raised(config):
    with pytest.raises(ZeroDivisionError):
        final_state(config, raising(ZeroDivisionError()))


def test_the_steps_see_absolute_paths(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    relative = config.model_copy(update={"work": "here"})
    state = final_state(relative, lambda placed: SimpleNamespace(message=placed.work))
    assert state.message == str(tmp_path / "here")


@pytest.mark.parametrize("name", FLOWS)
def test_every_flow_keeps_its_result_and_has_a_time_limit(name):
    flow = getattr(__import__(f"flows.{name}", fromlist=[name]), name)
    assert flow.name == name and flow.timeout_seconds == FLOWS[name]
    assert flow.persist_result and flow.result_serializer == "json"
