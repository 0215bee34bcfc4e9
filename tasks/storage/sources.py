"""Bring a source to this machine: S3 objects and query results become files, known by content."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.artifacts.folders import mark_used
from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FORMAT_TITLES
from fastlstm.config.locations import check_source, is_database, is_remote
from fastlstm.data.files import choose_files, few
from fastlstm.errors import ConfigError
from tasks.settings import S3Settings
from tasks.storage.s3_client import Location
from tasks.storage.s3_objects import S3Objects
from tasks.storage.sql import query_into, redacted


@dataclass(frozen=True)
class LocalSource:
    """A source on this machine.

    Attributes:
        path: the file, or the folder of files.
        skipped: objects of a prefix in S3 that are not read, by name below it, with the reason.
    """

    path: str
    skipped: dict[str, str] = field(default_factory=dict)


def local_source(path: str, query: str | None, s3: S3Settings, work: Path) -> LocalSource:
    """Where the files of a source lie on this machine; a local path is returned as it is.

    Objects already downloaded are known by their ETag and taken from the work folder.

    Args:
        path: as ``data.path`` names it.
        query: the SQL, for a database.
        s3: how S3 is reached.
        work: the work folder.

    Raises:
        ConfigError: nothing stands there, or it cannot be reached as set.
        ConnectionError: a database cannot be reached.
        DataError: the query cannot be run.
        StoreError: S3 refuses or cannot be reached, or the disk is full or may not be written.
    """
    check_source(path, "source")
    if not is_remote(path):
        return LocalSource(path)
    home = work / "sources"
    with writing_to(home):
        home.mkdir(parents=True, exist_ok=True)
        return _bring(path, query, s3, home)


def local_joins(data: DataConfig, s3: S3Settings, work: Path) -> list[str]:
    """Where the tables joined to a source lie on this machine, in the order of ``data.joins``.

    Args:
        data: the settings.
        s3: how S3 is reached.
        work: the work folder.

    Raises:
        ConfigError: nothing stands there; the message names the setting. And see ``local_source``.
    """
    found = []
    for number, join in enumerate(data.joins):
        try:
            found.append(local_source(join.path, join.query, s3, work).path)
        except ConfigError as error:
            named = str(error).replace("data.path:", f"data.joins.{number}.path:", 1)
            raise ConfigError(named) from None
    return found


def _bring(path: str, query: str | None, s3: S3Settings, home: Path) -> LocalSource:
    """Fetch a remote source into a folder named by its content."""
    temporary = home / f".{uuid.uuid4().hex}"
    temporary.mkdir()
    skipped: dict[str, str] = {}
    try:
        if is_database(path):
            if query is None:
                raise ConfigError(
                    f"{redacted(path)}: is a database; a query is needed, in a config"
                )
            query_into(temporary / "query.parquet", path, query)
            files = ["query.parquet"]
        else:
            files, skipped = _objects_into(temporary, Location.of(path), s3, home / "objects")
        content = fingerprint([[name, sha256_once(temporary / name)] for name in sorted(files)])
        target = home / content[:32]
        try:
            temporary.rename(target)
        except OSError:
            # The same content is there already; were it damaged, this copy is right.
            mark_used(target)
            damaged = any(
                not (target / name).is_file()
                or sha256_once(target / name) != sha256_once(temporary / name)
                for name in files
            )
            if damaged:
                with suppress(FileNotFoundError):  # deleted at this moment
                    target.rename(home / f".damaged.{uuid.uuid4().hex}")
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    # The folders of a partition hold columns, so a file in one is read by way of its root.
    is_file = len(files) == 1 and "/" not in files[0]
    return LocalSource(str(target / files[0] if is_file else target), skipped)


def _objects_into(
    folder: Path, location: Location, s3: S3Settings, cache: Path
) -> tuple[list[str], dict[str, str]]:
    """Put the object, or every table of the prefix, into a folder.

    Returns:
        Their names, and the objects that are not read with the reason.
    """
    objects = S3Objects(location, s3)
    found, skipped = _tables_at(objects)
    if not found:
        beside = f", only {few(list(skipped))}" if skipped else ""
        raise ConfigError(
            f"data.path: {location.url()} is no object and holds no {FORMAT_TITLES} file{beside}; "
            "correct the path"
        )
    cache.mkdir(parents=True, exist_ok=True)

    def fetch(pair: tuple[str, dict[str, Any]]) -> None:
        name, item = pair
        identity = fingerprint(
            objects.client.meta.endpoint_url,
            location.bucket,
            item["Key"],
            item["ETag"],
            item["Size"],
        )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not _from_cache(cache / identity[:32], folder / name):
            _download(objects, item, folder / name, cache / identity[:32])

    with ThreadPoolExecutor(s3.parallel) as pool:
        list(pool.map(fetch, found.items()))
    return sorted(found), skipped


def _tables_at(objects: S3Objects) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """By file name, the object at the location itself, or the tables of the prefix; and the others.

    The rule is that of a local folder, see ``fastlstm.data.files.choose_files``.
    """
    prefix = objects.location.prefix
    folder_key = f"{prefix}/" if prefix else ""
    below = {}
    for item in objects.find(prefix):
        if item["Key"] == prefix:
            return {Path(prefix).name: item}, {}
        name = item["Key"].removeprefix(folder_key)
        # Keys that only begin alike are of another folder; those that end with a slash are folders.
        if item["Key"].startswith(folder_key) and not name.endswith("/") and name:
            below[name] = item
    sizes = ((name, item["Size"]) for name, item in below.items())
    chosen, skipped = choose_files(sizes, "auto")
    return {name: below[name] for name in chosen}, skipped


def _from_cache(cached: Path, target: Path) -> bool:
    """Put a file that was downloaded before at ``target``, if it is there and undamaged."""
    record = cached.with_suffix(".json")
    try:
        content = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        os.link(cached, target)
        mark_used(record)
        mark_used(cached)
        if sha256_once(target) == content:
            return True
        target.unlink()
        cached.unlink(missing_ok=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not downloaded before, or its record is damaged
    return False


def _download(objects: S3Objects, item: dict[str, Any], target: Path, cached: Path) -> None:
    """Download an object and keep it with its hash in the cache.

    Raises:
        ConnectionError: the object was replaced meanwhile; another try succeeds.
    """
    objects.download(item["Key"], target)
    if objects.etag(item["Key"]) != item["ETag"]:
        raise ConnectionError(f"{objects.url(item['Key'])}: was replaced while it was read")
    cached.unlink(missing_ok=True)
    with suppress(FileExistsError):  # another process downloaded it at this moment
        os.link(target, cached)
    # Hashed after the link, which changes the file's ctime.
    record = {"sha256": sha256_once(target)}
    replace_file(cached.with_suffix(".json"), json.dumps(record))
