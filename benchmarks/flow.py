"""Contestants: a whole retraining, the library's own work in it without Prefect, and an empty flow.

``python -m benchmarks.flow CONFIG`` does the library's work of a retraining.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import command
from benchmarks.contest import Entry
from benchmarks.memory import source_config
from fastlstm.artifacts.folders import publish
from fastlstm.config.reading import read_settings
from fastlstm.registry.promotion import decide_promotion
from fastlstm.registry.unchanged import check_for_changes
from fastlstm.runs.writing import Parts, build_run
from fastlstm.steps import worker
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.prepare import load_and_validate, scale_into
from fastlstm.steps.shard_map import ShardMap
from tasks.settings import PipelineConfig, store_of

_EMPTY = """
from prefect import flow, task
@task
def nothing(number):
    return None
@flow
def empty():
    for number in range(8):
        nothing(number)
empty()
"""


def retrain(config: str) -> Entry:
    """``fastlstm retrain`` with an empty work folder and store."""
    return _anew(config, ["fastlstm", "retrain"])


def library(config: str) -> Entry:
    """The same work by calls into the library."""
    return _anew(config, ["python", "-m", "benchmarks.flow"])


def empty() -> Entry:
    """A Prefect flow of 8 tasks that do nothing."""
    return command(["python", "-c", _EMPTY])


def _anew(config: str, words: list[str]) -> Entry:
    settings = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    # Prefect's overhead does not depend on the training. With a short one the difference of the two
    # commands is less lost in the spread of their times.
    settings["hyperparameters"] |= {"epochs": 1, "ensemble_size": 1, "refit": False}

    def work() -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "config.yaml"
            own = {"store": f"{name}/runs", "work": f"{name}/work"}
            file.write_text(yaml.safe_dump({**settings, **own}), encoding="utf-8")
            command([*words, str(file)]).work()

    return Entry(work, 1)


def prepared(rows: int, series: int) -> Entry:
    """The library's work from a table of so many series to its windows."""
    kept = tempfile.TemporaryDirectory()
    config = read_settings(str(source_config(Path(kept.name), rows, series, 5)), PipelineConfig)

    def work() -> None:
        with tempfile.TemporaryDirectory(dir=kept.name) as name:
            prepare(config, Path(name))

    return Entry(work, rows)


def prepare(config: PipelineConfig, work: Path) -> PipelineConfig:
    """The library's work up to the windows, below a folder; the settings with resolved columns."""
    shards = ShardMap(work / "shards")
    config, _ = load_and_validate(work, config, shards, work / "refused.json")
    data, hp = config.data, config.hyperparameters
    publish(work / "scaled", lambda folder: scale_into(folder, work / "clean", config, shards))
    publish(
        work / "windows",
        lambda folder: cut_windows_into(
            folder, work / "scaled", hp.timesteps, hp.steps_ahead, data.lookahead, shards
        ),
    )
    return config


def main() -> None:
    """Retrain without Prefect."""
    config = read_settings(sys.argv[1], PipelineConfig)
    work, store = Path(config.work), store_of(config)
    found = check_for_changes(config, store)
    config = prepare(config, work)
    hp = config.hyperparameters
    folders = {name: str(work / name) for name in ("windows", "scaled", "clean", "network")}

    def train(folder: Path) -> dict[str, Any]:
        arguments = {
            "folder": str(folder), "windows": folders["windows"], "hyperparameters": hp.model_dump(),
        }  # fmt: skip
        made: dict[str, Any] = worker.call("fastlstm.steps.train:train_into", arguments, fresh=True)
        return made

    def evaluate(folder: Path) -> dict[str, Any]:
        arguments = {"folder": str(folder), **folders, "config": config.for_library()}
        made: dict[str, Any] = worker.call("fastlstm.steps.evaluate:evaluate_into", arguments)
        return made

    def refit(folder: Path) -> dict[str, Any]:
        arguments = {
            "folder": str(folder), "windows": folders["windows"], "network": folders["network"],
            "hyperparameters": hp.model_dump(),
        }  # fmt: skip
        made: dict[str, Any] = worker.call("fastlstm.steps.refit:refit_into", arguments, fresh=True)
        return made

    publish(work / "network", train)
    publish(work / "evaluation", evaluate)
    if hp.refit == "all":
        publish(work / "served", refit)
    parts = Parts(
        clean=work / "clean", scaled=work / "scaled", network=work / "network",
        evaluation=work / "evaluation", served=work / "served" if hp.refit == "all" else None,
    )  # fmt: skip
    entry = store.add_run(
        hp.model_name, datetime.now(UTC),
        lambda folder, run_id: build_run(
            folder, run_id, parts, config, found.run_fingerprint, found.data_fingerprint
        ),
    )  # fmt: skip
    verdict = decide_promotion(entry.manifest, None)
    store.update_champion(
        hp.model_name, lambda r: (r.promoted if verdict.promote else r.kept)(entry.run_id, "bench")
    )


if __name__ == "__main__":
    main()
