"""Results of a benchmark beside those of other sets, and what they were made by."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent

Result = dict[str, Any]

# Results that a benchmark writes.
_NO_RESULTS = (":(exclude,top)benchmarks/*.json", ":(exclude,top)benchmarks/*.md")


def commit() -> str:
    """The commit of this checkout, marked where files differ from it but for results, which each run
    of a benchmark adds to."""
    made = _git("describe", "--always", "--exclude=*")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", *_NO_RESULTS)
    return f"{made}-dirty" if made and changed else made or "unknown"


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails."""
    line = ["git", *arguments]
    done = subprocess.run(line, cwd=_HOME, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def provenance(results: list[Result]) -> str:
    """Commits and dates of results, for a page."""
    runs = sorted({(result["commit"], result["date"]) for result in results})
    return ", ".join(f"commit {commit} on {date}" for commit, date in runs)


def merge_results(file: Path, results: list[Result], order: Iterable[str]) -> list[Result]:
    """Put results into a file, beside those of other sets that it holds.

    Args:
        file: JSON file; it may be absent.
        results: of some sets.
        order: names of all sets.

    Returns:
        All results of the file, in that order.
    """
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    by_name = {result["set"]: result for result in [*kept, *results]}
    merged = [by_name[name] for name in order if name in by_name]
    file.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    return merged
