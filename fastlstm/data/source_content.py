"""The content of a source and of the tables joined to it, by which a change is noticed."""

from __future__ import annotations

from pathlib import Path

from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.config.data import DataConfig
from fastlstm.config.joins import Join
from fastlstm.data.files import SourceFile, source_files
from fastlstm.errors import ConfigError


def with_joins(source: str, data: DataConfig) -> str:
    """Hash of the bytes of a source and of all files that are joined to it.

    Args:
        source: hash of the source's own files, see ``fastlstm.data.files.source_fingerprint``.
        data: the settings.

    Raises:
        ConfigError: a joined file is absent.
    """
    if not data.joins:
        return source
    hashes = [
        [
            [file.format, sha256_once(file.path), dict(file.partition)]
            for file in files_of_join(number, join)
        ]
        for number, join in enumerate(data.joins)
    ]
    return fingerprint(source, hashes)


def files_of_join(number: int, join: Join) -> tuple[SourceFile, ...]:
    """The files of a joined table.

    Raises:
        ConfigError: there is none; the message names the setting.
    """
    try:
        return source_files(join.path, join.format).files
    except ConfigError as error:
        raise ConfigError(
            str(error).replace("data.path:", f"data.joins.{number}.path:", 1)
        ) from None


def joined_files(data: DataConfig) -> list[Path]:
    """The files of all joined tables."""
    return [f.path for number, join in enumerate(data.joins) for f in files_of_join(number, join)]
