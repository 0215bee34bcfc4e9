"""Maintenance of a store: find what is damaged or unfinished, quarantine it, and prune old runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from fastlstm.artifacts.folders import MANIFEST, is_temporary_name
from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, ChampionRecord
from fastlstm.registry.store import Store, Stored, created

# What is unfinished and was touched within this time is being written or deleted.
_IN_PROGRESS = timedelta(hours=1)
# How long after a run was stored its retraining may take to decide on its promotion.
_TO_DECIDE = timedelta(days=1)
# How often an entry is read again because another process changed it meanwhile.
_LOOKS = 20
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
        findings: what is damaged or was left by a process that was killed.
        in_progress: number of runs that another process is writing or deleting.
    """

    models: int
    whole: int
    findings: list[Finding]
    in_progress: int = 0


def examine(store: Store, *, repair: bool = False, now: datetime | None = None) -> Examination:
    """Read every run of every model and check it, and the champion, against the manifests.

    Other processes may write, promote and delete runs meanwhile: what they are at, known by its name
    and age, is counted and left alone, and only what fails twice in the same state is a finding.

    Args:
        store: the store.
        repair: quarantine what is damaged or was left by a killed process. Nothing is deleted, and
            which run serves is not changed.
        now: the current time; for tests.
    """
    findings: list[Finding] = []
    whole, in_progress, models = 0, 0, store.models()
    for model in models:
        intact = set()
        for item in store.stored(model):
            found = _examine_item(store, model, item, repair, now or datetime.now(UTC))
            if isinstance(found, Finding):
                findings.append(found)
            elif found is _State.WHOLE:
                intact.add(item.name)
            else:
                in_progress += found is _State.BUSY
        whole += len(intact)
        findings += _examine_champion(store, model, intact)
    return Examination(len(models), whole, findings, in_progress)


class _State(Enum):
    """What an entry is that needs no finding: a whole run, in progress, or gone meanwhile."""

    WHOLE = "whole"
    BUSY = "busy"
    GONE = "gone"


def _examine_item(
    store: Store, model: str, item: Stored, repair: bool, now: datetime
) -> Finding | _State:
    """What is wrong with an entry, which ``repair`` quarantines, or that nothing is."""
    for _ in range(_LOOKS):
        if item.finished:
            problem = _damage(store, model, item.name)
        elif now - item.touched < _IN_PROGRESS:
            return _State.BUSY
        else:
            problem = _left_over(store, model, item)
        if problem is None:
            return _State.WHOLE
        present = next((one for one in store.stored(model) if one.name == item.name), None)
        if present is None:
            return _State.GONE
        if present == item:
            moved_to = store.quarantine(model, item.name) if repair else None
            gone = repair and moved_to is None
            return _State.GONE if gone else Finding(model, item.name, problem, moved_to)
        item = present
    return _State.BUSY


def _damage(store: Store, model: str, run_id: str) -> str | None:
    """Why a run is not whole; None for a whole one."""
    try:
        store.read_all(model, run_id)
    except StoreError as error:
        return str(error)
    return None


def _left_over(store: Store, model: str, item: Stored) -> str:
    """What to say of an entry that a process left half-written or half-deleted."""
    since = f"untouched since {item.touched:%Y-%m-%d %H:%M} UTC"
    deleted = False
    with suppress(StoreError):  # a damaged record is a finding of its own
        deleted = _is_deletion(item, store.champion(model))
    if deleted:
        return f"was deleted only in part ({since}); 'fastlstm prune' deletes the rest"
    return f"has no {MANIFEST} under a run's name, so it was never finished ({since})"


