"""Content hashes: of files, of settings, and of the code and libraries that turn one into the other."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

# Another release of these may change numbers or file contents, so it makes a cached result invalid.
_LIBRARIES = (
    "keras", "numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "scikit-learn",
)  # fmt: skip


TENSORFLOW_DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """SHA-256 of JSON-like values; equal values give equal hashes in any order of keys."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries whose results a run holds, read without importing them.

    Where runs are only scored from, those that train are not installed, and are left out.
    """
    versions = {}
    for name in (*_LIBRARIES, *TENSORFLOW_DISTRIBUTIONS):
        with suppress(metadata.PackageNotFoundError):
            versions[name.removesuffix("-cpu")] = metadata.version(name)
    return versions


@functools.cache
def code_version() -> str:
    """Hash of this library's source and of the library versions beneath it.

    The source is hashed, not a version number, because a change in any function must invalidate the
    results it had a part in, also between two releases.
    """
    return fingerprint(_sources(), library_versions())


def _sources() -> dict[str, str]:
    """SHA-256 of each source file of the package, by its path from the package's root."""
    package = importlib.util.find_spec(__name__.partition(".")[0])
    assert package is not None and package.origin is not None  # noqa: S101 (this module is in it)
    root = Path(package.origin).parent
    return {file.relative_to(root).as_posix(): sha256_file(file) for file in root.rglob("*.py")}
