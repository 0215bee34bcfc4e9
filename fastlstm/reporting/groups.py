"""The report on the models of all groups: totals, and a table with the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from fastlstm.escaping import markdown
from fastlstm.reporting.text import markdown_table, number, title

# Rows of the table in the report; the CSV file beside it has all of them.
_MOST_ROWS = 200
STATUSES = {
    "promoted": "promoted",
    "kept": "with the champion kept",
    "not promoted": "without a champion, which the best baseline serves",
    "unchanged": "unchanged",
    "failed": "failed",
    "refused": "with too few rows",
}


@dataclass(frozen=True)
class GroupLine:
    """One group in the report.

    Attributes:
        group: its name.
        rows: number of its rows.
        status: a key of ``STATUSES``.
        message: how its retraining ended.
        metric: key of its primary metric; empty where it has no run.
        score: the newest run's, on test.
        baseline: the best baseline's.
        gain: how much better the run is than the best baseline, 0.1 for 10 %; of a metric that is better
            when higher, the difference.
        run: id of the newest run.
        champion: id of the run that serves.
    """

    group: str
    rows: int
    status: str
    message: str
    metric: str = ""
    score: float | None = None
    baseline: float | None = None
    gain: float | None = None
    run: str = ""
    champion: str = ""


def scores_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Metric, score, best baseline and gain of a run, by its manifest."""
    primary = manifest["primary"]
    score, lower = primary["value"], primary["better"] == "lower"
    known = [b["baseline"] for b in manifest["baselines"].values() if b["baseline"] is not None]
    best = (min if lower else max)(known) if known else None
    gain = None
    if score is not None and best is not None:
        gain = (1 - score / best if best else None) if lower else score - best
    return {"metric": primary["name"], "score": score, "baseline": best, "gain": gain}


def worst_first(lines: Sequence[GroupLine]) -> list[GroupLine]:
    """Groups that failed, then those of undefined gain, then by gain."""
    return sorted(
        lines,
        key=lambda line: (
            line.status not in ("failed", "refused"),
            line.gain is not None,
            line.gain or 0.0,
            line.group,
        ),
    )


def totals(lines: Sequence[GroupLine]) -> str:
    """How the groups ended, in one clause: 'Promoted 412 of 480 models; 3 failed, …'."""
    count = Counter(line.status for line in lines)
    rest = [
        f"{count[status]:,} {text}"
        for status, text in STATUSES.items()
        if count[status] and status != "promoted"
    ]
    head = f"Promoted {count['promoted']:,} of {len(lines):,} models"
    return f"{head}; {', '.join(rest)}" if rest else head


def groups_report(
    heading: str, message: str, lines: Sequence[GroupLine], pooled: dict[str, int],
    figures: dict[str, str], reason: str,
) -> str:  # fmt: skip
    """The report as Markdown.

    Args:
        heading: names of model, columns and report.
        message: how the retraining ended.
        lines: the groups, worst first.
        pooled: rows of the groups that share one model, by name.
        figures: file of the figure of each of the worst groups that has a run.
        reason: why the retraining was started; may be empty.
    """
    gains = [line.gain for line in lines if line.gain is not None]
    text = [f"# {markdown(heading)}", "", f"**{markdown(message)}.**", ""]
    if reason:
        text += [f"Started for: {markdown(reason)}.", ""]
    if gains:
        better = sum(gain > 0 for gain in gains)
        text += [
            f"{better:,} of {len(gains):,} models with a test score are better than the best baseline; "
            f"median gain {_gain(median(gains))}.",
            "",
        ]
    if pooled:
        named = ", ".join(markdown(name) for name in list(pooled)[:20])
        more = f" and {len(pooled) - 20:,} more" if len(pooled) > 20 else ""
        text += [f"One model serves {len(pooled):,} small groups: {named}{more}.", ""]
    text += ["## Groups, worst first", "", *_table(lines[:_MOST_ROWS]), ""]
    if len(lines) > _MOST_ROWS:
        text += [f"{len(lines) - _MOST_ROWS:,} more groups are in the CSV file.", ""]
    if figures:
        text += ["## The worst forecasts", ""]
        text += [f"- {markdown(group)}: `{file}`" for group, file in figures.items()]
    return "\n".join(text).rstrip() + "\n"


def _gain(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1%}"


def _table(lines: Sequence[GroupLine]) -> list[str]:
    header = ["group", "rows", "metric", "score", "best baseline", "gain", "champion", "decision"]
    rows = [
        [
            markdown(line.group), f"{line.rows:,}", title(line.metric), number(line.score),
            number(line.baseline), _gain(line.gain), line.champion or "none", markdown(line.message),
        ]
        for line in lines
    ]  # fmt: skip
    return markdown_table(header, rows, text_columns=(0, 2, 6, 7))
