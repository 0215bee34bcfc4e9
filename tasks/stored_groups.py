"""The models of all groups that a store holds, and newest rows divided among them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastlstm.config.data import DataConfig
from fastlstm.config.group_names import ALL, POOLED
from fastlstm.errors import StoreError
from fastlstm.registry.store import GroupRuns, Store
from fastlstm.steps.split_groups import split_newest_into
from tasks.work_place import local_work


@dataclass(frozen=True)
class StoredGroups:
    """The models of all groups.

    Attributes:
        runs: what the store holds of each model, by its group's name.
        report: what the newest report on all models holds; empty where there is none.
    """

    runs: dict[str, GroupRuns]
    report: dict[str, object]

    def model_of(self, group: str) -> str | None:
        """The group whose model forecasts a group; None where there is none.

        A group that was pooled, or is new, is forecast by the pooled model.
        """
        pooled = self.report.get("pooled", [])
        assert isinstance(pooled, list)  # noqa: S101 (as the report was written)
        if group in self.runs and self.runs[group].newest is not None and group not in pooled:
            return group
        return POOLED if POOLED in self.runs else None

    @property
    def models_by(self) -> list[str]:
        """The columns of the groups."""
        columns = self.report["models_by"]
        assert isinstance(columns, list)  # noqa: S101 (as the report was written)
        return columns

    def data(self, path: str, file_format: str) -> DataConfig:
        """The roles of the columns of a file with rows of all groups."""
        given = self.report["data"]
        assert isinstance(given, dict)  # noqa: S101 (as the report was written)
        return DataConfig.model_validate({**given, "path": path, "format": file_format})


def stored_groups(store: Store, family: str) -> StoredGroups:
    """The models of all groups, found by one listing of the store.

    Args:
        store: where runs are kept.
        family: name of the model.
    """
    runs = store.groups(family)
    reports = runs.pop(ALL, None)
    newest = None if reports is None else reports.newest
    return StoredGroups(runs, {} if newest is None else newest.manifest)


def trained_groups(store: Store, family: str) -> StoredGroups:
    """The models of all groups of a finished retraining.

    Raises:
        StoreError: there is no report on all models.
    """
    found = stored_groups(store, family)
    if "data" not in found.report:
        raise StoreError(
            f"{store}: has no report on all models of {family!r}; run 'fastlstm retrain' with models_by"
        )
    return found


@contextmanager
def rows_by_model(
    groups: StoredGroups, data: DataConfig, models_by: list[str], work: str, only: str | None = None
) -> Iterator[tuple[Path, dict[str, list[str]]]]:
    """Divide rows of all groups into a Parquet file for each model, for the time of the block.

    Args:
        groups: the models.
        data: the rows and the roles of their columns.
        models_by: the columns of the groups.
        work: the work folder.
        only: name of the group whose rows alone are wanted; None: all.

    Yields:
        The folder with the files, see ``fastlstm.steps.split_groups.group_file``; and the groups of
        each model, by its group's name; of no model, under an empty name.
    """

    def model_of(group: str) -> str | None:
        model = groups.model_of(group)
        return model if only in (None, group, model) else None

    home = local_work(work) / "forecast"
    home.mkdir(parents=True, exist_ok=True)
    # A name by which 'clean' finds what a killed run leaves.
    with tempfile.TemporaryDirectory(dir=home, prefix=".upload-") as name:
        folder = Path(name)
        yield folder, split_newest_into(folder, data, models_by, model_of)
