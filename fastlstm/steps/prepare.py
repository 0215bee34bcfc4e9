"""Pipeline steps that prepare the data: load, validate and scale. Every step writes one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import CHECKS_FILE, CLEAN_FILE, TABLE_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.folders import publish
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.categories import CategoryTally, embedded_series
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load, rows_of_source
from fastlstm.data.shards import distinct_times_in, is_cut, shards_of
from fastlstm.data.split import SplitCuts, cut_times, series_cuts
from fastlstm.data.tables import StoredColumns, read_table, write_table
from fastlstm.data.time_grid import microseconds
from fastlstm.data.validation import LoadingFacts, validate
from fastlstm.steps.load_shards import load_shards_into
from fastlstm.steps.scale_shards import scale_shards_into
from fastlstm.steps.scaled_table import scale_table_into
from fastlstm.steps.shard_map import ShardMap
from fastlstm.steps.validate_shards import validate_shards

Config = TypeVar("Config", bound=RetrainConfig)


def load_into(
    folder: Path, data: DataConfig, window_rows: int, shard_rows: int, shards: ShardMap,
    skipped_files: Mapping[str, str] | None = None, *, labels: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Load the source and write ``table.parquet`` into a folder, or that of each shard of a panel.

    Args:
        folder: the step's folder.
        data: the source.
        window_rows: rows one window spans.
        shard_rows: rows of a shard, about; a panel with more is cut.
        shards: works on each shard.
        skipped_files: what is not read of a source that was fetched to this machine, with the reason.
        labels: whether plain targets are labels.

    Returns:
        Facts for the manifest.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    if data.series is not None and (rows := rows_of_source(data)) > shard_rows:
        # Not all rows of a label column are seen at once, so it is a category whatever it holds.
        as_text = data.with_dtypes(data.undeclared_labels if labels else [], "category")
        facts = load_shards_into(folder, as_text, window_rows, rows, shard_rows, shards)
        return {**facts, "skipped_files": {**(skipped_files or {}), **facts["skipped_files"]}}
    loaded = load(data, window_rows, labels=labels)
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
        "arranged": dict(loaded.arranged),
    }


def with_resolved_columns(config: Config, loaded: Path) -> Config:
    """The settings with the calendar, the categories and the series that train rows teach.

    Args:
        config: all settings.
        loaded: folder of the loaded table.

    Raises:
        ConfigError: what is found contradicts the settings.
        DataError: a label column has one class in the train rows.
    """
    data, hp = config.data, config.hyperparameters
    stored = [StoredColumns(shard / TABLE_FILE) for shard in shards_of(loaded)]
    text = {*stored[0].text_columns} & {*data.value_columns} - {*data.categories}
    of_all = data.embedded_series == "all"
    if not text:
        config = config.with_known_classes()
    if data.calendar != "auto" and not text and not of_all:
        return config
    times = distinct_times_in(loaded, TABLE_FILE)
    config = config.with_calendar(float(times[-1] - times[0]) / 1e6 * hp.train_size_rate)
    if not text and not of_all:
        return config
    rates = hp.train_size_rate, hp.validation_size_rate
    cuts: SplitCuts | None = None if hp.split == "by_series" else cut_times(times, *rates)
    tally = CategoryTally(data, [name for name in data.value_columns if name in text])
    for columns in stored:
        of_rows, series = microseconds(columns[TIME]), columns[SERIES].to_numpy()
        of_shard = cuts or series_cuts(of_rows, series, *rates)
        tally.add(columns, of_rows < of_shard.validation)
    config = config.with_categories(
        tally.categories(labels=not hp.is_regressor),
        embedded_series(tally.series) if of_all else None,
    )
    return config.with_known_classes()


def validate_into(
    folder: Path, table: Path, data: DataConfig, *, labels: bool, loading: LoadingFacts,
    refused_report: Path, shards: ShardMap,
) -> dict[str, Any]:  # fmt: skip
    """Validate a table and write ``clean.parquet`` and ``validation.json`` into a folder.

    Args:
        folder: the step's folder.
        table: folder of the loaded table, or of its shards.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels.
        loading: what the loader changed.
        refused_report: file of the report where a check fails.
        shards: works on each shard, where the table is cut.

    Returns:
        Facts for the manifest.

    Raises:
        DataError: a check failed; only the report is kept, at ``refused_report``.
    """
    cut = is_cut(table)
    left: list[dict[str, int]] = []
    if cut:
        report, left = validate_shards(table, data, labels=labels, loading=loading, shards=shards)
        series = sum(shard["series"] for shard in left)
    else:
        clean, report = validate(
            read_table(table / TABLE_FILE), data, labels=labels,
            rows_out_of_order=loading.rows_out_of_order, skipped_series=dict(loading.skipped_series),
            skipped_files=loading.skipped_files, arranged=loading.arranged,
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
        "rows_in": report.rows_in,
        "series": series,
        "warnings": [f.line() for f in report.warnings],
        "left_out": report.left_out,
        "filled": report.filled,
        "dropped": report.dropped,
        "out_of_range_as_missing": report.out_of_range_as_missing,
        "checks_run": report.checks_run,
    }


def load_and_validate(
    work: Path, config: Config, shards: ShardMap, refused_report: Path,
    skipped_files: Mapping[str, str] | None = None,
) -> tuple[Config, dict[str, Any]]:  # fmt: skip
    """Load and validate in one go, into the folders ``load`` and ``clean``.

    Args:
        work: folder of these folders.
        config: all settings; ``data.path`` is on this machine.
        shards: works on each shard, where the table is cut.
        refused_report: file of the report where a check fails.
        skipped_files: see ``load_into``.

    Returns:
        The settings with what train rows teach, see ``with_resolved_columns``, and the manifest of the
        loaded table.

    Raises:
        ConfigError: what is found contradicts the settings.
        DataError: the table cannot be read, or is refused.
    """
    hp, loaded, clean = config.hyperparameters, work / "load", work / "clean"
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead
    labels = not hp.is_regressor
    facts = publish(
        loaded,
        lambda folder: load_into(
            folder, config.data, window_rows, config.execution.shard_rows, shards, skipped_files,
            labels=labels,
        ),
    )  # fmt: skip
    resolved = with_resolved_columns(config, loaded)
    publish(
        clean,
        lambda folder: validate_into(
            folder, loaded, resolved.data, labels=labels, shards=shards,
            loading=LoadingFacts.of_manifest(facts), refused_report=refused_report,
        ),
    )  # fmt: skip
    return resolved, facts


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
