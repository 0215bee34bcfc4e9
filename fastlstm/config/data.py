"""All settings of a table: its source, how it is written, its times, and the roles of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from fastlstm.config.categories import label_outputs
from fastlstm.config.column_roles import ColumnRoles
from fastlstm.config.data_checks import CHECKS
from fastlstm.config.known_future import ahead_columns
from fastlstm.redaction import redacted


class DataConfig(ColumnRoles):
    """The source of the rows and the roles of its columns."""

    @classmethod
    def of_run(cls, stored: Mapping[str, Any]) -> DataConfig:
        """The settings that a run keeps.

        Forecasts of a run whose settings do not mention limits have none. A password in its URL, which
        settings refuse, is hidden: the run opens, and its rows are read from elsewhere.
        """
        path = stored.get("path")
        shown = {"path": redacted(path)} if isinstance(path, str) else {}
        return cls.model_validate({"clip_forecasts": False, **stored, **shown})

    @model_validator(mode="after")
    def _columns_agree(self) -> DataConfig:
        if self.resample is not None and self.frequency is None:
            self.frequency = self.resample.to
        # Without a frequency the time of a later row is unknown: the calendar is that of the row.
        of_time = self.calendar_columns if self.frequency is None else []
        of_bins = {n: d.classes for n, d in self.derived_targets.items() if d.bins is not None}
        self.categories = {**self.categories, **of_bins}
        computed = [
            *of_time, *self.known_future, *ahead_columns(self.known_ahead), *self.static,
            *self.series_columns,
        ]  # fmt: skip
        features, computed = (self.with_indicators(names) for names in (self.features, computed))
        self.features = [*features, *(n for n in computed if n not in features)]
        self.targets = [
            output
            for name in self.targets
            for output in (
                label_outputs(name, self.categories[name]) if name in self.categories else [name]
            )
        ]
        problems = [problem for check in CHECKS for problem in check(self)]
        if problems:
            raise ValueError("\n".join(problems))
        return self
