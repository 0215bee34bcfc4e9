"""What tasks pass to each other: the path of a result and the hash of its content, never the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fastlstm.artifacts.folders import mark_used, verify
from fastlstm.errors import StoreError


class _Reference(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Reference):
    """The source of a retraining."""

    data_sha256: str = Field(description="Hash of the source files' bytes.")
    path: str = Field(description="Path of the source's files on this machine.")
    skipped: dict[str, str] = Field(
        default_factory=dict, description="Files that are not read, with the reason."
    )
    joined: list[str] = Field(
        default_factory=list, description="Path of each table joined to it, on this machine."
    )
    run_fingerprint: str = Field(description="Hash of data, settings, code and libraries.")
    unchanged_run: str | None = Field(
        None, description="Finished run built from the same data, settings and code."
    )


class StepOutput(_Reference):
    """The output folder of a step."""

    path: str = Field(description="The folder.")
    key: str = Field(description="Hash of what it was built from: inputs, settings, code.")
    content_sha256: str = Field(description="Hash of its content.")
    rows: int = Field(description="Rows, windows or epochs in it.")

    def is_intact(self) -> bool:
        """Whether the folder still has this content; if so, it counts as used now."""
        mark_used(Path(self.path))
        try:
            verify(Path(self.path), self.content_sha256)
        except StoreError:
            return False
        return True


class RunReference(_Reference):
    """A stored run."""

    model_name: str
    run_id: str
    location: str = Field(description="Folder or URL of the run.")
    content_sha256: str


class Outcome(_Reference):
    """How a retraining ended."""

    run: RunReference
    promoted: bool
    unchanged: bool = False
    left_out: list[str] = Field(
        default_factory=list, description="What of the source is not used, and why."
    )
    message: str
    champion: str | None = Field(None, description="Champion it was compared with.")
    champion_score: float | None = Field(
        None, description="The champion's score on the same windows."
    )


class GroupWork(_Reference):
    """What a retraining does about one group of ``models_by``."""

    name: str = Field(description="Name of the group, such as 'region=north'.")
    rows: int
    path: str = Field(description="File of its rows.")
    joined: list[str] = Field(
        default_factory=list, description="Path of each table joined to them, on this machine."
    )
    data_sha256: str = Field(description="Hash of the file's bytes.")
    run_fingerprint: str = Field(description="Hash of its rows, its settings, code and libraries.")
    settings: dict[str, Any] = Field(description="Its own settings, by 'section.key'.")
    unchanged: bool = Field(description="Whether its newest run was built from the same.")


class GroupPlan(_Reference):
    """What a retraining does about all groups."""

    groups: list[GroupWork]
    pooled: dict[str, int] = Field(description="Rows of the groups that share one model, by name.")
    refused: dict[str, int] = Field(description="Rows of the groups that are too small, by name.")
    minimum_rows: int = Field(description="Least rows of a group with a model of its own.")
    warnings: list[str] = Field(default_factory=list)


class GroupOutcome(_Reference):
    """How the retraining of one group ended."""

    name: str
    status: Literal["promoted", "kept", "not promoted", "unchanged", "failed", "refused"]
    message: str


class GroupsOutcome(_Reference):
    """How the retraining of all groups ended."""

    report: str = Field(description="Folder or URL of the report on all models.")
    groups: list[GroupOutcome]
    unchanged: bool = Field(False, description="Whether nothing was retrained.")
    message: str

    @property
    def failed(self) -> list[GroupOutcome]:
        """The groups without a new model, for an error or too few rows."""
        return [group for group in self.groups if group.status in ("failed", "refused")]


class BacktestOutcome(_Reference):
    """What a backtest found."""

    path: str = Field(description="Folder with its figure, table, summary and predictions.")
    content_sha256: str = Field(description="Hash of its content.")
    folds: int
    windows: int
    significantly_better: dict[str, bool] = Field(
        description="By baseline, whether the network is significantly better (5%)."
    )
    message: str


class StudyReference(_Reference):
    """A search for hyperparameters that is in progress."""

    path: str = Field(description="Folder of the search.")
    key: str = Field(description="Name of the study: hash of data, fixed settings and code.")
    left: int = Field(description="Number of trials still to run.")
    primary: str | None = Field(
        None,
        description="Primary metric that scores trials; none where their best epoch's does.",
    )


class TuneOutcome(_Reference):
    """What a search found."""

    path: str = Field(description="Folder with the best settings, the trials and the figure.")
    content_sha256: str = Field(description="Hash of its content.")
    trials: int
    best: float = Field(description="Validation score of the best trial.")
    message: str


class ChosenForecaster(_Reference):
    """Who forecasts: a run's network or, without a champion, its best baseline."""

    run: RunReference
    id: str = Field(description="What stored forecasts keep as ``run_id``.")
    baseline: str | None = Field(None, description="Key of the baseline; none for the network.")
    score: str = Field("", description="The baseline's name and its score on the run's test rows.")

    @property
    def text(self) -> str:
        """Who forecasts, for people."""
        if self.baseline is None:
            return f"run {self.run.run_id}"
        return f"a baseline, as there is no champion ({self.score} of run {self.run.run_id})"


