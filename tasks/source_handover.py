"""The source of a retraining, fetched and hashed once though command line and flow both need it.

The command line looks at the source before it imports Prefect. It hands what it found to the flow
that it starts, so that a query runs once and a file is hashed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastlstm.config.data import DataConfig
from fastlstm.data.files import source_files, source_fingerprint
from fastlstm.data.source_content import joined_files, with_joins
from fastlstm.errors import ConfigError
from tasks.settings import PipelineConfig
from tasks.storage.sources import local_joins, local_source
from tasks.work_place import local_work

FileState = tuple[str, int, int, int]


@dataclass(frozen=True)
class FoundSource:
    """A source on this machine.

    Attributes:
        path: the file, or the folder of files.
        sha256: hash of the content of its files.
        files: path, size, time of change (ns) and inode of each file, from before it was hashed.
        skipped: files that are not read, with the reason.
        joined: the file, or the folder of files, of each table joined to it.
    """

    path: str
    sha256: str
    files: tuple[FileState, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    joined: tuple[str, ...] = ()


_handed_over: list[tuple[dict[str, Any], FoundSource]] = []


def find_source(config: PipelineConfig) -> FoundSource:
    """Fetch the source to this machine where it is remote, and hash it.

    Raises:
        ConfigError: there is nothing at ``data.path``, or it cannot be reached with these settings.
        ConnectionError: a database cannot be reached.
        DataError: the query fails.
        StoreError: S3 refuses or cannot be reached, or the disk is full or read-only.
    """
    data, work = config.data, local_work(config.work)
    local = local_source(data.path, data.query, config.s3, work)
    data = data.at(local.path, local_joins(data, config.s3, work))
    files = _file_states(data)
    skipped = {**local.skipped, **source_files(local.path, data.format).skipped}
    content = with_joins(source_fingerprint(local.path, data.format), data)
    joined = tuple(join.path for join in data.joins)
    return FoundSource(local.path, content, files, skipped, joined)


@contextmanager
def handed_over(config: PipelineConfig, source: FoundSource) -> Iterator[None]:
    """Within the block, the first call of ``current_source`` with these settings returns ``source``."""
    entry = (_identity(config), source)
    _handed_over.append(entry)
    try:
        yield
    finally:
        if entry in _handed_over:
            _handed_over.remove(entry)


def current_source(config: PipelineConfig) -> FoundSource:
    """The source that was handed over if its files are unchanged since; else it is fetched and hashed.

    What was handed over is returned once: a later run in the same process, or a retry, looks again.
    """
    identity = _identity(config)
    for entry in [e for e in _handed_over if e[0] == identity]:
        _handed_over.remove(entry)
        source = entry[1]
        try:
            unchanged = _file_states(config.data.at(source.path, source.joined)) == source.files
        except (OSError, ConfigError):
            unchanged = False
        if unchanged:
            return source
    return find_source(config)


def _identity(config: PipelineConfig) -> dict[str, Any]:
    """All settings that decide which bytes are fetched, and to where."""
    data = config.data.model_dump(include={"path", "query", "format", "joins"})
    return {**data, "s3": config.s3.model_dump(), "work": config.work}


def _file_states(data: DataConfig) -> tuple[FileState, ...]:
    """The state of each file of a source and of joined tables, by which a change is noticed."""
    found = [file.path for file in source_files(data.path, data.format).files]
    states = [(str(file), file.stat()) for file in [*found, *joined_files(data)]]
    return tuple((file, s.st_size, s.st_mtime_ns, s.st_ino) for file, s in states)
