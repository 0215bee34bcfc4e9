"""Look after a store: find what is damaged or half-made, set it aside, and give up old runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, PRUNED, ChampionRecord
from fastlstm.registry.store import Store

# Something half-made that was touched within this time may still be in the making.
_IN_THE_MAKING = timedelta(hours=1)


# The champions before the champion that are never given up, so that a rollback finds them.
_PREDECESSORS = 2


@dataclass(frozen=True)
class Finding:
    """Something in a store that is not as it should be.

    Attributes:
        model_name: the model it belongs to.
        name: name of the run, of a left-over, or of the champion record.
        problem: one sentence.
        moved_to: where it was set aside, or None.
    """

    model_name: str
    name: str
    problem: str
    moved_to: str | None = None


@dataclass(frozen=True)
class Examination:
    """What ``examine`` found.

    Attributes:
        models: models looked at.
        whole: runs of which every byte is as the manifest says.
        findings: everything else.
    """

    models: int
    whole: int
    findings: list[Finding]


def examine(store: Store, *, repair: bool = False, now: datetime | None = None) -> Examination:
    """Read every run of every model and check it, and the champion, against the manifests.

    Args:
        store: the store.
        repair: set aside what is damaged or half-made. Nothing is deleted, and which run serves is
            not changed. What was touched within the last hour may be in the making and stays.
        now: the time it is; for tests.
    """
    findings, whole, models = [], 0, store.models()
    for model in models:
        good = set()
        for item in store.stored(model):
            in_the_making = not item.finished and (
                (now or datetime.now(UTC)) - item.touched < _IN_THE_MAKING
            )
            try:
                store.read_all(model, item.name)
            except StoreError as error:
                problem = str(error)
            else:
                good.add(item.name)
                continue
            if in_the_making:
                problem += "; touched within the last hour, so it may be in the making"
            moved = store.quarantine(model, item.name) if repair and not in_the_making else None
            findings.append(Finding(model, item.name, problem, moved))
        whole += len(good)
        findings += _champion(store, model, good)
    return Examination(len(models), whole, findings)


def _champion(store: Store, model: str, good: set[str]) -> list[Finding]:
    try:
        record = store.champion(model)
    except StoreError as error:
        return [Finding(model, CHAMPION, str(error))]
    found = []
    if record.champion is not None and record.champion not in good:
        found.append(
            Finding(
                model, CHAMPION,
                f"names {record.champion} as the champion, which is no whole run; restore that run, "
                "or choose another with 'fastlstm rollback' or 'fastlstm promote'",
            )
        )  # fmt: skip
    gone = [run for run in record.previous if run not in good]
    if gone:
        found.append(
            Finding(model, CHAMPION, f"earlier champions that are no whole runs: {', '.join(gone)}")
        )
    return found


def prune(store: Store, model_name: str, keep: int, *, dry_run: bool = False) -> list[str]:
    """Delete all but the newest runs of a model; return the ids of those deleted.

    The champion and the two champions before it stay, however old. The record of champions first
    notes which runs are given up, so that whoever promotes one of them meanwhile is refused: a
    champion never lacks its files.

    Args:
        store: the store.
        model_name: the model.
        keep: how many of the newest runs stay, at least 1.
        dry_run: delete nothing, only tell.

    Raises:
        ValueError: ``keep`` is below 1.
        StoreError: the store cannot be read or changed.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least the newest run must stay, so give 1 or more")
    old = [entry.run_id for entry in store.runs(model_name)[:-keep]]
    doomed: list[str] = []

    def give_up(record: ChampionRecord) -> ChampionRecord:
        protected = {record.champion, *record.previous[-_PREDECESSORS:]}
        doomed[:] = [run for run in old if run not in protected]
        decisions = {run: record.decision_on(run) for run in doomed}
        # What a killed pruning had noted is not noted again, only deleted at last.
        noted = {
            run for run, decision in decisions.items() if decision and decision.action == PRUNED
        }
        fresh = [run for run in doomed if run not in noted]
        return record.pruned(fresh, f"not among the newest {keep}") if fresh else record

    if dry_run:
        give_up(store.champion(model_name))
        return doomed
    store.update_champion(model_name, give_up)
    for run_id in doomed:
        store.remove(model_name, run_id)
    return doomed