class LocalTable(_Reference):
    """Rows fetched to this machine."""

    path: str = Field(description="A file, or a folder of them.")
    sha256: str = Field(description="Hash of the files' bytes.")
    skipped: dict[str, str] = Field(
        default_factory=dict,
        description="Objects of an S3 prefix that are not read, with the reason.",
    )


class Scored(_Reference):
    """Forecasts that are not appended yet."""

    path: str = Field(description="Folder with the forecasts and the summary of their inputs.")
    content_sha256: str = Field(description="Hash of its content.")
    forecaster: ChosenForecaster
    forecasts: int
    series: int
    skipped: dict[str, str] = Field(description="Series without a forecast, with the reason.")
    warnings: list[str] = Field(
        default_factory=list, description="What the data checks warned of, and what is left out."
    )


class ScoringOutcome(_Reference):
    """How a scoring ended."""

    run: RunReference
    baseline: str | None = Field(
        None, description="Key of the baseline of this run that forecast, without a champion."
    )
    forecasts: int
    added: int = Field(description="Number of forecasts that were not stored before.")
    skipped: dict[str, str]
    warnings: list[str] = Field(default_factory=list)
    message: str


class LabelHealth(_Reference):
    """Live scores of a label column, or of its rows of one class; see ``LabelScores``."""

    column: str
    label: str | None = Field(description="The true class; none: all.")
    forecasts: int
    log_loss: float
    expected_log_loss: float | None = Field(description="On the test rows of the same steps.")
    accuracy: float
    expected_accuracy: float | None


class GroupScorings(_Reference):
    """How a scoring of all groups ended."""

    models: int = Field(description="Models that forecast.")
    baselines: list[str] = Field(
        description="Groups without a champion, which a baseline forecast."
    )
    forecasts: int
    added: int = Field(description="Number of forecasts that were not stored before.")
    skipped: dict[str, str] = Field(description="Groups and series without a forecast, and why.")
    warnings: list[str] = Field(default_factory=list)
    message: str


class Health(_Reference):
    """What a monitoring found."""

    degraded: bool
    error_name: str
    live_error: float | None
    promised_error: float | None
    forecasts: int = Field(description="Forecasts with a known actual value.")
    coverage: dict[str, float] = Field(
        default_factory=dict, description="Share of actual values inside the intervals, by level."
    )
    psi: dict[str, float] = Field(description="Population stability index of each feature.")
    input_rows: int
    labels: list[LabelHealth] = Field(
        default_factory=list, description="Of a classifier: log loss and accuracy by class."
    )
    reasons: list[str]
    stale: list[str] = Field(
        default_factory=list,
        description="Why the model is stale: no new run, or no promotion, for too long.",
    )
    message: str


class UpkeepOutcome(_Reference):
    """What an upkeep found and deleted."""

    whole: int = Field(description="Runs of which every byte agrees with the manifest.")
    problems: list[str] = Field(description="What is damaged or incomplete, a sentence each.")
    pruned: list[str] = Field(description="Deleted runs.")
    deleted: list[str] = Field(description="Deleted intermediate results.")
    freed: int = Field(description="Bytes of the deleted intermediate results.")
    message: str


class GroupsHealth(_Reference):
    """What a monitoring of all groups found."""

    degraded: bool = Field(description="Whether any model is degraded.")
    groups: dict[str, Health]
    skipped: dict[str, str] = Field(description="Models that were not measured, and why.")
    reasons: list[str] = Field(description="Of the first degraded models, with the group.")
    stale: list[str] = Field(
        default_factory=list,
        description="Why models are stale: no new run, or no promotion, for too long.",
    )
    message: str
