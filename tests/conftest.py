"""Small tables and configs that all tests share."""

from __future__ import annotations

import copy
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.files import replace_file

ROOT = Path(__file__).parents[1]

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Several tests run at a time; threads that wait for work in a loop take it from one another.
for threads in (
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
):  # fmt: skip
    os.environ.setdefault(threads, "1")


# Files that share something slow to start, so that one worker runs all of them.
_INSTALLATIONS = {
    "company": ("tests/deployments/",),
    # Whole retrainings in processes of their own, several at once, within a time limit.
    "crowd": tuple(f"tests/faults/test_{name}.py" for name in ("two_at_once", "flow_kills")),
}
# Tests of these, and no others, use the Prefect server of all workers.
_WITH_PREFECT = (
    "tests/flows/",
    *_INSTALLATIONS["crowd"], "tests/faults/test_signals.py", "tests/faults/test_full_disk.py",
    "tests/faults/test_cluster.py",
)  # fmt: skip
# What an idle server does again and again for deployments, which only the company has.
_IDLE_LOOPS = (
    "SCHEDULER", "LATE_RUNS", "CANCELLATION_CLEANUP", "FOREMAN", "PAUSE_EXPIRATIONS", "TRIGGERS",
)  # fmt: skip
_ends = ExitStack()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file share a worker, and so do all that share an installation."""
    from xdist.scheduler import LoadFileScheduling

    class ByInstallation(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            for name, starts in _INSTALLATIONS.items():
                if nodeid.startswith(starts):
                    return name
            return super()._split_scope(nodeid)

    return ByInstallation(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Start the workers' Prefect server once, beside their first tests, if any of them may use it."""
    factory = node.config._tmp_path_factory
    file = _prefect_environment_file(factory)
    if file.parent.exists() or not any(name.startswith(_WITH_PREFECT) for name in ids):
        return
    file.parent.mkdir()

    def start() -> None:
        try:
            found = _ends.enter_context(prefect_in_memory(file.parent, scheduling=False))
        except Exception as error:
            found = {"error": repr(error)}
        replace_file(file, json.dumps(found))

    starting = threading.Thread(target=start)
    starting.start()
    _ends.callback(starting.join)


def pytest_sessionfinish() -> None:
    """End what serves all workers."""
    _ends.close()


def _prefect_environment_file(factory: pytest.TempPathFactory) -> Path:
    """File with the environment of the workers' Prefect server."""
    return of_all_workers(factory) / "prefect" / "environment.json"


