"""One cache key for all steps, and the check of a cached output before it is used.

A step's key is a hash of its name, the content of its inputs, the settings it depends on and the code:
a changed learning rate leaves the windows as they are, a changed value in the data rebuilds all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

from prefect import Task
from prefect.context import TaskRunContext

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.artifacts.folders import publish
from fastlstm.data.memory import give_back
from fastlstm.steps.shard_map import ShardMap
from tasks.engine import engine_map
from tasks.notify import notify
from tasks.references import RunReference, Source, StepOutput
from tasks.settings import PipelineConfig
from tasks.step_table import STEPS, Manifest
from tasks.storage.shared_folders import shared_folders
from tasks.work_place import local_work

P = ParamSpec("P")
Input = Source | StepOutput | RunReference
_IDENTIFIED_BY_KEY = {step.folders[0] for step in STEPS.values() if not step.deterministic}


def step_key(step: str, config: PipelineConfig, *inputs: Input, part: int | None = None) -> str:
    """Hash of all that a step's output depends on.

    Args:
        step: name of a step of ``tasks.step_table.STEPS``.
        config: all settings.
        *inputs: what the step reads, in the order of its parameters.
        part: number of the part, where a step runs in parts.
    """
    settings = [used.values(config) for used in STEPS[step].settings]
    parts = [] if part is None else [part]
    return fingerprint(step, [_identity(i) for i in inputs], settings, code_version(), *parts)


def _identity(item: Input) -> str:
    """The hash an input is identified by: of its content, or of what it was built from."""
    if isinstance(item, Source):
        # What is left out is written into the output.
        return fingerprint(item.data_sha256, item.skipped) if item.skipped else item.data_sha256
    if isinstance(item, StepOutput) and Path(item.path).parent.name in _IDENTIFIED_BY_KEY:
        return item.key
    return item.content_sha256


def shard_map(config: PipelineConfig, step: str, *inputs: Input) -> ShardMap:
    """Works on the shards of a step; what is finished stays over a kill.

    Args:
        config: all settings.
        step: name of the step.
        *inputs: what the step reads, in the order of its parameters.
    """
    key = step_key(step, config, *inputs)
    return ShardMap(
        local_work(config.work) / "unfinished" / f"{key[:32]}.shards", engine_map(config)
    )


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Prefect's cache key of a step: its own key and the work folder its output lies in."""
    config: PipelineConfig = parameters["config"]
    inputs = [p for p in parameters.values() if isinstance(p, Input)]
    name = context.task.name
    key = step_key(name, config, *inputs, part=parameters.get("part"))
    return f"{STEPS[name].folders[0]}-{fingerprint(key, config.work)}"


def make(
    step: str,
    config: PipelineConfig,
    inputs: Sequence[Input],
    build: Callable[[Path], Manifest],
    part: int | None = None,
) -> tuple[StepOutput, Manifest]:
    """The step's output folder, built unless it is there whole; its reference and manifest.

    Args:
        step: name of a step of ``tasks.step_table.STEPS``.
        config: all settings.
        inputs: what the step reads, in the order of its parameters.
        build: writes the output into a folder and returns facts for its manifest.
        part: number of the part, where a step runs in parts.
    """
    key = step_key(step, config, *inputs, part=part)
    name = f"{STEPS[step].folders[0]}/{key[:32]}"
    folder = local_work(config.work) / name
    shared = shared_folders(config.work, config.s3)
    if shared is not None and shared.fetch(name, folder):
        notify(step, f"taken from {shared.url(name)}")
    manifest = publish(folder, build)
    if shared is not None:
        shared.share(name, folder, manifest)
    give_back()
    reference = StepOutput(
        path=str(folder),
        key=key,
        content_sha256=manifest["content_sha256"],
        rows=STEPS[step].count(manifest),
    )
    return reference, manifest


def verified(task: Task[P, StepOutput], *args: P.args, **kwargs: P.kwargs) -> StepOutput:
    """Run a step; where the cache returns a folder that is gone or damaged, run it again.

    Prefect returns a cached reference whatever became of the files.
    """
    state = task(*args, **kwargs, return_state=True)
    output: StepOutput = state.result()
    if state.name != "Cached":
        return output  # it ran just now, and was checked as it was put in place
    if not output.is_intact():
        return task.with_options(refresh_cache=True)(*args, **kwargs)
    notify(task.name, f"unchanged: {output.rows:,} {STEPS[task.name].unit} reused")
    return output
