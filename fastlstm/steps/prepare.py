"""Pipeline steps that prepare the data: load, validate and scale. Every step writes one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import CHECKS_FILE, CLEAN_FILE, TABLE_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load, rows_of_source
from fastlstm.data.shards import is_cut
from fastlstm.data.tables import read_table, write_table
from fastlstm.data.validation import LoadingFacts, validate
from fastlstm.steps.load_shards import load_shards_into
from fastlstm.steps.scale_shards import scale_shards_into
from fastlstm.steps.scaled_table import scale_table_into
from fastlstm.steps.shard_map import ShardMap
from fastlstm.steps.validate_shards import validate_shards


def load_into(
    folder: Path, data: DataConfig, window_rows: int, shard_rows: int, shards: ShardMap,
    skipped_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Load the source and write ``table.parquet`` into a folder, or that of each shard of a panel.

    Args:
        folder: the step's folder.
        data: the source.
        window_rows: rows one window spans.
        shard_rows: rows of a shard, about; a panel with more is cut.
        shards: works on each shard.
        skipped_files: what is not read of a source that was fetched to this machine, with the reason.

    Returns:
        Facts for the manifest.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    if data.series is not None and (rows := rows_of_source(data)) > shard_rows:
        facts = load_shards_into(folder, data, window_rows, rows, shard_rows, shards)
        return {**facts, "skipped_files": {**(skipped_files or {}), **facts["skipped_files"]}}
    loaded = load(data, window_rows)
    frame = loaded.frame
    write_table(frame, folder / TABLE_FILE)
    return {
        "rows": len(frame),
        "series": int(frame[SERIES].nunique()),
        "first": frame[TIME].min().isoformat(),
        "last": frame[TIME].max().isoformat(),
        "rows_out_of_order": loaded.rows_out_of_order,
        "skipped_series": loaded.skipped_series,
        "skipped_files": {**(skipped_files or {}), **loaded.skipped_files},
    }


def validate_into(
    folder: Path, table: Path, data: DataConfig, *, labels: bool, rows_out_of_order: int,
    skipped_series: dict[str, int], refused_report: Path, shards: ShardMap,
    skipped_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Validate a table and write ``clean.parquet`` and ``validation.json`` into a folder.

    Args:
        folder: the step's folder.
        table: folder of the loaded table, or of its shards.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels.
        rows_out_of_order: as the loader counted them.
        skipped_series: as the loader left them out.
        refused_report: file of the report where a check fails.
        shards: works on each shard, where the table is cut.
        skipped_files: as the loader left them out.

    Returns:
        Facts for the manifest.

    Raises:
        DataError: a check failed; only the report is kept, at ``refused_report``.
    """
    cut = is_cut(table)
    left: list[dict[str, int]] = []
    loading = LoadingFacts(rows_out_of_order, skipped_series, skipped_files or {})
    if cut:
        report, left = validate_shards(table, data, labels=labels, loading=loading, shards=shards)
        series = sum(shard["series"] for shard in left)
    else:
        clean, report = validate(
            read_table(table / TABLE_FILE), data, labels=labels,
            rows_out_of_order=rows_out_of_order, skipped_series=skipped_series,
            skipped_files=skipped_files,
        )  # fmt: skip
        series = int(clean[SERIES].nunique())
    if not report.passed:
        with writing_to(refused_report):
            refused_report.parent.mkdir(parents=True, exist_ok=True)
            write_json(refused_report, report.to_dict())
        report.raise_if_refused(refused_report)
    write_json(folder / CHECKS_FILE, report.to_dict())
    if cut:
        shards.collect("clean", folder, [shard["rows"] for shard in left])
    else:
        write_table(clean, folder / CLEAN_FILE)
    return {
        "rows": report.rows_out,
        "series": series,
        "warnings": [f.line() for f in report.warnings],
        "left_out": report.left_out,
        "filled": report.filled,
        "dropped": report.dropped,
        "out_of_range_as_missing": report.out_of_range_as_missing,
        "checks_run": report.checks_run,
    }


def scale_into(
    folder: Path, clean: Path, config: RetrainConfig, shards: ShardMap
) -> dict[str, Any]:
    """Fit the scalers and scale the rows of a clean table, or of each shard of it.

    Args:
        folder: the step's folder.
        clean: folder of the clean table, or of its shards.
        config: all settings.
        shards: works on each shard, where the table is cut.

    Raises:
        DataError: a split would be empty, or a value is too large for float32.
    """
    if is_cut(clean):
        return scale_shards_into(folder, clean, config, shards)
    return scale_table_into(folder, clean / CLEAN_FILE, config)