@contextmanager
def prefect_in_memory(home: Path, *, scheduling: bool) -> Iterator[dict[str, str]]:
    """A Prefect server with its database in memory; the environment by which it is found.

    In memory Prefect keeps to one connection. Several on one SQLite file make each other wait, for
    two seconds to a minute, as soon as two flows run.

    Args:
        home: its folder.
        scheduling: whether it runs deployments by schedule and by event.
    """
    from deployments.local_s3 import free_ports
    from deployments.local_server import local_server

    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///:memory:")
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "3")
        if not scheduling:
            for loop in _IDLE_LOOPS:
                patch.setenv(f"PREFECT_SERVER_SERVICES_{loop}_ENABLED", "false")
        with local_server(home, port) as environment:
            patch.undo()
            yield environment


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server, its keys in the environment as a user would have them."""
    from deployments.local_s3 import local_s3

    folder = tmp_path_factory.mktemp("s3")
    (folder / "who.json").write_text(json.dumps({"identities": [
        {
            "name": "reader", "actions": ["Read:models", "List:models"],
            "credentials": [{"accessKey": "reader", "secretKey": "reader-secret"}],
        }
    ]}))  # fmt: skip
    who = f"-s3.config={folder / 'who.json'}"
    with local_s3(folder, "models", "raw", options=(who,)) as server:
        before = {name: os.environ.get(name) for name in server.environment}
        os.environ.update(server.environment)
        try:
            yield server
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def make_panel(
    rows: int = 240, series: tuple[str, ...] = ("a", "b"), seed: int = 0
) -> pd.DataFrame:
    """Hourly rows of a few series: a daily wave plus noise, and sparse rain."""
    rng = np.random.default_rng(seed)
    parts = []
    for number, name in enumerate(series):
        hours = np.arange(rows)
        wave = 10 * np.sin(2 * np.pi * hours / 24 + number)
        parts.append(
            pd.DataFrame(
                {
                    "when": pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC"),
                    "site": name,
                    "load": 50 + wave + rng.normal(0, 1, rows),
                    "heat": 20 + wave / 2 + rng.normal(0, 1, rows),
                    "rain": np.maximum(0, rng.normal(-1, 1, rows)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


BASE: dict[str, Any] = {
    "data": {
        "time": "when",
        "series": "site",
        "frequency": "1h",
        "features": ["load", "heat"],
        "targets": ["load"],
        "calendar": [],
    },
    "hyperparameters": {
        "model_name": "small",
        "LSTM_type": "regressor",
        # One LSTM layer, a few steps and no second training: most tests look at what is around it.
        "architecture": "classic",
        "loss": "mae",
        "timesteps": 6,
        "steps_ahead": 2,
        "scale_targets": True,
        "epochs": 2,
        "learning_rate": 0.01,
        "batch_size": 32,
        "seed": 1,
    },
    "evaluation": {"season_length": 24, "explain_windows": 0},
    "store": "runs",
    "work": "work",
}


@contextmanager
def _flows_use(environment: dict[str, str], home: Path) -> Iterator[None]:
    """Have flows of this process use a Prefect server, and keep their results in a folder."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_LOGGING_LEVEL,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    with temporary_settings(
        {
            PREFECT_API_URL: environment["PREFECT_API_URL"],
            PREFECT_HOME: home,
            PREFECT_LOCAL_STORAGE_PATH: home / "storage",
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            PREFECT_LOGGING_LEVEL: "ERROR",
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
    ):
        yield


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real Prefect server, which flows of this process use; one for all workers."""
    home = tmp_path_factory.mktemp("prefect")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with prefect_in_memory(home, scheduling=False) as found, _flows_use(found, home):
            yield
        return
    file, deadline = _prefect_environment_file(tmp_path_factory), time.monotonic() + 280
    while not file.exists():
        assert time.monotonic() < deadline, "no Prefect server"
        time.sleep(0.2)
    environment = json.loads(file.read_text())
    assert "error" not in environment, environment
    with _flows_use(environment, home):
        yield


@pytest.fixture(scope="session")
def company(s3_server, tmp_path_factory):
    """A Prefect server with a work pool, a worker, and the deployments of deployments/prefect.yaml."""
    from tests.deployments.company import Company

    with Company.running(tmp_path_factory.mktemp("company"), s3_server) as running:
        yield running


def of_all_workers(tmp_path_factory: Any) -> Path:
    """A temporary folder that the workers of this run share."""
    base: Path = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def untraced(request):
    """Run TensorFlow step by step: tracing graphs for a tiny network takes most of its training.

    Not for tests marked ``traced``, whose subject are graphs or which train for some fifty batches and
    more, from where graphs are faster. Command line, examples and deployments are tested with graphs.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(request.node.get_closest_marker("traced") is None)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(autouse=True)
def _figures_where_they_are_looked_at(request, monkeypatch):
    """Runs get no figures, which take a second each to draw, but in tests marked ``figures``."""
    import fastlstm.runs.page
    import fastlstm.runs.writing

    if request.node.get_closest_marker("figures") is None:
        monkeypatch.setattr(fastlstm.runs.writing, "write_figures", lambda *_: None)
        monkeypatch.setattr(fastlstm.runs.page, "page_charts", lambda *_: None)


@pytest.fixture(autouse=True)
def _short_trainings(request, monkeypatch):
    """See ``shorten_trainings``; not in tests marked ``recipe``."""
    if request.node.get_closest_marker("recipe") is None:
        shorten_trainings(monkeypatch)


