"""The interface of a store of runs, and what all stores share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fastlstm.errors import StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.run_manifest import require_run_manifest

QUARANTINE = ".quarantine"
_STAMP = "%Y-%m-%d %H-%M-%S"


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
    """An entry below a model in a store: a run, whole or damaged, or what is no run (yet or any more).

    Attributes:
        name: its name below the model's.
        finished: whether it is under the name of a run and has a manifest. What is not is being written
            or deleted if it was touched lately, else it was left by a process that was killed.
        touched: when any of it was last written, or its deletion began.
    """

    name: str
    finished: bool
    touched: datetime


@dataclass(frozen=True)
class GroupRuns:
    """What a store holds of the model of one group.

    Attributes:
        run_ids: of every run that has a manifest, oldest first.
        newest: the newest run; None where there is none with a whole manifest.
        record: the champion record.
    """

    run_ids: list[str]
    newest: RunEntry | None
    record: ChampionRecord


class Store(Protocol):
    """A store of runs.

    A new kind of store is one class with these methods and an entry point of the group
    ``fastlstm.stores`` named like its URL scheme.
    """

    def __str__(self) -> str:
        """The location, as the user named it."""

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
        """Name of every model that has anything stored, ``<model>/<group>`` for those of groups."""

    def groups(self, model_name: str) -> dict[str, GroupRuns]:
        """The models of a model's groups by the group's name, found by one listing."""

    def stored(self, model_name: str) -> list[Stored]:
        """Every entry below a model, whole or not, in order of name; groups are models of their own."""

    def read_all(self, model_name: str, run_id: str) -> None:
        """Refuse a run of which a file is missing, differs from the manifest, or is not in it."""

    def quarantine(self, model_name: str, name: str) -> str | None:
        """Move an entry that ``stored`` lists to where no reader finds it.

        Returns:
            Its new location; None where it is gone or was changed meanwhile.
        """

    def remove(self, model_name: str, name: str) -> None:
        """Delete an entry that ``stored`` lists, so that no reader sees part of it, unless it is gone.

        While it is being deleted, it is not finished and was touched lately.
        """

    def champion(self, model_name: str) -> ChampionRecord:
        """The champion record as it is now."""

    def update_champion(
        self, model_name: str, change: Callable[[ChampionRecord], ChampionRecord]
    ) -> ChampionRecord:
        """Apply a change to the record, again if another writer changed it meanwhile."""


def find_run(store: Store, model_name: str, run_fingerprint: str) -> RunEntry | None:
    """The newest run made from these inputs, if any."""
    for entry in reversed(store.runs(model_name)):
        if entry.manifest.get("fingerprint") == run_fingerprint:
            return entry
    return None


def is_run_id(text: str) -> bool:
    """Whether a text can name a run: one plain folder name."""
    return Path(text).name == text and not text.startswith(".") and "\0" not in text


def no_such_run(store: Store, model_name: str, run_id: str) -> StoreError:
    """The error for an unknown run id, which lists the newest runs."""
    stored = [entry.run_id for entry in store.runs(model_name)]
    listed = f"it has {', '.join(stored[-5:])}" if stored else "it has no run yet"
    return StoreError(f"store {store}, model {model_name!r}: no run {run_id!r}; {listed}")


def require_own_name(manifest: dict[str, Any], model_name: str, run_id: str, where: str) -> None:
    """Refuse a run that was copied or renamed from another.

    Raises:
        StoreError: the manifest names another run or model, or an entry of it has another type.
    """
    require_run_manifest(manifest, where)
    own = (manifest.get("model_name"), manifest.get("run_id"))
    if own != (model_name, run_id):
        raise StoreError(f"{where}: its manifest is that of run {own[1]!r} of model {own[0]!r}")


def free_name(path: Path) -> Path:
    """The path itself, or with a number appended where it exists already."""
    numbered = (path.with_name(f"{path.name} ({number})") for number in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())


def run_ids(moment: datetime) -> Iterator[str]:
    """The ids a run of this moment may have, the plain one first."""
    stamp = moment.astimezone(UTC).strftime(_STAMP)
    yield stamp
    for number in itertools.count(2):
        yield f"{stamp} ({number})"


def created(run_id: str) -> datetime:
    """The moment in a run id; the year 1 for a name that is none."""
    try:
        return datetime.strptime(run_id.partition(" (")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def age(run_id: str) -> tuple[str, int]:
    """Order of runs in time: the second, then the number within it."""
    stamp, _, number = run_id.partition(" (")
    return stamp, int(number.rstrip(")")) if number.rstrip(")").isdecimal() else 1
