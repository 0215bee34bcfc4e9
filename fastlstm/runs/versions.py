"""Which versions stored a run, and which are installed, for the error where they may be the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from packaging.version import InvalidVersion, Version

from fastlstm.artifacts.fingerprint import library_versions
from fastlstm.errors import StoreError


def differing_versions(manifest: dict[str, Any], *names: str) -> str:
    """A clause that names both versions of each library of which they differ; empty where none does.

    Args:
        manifest: the run's manifest.
        *names: of the libraries.
    """
    stored = manifest.get("versions")
    stored = stored if isinstance(stored, dict) else {}
    installed = {"fastlstm": metadata.version("fastlstm"), **library_versions()}
    parts = []
    for name in names:
        was, now = stored.get(name), installed.get(name)
        if was is not None and now is not None and was != now:
            sign = ">=" if is_newer(was, now) else "=="
            parts.append(
                f"it was stored with {name} {was}, {now} is installed; install {name}{sign}{was}"
            )
    return "; ".join(parts)


def is_newer(stored: Any, installed: str) -> bool:
    """Whether a run was stored by a newer version than the installed one."""
    try:
        return Version(str(stored)) > Version(installed)
    except InvalidVersion:
        return False


@contextmanager
def naming_versions(manifest: dict[str, Any], *names: str) -> Iterator[None]:
    """Have an error within the block say of which libraries the run has other versions.

    Args:
        manifest: the run's manifest.
        *names: of the libraries that may be the reason.

    Raises:
        StoreError: the one that is raised in the block.
    """
    try:
        yield
    except StoreError as error:
        clause = differing_versions(manifest, *names)
        raise StoreError(f"{error}; {clause}" if clause else str(error)) from None


def refuse_unknown_settings(
    manifest: dict[str, Any], settings: dict[str, Any], known: set[str], where: Any
) -> None:
    """Refuse a run of a newer version of this library whose settings this version does not know.

    Without it they would be left out, and the network fed otherwise than it was trained.

    Args:
        manifest: the run's manifest.
        settings: those it was stored with.
        known: names of all settings of this version.
        where: their file, for the error.

    Raises:
        StoreError: there are such settings.
    """
    versions = manifest.get("versions")
    stored = versions.get("fastlstm") if isinstance(versions, dict) else None
    installed = metadata.version("fastlstm")
    unknown = sorted(set(settings) - known)
    if unknown and is_newer(stored, installed):
        raise StoreError(
            f"{where}: has the setting {unknown[0]!r} of fastlstm {stored}, {installed} is installed; "
            f"install fastlstm>={stored}"
        )
