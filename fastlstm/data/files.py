"""Which files a table is read from, and the fingerprint of their bytes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fastlstm.artifacts.fingerprint import fingerprint, sha256_file
from fastlstm.config.locations import is_remote
from fastlstm.errors import ConfigError

PACKAGE_PREFIX = "package:"


_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


def resolve(path: str) -> Path:
    """The file or folder a ``data.path`` means; ``package:NAME/FILE`` without importing NAME.

    Raises:
        ConfigError: the package is not installed, or nothing stands at the path.
    """
    if not path.startswith(PACKAGE_PREFIX):
        if is_remote(path):
            raise ConfigError(
                f"data.path: {path} is read by the pipeline ('fastlstm retrain'); give a local file"
            )
        found = Path(path)
        if not found.exists():
            raise ConfigError(f"data.path: {found} does not exist; correct the path")
        return found
    package, _, inner = path.removeprefix(PACKAGE_PREFIX).partition("/")
    # find_spec of a top-level name only looks; some data packages read every table on import.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"data.path: the Python package {package!r} is not installed; run "
            f"'pip install {package}'"
        )
    found = Path(next(iter(spec.submodule_search_locations))) / inner
    if not inner or not found.exists():
        raise ConfigError(f"data.path: package {package!r} holds no {inner!r}; correct the path")
    return found


def source_files(path: str, file_format: str = "auto") -> list[tuple[Path, str]]:
    """Every file of a source with its format (``'csv'`` or ``'parquet'``), in order of name.

    Raises:
        ConfigError: nothing stands at the path, or a file's format cannot be told.
    """
    found = resolve(path)
    if found.is_dir():
        files = sorted(
            f for f in found.iterdir()
            if f.is_file() and not f.name.startswith((".", "_")) and f.suffix.lower() in _ENDINGS
            and (file_format == "auto" or _ENDINGS[f.suffix.lower()] == file_format)
        )  # fmt: skip
        if not files:
            raise ConfigError(
                f"data.path: folder {found} holds no CSV or Parquet file; correct the path"
            )
        return [(f, _ENDINGS[f.suffix.lower()]) for f in files]
    if file_format != "auto":
        return [(found, file_format)]
    ending = _ENDINGS.get(found.suffix.lower())
    if ending is None:
        raise ConfigError(
            f"data.path: {found.name} ends in neither .csv nor .parquet; set data.format"
        )
    return [(found, ending)]


def source_fingerprint(path: str, file_format: str = "auto") -> str:
    """Hash of the bytes of every source file; file names and times have no part in it."""
    return fingerprint(
        [[kind, sha256_file(file)] for file, kind in source_files(path, file_format)]
    )
