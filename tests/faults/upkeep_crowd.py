"""Upkeep beside writers: processes that store, promote, prune, verify, forecast and clean at once.

``python -m tests.faults.upkeep_crowd ROLE NUMBER ROUNDS STORE WORK`` does the work of one role, and
prints how often and what went wrong: an alarm on a healthy store, or an error of an operation.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import publish, verify
from fastlstm.errors import StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.maintenance import examine, prune, remove_left_overs
from fastlstm.registry.opening import open_store
from fastlstm.registry.store import Store
from tasks import work_folder
from tasks.forecasters import choose_forecaster

# A multiple of ten seconds, so that no two processes write runs of the same moment.
FIRST = datetime.fromtimestamp(time.time() // 10 * 10, UTC)


def build(folder: Path, run_id: str) -> dict[str, Any]:
    for name in ("model.keras", "scaler.pkl", "metrics.json"):
        (folder / f"{run_id} - {name}").write_bytes(run_id.encode() * 200)
    (folder / "deep").mkdir()
    (folder / "deep" / "table.csv").write_text("a\n1\n")
    return {"fingerprint": run_id}


def retrain(store: Store, work: Path, moment: datetime) -> None:
    """Use the step of another night, store a run and promote it."""
    key = f"{random.randrange(100):032x}"
    manifest = publish(work / "windows" / key, lambda folder: build(folder, "w"))
    verify(work / "windows" / key, manifest["content_sha256"])
    run_id = store.add_run("m", moment, build).run_id

    def decide(record: ChampionRecord) -> ChampionRecord:
        if record.decision_on(run_id) is not None:
            return record  # promoted by hand meanwhile
        store.read_all("m", run_id)
        if random.random() < 0.7:
            return record.promoted(run_id, "better")
        return record.kept(run_id, "worse")

    store.update_champion("m", decide)


def promote(store: Store, _work: Path, _moment: datetime) -> None:
    """Promote any run by hand, or roll back."""
    ids = [entry.run_id for entry in store.runs("m")]
    if not ids:
        return
    chosen = random.choice(ids)

    def change(record: ChampionRecord) -> ChampionRecord:
        if record.previous and random.random() < 0.3:
            return record.rolled_back("by hand")
        store.read_all("m", chosen)
        return record if record.champion == chosen else record.promoted(chosen, "by hand")

    try:
        store.update_champion("m", change)
    except StoreError:
        assert chosen not in {entry.run_id for entry in store.runs("m")} or store.champion(
            "m"
        ).has_pruned(chosen), f"{chosen} could not be promoted, yet is there"


def prune_runs(store: Store, _work: Path, _moment: datetime) -> None:
    # Runs that served within the last ten seconds stay.
    prune(
        store, "m", random.randint(2, 4), now=datetime.now(UTC) + timedelta(minutes=60, seconds=-10)
    )
    remove_left_overs(store, "m")


def verify_store(store: Store, _work: Path, _moment: datetime) -> None:
    for finding in examine(store, repair=True).findings:
        raise AssertionError(f"alarm on {finding.name}: {finding.problem}")


def predict(store: Store, _work: Path, _moment: datetime) -> None:
    if store.champion("m").champion is not None:
        chosen = choose_forecaster(store, "m", None, serve_baseline=False)
        verify(store.run_folder("m", chosen.run.run_id), chosen.run.content_sha256)


def clean(_store: Store, work: Path, _moment: datetime) -> None:
    """Clean a work folder in which everything is old that was not used for three seconds."""
    work_folder.clean(work, 2, now=time.time() + 2 * 24 * 3600 - 3)


ROLES: dict[str, Callable[[Store, Path, datetime], None]] = {
    "retrain": retrain, "promote": promote, "prune": prune_runs, "verify": verify_store,
    "predict": predict, "clean": clean,
}  # fmt: skip


def play(role: str, number: int, rounds: int, store: Store, work: Path) -> tuple[int, list[str]]:
    """Do the work of a role so often, or until the file ``ended`` appears in the work folder.

    Args:
        role: a key of ``ROLES``.
        number: of the process, below 10.
        rounds: how often.
        store: the store.
        work: the work folder.

    Returns:
        How often the work was done, and what went wrong.
    """
    turn, wrong = 0, []
    while turn < rounds and not (work / "ended").exists():
        try:
            ROLES[role](store, work, FIRST + timedelta(seconds=10 * turn + number))
        except Exception as error:
            wrong.append(f"{role}: {type(error).__name__}: {error}")
        turn += 1
    return turn, wrong


def losses(store: Store, written: int) -> list[str]:
    """What is missing once all have ended: runs neither there nor pruned, or the champion."""
    record, there = store.champion("m"), {entry.run_id for entry in store.runs("m")}
    known = {decision.run for decision in record.history}
    missing = [run for run in known if run not in there and not record.has_pruned(run)]
    wrong = [f"lost {run}" for run in missing]
    if len(known) != written:
        wrong.append(f"{written} runs were stored, decisions are on {len(known)}")
    if record.champion not in there:
        wrong.append(f"the champion {record.champion} has no files")
    return wrong + [f"{f.name}: {f.problem}" for f in examine(store).findings]


if __name__ == "__main__":
    _, a_role, a_number, turns, place, folder = sys.argv
    opened = open_store(place, cache=Path(folder) / f"cache-{a_role}-{a_number}")
    print(json.dumps(play(a_role, int(a_number), int(turns), opened, Path(folder))))
