"""Runs in an S3 bucket: files first, the manifest last, and a champion moved by compare-and-swap.

``<prefix>/<model name>/<run id>/`` holds a run as in a folder store. A run id is claimed by a small
object written with ``If-None-Match: *``, so two writers never share one; the run exists from the moment
its manifest does, which is written in the same way. Nothing is overwritten but ``champion.json``, with
``If-Match``, and the claim of a run that is to be deleted, whose age says since when.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.folders import (
    MANIFEST,
    delete_folder,
    mark_used,
    parse_manifest,
    verify,
    write_manifest,
)
from fastlstm.artifacts.user_cache import user_cache
from fastlstm.config.group_names import is_group_name, model_of_group
from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, ChampionRecord
from fastlstm.registry.run_manifest import require_run_manifest
from fastlstm.registry.store import (
    QUARANTINE,
    GroupRuns,
    RunEntry,
    Stored,
    age,
    is_run_id,
    no_such_run,
    require_own_name,
    run_ids,
)
from tasks.settings import S3Settings
from tasks.storage.s3_client import Location, LostRace
from tasks.storage.s3_objects import S3Objects

M = TypeVar("M", bound=Callable[..., Any])


_CLAIM = ".claim"
_SWAP_ATTEMPTS = 50
# An upload that has sent nothing for so long was stopped.
_STOPPED = timedelta(days=1)


def _using_cache(method: M) -> M:
    """Make a method that writes to the local cache name a disk that is full or read-only."""

    @functools.wraps(method)
    def wrapper(self: S3Store, *args: Any, **kwargs: Any) -> Any:
        with writing_to(self._cache):
            return method(self, *args, **kwargs)

    return cast("M", wrapper)


class S3Store:
    """A store below a prefix of a bucket.

    Args:
        url: ``s3://bucket/prefix``.
        settings: how S3 is reached; without them boto3's own chain.
        cache: folder of downloaded runs, by content hash; without it one below ``user_cache()``.

    Attributes:
        objects: the objects below the prefix.

    Raises:
        ConfigError: the URL or a setting cannot be used.
    """

    def __init__(
        self, url: str, settings: S3Settings | None = None, cache: Path | None = None
    ) -> None:
        self._location = Location.of(url)
        self._settings = settings or S3Settings()
        self.objects = S3Objects(self._location, self._settings)
        self._cache = cache or user_cache() / "s3"

    def __str__(self) -> str:
        """The URL."""
        return self._location.url()

    def location(self, model_name: str, run_id: str, file: str = "") -> str:
        """URL of a run, or of a file of it."""
        return self._location.url(model_name, run_id, file)

    def link(self, model_name: str, run_id: str, file: str) -> str:
        """Address at which a browser shows a file to those with access to it."""
        bucket, key = self._location.bucket, quote(self._location.key(model_name, run_id, file))
        endpoint = self.objects.client.meta.endpoint_url
        if self._settings.link is not None:
            return self._settings.link.replace("{bucket}", bucket).replace("{key}", key)
        if endpoint.endswith(".amazonaws.com"):
            region = self.objects.client.meta.region_name
            return f"https://{region}.console.aws.amazon.com/s3/object/{bucket}?prefix={key}"
        return f"{endpoint}/{bucket}/{key}"

    # Reading

    def runs(self, model_name: str) -> list[RunEntry]:
        """Every run with a whole manifest, oldest first."""
        found = {}
        for item in self._list(model_name):
            run_id, _, file = item["Key"].removeprefix(self._key(model_name) + "/").partition("/")
            if file == MANIFEST and is_run_id(run_id):
                found[run_id] = item["ETag"].strip('"')
        with ThreadPoolExecutor(self._settings.parallel) as pool:
            manifests = pool.map(lambda pair: self._manifest(model_name, *pair), found.items())
            entries = [
                RunEntry(run_id, manifest)
                for run_id, manifest in zip(found, manifests, strict=True)
                if manifest is not None
            ]
        return sorted(entries, key=lambda entry: age(entry.run_id))

    def check(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing or has another size; bytes are checked on reading.

        Raises:
            StoreError: names the first such file.
        """
        manifest = self._require(model_name, run_id)
        home = self._key(model_name, run_id) + "/"
        sizes = {
            item["Key"].removeprefix(home): item["Size"] for item in self._list(model_name, run_id)
        }
        for name, entry in manifest["files"].items():
            if sizes.get(name) != entry["size"]:
                what = "is missing" if name not in sizes else "differs from the manifest (size)"
                raise StoreError(f"{self.location(model_name, run_id, name)}: {what}")

    @_using_cache
    def run_folder(self, model_name: str, run_id: str) -> Path:
        """A local folder that holds the run, downloaded unless the cache has it whole.

        Raises:
            StoreError: no run has that id, or a file differs from the manifest.
        """
        manifest = self._require(model_name, run_id)
        folder = self._cached(manifest, run_id)
        if folder.is_dir():
            try:
                mark_used(folder)
                verify(folder, manifest["content_sha256"])
                return folder
            except StoreError:
                with contextlib.suppress(FileNotFoundError):  # another process was first
                    delete_folder(folder, "damaged")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as name:
            temporary = Path(name) / run_id
            temporary.mkdir()
            self._download(model_name, run_id, manifest, temporary)
            verify(temporary, manifest["content_sha256"])
            self._keep(temporary, folder)
        return folder

    def _download(
        self, model_name: str, run_id: str, manifest: dict[str, Any], folder: Path
    ) -> None:
        """Download the files of a run and its manifest into a folder."""

        def download(item: tuple[str, dict[str, Any]]) -> None:
            file, entry = item
            target = (folder / file).resolve()
            if folder.resolve() not in target.parents:
                raise StoreError(
                    f"{self.location(model_name, run_id)}: its manifest names a file outside the run, "
                    f"{file!r}"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            self.objects.download(self._key(model_name, run_id, file), target)
            if sha256_once(target) != entry["sha256"]:
                raise StoreError(
                    f"{self.location(model_name, run_id, file)}: differs from the manifest (damaged or "
                    "changed)"
                )

        with ThreadPoolExecutor(self._settings.parallel) as pool:
            list(pool.map(download, manifest["files"].items()))
        self.objects.download(self._key(model_name, run_id, MANIFEST), folder / MANIFEST)

    # Writing

    @_using_cache
    def add_run(
        self, model_name: str, moment: datetime, build: Callable[[Path, str], dict[str, Any]]
    ) -> RunEntry:
        """Store a new run under the moment's id, or that id with a suffix where it is taken.

        Killed anywhere before the manifest, it leaves files that no reader takes for a run.

        Raises:
            StoreError: the server refuses, cannot be reached, or ignores conditional writes.
        """
        self.objects.require_conditional_writes()
        token = uuid.uuid4().hex
        for run_id in run_ids(moment):
            if not self._claim(model_name, run_id, token):
                continue
            self._cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cache, prefix=".upload-") as name:
                folder = Path(name) / run_id
                folder.mkdir()
                described = build(folder, run_id)
                write_manifest(folder, {"run_id": run_id, "model_name": model_name, **described})
                manifest = self._upload(model_name, run_id, folder)
                self._keep(folder, self._cached(manifest, run_id))
            return RunEntry(run_id, manifest)
        raise AssertionError  # the ids never end

    def _upload(self, model_name: str, run_id: str, folder: Path) -> dict[str, Any]:
        """Upload the files of a run, then its manifest, which is returned."""
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest = parse_manifest(text, str(folder / MANIFEST))

        def upload(item: tuple[str, dict[str, Any]]) -> None:
            name, entry = item
            key = self._key(model_name, run_id, name)
            self.objects.upload(folder / name, key, entry["size"], entry["sha256"])

        # A large file is uploaded in parallel parts itself, so fewer files at a time fill the line.
        with ThreadPoolExecutor(max(1, self._settings.parallel // 2)) as pool:
            list(pool.map(upload, manifest["files"].items()))
        if not self._create(text, model_name, run_id, MANIFEST):
            raise StoreError(
                f"{self.location(model_name, run_id, MANIFEST)}: was written by another program "
                "meanwhile; start again"
            )
        return manifest

    def models(self) -> list[str]:
        """Name of every model that has anything stored."""
        home = self._key() + "/" if self._key() else ""
        found = []
        for name in self.objects.folders(home):
            if name.startswith("."):
                continue
            below = self.objects.folders(self._key(name) + "/")
            groups = [folder for folder in below if is_group_name(folder)]
            found += [name] if len(groups) < len(below) or not groups else []
            found += [model_of_group(name, group) for group in groups]
        return found

    def groups(self, model_name: str) -> dict[str, GroupRuns]:
        """The models of a model's groups, by the group's name; of each the newest run alone is read."""
        home = self._key(model_name) + "/"
        runs: dict[str, dict[str, str]] = {}
        records: dict[str, str] = {}
        for item in self._list(model_name):
            group, _, rest = item["Key"].removeprefix(home).partition("/")
            run_id, _, file = rest.partition("/")
            if not is_group_name(group):
                continue
            etags = runs.setdefault(group, {})
            if rest == CHAMPION:
                records[group] = item["ETag"].strip('"')
            elif file == MANIFEST and is_run_id(run_id):
                etags[run_id] = item["ETag"].strip('"')

        def read(group: str) -> GroupRuns:
            name, etags = model_of_group(model_name, group), runs[group]
            run_ids = sorted(etags, key=age)
            newest = self._manifest(name, run_ids[-1], etags[run_ids[-1]]) if run_ids else None
            entry = None if newest is None else RunEntry(run_ids[-1], newest)
            record = self._kept_champion(name, records[group]) if group in records else None
            return GroupRuns(run_ids, entry, record or ChampionRecord())

        with ThreadPoolExecutor(self._settings.parallel) as pool:
            return dict(zip(sorted(runs), pool.map(read, sorted(runs)), strict=True))

    @_using_cache
    def _kept_champion(self, model_name: str, etag: str) -> ChampionRecord:
        """A champion record by its ETag, from the local cache where that has it."""
        where = self._location.url(model_name, CHAMPION)
        kept = self._cache / "champions" / f"{etag}.json" if etag.isalnum() else None
        if kept is not None and kept.is_file():
            with contextlib.suppress(StoreError, UnicodeDecodeError, FileNotFoundError):
                record = ChampionRecord.read(kept.read_text(encoding="utf-8"), where)
                mark_used(kept)
                return record
        found = self._read(model_name, CHAMPION)
        if found is None:
            return ChampionRecord()
        record = ChampionRecord.read(found[0], where)
        if kept is not None and found[1].strip('"') == etag:
            kept.parent.mkdir(parents=True, exist_ok=True)
            replace_file(kept, found[0])
        return record

    def stored(self, model_name: str) -> list[Stored]:
        """Every entry below a model, whole or not, in order of name."""
        home, finished = self._key(model_name) + "/", set()
        touched: dict[str, datetime] = {}
        found = ((item["Key"], item["LastModified"]) for item in self._list(model_name))
        for key, moment in chain(found, self.objects.open_uploads(home)):
            name, separator, file = key.removeprefix(home).partition("/")
            if separator and not is_group_name(name):
                touched[name] = max(moment, touched.get(name, moment))
                if file == MANIFEST:
                    finished.add(name)
        return [Stored(name, name in finished, touched[name]) for name in sorted(touched)]

    def read_all(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing, differs from the manifest, or is not in it.

        Raises:
            StoreError: names the first such file.
        """
        where = self.location(model_name, run_id)
        text = self._read(model_name, run_id, MANIFEST)
        if text is None:
            raise StoreError(f"{where}: has no {MANIFEST}, so it was never finished")
        manifest = parse_manifest(text[0], self.location(model_name, run_id, MANIFEST))
        require_own_name(manifest, model_name, run_id, where)
        self.check(model_name, run_id)
        home = self._key(model_name, run_id) + "/"
        present = {item["Key"].removeprefix(home) for item in self._list(model_name, run_id)}
        extra = present - set(manifest["files"]) - {MANIFEST, _CLAIM}
        if extra:
            raise StoreError(
                f"{self.location(model_name, run_id, min(extra))}: is not in the manifest"
            )

        def differs(item: tuple[str, dict[str, Any]]) -> str | None:
            name, entry = item
            found = self.objects.sha256(self._key(model_name, run_id, name))
            return None if found == entry["sha256"] else name

        with ThreadPoolExecutor(self._settings.parallel) as pool:
            for name in pool.map(differs, sorted(manifest["files"].items())):
                if name is not None:
                    raise StoreError(
                        f"{self.location(model_name, run_id, name)}: differs from the manifest "
                        "(damaged or changed)"
                    )

    def quarantine(self, model_name: str, name: str) -> str | None:
        """Move objects below ``.quarantine/<model name>/``; return their new location.

        None where they are gone, or were changed while they were copied, and stay where they are.
        """
        moment = datetime.now(UTC).strftime("%Y-%m-%d %H-%M-%S")
        target = (QUARANTINE, model_name, f"{name.lstrip('.')}, quarantined {moment}")
        home, etags = self._key(model_name, name), self._etags(model_name, name)
        self.objects.abort_uploads(self._key(QUARANTINE, model_name) + "/", _STOPPED)
        for key in etags:
            if not self.objects.copy(key, self._key(*target) + key.removeprefix(home)):
                return None
        if self._etags(model_name, name) != etags:
            return None
        self._delete(model_name, name, etags)
        return self._location.url(*target) if etags else None

    def remove(self, model_name: str, name: str) -> None:
        """Delete an entry, its manifest first, so that no reader sees part of it, unless it is gone."""
        self._delete(model_name, name, self._etags(model_name, name))

    def _etags(self, model_name: str, name: str) -> dict[str, str]:
        """The ETag of each object of an entry by its key."""
        return {item["Key"]: item["ETag"] for item in self._list(model_name, name)}

    def _delete(self, model_name: str, name: str, keys: Iterable[str]) -> None:
        """Delete objects of an entry, the manifest first and the claim last, and its open uploads.

        The claim is written again before, so that what is left meanwhile is young.
        """
        first, last = self._key(model_name, name, MANIFEST), self._key(model_name, name, _CLAIM)
        remaining = sorted(set(keys) - {last}, key=lambda key: (key != first, key))
        self.objects.abort_uploads(self._key(model_name, name) + "/", timedelta(0))
        if remaining:
            self.objects.overwrite(last, json.dumps({"deleted": self._now()}).encode())
        for key in [*remaining, last]:
            self.objects.delete(key)

    def champion(self, model_name: str) -> ChampionRecord:
        """The champion record as it is now.

        Raises:
            StoreError: the record is damaged, or the server cannot be read.
        """
        return self._champion(model_name)[0]

    def update_champion(
        self, model_name: str, change: Callable[[ChampionRecord], ChampionRecord]
    ) -> ChampionRecord:
        """Apply ``change`` to the record, again if another writer changed it meanwhile.

        Raises:
            StoreError: the server ignores conditional writes, or others keep changing the record.
        """
        self.objects.require_conditional_writes()
        attempted: ChampionRecord | None = None
        for number in range(_SWAP_ATTEMPTS):
            record, etag = self._champion(model_name)
            if record == attempted:
                return record  # written by a request whose answer was lost
            attempted = change(record)
            if attempted == record:
                return record
            try:
                self.objects.put(
                    self._key(model_name, CHAMPION), attempted.text().encode(), etag=etag
                )
            except LostRace:
                time.sleep(random.uniform(0, min(2.0, 0.05 * 2**number)))
                continue
            return attempted
        raise StoreError(
            f"{self._location.url(model_name, CHAMPION)}: others changed it {_SWAP_ATTEMPTS} times "
            "meanwhile; try again"
        )

    # Requests

    def _key(self, *parts: str) -> str:
        return self._location.key(*parts)

    def _list(self, *parts: str) -> Iterator[dict[str, Any]]:
        return self.objects.find(self._key(*parts) + "/")

    def _read(self, *parts: str) -> tuple[str, str] | None:
        """Text and ETag of an object, or None where there is none."""
        found = self.objects.read(self._key(*parts))
        try:
            return None if found is None else (found[0].decode("utf-8"), found[1])
        except UnicodeDecodeError:
            raise StoreError(f"{self._location.url(*parts)}: is damaged (no text)") from None

    def _champion(self, model_name: str) -> tuple[ChampionRecord, str | None]:
        """The champion record and the ETag of its object."""
        found = self._read(model_name, CHAMPION)
        if found is None:
            return ChampionRecord(), None
        text, etag = found
        return ChampionRecord.read(text, self._location.url(model_name, CHAMPION)), etag

    @_using_cache
    def _manifest(self, model_name: str, run_id: str, etag: str = "") -> dict[str, Any] | None:
        """A run's manifest; with its ETag from the local cache where that has it."""
        kept = self._cache / "manifests" / f"{etag}.json" if etag.isalnum() else None
        where = self.location(model_name, run_id, MANIFEST)
        if kept is not None and kept.is_file():
            try:
                text = kept.read_text(encoding="utf-8")
                manifest = require_run_manifest(parse_manifest(text, where), where)
            except (StoreError, UnicodeDecodeError, FileNotFoundError):
                kept.unlink(missing_ok=True)
            else:
                if manifest.get("run_id") == run_id and manifest.get("model_name") == model_name:
                    mark_used(kept)
                    return manifest
        found = self._read(model_name, run_id, MANIFEST)
        if found is None:
            return None
        try:
            manifest = require_run_manifest(parse_manifest(found[0], where), where)
        except StoreError:
            return None  # a run without a whole manifest does not exist
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            replace_file(kept, found[0])
        return manifest

    def _require(self, model_name: str, run_id: str) -> dict[str, Any]:
        """The manifest of a run that must exist."""
        manifest = self._manifest(model_name, run_id) if is_run_id(run_id) else None
        if manifest is None:
            raise no_such_run(self, model_name, run_id)
        return manifest

    def _create(self, text: str, *parts: str) -> bool:
        """Write a JSON object that must not exist; whether this writer's is the one that exists now."""
        try:
            self.objects.put(self._key(*parts), text.encode(), etag=None)
        except LostRace:
            # A repeated request whose first answer was lost is refused too: compare the content.
            found = self._read(*parts)
            return found is not None and found[0] == text
        return True

    def _claim(self, model_name: str, run_id: str, token: str) -> bool:
        """Reserve a run id for this writer; whether it succeeded."""
        text = json.dumps({"upload": token, "at": self._now()}) + "\n"
        return self._create(text, model_name, run_id, _CLAIM)

    @staticmethod
    def _now() -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    def _cached(self, manifest: dict[str, Any], run_id: str) -> Path:
        """Where a run lies in the local cache, by its content."""
        return self._cache / str(manifest["content_sha256"])[:32] / run_id

    def _keep(self, written: Path, folder: Path) -> None:
        """Move a whole folder into the cache, unless another process was first."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            written.rename(folder)
        except OSError:
            verify(folder)
