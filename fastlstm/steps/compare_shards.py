"""Champion and challenger on a table that is cut into shards, compared by several workers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fastlstm.artifacts.bounded_reading import read_object
from fastlstm.artifacts.file_hashes import accept_hashes
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.data.shards import shards_of
from fastlstm.evaluation.tally_files import read_tally, write_tally
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.compare import (
    Comparison,
    IncomparableError,
    compare_rows,
    incomparable,
    refuse_predictions_without_rows,
    shard_rows,
    summary,
)
from fastlstm.steps.shard_map import ShardMap

_COMPARE = "fastlstm.steps.compare_shards:compare_shard"
_SCORES_FILE = "scores.json"


def compare_shards(
    challenger: Path, champion: Path, clean: Path, shards: ShardMap, hashes: list[list[int | str]]
) -> dict[str, Any]:
    """Score champion and challenger; as ``fastlstm.steps.compare.compare`` does in one process.

    Args:
        challenger: folder of the new run.
        champion: folder of the run in service.
        clean: folder of the clean shards.
        shards: works on each shard.
        hashes: of the run folders' files, as this process has computed them (``known_hashes``).
    """
    new = SavedRun(challenger)
    labels = new.predictions.first_of_row_groups("series")
    phase = f"against {champion.name}"
    found = shards(
        _COMPARE, phase, {path.name: path for path in shards_of(clean)},
        challenger=str(challenger), champion=str(champion), labels=labels, hashes=hashes,
    )  # fmt: skip
    reasons = [about["why"] for about in found if about["why"]]
    if reasons:
        return incomparable(reasons[0])
    refuse_predictions_without_rows(new, labels, sum(about["row_groups"] for about in found))
    scored = (folder for folder in shards.folders(phase) if (folder / _SCORES_FILE).exists())
    return summary(new, map(_read, scored))


def compare_shard(
    shard: str, folder: str, challenger: str, champion: str, labels: list[str],
    hashes: list[list[int | str]],
) -> dict[str, Any]:  # fmt: skip
    """Write the scores of one shard's test windows, where it has some.

    Args:
        shard: folder of the clean shard.
        folder: folder to publish.
        challenger: folder of the new run.
        champion: folder of the run in service.
        labels: series of the first prediction in each row group of the challenger's.
        hashes: see ``compare_shards``.
    """
    accept_hashes(hashes)

    def build(target: Path) -> dict[str, Any]:
        new, old = (_opened(run, _content(run)) for run in (challenger, champion))
        frame, groups = shard_rows(Path(shard), labels)
        why = ""
        if groups:
            try:
                found = compare_rows(new, old, frame, new.predictions.row_groups(groups))
            except IncomparableError as error:
                why = str(error)
            else:
                if found is not None:
                    _write(target, found)
        return {"row_groups": len(groups), "why": why}

    return publish(Path(folder), build)


# Champion and challenger; a worker serves many shards.
@functools.lru_cache(maxsize=2)
def _opened(folder: str, content: str) -> SavedRun:
    """The run in a folder with this content."""
    return SavedRun(Path(folder))


def _content(folder: str) -> str:
    return str(read_manifest(Path(folder))["content_sha256"])


def _write(folder: Path, found: Comparison) -> None:
    scores = {name: value for name, value in vars(found).items() if name != "tallies"}
    write_json(folder / _SCORES_FILE, {**scores, "tallies": sorted(found.tallies)})
    for name, tally in found.tallies.items():
        write_tally(_tally_file(folder, name), tally)


def _read(folder: Path) -> Comparison:
    scores = read_object(folder / _SCORES_FILE)
    tallies = {name: read_tally(_tally_file(folder, name)) for name in scores.pop("tallies")}
    return Comparison(**scores, tallies=tallies)


def _tally_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npz"
