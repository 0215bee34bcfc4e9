"""Where runs are kept: each appears whole, none is overwritten, and one of them is the champion.

``Store`` is what every store does, ``FolderStore`` does it in a folder, and ``open_store`` finds the
one for a place; another package may add stores for URLs through the entry-point group
``fastlstm.stores``.

``<store>/<model name>/<run id>/`` holds a run, ``<store>/<model name>/champion.json`` tells which one
serves and how it came to. The champion record is moved by compare-and-swap, in a folder under a lock
that the system releases when its holder dies.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from fastlstm.artifacts import (
    MANIFEST,
    delete_folder,
    read_manifest,
    replace_file,
    verify,
    write_manifest,
)
from fastlstm.disk import writing_to
from fastlstm.errors import ConfigError, StoreError
from fastlstm.fingerprint import fingerprint

CHAMPION = "champion.json"
QUARANTINE = ".quarantine"
PRUNED = "pruned"


class Decision(BaseModel):
    """One entry of a champion's history."""

    model_config = ConfigDict(extra="forbid")

    at: str
    action: str
    run: str
    reason: str
    replaced: str | None = None


class ChampionRecord(BaseModel):
    """Which run serves, which served before it, and every decision so far.

    Attributes:
        champion: run id, or None.
        previous: the champions before it, oldest first; ``rollback`` takes the last.
        history: every decision, oldest first.
    """

    model_config = ConfigDict(extra="forbid")

    champion: str | None = None
    previous: list[str] = []
    history: list[Decision] = []

    @classmethod
    def read(cls, text: str, where: str) -> ChampionRecord:
        """The record from its file's text.

        Raises:
            StoreError: the text at ``where`` is no such record.
        """
        try:
            return cls.model_validate_json(text)
        except ValueError:
            raise StoreError(
                f"{where}: is damaged; restore it from a backup, or move it away and promote a run"
            ) from None

    def text(self) -> str:
        """The text of the record's file."""
        return json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n"

    def promoted(self, run: str, reason: str, action: str = "promoted") -> ChampionRecord:
        """The record after ``run`` became champion.

        Raises:
            StoreError: the run was pruned, so its files are gone or about to go.
        """
        decided = self.decision_on(run)
        if decided is not None and decided.action == PRUNED:
            raise StoreError(f"run {run} was pruned at {decided.at}; choose another")
        previous = self.previous + ([self.champion] if self.champion else [])
        return self._decided(action, run, reason, champion=run, previous=previous)

    def kept(self, run: str, reason: str) -> ChampionRecord:
        """The record after ``run`` challenged in vain."""
        return self._decided("kept", run, reason)

    def rolled_back(self, reason: str) -> ChampionRecord:
        """The record with the champion before this one.

        Raises:
            StoreError: there was none.
        """
        if not self.previous:
            raise StoreError("no earlier champion to roll back to; use promote to choose a run")
        earlier = self.previous[-1]
        return self._decided(
            "rolled back", earlier, reason, champion=earlier, previous=self.previous[:-1]
        )

    def pruned(self, runs: list[str], reason: str) -> ChampionRecord:
        """The record after runs were given up, which can no longer be promoted or rolled back to."""
        record = self
        for run in runs:
            record = record._decided(PRUNED, run, reason)
        previous = [run for run in self.previous if run not in runs]
        return record.model_copy(update={"previous": previous})

    def decision_on(self, run: str) -> Decision | None:
        """The last decision taken on a run, if any."""
        return next((d for d in reversed(self.history) if d.run == run), None)

    def _decided(self, action: str, run: str, reason: str, **changes: Any) -> ChampionRecord:
        decision = Decision(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            action=action,
            run=run,
            reason=reason,
            replaced=self.champion if changes else None,
        )
        return self.model_copy(update={**changes, "history": [*self.history, decision]})


