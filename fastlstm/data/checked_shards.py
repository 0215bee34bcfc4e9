"""New rows, read and checked as training rows are; of a large panel one shard after another."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.arranged_rows import NewestRow
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.files import source_files
from fastlstm.data.findings import ValidationReport
from fastlstm.data.memory import give_back
from fastlstm.data.reading import (
    load,
    load_blocks,
    rows_of_source,
    sorted_without_short,
)
from fastlstm.data.shard_cutting import MOST_SHARDS, cut_files, cut_into_shards, read_cut_rows
from fastlstm.data.shards import shard_count
from fastlstm.data.table_facts import TableFacts
from fastlstm.data.validation import KnownRows, LoadingFacts, validate_rows
from fastlstm.errors import DataError


@dataclass(frozen=True)
class Cutting:
    """When rows are cut into shards, and where.

    Attributes:
        shard_rows: rows of a shard, about; a panel with more is cut. None: none is.
        scratch: folder in which the shards lie meanwhile; None: the system's for temporary files.
    """

    shard_rows: int | None = None
    scratch: Path | None = None


@dataclass(frozen=True)
class CheckedRows:
    """Whole series of a table.

    Attributes:
        clean: the rows after the checks, see ``fastlstm.data.validation.validate``.
        report: what the checks found in these rows.
        newest: time of the last row of each series before any was dropped.
    """

    clean: pd.DataFrame
    report: ValidationReport
    newest: pd.Series


def checked_shards(
    data: DataConfig, values: list[str], cutting: Cutting, *, labels: bool
) -> Iterator[CheckedRows]:
    """The rows of a source, those of a shard at a time.

    Args:
        data: the source and the roles of its columns.
        values: value columns to read.
        cutting: when rows are cut into shards.
        labels: whether plain targets are labels, which must be 0 or 1.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared, or there are no rows.
    """
    most = cutting.shard_rows
    rows = 0 if most is None or data.series is None else rows_of_source(data)
    if most is None or rows <= most:
        yield _whole(data, values, labels)
        return
    # A name by which 'clean' finds what a killed run leaves.
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=cutting.scratch) as name:
        folder, count = Path(name), min(MOST_SHARDS, shard_count(rows, most))
        newest = NewestRow(data)
        cut_into_shards(newest.of(load_blocks(data, values)), folder, count)
        yield from _shards(list(cut_files(folder).values()), data, values, labels, newest.time)


def checked_frame(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> CheckedRows:
    """Rows in memory after the checks.

    Args:
        frame: as ``fastlstm.data.reading.load_frame`` returns it.
        data: the roles of the columns.
        values: names of the value columns.
    """
    loaded = sorted_without_short(frame, 1, data, values)
    known = KnownRows.of(loaded.frame, data, values)
    loading = LoadingFacts(loaded.rows_out_of_order, arranged=loaded.arranged)
    return _checked(known, known.facts, False, loading)


def _whole(data: DataConfig, values: list[str], labels: bool) -> CheckedRows:
    """The whole table."""
    loaded = load(data, require=values)
    known = KnownRows.of(loaded.frame, data, values)
    loading = LoadingFacts(loaded.rows_out_of_order, {}, loaded.skipped_files, loaded.arranged)
    return _checked(known, known.facts, labels, loading)


def _shards(
    files: list[Path], data: DataConfig, values: list[str], labels: bool,
    newest: pd.Timestamp | None,
) -> Iterator[CheckedRows]:  # fmt: skip
    """One shard after another, read twice: what the checks need to know of all rows comes first."""
    if not files:
        raise DataError(f"{data.path}: holds no rows; give a table with rows")
    out_of_order, facts, made = 0, [], Counter[str]()
    for file in files:
        loaded = sorted_without_short(read_cut_rows(file), 1, data, values, newest)
        out_of_order += loaded.rows_out_of_order
        made.update(loaded.arranged)
        facts.append(KnownRows.of(loaded.frame, data, values).facts)
    of_all = TableFacts.merged(facts)
    skipped = source_files(data.path, data.format).skipped
    loading = LoadingFacts(out_of_order, {}, skipped, made)
    for number, file in enumerate(files):
        loaded = sorted_without_short(read_cut_rows(file), 1, data, values, newest)
        known = KnownRows.of(loaded.frame, data, values)
        del loaded
        yield _checked(known, of_all, labels, loading if number == 0 else None)
        del known
        give_back()


def _checked(
    known: KnownRows, facts: TableFacts, labels: bool, loading: LoadingFacts | None
) -> CheckedRows:
    """Rows after the checks; the first ones of a table take what its loading has to say."""
    clean, report = validate_rows(known, facts, labels=labels, is_first=loading is not None)
    if loading is not None:
        report.warnings[:0] = loading.warnings(known.data)
    newest = known.frame[[SERIES, TIME]].groupby(SERIES)[TIME].max()
    return CheckedRows(clean, report, newest)


def merged_report(reports: list[ValidationReport], path: str) -> ValidationReport:
    """The report of a table from those of its shards.

    Args:
        reports: at least one.
        path: of the source, for the message.

    Raises:
        DataError: a check failed; it lists all that did.
    """
    report = ValidationReport.merged(reports)
    if not report.passed:
        lines = "\n".join(finding.line() for finding in report.errors)
        raise DataError(f"{path}: {len(report.errors)} checks failed:\n{lines}")
    return report
