"""Parts of the report's page that need no script: the outcome at a glance, confusion and importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm.escaping import html_text
from fastlstm.reporting.text import forecast_name, number, title

_MOST_FEATURES, _MOST_OUTPUTS, _MOST_CLASSES = 30, 12, 40
# Importance below this share of the highest is written as 0.
_SMALL = 0.005


def tiles(metrics: dict[str, Any]) -> str:
    """Primary metric, the best baseline's, and coverage, as HTML.

    Args:
        metrics: of the run.
    """
    primary = metrics["primary"]
    name, value, lower = (
        primary["name"],
        primary["value"],
        primary.get("better", "lower") == "lower",
    )
    shown = [(title(name), number(value, name), "network, on test")]
    known = {
        key: scores[name]
        for key, scores in metrics["test"].items()
        if key != "model" and scores.get(name) is not None
    }
    if known:
        best = (min if lower else max)(known, key=lambda key: known[key])
        shown.append((f"{title(name)} of {forecast_name(best)}", number(known[best], name),
                      "the best baseline"))  # fmt: skip
        if value is not None and known[best]:
            gain = 1 - value / known[best] if lower else value / known[best] - 1
            text = "better than the best baseline" if gain > 0 else "worse than the best baseline"
            shown.append(("Difference", f"{abs(gain):.1%}", text))
    over = metrics.get("over_series") or {}
    if over.get("series", 0) > 1 and metrics["primary"]["name"] in ("mase", "rmsse"):
        shown.append(("Median series", number(over["median"]), f"of {over['series']:,} series"))
    for row in _network_intervals(metrics.get("intervals") or {}):
        level = f"{100 * row['level']:.4g}%"
        shown.append((f"{level} interval", f"{row['coverage']:.1%}", "of observed values within"))
    cells = "".join(
        f"<div><dt>{html_text(heading)}</dt><dd>{html_text(text)}</dd><p>{html_text(note)}</p></div>"
        for heading, text, note in shown
    )
    return f'<dl class="tiles">{cells}</dl>'


def _network_intervals(intervals: dict[str, Any]) -> list[dict[str, Any]]:
    """Scores of the network's intervals of each level, those that are served; one target's alone."""
    rows = intervals.get("overall", [])
    method = "adaptive" if intervals.get("rate") else "conformal"
    own = [row for row in rows if row["forecast"] == "model" and row["method"] == method]
    return own if len({row["target"] for row in own}) == 1 else []


def result_tables(metrics: dict[str, Any]) -> dict[str, str]:
    """Tables with shaded cells as HTML, by section of the page."""
    found = {}
    if metrics["task"] == "classifier":
        found["confusion"] = _confusion_matrices(metrics)
    if metrics.get("importance"):
        found["importance"] = _importance(metrics["importance"])
    return found


def _confusion_matrices(metrics: dict[str, Any]) -> str:
    """The confusion matrix of each label column, or of each output at its threshold."""
    labels = metrics.get("labels", {})
    matrices = [
        (name, scores["classes"], scores["confusion_matrix"]) for name, scores in labels.items()
    ] or [
        (name, [f"not {name}", name], scores["confusion_matrix"])
        for name, scores in metrics.get("outputs", {}).items()
    ]
    return "".join(
        _confusion_matrix(name, classes, counts)
        for name, classes, counts in matrices[:_MOST_OUTPUTS]
        if len(classes) <= _MOST_CLASSES
    )


def _confusion_matrix(name: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """One matrix, a row for each observed class, shaded by the share of the row."""
    rows = []
    for label, row in zip(classes, counts, strict=True):
        total = sum(row) or 1
        cells = "".join(
            _shaded(f"{count:,}", count / total, f"{count / total:.0%}") for count in row
        )
        rows.append(f"<tr><th>{html_text(label)}</th>{cells}</tr>")
    heads = "".join(f"<th>{html_text(label)}</th>" for label in classes)
    return (
        f"<h3>Confusion matrix: {html_text(name)}</h3>"
        '<p class="note">A row for each observed class, a column for each forecast one; the share is of '
        "the row.</p>"
        f'<div class="wide"><table class="cells"><thead><tr><th>observed</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _importance(lines: Sequence[dict[str, Any]]) -> str:
    """Permutation importance by feature and block of past rows, the most important first."""
    # The newest rows first: on a phone the other columns are to the right of the screen.
    spans = sorted({(line["from"], line["to"]) for line in lines}, key=lambda span: span[1])
    by_feature: dict[str, dict[tuple[int, int], float]] = {}
    for line in lines:
        if line["permutation"] is not None:
            of_feature = by_feature.setdefault(line["feature"], {})
            of_feature[line["from"], line["to"]] = line["permutation"]
    order = sorted(by_feature, key=lambda name: -sum(by_feature[name].values()))[:_MOST_FEATURES]
    highest = max((v for name in order for v in by_feature[name].values()), default=0.0)
    highest = highest if highest > 0 else 1.0
    rows = []
    for name in order:
        cells = "".join(
            _shaded(
                f"{value:.2g}" if abs(value) > _SMALL * highest else "0", max(value, 0.0) / highest
            )
            for value in (by_feature[name].get(span, 0.0) for span in spans)
        )
        rows.append(f"<tr><th>{html_text(name)}</th>{cells}</tr>")
    heads = "".join(f"<th>{a}–{b}</th>" if a != b else f"<th>{a}</th>" for a, b in spans)
    more = len(by_feature) - len(order)
    left = f" The {len(order)} most important of {len(by_feature)} features." if more else ""
    return (
        '<p class="note">Increase of the error when a block of past rows of a feature is permuted; '
        f"columns are rows before the first forecast row.{left}</p>"
        f'<div class="wide"><table class="cells"><thead><tr><th>feature</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _shaded(text: str, share: float, note: str = "") -> str:
    """A cell that is the darker, the greater its share from 0 to 1."""
    small = f"<br><small>{html_text(note)}</small>" if note else ""
    return f'<td style="--share:{100 * share:.0f}%">{html_text(text)}{small}</td>'