def _examine_champion(store: Store, model: str, intact: set[str]) -> list[Finding]:
    """What is wrong with the record of champions, given the ids of runs that were found whole."""
    for _ in range(_LOOKS):
        try:
            record = store.champion(model)
        except StoreError as error:
            return [Finding(model, CHAMPION, str(error))]
        # A run that was promoted since the listing is not among those found whole.
        gone = [
            run for run in dict.fromkeys([record.champion, *record.previous])
            if run is not None and run not in intact and _damage(store, model, run)
        ]  # fmt: skip
        # A run that was pruned since this record was read is no longer in it.
        if not gone or store.champion(model) == record:
            break
    found = []
    if record.champion in gone:
        found.append(
            Finding(
                model, CHAMPION,
                f"names {record.champion} as the champion, which is no whole run; restore that run, "
                "or choose another with 'fastlstm rollback' or 'fastlstm promote'",
            )
        )  # fmt: skip
    earlier = [run for run in gone if run != record.champion]
    if earlier:
        listed = ", ".join(earlier)
        found.append(
            Finding(model, CHAMPION, f"earlier champions that are no whole runs: {listed}")
        )
    return found


def prune(
    store: Store, model_name: str, keep: int, *, dry_run: bool = False,
    run_ids: list[str] | None = None, now: datetime | None = None,
) -> list[str]:  # fmt: skip
    """Delete all but the newest runs of a model; return the ids of those deleted.

    The champion and the two champions before it stay, however old, and so do runs that served within the
    last hour, which a forecast may be reading, and those of the last day that are neither promoted nor
    kept yet. The champion record first lists
    the pruned runs, so that promoting one of them meanwhile is refused: a champion never lacks its
    files. A run that another process deletes at the same time counts as deleted.

    Args:
        store: the store.
        model_name: the model.
        keep: how many of the newest runs stay, at least 1.
        dry_run: delete nothing, only return what would be deleted.
        run_ids: of all its runs, oldest first, where the caller knows them.
        now: the current time; for tests.

    Raises:
        ValueError: ``keep`` is below 1.
        StoreError: the store cannot be read or changed.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least the newest run must stay, so give 1 or more")
    if run_ids is None:
        run_ids = [entry.run_id for entry in store.runs(model_name)]
    old, moment = run_ids[:-keep], now or datetime.now(UTC)
    if not old:
        return []
    if dry_run:
        return _unprotected(old, store.champion(model_name), moment)
    to_delete: list[str] = []

    def record_pruned(record: ChampionRecord) -> ChampionRecord:
        to_delete[:] = _unprotected(old, record, moment)
        # Runs that a killed pruning recorded are only deleted, not recorded again.
        unrecorded = [run for run in to_delete if not record.has_pruned(run)]
        return record.pruned(unrecorded, f"not among the newest {keep}") if unrecorded else record

    store.update_champion(model_name, record_pruned)
    for run_id in to_delete:
        store.remove(model_name, run_id)
    return to_delete


def remove_left_overs(
    store: Store, model_name: str, *, dry_run: bool = False, now: datetime | None = None
) -> list[str]:
    """Delete what killed processes left of writing and deleting a model's runs; return the names.

    Those are entries under a temporary name, and the rest of pruned runs, untouched for an hour. A run
    that lost its manifest in another way is not deleted; see ``examine``.

    Args:
        store: the store.
        model_name: the model.
        dry_run: delete nothing, only return what would be deleted.
        now: the current time; for tests.

    Raises:
        StoreError: the store cannot be read or changed.
    """
    record, moment = store.champion(model_name), now or datetime.now(UTC)
    found = [
        item.name
        for item in store.stored(model_name)
        if not item.finished
        and moment - item.touched >= _IN_PROGRESS
        and (is_temporary_name(item.name) or _is_deletion(item, record))
    ]
    if not dry_run:
        for name in found:
            store.remove(model_name, name)
    return found


def _is_deletion(item: Stored, record: ChampionRecord) -> bool:
    """Whether an unfinished entry is what is left of a run that was pruned."""
    run_id = item.name.strip(".").partition(".")[0]
    return not item.finished and record.has_pruned(run_id)


def _unprotected(runs: list[str], record: ChampionRecord, now: datetime) -> list[str]:
    """The runs that neither serve nor did lately, and on whose promotion nothing is being decided."""
    protected = {record.champion, *record.previous[-_PREDECESSORS:]}
    protected |= record.replaced_since(now - _IN_PROGRESS)
    return [
        run
        for run in runs
        if run not in protected
        and (record.decision_on(run) is not None or now - created(run) >= _TO_DECIDE)
    ]
