"""The pipeline step that cuts windows, of a whole table or shard by shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import SCALED_FILE
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.shards import is_cut, shard_number, shards_of
from fastlstm.data.split import SPLITS, Cuts, cuts_from
from fastlstm.data.tables import read_table, stored_rows
from fastlstm.data.time_grid import microseconds
from fastlstm.steps.shard_map import ShardMap
from fastlstm.windows.coverage import series_without
from fastlstm.windows.parquet import ShardPlace, WindowForm, write_parts, write_windows
from fastlstm.windows.planning import require_windows

_CUT = "fastlstm.steps.cut_windows:cut_shard"


def cut_windows_into(
    folder: Path, scaled: Path, timesteps: int, steps_ahead: int, lookahead: int, shards: ShardMap
) -> dict[str, Any]:
    """Cut the windows of a scaled table and write them into a folder.

    Args:
        folder: the step's folder.
        scaled: folder of the scaled table.
        timesteps: input rows of a window.
        steps_ahead: target rows of a window.
        lookahead: label horizon, the rows after its own that a target's value depends on.
        shards: works on each shard, where the table is cut.

    Raises:
        DataError: a split would hold no window.
    """
    facts = read_manifest(scaled)
    form = {
        "features": facts["features"], "targets": facts["targets"], "timesteps": timesteps,
        "steps_ahead": steps_ahead, "lookahead": lookahead,
    }  # fmt: skip
    cut_by = {name: facts.get(name) for name in ("cuts", "series_shares")}
    lost, seasons = facts.get("lost_in_scale", {}), FoundSeasons.from_facts(facts)
    if not is_cut(scaled):
        rows = read_table(scaled / SCALED_FILE)
        cuts = cuts_from(cut_by, microseconds(rows[TIME]), rows[SERIES].to_numpy())
        about = write_windows(folder, rows, **form, cuts=cuts, seasons=seasons)
        return {**about, "lost_in_scale": lost}
    given = {path.name: path for path in shards_of(scaled)}
    before, rows_before = 0, {}
    for name, path in given.items():
        rows_before[name] = before
        before += stored_rows(path / SCALED_FILE)
    found = shards(_CUT, "windows", given, form=form, cut_by=cut_by, rows_before=rows_before)
    windows = {name: sum(shard["windows"][name] for shard in found) for name in SPLITS}
    require_windows({name: range(count) for name, count in windows.items()}, timesteps,
                    steps_ahead + lookahead)  # fmt: skip
    for split in SPLITS:
        (folder / split).mkdir()
        for shard in shards.folders("windows"):
            for part in sorted((shard / split).iterdir()):
                part.rename(folder / split / part.name)
    shards.forget()
    series = sum(shard["series"] for shard in found)
    without = {
        name: [label for shard in found for label in shard["without"][name]] for name in SPLITS
    }
    of_all = WindowForm(**form, cuts=Cuts(**facts["cuts"]))
    return {
        **of_all.manifest(windows, series, seasons, without),
        "lost_in_scale": lost,
        "shards": len(given),
    }


def cut_shard(
    shard: str, folder: str, form: dict[str, Any], cut_by: dict[str, Any],
    rows_before: dict[str, int],
) -> dict[str, Any]:  # fmt: skip
    """Cut the windows of one shard.

    Args:
        shard: folder of the scaled shard.
        folder: folder to publish.
        form: columns, timesteps, steps ahead and label horizon.
        cut_by: the cut times, or the shares by which each series is cut; see ``cuts_from``.
        rows_before: by the name of each shard, the rows of the shards before it.
    """
    name = Path(shard).name

    def build(target: Path) -> dict[str, Any]:
        scaled = read_table(Path(shard) / SCALED_FILE)
        place = ShardPlace(shard_number(Path(shard)), rows_before[name])
        labels = scaled[SERIES].to_numpy()
        cuts = cuts_from(cut_by, microseconds(scaled[TIME]), labels)
        planned = write_parts(target, scaled, WindowForm(**form, cuts=cuts), place)
        return {
            "windows": {split: len(origins) for split, origins in planned.items()},
            "series": int(scaled[SERIES].nunique()),
            "without": series_without(labels, planned),
        }

    found = publish(Path(folder), build)
    give_back()
    return found
