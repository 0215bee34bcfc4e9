"""Load a source in shards: one pass over its blocks, then each shard by itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts.file_names import TABLE_FILE
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.config.data import DataConfig
from fastlstm.data.arranged_rows import NewestRow
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.files import source_files
from fastlstm.data.memory import give_back
from fastlstm.data.reading import load_blocks, refuse_short, sorted_without_short
from fastlstm.data.shard_cutting import MOST_SHARDS, cut_files, cut_into_shards, read_cut_rows
from fastlstm.data.shards import shard_count
from fastlstm.data.tables import write_table
from fastlstm.errors import DataError
from fastlstm.steps.shard_map import ShardMap

_LOAD_SHARD = "fastlstm.steps.load_shards:load_shard"


def load_shards_into(
    folder: Path, data: DataConfig, window_rows: int, rows: int, shard_rows: int, shards: ShardMap
) -> dict[str, Any]:
    """Load a panel and write ``table.parquet`` of each shard into a folder.

    Args:
        folder: the step's folder.
        data: the source.
        window_rows: rows one window spans.
        rows: rows of the source, about.
        shard_rows: rows of a shard, about.
        shards: works on each shard.

    Returns:
        Facts for the manifest, see ``fastlstm.steps.prepare.load_into``, and ``shards``.

    Raises:
        ConfigError: a series is shorter than a window.
        DataError: a file, column or cell cannot be read as declared.
    """
    count = min(MOST_SHARDS, shard_count(rows, shard_rows))

    def cut(target: Path) -> dict[str, Any]:
        newest = NewestRow(data)
        rows = cut_into_shards(newest.of(load_blocks(data, data.value_columns)), target, count)
        return {**rows, "newest": newest.text}

    cut_rows = shards.publish("rows", cut)
    newest = read_manifest(cut_rows)["newest"]
    parts = cut_files(cut_rows)
    found = shards(
        _LOAD_SHARD, "table", parts, window_rows=window_rows,
        data=data.model_dump(mode="json", exclude_unset=True), newest=newest,
    )  # fmt: skip
    skipped = {name: n for facts in found for name, n in facts["skipped_series"].items()}
    total = sum(facts["rows"] for facts in found)
    if not total and not skipped:
        raise DataError(f"{data.path}: holds no rows; give a table with rows")
    refuse_short(skipped, not total, data, window_rows)
    shards.collect("table", folder, [facts["rows"] for facts in found])
    return {
        "rows": total,
        "series": sum(facts["series"] for facts in found),
        "first": min(facts["first"] for facts in found if facts["rows"]),
        "last": max(facts["last"] for facts in found if facts["rows"]),
        "rows_out_of_order": sum(facts["rows_out_of_order"] for facts in found),
        "skipped_series": skipped,
        "skipped_files": dict(source_files(data.path, data.format).skipped),
        "arranged": dict(sum((Counter(facts["arranged"]) for facts in found), Counter())),
        "shards": sum(facts["rows"] > 0 for facts in found),
    }


def load_shard(
    shard: str, folder: str, window_rows: int, data: dict[str, Any], newest: str | None
) -> dict[str, Any]:
    """Sort and arrange the rows of one shard and write them.

    Args:
        shard: file of its rows.
        folder: folder to publish.
        window_rows: rows one window spans; shorter series are left out.
        data: how rows are arranged.
        newest: time of the newest row of the table.
    """
    settings = DataConfig.model_validate(data)
    last = None if newest is None else pd.Timestamp(newest)

    def build(target: Path) -> dict[str, Any]:
        rows = read_cut_rows(Path(shard))
        loaded = sorted_without_short(rows, window_rows, settings, settings.value_columns, last)
        frame = loaded.frame
        write_table(frame, target / TABLE_FILE)
        return {
            "rows": len(frame),
            "series": int(frame[SERIES].nunique()),
            "first": frame[TIME].min().isoformat() if len(frame) else None,
            "last": frame[TIME].max().isoformat() if len(frame) else None,
            "rows_out_of_order": loaded.rows_out_of_order,
            "skipped_series": loaded.skipped_series,
            "arranged": dict(loaded.arranged),
        }

    facts = publish(Path(folder), build)
    give_back()
    return facts