def shorten_trainings(monkeypatch):
    """A network is trained alone and an epoch is its few windows.

    By default few windows are drawn again and again, and five networks are averaged, which takes ten
    times as long and is the claim of few tests.
    """
    from fastlstm.config.hyperparameter_defaults import FORECAST_DEFAULTS, LABEL_DEFAULTS

    short = {"windows_per_epoch": None, "ensemble_size": 1, "refit": False}
    for defaults in (FORECAST_DEFAULTS, LABEL_DEFAULTS):
        for name in short.keys() & defaults.keys():
            monkeypatch.setitem(defaults, name, short[name])


@pytest.fixture
def ready_network(monkeypatch):
    """Epochs end at once: a network keeps its first weights, its losses are those of ``losses_of``.

    All around the epochs is as ever: checkpoints, progress, what validation selects, the files. For
    tests of what is cached, retried, refused, resumed, reported.
    """
    import fastlstm.training.fit
    import fastlstm.training.refit

    monkeypatch.setattr(fastlstm.training.fit, "run_epochs", pass_epochs)
    monkeypatch.setattr(fastlstm.training.refit, "run_epochs", pass_epochs)


def losses_of(epoch: int, hyperparameters: Any, *, validated: bool = True) -> dict[str, float]:
    """Made-up logs of an epoch (from 0): they fall, and with the learning rate."""
    value = 1 + 1 / (1 + epoch + hyperparameters.learning_rate)
    names = ["loss", *hyperparameters.metrics]
    return {kind + name: value for name in names for kind in ("", "val_")[: 1 + validated]}


def pass_epochs(
    setup: Any, compiled: Any, _: Any, *, first: int, epochs: int, callbacks: Any,
    validation: Any = None,
) -> bool:  # fmt: skip
    """``fastlstm.training.epochs.run_epochs`` without a gradient step."""
    import keras

    compiled.optimizer.build(compiled.trainable_variables)
    heard = keras.callbacks.CallbackList(callbacks, model=compiled)
    heard.on_train_begin()
    for epoch in range(first, epochs):
        heard.on_epoch_begin(epoch)
        logs = losses_of(epoch, setup.hyperparameters, validated=validation is not None)
        heard.on_epoch_end(epoch, logs)
        if compiled.stop_training:
            break
    heard.on_train_end()
    return False


@pytest.fixture
def hashed(monkeypatch):
    """How often each file was hashed, by name."""
    from fastlstm.artifacts import fingerprint

    counts: Counter[str] = Counter()
    right = fingerprint.hashlib.file_digest

    def counted(file, kind):
        counts[Path(file.name).name] += 1
        return right(file, kind)

    monkeypatch.setattr(fingerprint.hashlib, "file_digest", counted)
    return counts


@pytest.fixture
def panel() -> pd.DataFrame:
    return make_panel()


def build_settings(
    folder: Path, frame: pd.DataFrame | None = None, **sections: Any
) -> dict[str, Any]:
    """Settings of a small retraining within a folder, with changes by section."""
    made = copy.deepcopy(BASE)
    path = folder / "table.csv"
    (make_panel() if frame is None else frame).to_csv(path, index=False)
    made["data"]["path"] = str(path)
    made["store"], made["work"] = str(folder / "runs"), str(folder / "work")
    for section, changes in sections.items():
        if isinstance(changes, dict):
            made[section] = {**made.get(section, {}), **changes}
        else:
            made[section] = changes
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``build_settings`` in the test's own folder."""
    return partial(build_settings, tmp_path)


RAIN: dict[str, Any] = {
    "data": {
        "features": ["load", "heat", "rain"],
        "targets": ["wet"],
        "derived_targets": {
            "wet": {"column": "rain", "operation": "any_above", "threshold": 0.5, "horizon": 3}
        },
    },
    "hyperparameters": {
        "model_name": "wet",
        "LSTM_type": "classificator",
        "steps_ahead": 1,
        "scale_targets": False,
        "class_weight": "balanced",
    },
}


@pytest.fixture
def rain_sections() -> dict[str, Any]:
    """Changes that make the small retraining a classifier of a derived, imbalanced target."""
    return copy.deepcopy(RAIN)
