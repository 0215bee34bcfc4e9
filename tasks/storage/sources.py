"""Bring a source to this machine: S3 objects and query results become files, known by content."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.fingerprint import fingerprint, sha256_file
from fastlstm.artifacts.folders import mark_used
from fastlstm.config.file_formats import ENDINGS, FORMAT_TITLES
from fastlstm.config.locations import check_source, is_database, is_remote
from fastlstm.errors import ConfigError
from tasks.settings import S3Settings
from tasks.storage.s3_client import Location, client_of, translated_errors
from tasks.storage.sql import query_into, redacted


def local_source(path: str, query: str | None, s3: S3Settings, work: Path) -> str:
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
    check_source(path)
    if not is_remote(path):
        return path
    home = work / "sources"
    with writing_to(home):
        home.mkdir(parents=True, exist_ok=True)
        return _bring(path, query, s3, home)


def _bring(path: str, query: str | None, s3: S3Settings, home: Path) -> str:
    temporary = home / f".{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        if is_database(path):
            if query is None:
                raise ConfigError(
                    f"{redacted(path)}: is a database; a query is needed, in a config"
                )
            query_into(temporary / "query.parquet", path, query)
            files = ["query.parquet"]
        else:
            files = _objects_into(temporary, Location.of(path), s3, home / "objects")
        content = fingerprint([[name, sha256_file(temporary / name)] for name in sorted(files)])
        target = home / content[:32]
        try:
            temporary.rename(target)
        except OSError:
            # The same content is there already; were it damaged, this copy is right.
            damaged = any(
                not (target / name).is_file()
                or sha256_file(target / name) != sha256_file(temporary / name)
                for name in files
            )
            if damaged:
                target.rename(home / f".damaged.{uuid.uuid4().hex}")
                temporary.rename(target)
            else:
                mark_used(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return str(target / files[0] if len(files) == 1 else target)


def _objects_into(folder: Path, location: Location, s3: S3Settings, cache: Path) -> list[str]:
    """Put the object, or every table right below the prefix, into a folder; return their names."""
    client = client_of(s3)
    url = location.url()
    found: dict[str, dict[str, Any]] = {}
    with translated_errors(url):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=location.bucket, Prefix=location.prefix
        )
        for page in pages:
            for item in page.get("Contents", []):
                if item["Key"] == location.prefix:
                    found = {Path(item["Key"]).name: item}
                    break
                folder_key = f"{location.prefix}/" if location.prefix else ""
                name = item["Key"].removeprefix(folder_key)
                plain = "/" not in name and not name.startswith((".", "_"))
                inside = item["Key"].startswith(folder_key)
                if inside and plain and name.lower().endswith(tuple(ENDINGS)):
                    found[name] = item
            else:
                continue
            break
    if not found:
        raise ConfigError(
            f"data.path: {url} is no object and holds no {FORMAT_TITLES} file; correct the path"
        )

    def download(pair: tuple[str, dict[str, Any]]) -> None:
        name, item = pair
        identity = fingerprint(
            client.meta.endpoint_url, location.bucket, item["Key"], item["ETag"], item["Size"]
        )
        kept = cache / f"{identity[:32]}.json"
        target = folder / name
        try:
            content = json.loads(kept.read_text(encoding="utf-8"))["sha256"]
            os.link(cache / content, target)
            if sha256_file(target) == content:
                mark_used(kept)
                mark_used(cache / content)
                return
            target.unlink()
            (cache / content).unlink(missing_ok=True)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not downloaded before, or its record is damaged: download it now
        where = f"s3://{location.bucket}/{item['Key']}"
        with translated_errors(where):
            client.download_file(location.bucket, item["Key"], str(target))
            now = client.head_object(Bucket=location.bucket, Key=item["Key"])["ETag"]
        if now != item["ETag"]:
            raise ConnectionError(f"{where}: was replaced while it was read")  # a retry heals it
        content = sha256_file(target)
        cache.mkdir(parents=True, exist_ok=True)
        try:
            os.link(target, cache / content)
        except FileExistsError:
            pass
        replace_file(kept, json.dumps({"sha256": content}))

    with ThreadPoolExecutor(s3.parallel) as pool:
        list(pool.map(download, found.items()))
    return sorted(found)
