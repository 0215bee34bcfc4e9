"""Results of ``make bench`` by processor, kept in ``results.json`` and told in ``RESULTS.md``.

A figure holds for the kind of processor it was measured on, so that of another kind stays beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent
_RESULTS, _PAGE, _GPU_PAGE = (_HOME / name for name in ("results.json", "RESULTS.md", "GPU.md"))
GROWTH = "growth"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        what: what was measured.
        work: on what.
        figures: what was found, the median and its spread.
        wanted: what must be reached; empty where nothing is.
        reached: whether it was; None where nothing is wanted.
    """

    what: str
    work: str
    figures: str
    wanted: str
    reached: bool | None

    def line(self) -> str:
        """As a line of a Markdown table."""
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        return f"| {self.what} | {self.work} | {self.figures} | {self.wanted} | {mark} |"


HEAD = "| what | work | found (median ± half the range) | wanted | reached |\n" + "| --- " * 5 + "|"


def read_results() -> dict[str, Any]:
    """Results by processor, of each by part: ``{'date', 'versions', 'rounds', 'rows'}``."""
    if not _RESULTS.exists():
        return {}
    found: dict[str, Any] = json.loads(_RESULTS.read_text(encoding="utf-8"))
    return found


def keep(
    processor: str, part: str, rows: Sequence[Row], about: dict[str, Any], parts: Iterable[str]
) -> None:
    """Put the rows of a part in place of those that this processor had, and write the page anew.

    Args:
        processor: its name.
        part: what was measured.
        rows: what was found.
        about: date, versions and rounds.
        parts: names of all parts, in their order.
    """
    results = read_results()
    of_processor = results.setdefault(processor, {})
    of_processor[part] = {**about, "rows": [asdict(row) for row in rows]}
    results[processor] = {name: of_processor[name] for name in parts if name in of_processor}
    _RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _PAGE.write_text(page(results), encoding="utf-8")


def page(results: dict[str, Any]) -> str:
    """The page, in Markdown.

    Args:
        results: see ``read_results``.
    """
    sections = [
        "# Results",
        "Written by `make bench`, which adds the table of the processor it runs on, or the rows of the "
        "parts that were measured anew (`python -m benchmarks --parts …`). A figure holds for its "
        "processor. Each contestant has a process of its own; rounds alternate, and outputs are "
        "compared before anything is timed.",
        *(_section(processor, parts) for processor, parts in results.items()),
    ]
    if _GPU_PAGE.exists():
        sections.append(f"## On a GPU\n\n{_GPU_PAGE.read_text(encoding='utf-8').rstrip()}")
    return "\n\n".join(sections) + "\n"


def _section(processor: str, parts: dict[str, Any]) -> str:
    """The table of one processor, and what its parts were measured with."""
    measured: dict[tuple[str, str, int], list[str]] = {}
    for name, part in parts.items():
        measured.setdefault((part["date"], part["versions"], part["rounds"]), []).append(name)
    made = [
        f"- {', '.join(names)}: {date}, {rounds} rounds; {versions}."
        for (date, versions, rounds), names in sorted(measured.items())
    ]
    rows = [Row(**row).line() for part in parts.values() for row in part["rows"]]
    text = f"## {processor}\n\n" + "\n".join(made) + "\n\n" + "\n".join([HEAD, *rows])
    if GROWTH in parts:
        text += (
            "\n\nWindows to Parquet, one thing doubled at a time from 100,000 rows x 5 features, 24 "
            "steps, 1 series (the series: 1,000,000 rows):\n\n![cost against size](growth.png)"
        )
    return text
