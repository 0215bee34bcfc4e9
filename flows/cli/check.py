"""The command that checks settings and data, and tells what a training would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.arguments import CONFIG, open_config, open_console

if TYPE_CHECKING:
    from rich.console import Console

    from fastlstm.steps.plan_training import TrainingPlan

# Most series, failed checks and cases of one that are shown.
_MOST_SERIES, _MOST_CASES = 5, 3


@click.command()
@CONFIG
def check(config: str) -> None:
    """Check CONFIG and its data, and tell what 'retrain' would do.

    Everything that a retraining refuses is refused, with the same exit code. Nothing is trained or
    stored, and neither Prefect nor TensorFlow is started.
    """
    import gc

    # Imported modules are never garbage, and collecting meanwhile takes a tenth of the command's time.
    gc.disable()
    from fastlstm.artifacts.file_names import CHECKS_FILE
    from fastlstm.artifacts.scratch import ScratchFolder
    from fastlstm.errors import DataError
    from fastlstm.steps.plan_training import plan_training
    from tasks.source_handover import find_source

    gc.freeze()
    gc.enable()
    settings = open_config(config).settings
    settings.check_overrides()
    settings.require_one_model("check")
    console = open_console()
    source = find_source(settings)
    data = settings.data.at(source.path, source.joined)
    with ScratchFolder() as folder:
        try:
            plan = plan_training(settings.model_copy(update={"data": data}), folder, source.skipped)
        except DataError as error:
            refused = folder / CHECKS_FILE
            if not refused.exists():
                raise
            _show_refusal(console, refused)
            # The report is gone with the folder.
            raise DataError(str(error).split("; all in ")[0]) from None
        _show(console, settings.stored_name, str(settings.data.path), plan)
    console.print(f"Train it: fastlstm retrain {config}", soft_wrap=True, markup=False)


def _show_refusal(console: Console, report: Path) -> None:
    """Print every failed check with its first cases."""
    import json

    from flows.console import plain_table

    found = json.loads(report.read_text(encoding="utf-8"))
    table = plain_table(["check", "column", "rows", "found", "first cases"])
    for finding in found["errors"]:
        cases = "; ".join(
            ", ".join(str(value) for value in case.values())
            for case in finding["cases"][:_MOST_CASES]
        )
        row = [
            finding["check"],
            finding["column"],
            f"{finding['rows']:,}",
            finding["message"],
            cases,
        ]
        table.add_row(*row)
    console.print(table)


def _show(console: Console, name: str, path: str, plan: TrainingPlan) -> None:
    """Print what a training would do."""
    from fastlstm.data.seasons import seasons_by_error
    from fastlstm.reporting.coverage import coverage_lines
    from fastlstm.reporting.network import network_sentence
    from fastlstm.reporting.text import minute, rows_sentence, season_text
    from fastlstm.training.cost import training_cost

    data, hp, checks = plan.config.data, plan.config.hyperparameters, plan.checks

    def line(text: str, style: str = "") -> None:
        console.print(text, markup=False, style=style)

    loaded = plan.loaded
    line(
        f"{name!r} on {path}: {loaded['rows']:,} rows of {loaded['series']:,} series, "
        f"{minute(loaded['first'])} to {minute(loaded['last'])} UTC"
    )
    rows = rows_sentence(
        sum(checks["filled"].values()), loaded["rows"], checks["rows_in"], checks["rows_out"]
    )
    line(f"{checks['checks_run']} checks passed; {rows}")
    warnings = [f"{w['check']} · {w['column']}: {w['message']}" for w in checks["warnings"]]
    for warning in [*warnings, *coverage_lines(plan.coverage, hp.split)]:
        line(f"warning: {warning}", style="yellow")
    _show_splits(console, plan)
    seasons = plan.seasons.facts()
    if hp.is_regressor:
        chosen = plan.config.evaluation.season_length
        season = chosen or plan.seasons.best or plan.seasons.assumed
        timesteps = plan.config.hyperparameters.timesteps
        line(season_text(season, seasons, timesteps, chosen=chosen is not None))
    if data.calendar_kinds:
        line(f"Known of the rows to forecast: {', '.join(data.calendar_kinds)}.")
    found = seasons_by_error(seasons)
    line(network_sentence(hp, data.features, data.targets, plan.windows["train"], found))
    cost = training_cost(
        hp, plan.architecture, len(data.features) + len(data.targets), data.targets, plan.batch,
        plan.gradient_steps, checks["rows_out"],
    )  # fmt: skip
    line(
        f"Training: at most {hp.epochs} epochs of {plan.gradient_steps:,} gradient steps of "
        f"{plan.batch} windows; about {_duration(cost.shortest)} to {_duration(cost.longest)} on "
        f"this machine, {cost.memory / 1e9:.1f} GB of memory."
    )


def _show_splits(console: Console, plan: TrainingPlan) -> None:
    """Print the splits with their first times and windows, and the series with the fewest windows."""
    from datetime import UTC, datetime

    from fastlstm.data.split import SPLITS
    from fastlstm.reporting.text import minute
    from flows.console import plain_table

    by_series = plan.config.hyperparameters.split == "by_series"
    times = {
        split: datetime.fromtimestamp(time / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
        for split, time in plan.cuts.items()
    }
    first = {"train": minute(plan.loaded["first"]), **times}
    table = plain_table(["split", "from (UTC)", "windows"], numbers=True)
    for split in SPLITS:
        begin = "its share of each series" if by_series else first[split]
        table.add_row(split, begin, f"{plan.windows[split]:,}")
    console.print(table)
    if len(plan.by_series) < 2:
        return
    fewest = sorted(plan.by_series.items(), key=lambda item: (sum(item[1].values()), item[0]))
    table = plain_table(["series with the fewest windows", *SPLITS], numbers=True)
    for name, windows in fewest[:_MOST_SERIES]:
        table.add_row(name, *(f"{windows.get(split, 0):,}" for split in SPLITS))
    console.print(table)


def _duration(seconds: float) -> str:
    """A duration in the unit that fits, of two digits at most."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"
