"""Finished folders of steps below ``s3://bucket/prefix``, which several machines share.

``<prefix>/<step>/<key>/<content hash>/`` holds the files of a step's output, and
``<prefix>/<step>/<key>/manifest.json``, written last, their sizes and hashes. Without the manifest
nothing is there for a reader, and what it names is verified before it is used. The files of two
machines that build the same output at a time lie apart; the first manifest stays.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.folders import (
    MANIFEST,
    delete_folder,
    is_whole,
    parse_manifest,
    verify,
)
from fastlstm.config.locations import S3_PREFIX
from fastlstm.errors import StoreError
from tasks.settings import S3Settings
from tasks.storage.s3_client import Location, LostRace, MissingError
from tasks.storage.s3_objects import S3Objects
from tasks.work_folder import Unused

_KEY = re.compile("[0-9a-f]{32}")


def shared_folders(work: str, s3: S3Settings) -> SharedFolders | None:
    """The finished results that machines share; None where ``work`` is a folder.

    Args:
        work: a folder, or ``s3://bucket/prefix``.
        s3: how S3 is reached.

    Raises:
        ConfigError: the URL or a setting cannot be used.
    """
    return SharedFolders(work, s3) if work.startswith(S3_PREFIX) else None


class SharedFolders:
    """Folders of steps in a bucket.

    Args:
        url: ``s3://bucket/prefix``.
        settings: how S3 is reached.

    Attributes:
        objects: the objects below the prefix.
    """

    def __init__(self, url: str, settings: S3Settings) -> None:
        self._location, self._settings = Location.of(url), settings
        self.objects = S3Objects(self._location, settings)

    def url(self, name: str) -> str:
        """URL of a folder."""
        return self._location.url(name)

    def fetch(self, name: str, folder: Path) -> bool:
        """Download a folder, unless it is on this machine; whether it was downloaded.

        A folder of which a file is missing or damaged is not used, and no longer there for anyone.

        Args:
            name: ``<step>/<key>``.
            folder: where it shall be; it appears whole or not at all.

        Raises:
            StoreError: S3 refuses or cannot be reached, or the disk is full.
        """
        if is_whole(folder):
            return False
        found = self.objects.read(self._location.key(name, MANIFEST))
        if found is None:
            return False
        text, etag = found
        temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
        with writing_to(folder):
            try:
                temporary.mkdir(parents=True)
                self._download(name, text.decode(), temporary)
                if folder.exists():
                    delete_folder(folder, "damaged")
                with contextlib.suppress(OSError):  # another process was first
                    temporary.rename(folder)
            except _DamagedError:
                self.objects.delete(self._location.key(name, MANIFEST))
                return False
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        # Its age says when it was last used; who may only read cannot tell.
        with contextlib.suppress(LostRace, StoreError):
            self.objects.put(self._location.key(name, MANIFEST), text, etag=etag)
        return True

    def _download(self, name: str, text: str, folder: Path) -> None:
        """Download the files that a manifest names, and verify them.

        Raises:
            _DamagedError: the manifest is none, or a file is missing or differs.
        """
        try:
            manifest = parse_manifest(text, self._location.url(name, MANIFEST))
        except StoreError:
            raise _DamagedError from None
        home = self._home(name, manifest) + "/"
        sizes = {item["Key"].removeprefix(home): item["Size"] for item in self.objects.find(home)}

        def download(item: tuple[str, dict[str, Any]]) -> None:
            file, entry = item
            target = folder / file
            inside = folder.resolve() in target.resolve().parents
            if not inside or sizes.get(file) != entry["size"]:
                raise _DamagedError
            target.parent.mkdir(parents=True, exist_ok=True)
            self.objects.download(home + file, target)

        try:
            with ThreadPoolExecutor(self._settings.parallel) as pool:
                list(pool.map(download, manifest["files"].items()))
        except MissingError:  # cleaned at this moment
            raise _DamagedError from None
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        try:
            verify(folder, manifest["content_sha256"])
        except StoreError:
            raise _DamagedError from None

    def share(self, name: str, folder: Path, manifest: dict[str, Any]) -> None:
        """Upload a finished folder, unless one of this name is there: files first, then the manifest.

        Args:
            name: ``<step>/<key>``.
            folder: the folder.
            manifest: its manifest.

        Raises:
            StoreError: S3 refuses or cannot be reached.
        """
        key = self._location.key(name, MANIFEST)
        if self.objects.read(key) is not None:
            return
        home = self._home(name, manifest)

        def upload(item: tuple[str, dict[str, Any]]) -> None:
            file, entry = item
            source = folder / file
            self.objects.upload(source, f"{home}/{file}", entry["size"], sha256_once(source))

        with ThreadPoolExecutor(self._settings.parallel) as pool:
            list(pool.map(upload, manifest["files"].items()))
        with contextlib.suppress(LostRace):  # another machine was first
            self.objects.put(key, (folder / MANIFEST).read_bytes(), etag=None)

    def _home(self, name: str, manifest: dict[str, Any]) -> str:
        """Key below which the files of a folder lie."""
        return self._location.key(name, str(manifest["content_sha256"])[:32])

    def clean(self, steps: tuple[str, ...], days: float, *, dry_run: bool = False) -> list[Unused]:
        """Delete what no machine has downloaded or built for so many days; return it.

        What a machine takes into use meanwhile stays. Uploads that a killed process left open are
        aborted.

        Args:
            steps: names of the steps' folders.
            days: how long unused, more than any upload takes.
            dry_run: delete nothing, only list.

        Raises:
            StoreError: S3 refuses or cannot be reached.
        """
        unused, now = [], datetime.now(UTC)
        for step in steps:
            entries: dict[str, list[dict[str, Any]]] = {}
            home = self._location.key(step) + "/"
            for item in self.objects.find(home):
                key = item["Key"].removeprefix(home).partition("/")[0]
                if _KEY.fullmatch(key):
                    entries.setdefault(key, []).append(item)
            for key, items in entries.items():
                age = (now - max(item["LastModified"] for item in items)).total_seconds() / 86400
                if age < days:
                    continue
                size = sum(item["Size"] for item in items)
                if dry_run or self._delete(f"{step}/{key}", items):
                    unused.append(Unused(self.url(f"{step}/{key}"), age, size))
            for url, moment in list(self.objects.open_uploads(home)):
                age = (now - moment).total_seconds() / 86400
                if age >= days:
                    unused.append(Unused(self.objects.url(url), age, 0))
            if not dry_run:
                self.objects.abort_uploads(home, timedelta(days=days))
        return unused

    def _delete(self, name: str, listed: list[dict[str, Any]]) -> bool:
        """Delete the objects of a folder unless one was written since; whether they were deleted."""
        manifest = self._location.key(name, MANIFEST)
        present = self.objects.find(self._location.key(name) + "/")
        times = [
            {item["Key"]: item["LastModified"] for item in found} for found in (listed, present)
        ]
        if times[0] != times[1]:
            return False
        # The manifest first, so that nobody reads what is half deleted.
        for key in sorted(times[0], key=lambda key: key != manifest):
            self.objects.delete(key)
        return True


class _DamagedError(Exception):
    """A shared folder is not what its manifest says."""
