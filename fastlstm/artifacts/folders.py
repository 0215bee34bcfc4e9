"""Folders that appear whole or not at all, with a manifest by which they are verified.

Every step's output and every run is such a folder: files, then ``manifest.json`` with the size and
SHA-256 of each. A folder without a manifest does not exist for any reader.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastlstm.artifacts.bounded_reading import JSON_BYTES, parse_json, read_bytes
from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.fingerprint import fingerprint, sha256_file
from fastlstm.errors import StoreError

MANIFEST = "manifest.json"

# Most bytes of a manifest, also where it is read from a server.
MANIFEST_BYTES = JSON_BYTES
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What is being written or deleted lies under such a name, and so does what a killed process left.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}")


def is_temporary_name(name: str) -> bool:
    """Whether a file or folder of this name is being written or deleted, or was left half-done."""
    return _TEMPORARY.fullmatch(name) is not None


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder but its manifest, in order of name."""
    return sorted(f for f in folder.rglob("*") if f.is_file() and f != folder / MANIFEST)


def write_manifest(folder: Path, about: dict[str, Any]) -> str:
    """Write a folder's manifest: ``about``, and every file below it; return the content hash."""
    entries = {
        f.relative_to(folder).as_posix(): {"size": f.stat().st_size, "sha256": sha256_once(f)}
        for f in files_below(folder)
    }
    content = fingerprint(entries, about)
    replace_file(
        folder / MANIFEST,
        json.dumps(
            {**about, "files": entries, "content_sha256": content}, indent=1, ensure_ascii=False,
            allow_nan=False,
        ) + "\n",
    )  # fmt: skip
    return content


def read_manifest(folder: Path) -> dict[str, Any]:
    """A folder's manifest, its own content hash checked, files not yet.

    Raises:
        StoreError: there is none, or it was changed after it was written.
    """
    file = folder / MANIFEST
    if not file.exists():
        raise StoreError(f"{folder}: has no {MANIFEST}, so it was never finished")
    return parse_manifest(read_bytes(file, MANIFEST_BYTES), str(file))


def parse_manifest(text: str | bytes, file: str) -> dict[str, Any]:
    """A manifest from its text, its own content hash checked.

    Raises:
        StoreError: it is no manifest, or was changed after it was written.
    """
    manifest: dict[str, Any] = parse_json(text, file)
    try:
        about = {k: v for k, v in manifest.items() if k not in ("files", "content_sha256")}
        whole = fingerprint(manifest["files"], about) == manifest["content_sha256"]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        whole = False
    if not whole:
        raise StoreError(f"{file}: was changed after it was written; the folder is damaged")
    _check_entries(manifest["files"], file)
    return manifest


def _check_entries(entries: Any, file: str) -> None:
    """Refuse entries of files that no manifest has, or that lie outside its folder."""
    if not isinstance(entries, dict):
        raise StoreError(f"{file}: lists no files; the folder is damaged")
    for name, entry in entries.items():
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise StoreError(f"{file}: names a file outside its folder, {name[:80]!r}")
        known = entry if isinstance(entry, dict) else {}
        size, digest = known.get("size"), known.get("sha256")
        if type(size) is not int or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise StoreError(
                f"{file}: has no size and hash of {name[:80]!r}; the folder is damaged"
            )


def verify(
    folder: Path, content_sha256: str | None = None, *, reread: bool = False
) -> dict[str, Any]:
    """Check a folder against its manifest and return the manifest.

    A file that this process has hashed, and that is unchanged since, is not read again.

    Args:
        folder: the folder.
        content_sha256: the content hash of the reference to it, where there is one.
        reread: read every byte again, which also finds bits that decayed on the disk.

    Raises:
        StoreError: the first file that is missing, of another size or content, or not listed.
    """
    manifest = read_manifest(folder)
    if content_sha256 is not None and manifest["content_sha256"] != content_sha256:
        raise StoreError(f"{folder}: holds another content than the one referred to")
    try:
        _compare(folder, manifest["files"], sha256_file if reread else sha256_once)
    except FileNotFoundError as error:  # deleted at this moment
        raise StoreError(f"{error.filename or folder}: is missing") from None
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    return manifest


def _compare(
    folder: Path, entries: dict[str, dict[str, Any]], sha256: Callable[[Path], str]
) -> None:
    """Refuse a folder of which a file is missing, differs, is a link, or is not in the manifest."""
    for found in folder.rglob("*"):
        if found.is_symlink():  # to a folder, too: none is followed out of this one
            raise StoreError(f"{found}: is a link; a stored folder holds plain files only")
    present = {f.relative_to(folder).as_posix(): f for f in files_below(folder)}
    for name, entry in entries.items():
        file = present.pop(name, None)
        if file is None:
            raise StoreError(f"{folder / name}: is missing")
        if file.stat().st_size != entry["size"] or sha256(file) != entry["sha256"]:
            raise StoreError(f"{file}: differs from the manifest (damaged or changed)")
    if present:
        raise StoreError(f"{folder / min(present)}: is not in the manifest")


def delete_folder(folder: Path, tag: str) -> None:
    """Delete a folder so that no reader sees part of it: it is first renamed to ``.<tag>.<id>``.

    Raises:
        FileNotFoundError: it is gone, for another process renamed it first.
    """
    to_delete = folder.with_name(f".{tag}.{uuid.uuid4().hex}")
    mark_used(folder)  # its age says that the deletion is in progress
    folder.rename(to_delete)
    shutil.rmtree(to_delete)


def mark_used(path: Path) -> None:
    """Set a path's time of change to now, by which cleaning knows when it was last used.

    A reader marks first and verifies then: cleaning looks at the time again once it has renamed a
    folder, so a reader either finds the folder gone or keeps it.
    """
    with suppress(OSError):  # a folder that may only be read is used as well
        os.utime(path)


def is_whole(folder: Path) -> bool:
    """Whether a folder agrees with its manifest."""
    try:
        verify(folder)
    except StoreError:
        return False
    return True


def publish(
    target: Path, build: Callable[[Path], dict[str, Any]], about: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write a folder by ``build(temporary folder)`` and put it at ``target`` by one rename.

    A whole folder already there is kept and ``build`` not called; a damaged one is replaced. Two
    processes may do this at once: the first to finish wins, and both get the winner's manifest.

    Args:
        target: where the folder shall be.
        build: writes the files and returns entries for the manifest.
        about: more entries for the manifest.

    Returns:
        The manifest.

    Raises:
        StoreError: the folder was put there by another process, yet is damaged; or the disk is full
            or may not be written.
    """
    mark_used(target)
    if is_whole(target):
        return read_manifest(target)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    with writing_to(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    try:
        with writing_to(target):
            described = build(temporary)
            write_manifest(temporary, {**(about or {}), **described})
        if target.exists() and not is_whole(target):
            delete_folder(target, "damaged")
        try:
            temporary.rename(target)
        except OSError:
            pass  # another process was first: its folder is verified below
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return verify(target)
