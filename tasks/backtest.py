"""Steps of a backtest: its folds, each group in a process of its own, and putting them together."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fastlstm.artifacts.file_names import BACKTEST_SUMMARY_FILE
from fastlstm.errors import ConfigError
from fastlstm.reporting.text import number, title
from fastlstm.steps import worker
from fastlstm.steps.backtest import combine_into, count_groups
from tasks.caching import make, verified
from tasks.references import BacktestOutcome, StepOutput
from tasks.reporting import say, tell
from tasks.settings import PipelineConfig
from tasks.steps import cached_step, fresh_step
from tasks.ui import report_backtest


@fresh_step("plan", "data", retries=2)
def plan(config: PipelineConfig, clean: StepOutput) -> int:
    """How many trainings the folds need."""
    count = count_groups(Path(clean.path), config)
    chosen = config.backtest
    say(
        "plan",
        f"{chosen.folds} folds over the last {chosen.test_size_rate:.0%} of the time, {chosen.window} "
        f"window, {count} trainings",
    )
    return count


@cached_step("folds", "network", retries=1)
def folds(
    config: PipelineConfig, clean: StepOutput, part: int, before: StepOutput | None = None
) -> StepOutput:
    """Train on the first of a group of folds and score all of them; nothing later is seen."""

    def build(folder: Path) -> dict[str, Any]:
        about: dict[str, Any] = worker.call(
            "fastlstm.steps.backtest:evaluate_folds_into",
            {
                "folder": str(folder),
                "clean": clean.path,
                "config": config.for_library(),
                "part": part,
                "before": before.path if before is not None else None,
            },
            tell if config.backtest.parallel == 1 else lambda _: None,
            config.training_time_limit,
            fresh=True,
        )
        return about

    inputs = [clean] if before is None else [clean, before]
    output, manifest = make("folds", config, inputs, build, lambda m: int(m["windows"]), part=part)
    numbers = manifest["folds"]
    which = f"fold {numbers[0]}" if len(numbers) == 1 else f"folds {numbers[0]} to {numbers[-1]}"
    say("folds", f"{which}: {manifest['epochs']} epochs, {manifest['windows']:,} windows scored")
    return output


def run_folds(config: PipelineConfig, clean: StepOutput, count: int) -> list[StepOutput]:
    """Every group of folds: at the same time, or one after the other where each begins from the last.

    Raises:
        ConfigError: the package of the chosen task runner is not installed, or its cluster cannot be
            reached.
    """
    if config.backtest.warm_start:
        made: list[StepOutput] = []
        for part in range(count):
            made.append(verified(folds, config, clean, part, made[-1] if made else None))
        return made
    with ExitStack() as running:
        try:
            runner = running.enter_context(_runner(config))
            futures = [
                runner.submit(
                    folds, {"config": config, "clean": clean, "part": part, "before": None}
                )
                for part in range(count)
            ]
        except OSError as error:  # the first submission connects
            if config.backtest.cluster is None:
                raise
            hint = ", or set RAY_AUTH_MODE=token where it asks for its token"
            raise ConfigError(
                f"backtest.cluster: {config.backtest.cluster} cannot be reached ({error}); start the "
                f"cluster, or correct its address{hint if config.backtest.task_runner == 'ray' else ''}"
            ) from None
        found = [future.result() for future in futures]
    # What the cache handed on is looked at here, as in every flow.
    return [
        output if output.is_intact() else verified(folds, config, clean, part)
        for part, output in enumerate(found)
    ]


def _runner(config: PipelineConfig) -> TaskRunner[Any]:
    chosen = config.backtest.task_runner
    if chosen == "threads":
        return ThreadPoolTaskRunner(max_workers=config.backtest.parallel)
    try:
        if chosen == "dask":
            from prefect_dask import DaskTaskRunner as Runner
        else:
            from prefect_ray import RayTaskRunner as Runner
    except ImportError:
        raise ConfigError(
            f'backtest.task_runner: {chosen!r} needs prefect-{chosen}; run "pip install '
            f"prefect-{chosen}\" wherever the flow runs, or choose 'threads'"
        ) from None
    runner: TaskRunner[Any] = Runner(address=config.backtest.cluster)
    return runner


@fresh_step("combine", "data", retries=2)
def combine(config: PipelineConfig, clean: StepOutput, parts: list[StepOutput]) -> BacktestOutcome:
    """Put the folds together and report them."""

    def build(folder: Path) -> dict[str, Any]:
        return combine_into(folder, [Path(part.path) for part in parts], config)

    output, manifest = make("backtest", config, [clean, *parts], build, lambda m: int(m["windows"]))
    primary, found = manifest["primary"], manifest["significance"]
    better = [name.replace("_", " ") for name, test in found.items() if test["better"]]
    outcome = BacktestOutcome(
        path=output.path,
        content_sha256=output.content_sha256,
        folds=manifest["folds"],
        windows=manifest["windows"],
        significantly_better={name: bool(test["better"]) for name, test in found.items()},
        message=f"{title(primary['name'])} {number(primary['value'])} over {manifest['folds']} folds, "
        + (
            f"better beyond chance than the {' and the '.join(better)}"
            if better
            else "not better beyond chance than any baseline"
        ),
    )
    summary = json.loads((Path(output.path) / BACKTEST_SUMMARY_FILE).read_text(encoding="utf-8"))
    report_backtest(config.model_name, outcome, summary)
    say("combine", outcome.message)
    return outcome
