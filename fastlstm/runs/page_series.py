"""The series of a run that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.errors import StoreError
from fastlstm.reporting.coverage import named
from fastlstm.reporting.text import forecast_name, number, title
from fastlstm.runs.page_rows import StoredPredictions
from fastlstm.runs.series_ranking import worst_first

# Series of one page, and how many of them are the worst ones.
_MOST, _WORST = 40, 15


@dataclass(frozen=True)
class ShownSeries:
    """The series that a page shows.

    Attributes:
        names: of the series, the worst first; those without a score last.
        total: number of series with predictions.
        texts: score of each, for people; by name.
        chosen: how they were chosen, in words.
    """

    names: list[str]
    total: int
    texts: dict[str, str]
    chosen: str


def choose_series(
    metrics: dict[str, Any], stored: StoredPredictions, most: int, wanted: Sequence[str]
) -> ShownSeries:
    """The worst series by the primary metric, the rest spread evenly from them to the best.

    Args:
        metrics: of the run.
        stored: its predictions.
        most: number of series that the page has room for.
        wanted: series that must be among them.

    Raises:
        StoreError: one of ``wanted`` has no predictions, or the metrics have no series.
    """
    metric, by_series = metrics["primary"]["name"], metrics["by_series"]
    if not by_series:
        raise StoreError("the run's metrics have no scores of any series; copy the run again")
    if absent := [name for name in wanted if name not in by_series]:
        raise StoreError(
            f"--series: the run has no test predictions of {absent[0]!r}; it has those of "
            f"{named([repr(name) for name in by_series], len(by_series))}"
        )
    ranked = worst_first(metrics)
    total, room = len(ranked), max(1, min(_MOST, most), len(wanted))
    chosen = set(wanted)
    left = [name for name in ranked if name not in chosen]
    free = room - len(chosen)
    worst = left[: min(_WORST, -(-free // 2))] if len(left) > free else left
    rest = left[len(worst) :]
    spread = _spread(rest, free - len(worst))
    chosen |= {*worst, *spread}
    names = [name for name in ranked if name in chosen]
    texts = {name: _score(by_series[name], metric, n + 1, total)
             for n, name in enumerate(ranked) if name in chosen}  # fmt: skip
    words = [f"the {len(worst):,} worst by {title(metric)}"] if worst else []
    words += [f"{len(spread):,} spread evenly from them to the best"] if spread else []
    words = [f"those named by --series ({len(wanted):,})", *words] if wanted else words
    return ShownSeries(names, total, texts, ", ".join(words))


def _spread(names: Sequence[str], count: int) -> list[str]:
    """So many of the names at even distances, the last one among them."""
    if count <= 0 or not names:
        return []
    places = np.unique(np.linspace(len(names) - 1, 0, min(count, len(names))).round().astype(int))
    return [names[place] for place in places]


def _score(of_series: dict[str, Any], metric: str, rank: int, total: int) -> str:
    """Score of a series beside its baselines', and its rank, for people."""
    texts = [
        f"{forecast_name(name)} {number(scores[metric], metric)}"
        for name, scores in of_series.items()
        if scores.get(metric) is not None
    ]
    place = f" · {rank:,} of {total:,}, worst first" if total > 1 else ""
    return f"{title(metric)}: {', '.join(texts) or 'undefined'}{place}"
