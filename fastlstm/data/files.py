"""Which files a table is read from, and the fingerprint of their bytes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.config.file_formats import ENDINGS, FORMAT_TITLES, FORMATS
from fastlstm.config.locations import PACKAGE_PREFIX, check_source, is_remote
from fastlstm.errors import ConfigError


def resolve(path: str) -> Path:
    """The file or folder a ``data.path`` names; ``package:NAME/FILE`` without importing NAME.

    Raises:
        ConfigError: the location is remote or of an unknown kind, the package is not installed, or
            no file or folder has this path.
    """
    check_source(path)
    if path.startswith(PACKAGE_PREFIX):
        return _package_file(path)
    if is_remote(path):
        raise ConfigError(
            f"data.path: {path} is remote and only the pipeline reads it; run 'fastlstm retrain', or "
            "give a local file"
        )
    found = Path(path)
    if not found.exists():
        raise ConfigError(f"data.path: {found} does not exist; correct the path")
    return found


def _package_file(path: str) -> Path:
    """The file that ``package:NAME/FILE`` names."""
    package, _, inner = path.removeprefix(PACKAGE_PREFIX).partition("/")
    # find_spec does not import a top-level package; some data packages read every table on import.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"data.path: the Python package {package!r} is not installed; run "
            f"'pip install {package}', or correct 'package:NAME/FILE'"
        )
    found = Path(next(iter(spec.submodule_search_locations))) / inner
    if not inner or not found.exists():
        raise ConfigError(
            f"data.path: package {package!r} holds no file {inner!r}; correct the path"
        )
    return found


def source_files(path: str, file_format: str = "auto") -> list[tuple[Path, str]]:
    """Every file of a source with the name of its format, in order of name.

    Args:
        path: a ``data.path``. Of a folder every file of a known format is taken, subfolders and
            names that begin with a dot or underscore are not.
        file_format: name of a format of ``fastlstm.config.file_formats``, or 'auto' for that of
            the file name's ending.

    Raises:
        ConfigError: no file is found, or a file name's ending belongs to no format.
    """
    found = resolve(path)
    if found.is_dir():
        formats = {
            file: ENDINGS.get(file.suffix.lower())
            for file in sorted(found.iterdir())
            if file.is_file() and not file.name.startswith((".", "_"))
        }
        files = [
            (file, known)
            for file, known in formats.items()
            if known is not None and file_format in ("auto", known)
        ]
        if not files:
            wanted = FORMAT_TITLES if file_format == "auto" else FORMATS[file_format].title
            raise ConfigError(
                f"data.path: folder {found} holds no {wanted} file; correct the path or data.format"
            )
        return files
    if file_format != "auto":
        return [(found, file_format)]
    ending = ENDINGS.get(found.suffix.lower())
    if ending is None:
        raise ConfigError(
            f"data.path: {found.name} ends in none of {', '.join(ENDINGS)}; set data.format"
        )
    return [(found, ending)]


def source_fingerprint(path: str, file_format: str = "auto") -> str:
    """Hash of the bytes of every source file, independent of file names and times."""
    return fingerprint(
        [[kind, sha256_once(file)] for file, kind in source_files(path, file_format)]
    )