@dataclass(frozen=True)
class RunEntry:
    """A stored run.

    Attributes:
        run_id: ``YYYY-MM-DD HH-MM-SS`` in UTC, with a suffix where a second had two.
        manifest: its manifest.
    """

    run_id: str
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """Something that lies where runs lie: a run, whole or damaged, or what a killed writer left.

    Attributes:
        name: its name below the model's.
        finished: whether it has a manifest.
        touched: when any of it was last written.
    """

    name: str
    finished: bool
    touched: datetime


class Store(Protocol):
    """What every store does, wherever it lies."""

    def __str__(self) -> str:
        """The place, as the user named it."""

    def runs(self, model_name: str) -> list[RunEntry]:
        """Every whole run, oldest first."""

    def run_folder(self, model_name: str, run_id: str) -> Path:
        """A local folder that holds the run; its files are not checked yet."""

    def check(self, model_name: str, run_id: str) -> None:
        """Refuse a run that is not whole, as far as that is known without reading all of it."""

    def location(self, model_name: str, run_id: str, file: str = "") -> str:
        """Where a run, or a file of it, lies, for people and other programs."""

    def add_run(
        self, model_name: str, moment: datetime, build: Callable[[Path, str], dict[str, Any]]
    ) -> RunEntry:
        """Store a new run; ``build(folder, run_id)`` writes its files and returns its description."""

    def models(self) -> list[str]:
        """Name of every model that has anything stored."""

    def stored(self, model_name: str) -> list[Stored]:
        """All that lies where the model's runs lie, whole or not, in order of name."""

    def read_all(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing, differs from the manifest, or is not in it."""

    def set_aside(self, model_name: str, name: str) -> str:
        """Move what ``stored`` lists out of every reader's sight; where to."""

    def remove(self, model_name: str, run_id: str) -> None:
        """Delete a run, so that no reader sees part of it."""

    def champion(self, model_name: str) -> ChampionRecord:
        """The champion record as it is now."""

    def update_champion(
        self, model_name: str, change: Callable[[ChampionRecord], ChampionRecord]
    ) -> ChampionRecord:
        """Apply a change to the record nobody else changed meanwhile."""


def open_store(place: str | Path, **options: Any) -> Store:
    """The store at a place: a folder, or a URL whose kind of store an installed package provides.

    Args:
        place: a folder, or a URL such as ``s3://bucket/prefix``.
        options: passed on to the store of a URL.

    Raises:
        ConfigError: no installed package provides a store for such a URL.
    """
    scheme, separator, _ = str(place).partition("://")
    if not separator:
        return FolderStore(place)
    from importlib.metadata import entry_points

    known = entry_points(group="fastlstm.stores")
    for entry in known.select(name=scheme):
        opened: Store = entry.load()(str(place), **options)
        return opened
    names = ", ".join(sorted(f"{name}://" for name in known.names))
    raise ConfigError(f"store: {place}: no store for {scheme}://; use a folder or {names}")


def local_run(url: str, **options: Any) -> Path:
    """A local folder that holds the run at ``<store>/<model name>/<run id>``, or a file of it.

    Args:
        url: e.g. ``s3://bucket/prefix/sales/2026-11-24 03-00-00``.
        options: passed on to the store.

    Raises:
        ConfigError: the URL has too few parts, or no installed package provides such a store.
        StoreError: there is no such run.
    """
    parts = url.rstrip("/").split("/")
    if parts[-1].endswith(".json"):
        parts.pop()
    if len(parts) < 5:  # scheme, '', bucket, model name, run id
        raise ConfigError(f"{url}: give the run as <store>/<model name>/<run id>")
    *place, model_name, run_id = parts
    return open_store("/".join(place), **options).run_folder(model_name, run_id)


def find_run(store: Store, model_name: str, run_fingerprint: str) -> RunEntry | None:
    """The newest run made from these inputs, if any."""
    for entry in reversed(store.runs(model_name)):
        if entry.manifest.get("fingerprint") == run_fingerprint:
            return entry
    return None


def is_run_id(text: str) -> bool:
    """Whether a text can name a run: one plain folder name."""
    return Path(text).name == text and not text.startswith(".")


def no_such_run(store: Store, model_name: str, run_id: str) -> StoreError:
    """The error that tells which runs there are."""
    known = [entry.run_id for entry in store.runs(model_name)]
    told = f"it has {', '.join(known[-5:])}" if known else "it has no run yet"
    return StoreError(f"store {store}, model {model_name!r}: no run {run_id!r}; {told}")


def require_own_name(manifest: dict[str, Any], model_name: str, run_id: str, where: str) -> None:
    """Refuse a run that was copied or renamed from another.

    Raises:
        StoreError: the manifest names another run or model.
    """
    own = (manifest.get("model_name"), manifest.get("run_id"))
    if own != (model_name, run_id):
        raise StoreError(f"{where}: its manifest is that of run {own[1]!r} of model {own[0]!r}")


def free_name(path: Path) -> Path:
    """The path itself, or with a number behind it where something lies there."""
    numbered = (path.with_name(f"{path.name} ({number})") for number in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())


def run_ids(moment: datetime) -> Iterator[str]:
    """The ids a run of this moment may have, the plain one first."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%d %H-%M-%S")
    yield stamp
    for number in itertools.count(2):
        yield f"{stamp} ({number})"


class FolderStore:
    """A store in a folder of a file system.

    Args:
        root: the folder; made when the first run is stored.
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
                entries.append(RunEntry(run.name, read_manifest(run)))
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
                    if not target.exists():
                        raise
                    continue  # another process took this id meanwhile
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            return RunEntry(run_id, read_manifest(target))
        raise AssertionError  # the ids never end

    def models(self) -> list[str]:
        """Name of every model that has anything stored."""
        folders = self.root.iterdir() if self.root.is_dir() else []
        return sorted(f.name for f in folders if f.is_dir() and not f.name.startswith("."))

    def stored(self, model_name: str) -> list[Stored]:
        """All that lies where the model's runs lie, whole or not, in order of name."""
        found = []
        for folder in sorted((self.root / model_name).iterdir()):
            if not folder.is_dir():
                continue
            try:
                touched = max(f.lstat().st_mtime for f in [folder, *folder.rglob("*")])
            except FileNotFoundError:
                continue  # its writer finished or removed it at this moment
            moment = datetime.fromtimestamp(touched, UTC)
            found.append(Stored(folder.name, (folder / MANIFEST).is_file(), moment))
        return found

    def read_all(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing, differs from the manifest, or is not in it.

        Raises:
            StoreError: names the first such file.
        """
        manifest = verify(self.root / model_name / run_id)
        require_own_name(manifest, model_name, run_id, self.location(model_name, run_id))

    def set_aside(self, model_name: str, name: str) -> str:
        """Move a folder to ``.quarantine/<model name>/``; return where it lies now."""
        target = free_name(self.root / QUARANTINE / model_name / name.lstrip("."))
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / model_name / name).rename(target)
        return str(target)

    def remove(self, model_name: str, run_id: str) -> None:
        """Delete a run, so that no reader sees part of it."""
        delete_folder(self.run_folder(model_name, run_id), run_id)

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
                if self._read(model_name)[1] != version:
                    continue
                replace_file(self.root / model_name / CHAMPION, changed.text())
            return changed

    def _read(self, model_name: str) -> tuple[ChampionRecord, str]:
        file = self.root / model_name / CHAMPION
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ChampionRecord(), ""
        return ChampionRecord.read(text, str(file)), fingerprint(text)

    @contextmanager
    def _lock(self, model_name: str) -> Iterator[None]:
        home = self.root / model_name
        with writing_to(home):
            home.mkdir(parents=True, exist_ok=True)
            file = (home / ".champion.lock").open("w")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def age(run_id: str) -> tuple[str, int]:
    """Order of runs in time: the second, then the number within it."""
    stamp, _, number = run_id.partition(" (")
    return stamp, int(number.rstrip(")")) if number.rstrip(")").isdecimal() else 1


def _sync(folder: Path) -> None:
    """Have the files on disk before the rename makes them visible."""
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
