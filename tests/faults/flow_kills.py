"""Kill a retraining with -9 at every boundary and within every stage; run as a program by the tests.

``python -m tests.faults.flow_kills FOLDER MOMENT …`` retrains one table in a process of its own that is
killed at a moment, for each that is named of ``MOMENTS``, and at last lets one get through. Each finds
what the one before left. Before that it lays ``undisturbed/``, a store with the same retraining. For
each attempt it prints a line of JSON: the moment, the stages that began, and what the folders hold
after it. Gradient steps are taken only where one of the moments lies between them.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import METRICS_FILE
from tests.faults.kill_points import die, was_killed

STAGES = ("load", "validate", "scale", "windows", "train", "evaluate")
TABLES = STAGES[:4]  # each writes a Parquet file
NEVER = "never"

# In the order in which a retraining comes by.
MOMENTS = (
    "after check source",
    *(f"{how} {stage}" for stage in TABLES for how in ("within", "before the rename of", "after")),
    "within an epoch", "between two epochs", "after the last epoch",
    "before the rename of train", "after train",
    "within evaluate", "before the rename of evaluate", "after evaluate",
    "before the figures of the run", "before the manifest of the run",
    "before the rename of the run", "after save",
    "before the champion moves", "after promote",
)  # fmt: skip
# What each retraining imports.
LOADED = (
    "tensorflow", "keras", "sklearn.preprocessing", "pandera.pandas", "pyarrow.parquet", "prefect",
    "fastlstm.steps.train", "fastlstm.steps.evaluate", "fastlstm.steps.compare",
    "fastlstm.steps.prepare", "fastlstm.runs.writing", "fastlstm.training.fit", "flows.retrain",
)  # fmt: skip
WITH_FIGURES = "before the figures of the run"
WITH_STEPS = "within an epoch"


class FileHook:
    """Notes which stages begin, and dies before the file operation that is the moment."""

    def __init__(self, folder: Path, moment: str) -> None:
        self._work, self._runs = folder / "work", folder / "runs" / "small"
        self._log, self._moment = folder / "begun.txt", moment

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook, told of each operation before it is done."""
        if event not in ("os.mkdir", "os.rename", "open") or isinstance(arguments[0], int):
            return
        path = Path(os.fsdecode(arguments[0]))
        hidden = path.name.startswith(".")
        if event == "os.mkdir" and path.parent.parent == self._work and hidden:
            with self._log.open("a") as file:
                file.write(path.parent.name + "\n")
        if self._names(event, path, hidden) == self._moment:
            die()

    def _names(self, event: str, path: Path, hidden: bool) -> str:
        """The moment that the operation is, if any."""
        if event == "open":
            if path.parent.parent == self._work / "evaluate" and path.name == METRICS_FILE:
                return "within evaluate"
            return WITH_FIGURES if "ERROR BY STEP" in path.name else ""
        if event == "os.rename" and hidden:
            if path.parent.parent == self._work:
                return f"before the rename of {path.parent.name}"
            if path.parent == self._runs:
                is_record = path.name.startswith(".champion")
                return "before the champion moves" if is_record else "before the rename of the run"
            if path.parent.parent == self._runs:
                return "before the manifest of the run"
        return ""


