"""Maintenance of a store: find what is damaged or unfinished, quarantine it, and prune old runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, ChampionRecord
from fastlstm.registry.store import Store, Stored

# Something unfinished that was written within this time may still be in the making.
_IN_THE_MAKING = timedelta(hours=1)
# Earlier champions that are never pruned, so that a rollback finds them.
_PREDECESSORS = 2


@dataclass(frozen=True)
class Finding:
    """Something in a store that is damaged, unfinished or inconsistent.

    Attributes:
        model_name: the model it belongs to.
        name: name of the run, of a left-over, or of the champion record.
        problem: one sentence.
        moved_to: where it lies in quarantine, or None.
    """

    model_name: str
    name: str
    problem: str
    moved_to: str | None = None


@dataclass(frozen=True)
class Examination:
    """What ``examine`` found.

    Attributes:
        models: number of models examined.
        whole: number of runs of which every byte agrees with the manifest.
        findings: everything else.
    """

    models: int
    whole: int
    findings: list[Finding]


def examine(store: Store, *, repair: bool = False, now: datetime | None = None) -> Examination:
    """Read every run of every model and check it, and the champion, against the manifests.

    Args:
        store: the store.
        repair: quarantine what is damaged or unfinished. Nothing is deleted, and which run serves is
            not changed. What was written within the last hour may be in the making and stays.
        now: the current time; for tests.
    """
    findings, whole, models = [], 0, store.models()
    for model in models:
        intact = set()
        for item in store.stored(model):
            finding = _examine_item(store, model, item, repair, now or datetime.now(UTC))
            if finding is None:
                intact.add(item.name)
            else:
                findings.append(finding)
        whole += len(intact)
        findings += _examine_champion(store, model, intact)
    return Examination(len(models), whole, findings)


def _examine_item(
    store: Store, model: str, item: Stored, repair: bool, now: datetime
) -> Finding | None:
    """What is wrong with a run or a left-over, which ``repair`` quarantines; None for a whole run."""
    try:
        store.read_all(model, item.name)
    except StoreError as error:
        problem = str(error)
    else:
        return None
    if not item.finished and now - item.touched < _IN_THE_MAKING:
        problem += "; touched within the last hour, so it may be in the making"
        return Finding(model, item.name, problem)
    moved_to = store.quarantine(model, item.name) if repair else None
    return Finding(model, item.name, problem, moved_to)


def _examine_champion(store: Store, model: str, intact: set[str]) -> list[Finding]:
    """What is wrong with the record of champions, given the ids of all whole runs."""
    try:
        record = store.champion(model)
    except StoreError as error:
        return [Finding(model, CHAMPION, str(error))]
    found = []
    if record.champion is not None and record.champion not in intact:
        found.append(
            Finding(
                model, CHAMPION,
                f"names {record.champion} as the champion, which is no whole run; restore that run, "
                "or choose another with 'fastlstm rollback' or 'fastlstm promote'",
            )
        )  # fmt: skip
    gone = [run for run in record.previous if run not in intact]
    if gone:
        found.append(
            Finding(model, CHAMPION, f"earlier champions that are no whole runs: {', '.join(gone)}")
        )
    return found


def prune(
    store: Store, model_name: str, keep: int, *, dry_run: bool = False,
    run_ids: list[str] | None = None,
) -> list[str]:  # fmt: skip
    """Delete all but the newest runs of a model; return the ids of those deleted.

    The champion and the two champions before it stay, however old. The champion record first lists
    the pruned runs, so that promoting one of them meanwhile is refused: a champion never lacks its
    files.

    Args:
        store: the store.
        model_name: the model.
        keep: how many of the newest runs stay, at least 1.
        dry_run: delete nothing, only return what would be deleted.
        run_ids: of all its runs, oldest first, where the caller knows them.

    Raises:
        ValueError: ``keep`` is below 1.
        StoreError: the store cannot be read or changed.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least the newest run must stay, so give 1 or more")
    if run_ids is None:
        run_ids = [entry.run_id for entry in store.runs(model_name)]
    old = run_ids[:-keep]
    if not old:
        return []
    if dry_run:
        return _unprotected(old, store.champion(model_name))
    to_delete: list[str] = []

    def record_pruned(record: ChampionRecord) -> ChampionRecord:
        to_delete[:] = _unprotected(old, record)
        # Runs that a killed pruning recorded are only deleted, not recorded again.
        unrecorded = [run for run in to_delete if not record.has_pruned(run)]
        return record.pruned(unrecorded, f"not among the newest {keep}") if unrecorded else record

    store.update_champion(model_name, record_pruned)
    for run_id in to_delete:
        store.remove(model_name, run_id)
    return to_delete


def _unprotected(runs: list[str], record: ChampionRecord) -> list[str]:
    """The runs that are neither champion nor one of the last champions before it."""
    protected = {record.champion, *record.previous[-_PREDECESSORS:]}
    return [run for run in runs if run not in protected]
