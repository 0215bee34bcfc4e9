"""One cache key for all steps, and the check of a hit before it is used.

A step's key is made from its name, the content of its inputs, the settings it uses and the code: a
changed learning rate leaves the windows as they are, a changed value in the data redoes all.
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
from tasks.notify import notify
from tasks.references import RunReference, Source, StepOutput
from tasks.settings import PipelineConfig

P = ParamSpec("P")
Input = Source | StepOutput | RunReference


def _hyperparameters(config: PipelineConfig, *names: str) -> dict[str, Any]:
    return config.hyperparameters.model_dump(include=set(names))


def _load(config: PipelineConfig) -> Any:
    # Rules on values (ranges, missing) are the validation's; reading needs the types alone.
    data = config.data.model_dump(exclude={"path", "query", "columns", "frequency"})
    dtypes = {n: config.data.rules(n).dtype for n in config.data.value_columns}
    return data, dtypes, _hyperparameters(config, "timesteps", "steps_ahead")


def _validate(config: PipelineConfig) -> Any:
    return config.data.model_dump(exclude={"path", "query"}), _hyperparameters(config, "LSTM_type")


def _scale(config: PipelineConfig) -> Any:
    return (
        config.data.features,
        config.data.targets,
        config.data.lookahead,
        _hyperparameters(
            config, "scaler_type", "scale_targets", "train_size_rate", "validation_size_rate"
        ),
    )


def _windows(config: PipelineConfig) -> Any:
    return config.data.lookahead, _hyperparameters(config, "timesteps", "steps_ahead")


def _train(config: PipelineConfig) -> Any:
    return config.hyperparameters.model_dump(exclude={"model_name", "save_X_Y_data"})


def _evaluate(config: PipelineConfig) -> Any:
    data = config.data
    return config.evaluation.model_dump(), data.frequency, data.time_zone, data.lookahead


def _backtest(config: PipelineConfig) -> Any:
    return (
        _train(config),
        _evaluate(config),
        config.data.features,
        config.data.targets,
        config.backtest.model_dump(exclude={"parallel", "task_runner", "cluster"}),
    )


_SETTINGS: dict[str, Callable[[PipelineConfig], Any]] = {
    "load": _load,
    "validate": _validate,
    "scale": _scale,
    "windows": _windows,
    "train": _train,
    "evaluate": _evaluate,
    "folds": _backtest,
    "backtest": _backtest,
}
_UNITS = {
    "load": "rows",
    "validate": "rows",
    "scale": "rows",
    "windows": "windows",
    "train": "epochs",
    "evaluate": "test windows",
    "folds": "test windows",
}
# Trained networks differ in bytes from save to save, so they are known by what made them.
_KNOWN_BY_KEY = {"train", "evaluate", "folds"}


def step_key(step: str, config: PipelineConfig, *inputs: Input, part: int | None = None) -> str:
    """Hash of all a step's output depends on; ``part`` is its number where a step is done in parts."""
    identities = [
        item.data_sha256
        if isinstance(item, Source)
        else item.content_sha256
        if isinstance(item, RunReference)
        else item.key
        if Path(item.path).parent.name in _KNOWN_BY_KEY
        else item.content_sha256
        for item in inputs
    ]
    parts = [] if part is None else [part]
    return fingerprint(step, identities, _SETTINGS[step](config), code_version(), *parts)


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Prefect's cache key of a step: its own key and the work folder its output lies in."""
    config: PipelineConfig = parameters["config"]
    inputs = [p for p in parameters.values() if isinstance(p, Input)]
    name = context.task.name
    key = step_key(name, config, *inputs, part=parameters.get("part"))
    return f"{name}-{fingerprint(key, config.work)}"


def make(
    step: str,
    config: PipelineConfig,
    inputs: Sequence[Input],
    build: Callable[[Path], dict[str, Any]],
    rows: Callable[[dict[str, Any]], int],
    part: int | None = None,
) -> tuple[StepOutput, dict[str, Any]]:
    """The step's output folder, built unless it is there whole; its reference and manifest."""
    key = step_key(step, config, *inputs, part=part)
    folder = Path(config.work) / step / key[:32]
    manifest = publish(folder, build)
    give_back()
    reference = StepOutput(
        path=str(folder), key=key, content_sha256=manifest["content_sha256"], rows=rows(manifest)
    )
    return reference, manifest


def verified(task: Task[P, StepOutput], *args: P.args, **kwargs: P.kwargs) -> StepOutput:
    """Run a step; where the cache hands on a folder that is gone or damaged, run it again.

    Prefect hands a cached reference on as good whatever became of the files.
    """
    state = task(*args, **kwargs, return_state=True)
    output: StepOutput = state.result()
    if state.name != "Cached":
        return output  # it ran just now, and was checked as it was put in place
    if not output.is_intact():
        return task.with_options(refresh_cache=True)(*args, **kwargs)
    notify(task.name, f"as before, {output.rows:,} {_UNITS[task.name]} reused")
    return output
