"""A store of runs in a folder.

``<store>/<model name>/<run id>/`` holds a run, ``<store>/<model name>/champion.json`` says which one
serves. The champion record is moved by compare-and-swap, under a lock that the system releases when its
holder dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replace_file
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.artifacts.folders import (
    MANIFEST,
    delete_folder,
    is_temporary_name,
    verify,
    write_manifest,
)
from fastlstm.config.group_names import is_group_name, model_of_group
from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, ChampionRecord
from fastlstm.registry.run_manifest import read_run_manifest
from fastlstm.registry.store import (
    QUARANTINE,
    GroupRuns,
    RunEntry,
    Stored,
    age,
    free_name,
    is_run_id,
    no_such_run,
    require_own_name,
    run_ids,
)

# Files whose times tell the age of an entry; a link to a whole file system would have no end of them.
_MOST_FILES = 500


class FolderStore:
    """A store in a folder of a file system.

    Args:
        root: the folder; created when the first run is stored.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __str__(self) -> str:
        """The folder."""
        return str(self.root)

    def runs(self, model_name: str) -> list[RunEntry]:
        """Every run with a whole manifest, oldest first."""
        entries = []
        folder = self.root / model_name
        for run in sorted(folder.iterdir(), key=lambda f: age(f.name)) if folder.is_dir() else []:
            if run.name.startswith(".") or not run.is_dir():
                continue
            try:
                entries.append(RunEntry(run.name, read_run_manifest(run)))
            except StoreError:
                continue  # a run without a manifest does not exist
        return entries

    def run_folder(self, model_name: str, run_id: str) -> Path:
        """The run's folder.

        Raises:
            StoreError: no run has that id.
        """
        folder = self.root / model_name / run_id
        if not is_run_id(run_id) or not folder.is_dir():
            raise no_such_run(self, model_name, run_id)
        return folder

    def check(self, model_name: str, run_id: str) -> None:
        """Refuse a run that is not whole.

        Raises:
            StoreError: names the first file that is missing or damaged.
        """
        verify(self.run_folder(model_name, run_id))

    def location(self, model_name: str, run_id: str, file: str = "") -> str:
        """Path of a run, or of a file of it."""
        return str(self.root / model_name / run_id / file)  # pathlib drops an empty last part

    def add_run(
        self, model_name: str, moment: datetime, build: Callable[[Path, str], dict[str, Any]]
    ) -> RunEntry:
        """Store a new run under the moment's id, or that id with a suffix where it is taken.

        The run appears by one rename, whole; a failed ``build`` leaves nothing.

        Raises:
            StoreError: the disk is full, or may not be written.
        """
        home = self.root / model_name
        with writing_to(home):
            home.mkdir(parents=True, exist_ok=True)
            return self._add_run(home, model_name, moment, build)

    def _add_run(
        self, home: Path, model_name: str, moment: datetime,
        build: Callable[[Path, str], dict[str, Any]],
    ) -> RunEntry:  # fmt: skip
        """Build a run in a temporary folder and rename it to the first free run id."""
        for run_id in run_ids(moment):
            target = home / run_id
            if target.exists():
                continue
            temporary = home / f".{run_id}.{uuid.uuid4().hex}"
            temporary.mkdir()
            try:
                described = build(temporary, run_id)
                write_manifest(temporary, {"run_id": run_id, "model_name": model_name, **described})
                _sync(temporary)
                try:
                    temporary.rename(target)
                except OSError:
                    if target.exists():
                        continue  # another process took this id meanwhile
                    if temporary.exists():
                        raise
                    raise StoreError(
                        f"{target}: its unfinished folder was moved away meanwhile; start again"
                    ) from None
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            return RunEntry(run_id, read_run_manifest(target))
        raise AssertionError  # the ids never end

    def models(self) -> list[str]:
        """Name of every model that has anything stored."""
        folders = self.root.iterdir() if self.root.is_dir() else []
        names = sorted(f.name for f in folders if f.is_dir() and not f.name.startswith("."))
        found = []
        for name in names:
            groups = self._group_folders(name)
            own = any(f.name not in groups for f in (self.root / name).iterdir() if f.is_dir())
            found += [name] if own or not groups else []
            found += [model_of_group(name, group) for group in groups]
        return found

    def groups(self, model_name: str) -> dict[str, GroupRuns]:
        """The models of a model's groups, by the group's name."""
        return {
            group: self._group_runs(model_of_group(model_name, group))
            for group in self._group_folders(model_name)
        }

    def _group_folders(self, model_name: str) -> list[str]:
        """Names of the folders of groups below a model, in order."""
        home = self.root / model_name
        if not home.is_dir():
            return []
        return sorted(e.name for e in os.scandir(home) if is_group_name(e.name) and e.is_dir())

    def _group_runs(self, model_name: str) -> GroupRuns:
        home = self.root / model_name
        run_ids = sorted(
            (e.name for e in os.scandir(home)
             if e.is_dir() and not e.name.startswith(".") and (home / e.name / MANIFEST).is_file()),
            key=age,
        )  # fmt: skip
        newest = None
        with suppress(StoreError):  # a run without a whole manifest does not exist
            newest = (
                RunEntry(run_ids[-1], read_run_manifest(home / run_ids[-1])) if run_ids else None
            )
        return GroupRuns(run_ids, newest, self.champion(model_name))

    def stored(self, model_name: str) -> list[Stored]:
        """Every entry below a model, whole or not, in order of name."""
        home, found = self.root / model_name, []
        for entry in sorted(home.iterdir()) if home.is_dir() else []:
            unfinished = is_temporary_name(entry.name)
            if is_group_name(entry.name) or not (unfinished or entry.is_dir()):
                continue
            try:
                inside = islice(entry.rglob("*"), _MOST_FILES)
                touched = max(f.lstat().st_mtime for f in (entry, *inside))
            except (FileNotFoundError, NotADirectoryError):
                continue  # its writer finished or removed it at this moment
            finished = not unfinished and (entry / MANIFEST).is_file()
            found.append(Stored(entry.name, finished, datetime.fromtimestamp(touched, UTC)))
        return found

    def read_all(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing, differs from the manifest, or is not in it.

        Raises:
            StoreError: names the first such file.
        """
        manifest = verify(self.root / model_name / run_id, reread=True)
        require_own_name(manifest, model_name, run_id, self.location(model_name, run_id))

    def quarantine(self, model_name: str, name: str) -> str | None:
        """Move an entry to ``.quarantine/<model name>/``; its new location, None if it is gone."""
        target = free_name(self.root / QUARANTINE / model_name / name.lstrip("."))
        with writing_to(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                (self.root / model_name / name).rename(target)
            except FileNotFoundError:
                return None
        return str(target)

    def remove(self, model_name: str, name: str) -> None:
        """Delete an entry, so that no reader sees part of it, unless it is gone."""
        entry = self.root / model_name / name
        with writing_to(entry), suppress(FileNotFoundError):  # another process was first
            if entry.is_dir() and not entry.is_symlink():
                delete_folder(entry, name.strip(".").partition(".")[0])
            else:
                entry.unlink()

    def champion(self, model_name: str) -> ChampionRecord:
        """The champion record as it is now.

        Raises:
            StoreError: the record is damaged.
        """
        return self._read(model_name)[0]

    def update_champion(
        self, model_name: str, change: Callable[[ChampionRecord], ChampionRecord]
    ) -> ChampionRecord:
        """Apply ``change`` to the record, again if another process changed it meanwhile.

        ``change`` runs without the lock, for it may take long; the swap itself is locked.
        """
        while True:
            record, version = self._read(model_name)
            changed = change(record)
            if changed == record:
                return record
            with self._lock(model_name):
                for left in (self.root / model_name).glob(f".{CHAMPION}.*"):
                    if is_temporary_name(left.name):  # whoever wrote it died with the lock
                        left.unlink(missing_ok=True)
                if self._read(model_name)[1] != version:
                    continue
                replace_file(self.root / model_name / CHAMPION, changed.text())
            return changed

    def _read(self, model_name: str) -> tuple[ChampionRecord, str]:
        """The champion record and its version, a hash of its text."""
        file = self.root / model_name / CHAMPION
        if not os.path.lexists(file):  # a link to nowhere is damage
            return ChampionRecord(), ""
        text = read_bytes(file).decode("utf-8", "replace")
        return ChampionRecord.read(text, str(file)), fingerprint(text)

    @contextmanager
    def _lock(self, model_name: str) -> Iterator[None]:
        """Hold the lock of a model's champion record."""
        home = self.root / model_name
        with writing_to(home):
            home.mkdir(parents=True, exist_ok=True)
            # A link would let a stranger's file be written, and a pipe be waited for without end.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            lock = os.open(home / ".champion.lock", flags, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _sync(folder: Path) -> None:
    """Write the files to the disk before the rename makes them visible."""
    for file in folder.rglob("*"):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
