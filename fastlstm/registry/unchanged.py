"""Whether there is anything to retrain: known from fingerprints, before heavy libraries load."""

from __future__ import annotations

from dataclasses import dataclass

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.files import source_fingerprint
from fastlstm.errors import StoreError
from fastlstm.registry.store import RunEntry, Store, find_run


@dataclass(frozen=True)
class Changes:
    """What a retraining would be made from.

    Attributes:
        data_fingerprint: hash of the source files' bytes.
        run_fingerprint: hash of data, settings, code and libraries.
        unchanged: the finished run made from exactly these, if there is one.
    """

    data_fingerprint: str
    run_fingerprint: str
    unchanged: RunEntry | None


def settings_that_matter(config: RetrainConfig) -> dict[str, object]:
    """The settings a run's numbers depend on: all but where things lie and how long they may take."""
    dump = config.model_dump(include={"data", "hyperparameters", "evaluation"})
    if (
        config.warm_start
    ):  # where it is off, runs from before there was a choice are known as they were
        dump["warm_start"] = True
    for key in ("path", "query"):
        del dump["data"][key]
    return dump


def check_for_changes(
    config: RetrainConfig, store: Store, data_fingerprint: str | None = None
) -> Changes:
    """Look for a finished run built from the same data, settings and code.

    A run counts as finished when it is whole and a decision on promoting it was taken, so a
    retraining that was killed in between goes on.

    Args:
        config: all settings.
        store: where runs are kept.
        data_fingerprint: hash of the source files' bytes, see ``source_fingerprint``; without it the
            files at ``config.data.path`` are hashed.

    Raises:
        ConfigError: nothing stands at ``data.path``.
    """
    data = data_fingerprint or source_fingerprint(config.data.path, config.data.format)
    whole = fingerprint(data, settings_that_matter(config), code_version())
    name = config.hyperparameters.model_name
    entry = find_run(store, name, whole)
    if entry is not None:
        try:
            store.check(name, entry.run_id)
        except StoreError:
            entry = None
        else:
            if store.champion(name).decision_on(entry.run_id) is None:
                entry = None
    return Changes(data, whole, entry)
