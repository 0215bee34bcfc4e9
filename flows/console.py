"""What the command line shows while a flow runs, and the tables it prints at the end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from fastlstm.artifacts.file_names import BACKTEST_SUMMARY_FILE
from fastlstm.artifacts.file_names import SEARCH_SUMMARY_FILE as SEARCH_FILE
from fastlstm.experiments.backtest_summary import significance_lines
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.store import GroupRuns, RunEntry
from fastlstm.reporting.groups import GroupLine, scores_of, worst_first
from fastlstm.reporting.text import forecast_name, in_order, number, score_table, title
from tasks.step_table import STEPS

# One column of the console is as wide as the longest name of a step.
_STEP_WIDTH = max(map(len, STEPS))
_INDENT = " " * 9


class ConsoleSubscriber:
    """Shows each step as it ends, and a bar over the epochs; without a terminal only lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._begin = time.monotonic()

    def stage(self, step: str, message: str) -> None:
        """Print what a step did."""
        self._end_bar()
        seconds = f"{time.monotonic() - self._begin:5.1f} s"
        style = "yellow" if message.startswith("warning") else ""
        self._console.print(
            f"{seconds}  {step:<{_STEP_WIDTH}} {message}", style=style, markup=False
        )

    def progress(self, event: dict[str, Any]) -> None:
        """Show the epochs of a training: a bar on a terminal, else about ten lines."""
        epoch, epochs = event["epoch"], event["epochs"]
        step = "refit" if event.get("refit") else "train"
        loss = f"loss {event['loss']:.4f}"
        if "val_loss" in event:
            loss += f", val_loss {event['val_loss']:.4f}"
        if not self._console.is_terminal:
            if event["event"] == "epoch" and (epoch % max(1, epochs // 10) == 0 or epoch == 1):
                prefix = "refit, " if step == "refit" else ""
                self._console.print(f"{_INDENT}{prefix}epoch {epoch} of {epochs}: {loss}")
            return
        if self._bar is None or self._task is None:
            self._bar = Progress(
                TextColumn(_INDENT + "{task.description}" + " " * (_STEP_WIDTH - 5)),
                TextColumn("epoch {task.fields[epoch]}/{task.total:.0f}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[loss]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("train", total=epochs, epoch=epoch, loss="")
        self._bar.update(
            self._task, description=step, total=epochs, completed=epoch - 1 + event["part"],
            epoch=epoch, loss=loss,
        )  # fmt: skip

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def plain_table(header: list[str], title: str | None = None, *, numbers: bool = False) -> Table:
    """A table without lines; ``numbers`` is whether all columns but the first hold numbers."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i and numbers else "left", overflow="fold")
    return table


def show_scores(console: Console, metrics: dict[str, Any]) -> None:
    """Print the test metrics of the network and of the baselines."""
    header, rows = score_table(metrics["test"])
    table = plain_table(header, f"Test, {metrics['windows']:,} windows", numbers=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for name, scores in metrics.get("outputs", {}).items():
        positive = scores["report"]["1"]
        console.print(
            f"{name} at threshold {number(scores['threshold'])}: precision "
            f"{number(positive['precision'])}, recall {number(positive['recall'])}, F1 "
            f"{number(positive['f1-score'])}; {scores['positives']:,} of {scores['windows']:,} positive",
            highlight=False,
        )


def show_backtest(console: Console, folder: Path) -> None:
    """Print the scores of a backtest's folds, and whether the network beats the baselines."""
    summary = json.loads((folder / BACKTEST_SUMMARY_FILE).read_text(encoding="utf-8"))
    names = in_order(summary["folds"][0])
    header = ["fold", "test from", "to", "epochs", "windows", *map(forecast_name, names)]
    table = plain_table(header, f"{title(summary['primary'])} by fold", numbers=True)
    for row in summary["folds"]:
        table.add_row(
            row["fold"],
            row["test_from"] or "",
            row["test_to"] or "",
            "" if row["epochs"] is None else str(row["epochs"]),
            f"{row['windows']:,}",
            *(number(row[name], summary["primary"]) for name in names),
        )
    console.print(table)
    for line in significance_lines(summary):
        console.print(line, markup=False)


def show_search(console: Console, folder: Path) -> None:
    """Print a search's best trials, and how much the score depends on each hyperparameter."""
    summary = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
    sign = 1 if summary["better"] == "lower" else -1
    ranked = sorted(summary["trials"], key=lambda t: (t["value"] is None, sign * (t["value"] or 0)))
    names = list(summary["best"]["hyperparameters"])
    table = plain_table(["trial", summary["metric"], "epochs", *names], "Best trials", numbers=True)
    for row in ranked[:10]:
        value = row["state"] if row["value"] is None else number(row["value"])
        cells = (number(v) if isinstance(v := row[name], float) else str(v) for name in names)
        table.add_row(str(row["trial"]), value, str(row["epochs"]), *cells)
    console.print(table)
    if summary["importance"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in summary["importance"].items())
        console.print(f"Importance of the hyperparameters: {shares}", highlight=False)


def show_groups(console: Console, groups: dict[str, GroupRuns]) -> None:
    """Print one line for the model of each group, the worst first."""
    lines = []
    for group, known in groups.items():
        scores = {} if known.newest is None else scores_of(known.newest.manifest)
        run = "" if known.newest is None else known.newest.run_id
        decision = known.record.decision_on(run)
        message = "none yet" if decision is None else f"{decision.action}: {decision.reason}"
        champion = known.record.champion or ""
        lines.append(
            GroupLine(group, 0, "unchanged", message, **scores, run=run, champion=champion)
        )
    header = ["group", "runs", "newest (UTC)", "champion", "score on its test", "best baseline", "gain",
              "decision"]  # fmt: skip
    table = plain_table(header)
    for line in worst_first(lines):
        table.add_row(
            line.group,
            str(len(groups[line.group].run_ids)),
            line.run,
            line.champion or "none",
            f"{line.metric} {number(line.score)}",
            number(line.baseline),
            "–" if line.gain is None else f"{line.gain:+.1%}",
            line.message,
        )
    console.print(table)


def show_runs(console: Console, runs: list[RunEntry], record: ChampionRecord) -> None:
    """Print a table of runs, the champion marked."""
    table = plain_table(["run (UTC)", "", "score on its test", "best baseline", "decision"])
    for entry in runs:
        primary = entry.manifest["primary"]
        decision = record.decision_on(entry.run_id)
        baselines = [
            b["baseline"] for b in entry.manifest["baselines"].values() if b["baseline"] is not None
        ]
        better = min if primary["better"] == "lower" else max
        best = better(baselines) if baselines else None
        table.add_row(
            entry.run_id,
            "champion" if entry.run_id == record.champion else "",
            f"{primary['name']} {number(primary['value'])}",
            number(best),
            f"{decision.action}: {decision.reason}" if decision else "none yet",
        )
    console.print(table)