class Listener:
    """Dies when a stage has told what it did, or as an epoch ends."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def stage(self, step: str, message: str) -> None:
        """Told by the flow after each stage."""
        if self._moment == f"after {step}":
            die()

    def progress(self, event: dict[str, Any]) -> None:
        """Told by the training."""
        if event["event"] != "epoch":
            now = WITH_STEPS
        else:
            last = event["epoch"] == event["epochs"]
            now = "after the last epoch" if last else "between two epochs"
        if now == self._moment:
            die()


def make_cheap(*, steps: bool, figures: bool) -> None:
    """Have this process, which has TensorFlow loaded, train networks itself, and step by step.

    That a network is really trained in a process of its own, and how that one ends when its caller is
    killed, is tested by ``tests/steps/test_worker.py`` and ``test_training_resumes.py``.

    Args:
        steps: whether gradient steps are taken; see ``tests.conftest.pass_epochs``.
        figures: whether runs get figures.
    """
    import tensorflow as tf

    import fastlstm.runs.writing
    import fastlstm.steps.worker
    import fastlstm.training.fit
    from tests.conftest import pass_epochs

    def call(function, arguments, on_event=lambda _: None, time_limit=None, *, fresh=False):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments, on_event=on_event)

    fastlstm.steps.worker.call = call
    fastlstm.steps.worker.start_ahead = lambda: None
    tf.config.run_functions_eagerly(True)
    if not steps:
        fastlstm.training.fit.run_epochs = pass_epochs
    if not figures:
        fastlstm.runs.writing.write_figures = lambda *_: None


def attempt(folder: Path, config: Any, moment: str, *, steps: bool = True) -> bool:
    """Retrain in this process, to be killed at the moment; whether it got through.

    Args:
        folder: of its table, store and work.
        config: its settings.
        moment: of ``MOMENTS``, or ``NEVER``.
        steps: see ``make_cheap``.
    """
    import pyarrow.parquet as pq

    from flows.retrain import retrain
    from tasks import notify

    make_cheap(steps=steps, figures=moment == WITH_FIGURES)
    right = pq.ParquetWriter.write_table

    def write_table(self: Any, *args: Any, **kwargs: Any) -> None:
        right(self, *args, **kwargs)
        if moment in {f"within {stage}" for stage in TABLES if f"/{stage}/." in str(self.where)}:
            die()  # rows are written, the footer is not

    pq.ParquetWriter.write_table = write_table
    sys.addaudithook(FileHook(folder, moment))
    notify.subscribe(Listener(moment))
    state = retrain(config, return_state=True)
    if state.is_completed():
        return True
    print(f"{state!r}", flush=True)
    return False


def killed(folder: Path, config: Any, moment: str, *, steps: bool) -> bool:
    """Whether an attempt in a process of its own was killed.

    Raises:
        SystemExit: it failed.
    """
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if attempt(folder, config, moment, steps=steps) else 3)
        finally:
            os._exit(4)
    return was_killed(child, moment)


def main() -> None:
    """Kill at each moment, then let one through."""
    for module in LOADED:  # once, before the forks
        importlib.import_module(module)
    from fastlstm.config.reading import check_settings
    from fastlstm.registry.maintenance import examine
    from fastlstm.registry.opening import open_store
    from tasks.settings import PipelineConfig
    from tests.conftest import build_settings

    folder, moments = Path(sys.argv[1]), sys.argv[2:]
    steps = WITH_STEPS in moments
    (folder / "undisturbed").mkdir()
    undisturbed = check_settings(build_settings(folder / "undisturbed"), PipelineConfig)
    assert not killed(folder, undisturbed, NEVER, steps=steps)
    settings = build_settings(folder)
    serving = {**settings, "work": str(folder / "earlier")}
    serving["hyperparameters"] = {**settings["hyperparameters"], "seed": 2}
    assert not killed(folder, check_settings(serving, PipelineConfig), NEVER, steps=steps)
    store = open_store(folder / "runs")
    first = store.runs("small")[0].run_id
    store.update_champion("small", lambda r: r.promoted(first, "served before"))

    config = check_settings(settings, PipelineConfig)
    for moment in (*moments, NEVER):
        whole = [path.parent.name for path in (folder / "work").glob("*/[0-9a-f]*")]
        (folder / "begun.txt").write_text("")
        assert killed(folder, config, moment, steps=steps) == (moment != NEVER), moment
        print(
            json.dumps(
                {
                    "moment": moment,
                    "whole": whole,
                    "begun": (folder / "begun.txt").read_text().split(),
                    "runs": [entry.run_id for entry in store.runs("small")],
                    "champion": store.champion("small").champion,
                    "problems": {f.name: f.problem for f in examine(store).findings},
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
