"""Whether there is anything to retrain: decided by fingerprints, before heavy libraries load."""

from __future__ import annotations

from dataclasses import dataclass

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.files import source_fingerprint
from fastlstm.data.source_content import with_joins
from fastlstm.errors import StoreError
from fastlstm.registry.store import RunEntry, Store, find_run


@dataclass(frozen=True)
class Changes:
    """What a retraining would be built from.

    Attributes:
        data_fingerprint: hash of the source files' bytes.
        run_fingerprint: hash of data, settings, code and libraries.
        unchanged: the finished run built from exactly these, if there is one.
    """

    data_fingerprint: str
    run_fingerprint: str
    unchanged: RunEntry | None


def settings_of_results(config: RetrainConfig) -> dict[str, object]:
    """The settings that a run's numbers depend on: not locations and time limits."""
    dump = config.model_dump(include={"data", "hyperparameters", "evaluation"})
    # Left out where it is off, so that fingerprints of runs without this setting stay valid.
    if config.warm_start:
        dump["warm_start"] = True
    for key in ("path", "query"):
        del dump["data"][key]
    if config.models_by:
        dump["models_by"] = config.models_by
        dump["groups"] = config.groups.model_dump(include={"minimum_rows", "small"})
        dump["overrides"] = config.overrides()
    return dump


def check_for_changes(
    config: RetrainConfig, store: Store, data_fingerprint: str | None = None
) -> Changes:
    """Look for a finished run built from the same data, settings and code.

    A run counts as finished when it is whole and a decision on promoting it was taken, so a
    retraining that was killed in between goes on. Of models by group it is the report on all of them,
    which has this fingerprint where each group has its model.

    Args:
        config: all settings.
        store: where runs are kept.
        data_fingerprint: hash of the source files' bytes, those that are joined among them, see
            ``with_joins``; without it they are hashed.

    Raises:
        ConfigError: there is nothing at ``data.path``.
    """
    data = data_fingerprint
    if data is None:
        data = with_joins(source_fingerprint(config.data.path, config.data.format), config.data)
    whole = fingerprint(data, settings_of_results(config), code_version())
    name = config.stored_name
    entry = find_run(store, name, whole)
    if entry is not None and not _is_finished(store, name, entry.run_id, config):
        entry = None
    return Changes(data, whole, entry)


def _is_finished(store: Store, model_name: str, run_id: str, config: RetrainConfig) -> bool:
    """Whether a run is whole and a decision on promoting it was taken."""
    try:
        store.check(model_name, run_id)
    except StoreError:
        return False
    return bool(config.models_by) or store.champion(model_name).decision_on(run_id) is not None
