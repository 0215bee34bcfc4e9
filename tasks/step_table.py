"""The table of all pipeline steps: what each depends on, what it counts, where its output lies.

Caching, retries, progress messages, cleaning of the work folder and the documentation read it. A new
step is one entry here and one task in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastlstm.reporting.text import markdown_table

if TYPE_CHECKING:
    from tasks.settings import PipelineConfig

Manifest = dict[str, Any]
# What is computed from settings, as the documentation calls it.
_PROPERTIES = {
    "lookahead": "the label horizon",
    "scaled_alike": "which features are static",
    "forecast_limits": "the limits of the targets",
    "rounded_targets": "which targets are rounded",
    "has_count_loss": "whether the loss is of counts",
}


@dataclass(frozen=True)
class Settings:
    """The settings of one section that a step's output depends on.

    Attributes:
        section: name of the section of ``PipelineConfig``; empty for settings of no section.
        only: names in it; empty means all of them.
        without: names in it that the output does not depend on.
    """

    section: str
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def values(self, config: PipelineConfig) -> dict[str, Any]:
        """The values in a config, JSON-like."""
        section = getattr(config, self.section) if self.section else config
        if self.only:
            return {name: getattr(section, name) for name in self.only}
        values: dict[str, Any] = section.model_dump(exclude=set(self.without))
        return values

    def __str__(self) -> str:
        names = ", ".join(_PROPERTIES.get(name, f"`{name}`") for name in self.only or self.without)
        if not self.section:
            return names
        if self.only:
            return f"`{self.section}`: {names}"
        return f"`{self.section}`" + (f" without {names}" if names else "")


@dataclass(frozen=True)
class ColumnTypes:
    """The declared types of the columns to read; their other rules belong to the step validate."""

    def values(self, config: PipelineConfig) -> dict[str, str | None]:
        """The type of each column, by its name."""
        return {name: config.data.rules(name).dtype for name in config.data.value_columns}

    def __str__(self) -> str:
        return "`data.columns`: `dtype`"


@dataclass(frozen=True)
class Step:
    """One step of a flow.

    Attributes:
        name: name of the task and of its messages.
        action: what it does, for the documentation.
        group: Prefect tag beside 'fastlstm'.
        retries: more tries after a failure that may pass.
        settings: what its output depends on beside its inputs, the code and the libraries; empty
            where the output is no folder that later runs use again.
        unit: what the output counts.
        count: that number, by the output's manifest.
        deterministic: whether the same inputs give the same bytes. An output that does not is
            identified by what it was built from, not by its content.
        folders: folders of its files in the work folder; the first one holds its output.
        always_runs: whether it runs although its output exists, since it also reports.
    """

    name: str
    action: str
    group: Literal["data", "windows", "network", "store"]
    retries: int
    settings: tuple[Settings | ColumnTypes, ...] = ()
    unit: str = ""
    count: Callable[[Manifest], int] = lambda _: 0
    deterministic: bool = True
    folders: tuple[str, ...] = ()
    always_runs: bool = False

    @property
    def is_cached(self) -> bool:
        """Whether a later run takes its output from the cache, without running it."""
        return bool(self.settings) and not self.always_runs


def _number(key: str) -> Callable[[Manifest], int]:
    """The number that a manifest holds under a key."""
    return lambda manifest: int(manifest[key])


def _all_windows(manifest: Manifest) -> int:
    """Windows of all splits."""
    return sum(manifest["windows"].values())


# What concerns forecasts alone.
_OF_FORECASTS = ("clip_forecasts", "round_forecasts")
_TRAINING = Settings("hyperparameters", without=("model_name", "save_X_Y_data"))
_SCORING = (
    Settings("evaluation"),
    Settings(
        "data",
        only=("frequency", "time_zone", "lookahead", "forecast_limits", "rounded_targets"),
    ),
)
_FOLDS = (
    _TRAINING,
    Settings("evaluation"),
    Settings(
        "data",
        only=(
            "features",
            "targets",
            "frequency",
            "time_zone",
            "lookahead",
            "forecast_limits",
            "rounded_targets",
        ),
    ),
    Settings("backtest"),
)

_ALL = (
    Step(
        "check source", "fetches and hashes the source, looks for a run built from the same",
        "data", 3, folders=("sources", "sources/objects"),
    ),
    Step("unchanged", "returns the run that was built from the same data and settings", "store", 0),
    Step(
        "load", "reads the source into one table", "data", 3,
        (
            Settings("data", without=("path", "query", "columns", *_OF_FORECASTS)),
            ColumnTypes(),
            Settings("hyperparameters", only=("timesteps", "steps_ahead", "LSTM_type")),
            Settings("execution", only=("shard_rows",)),
        ),
        "rows", _number("rows"), folders=("load",),
    ),
    Step(
        "validate", "checks the rows, fills or drops missing values", "data", 2,
        (
            Settings("data", without=("path", "query", *_OF_FORECASTS)),
            Settings("hyperparameters", only=("LSTM_type",)),
        ),
        "rows", _number("rows"), folders=("validate", "refused"),
    ),
    Step(
        "scale", "splits the rows by time, scales them by the train rows, finds the seasons of these",
        "windows", 2,
        (
            Settings("data", only=(
                "features", "targets", "lookahead", "series", "scaled_alike", "frequency",
            )),
            Settings("hyperparameters", only=(
                "scaler_type", "scaler_scope", "scale_targets", "timesteps",
                "train_size_rate", "validation_size_rate", "split", "LSTM_type", "steps_ahead",
                "has_count_loss",
            )),
            Settings("evaluation", only=("season_length",)),
        ),
        "rows", _number("rows"), folders=("scale",),
    ),
    Step(
        "windows", "cuts the windows of each split", "windows", 2,
        (
            Settings("data", only=("lookahead",)),
            Settings("hyperparameters", only=(
                "timesteps", "steps_ahead", "train_size_rate", "validation_size_rate", "split",
            )),
        ),
        "windows", _all_windows, folders=("windows",),
    ),
    Step(
        "split groups", "divides the source into one file for each group of `models_by`", "data", 2,
        (
            Settings("", only=("models_by",)),
            Settings("groups", only=("minimum_rows", "small")),
            Settings("data", without=("path", "query", "columns", "frequency", "clip_forecasts")),
            ColumnTypes(),
            Settings("hyperparameters", only=("timesteps", "steps_ahead")),
        ),
        "groups", _number("count"), folders=("groups",),
    ),
    Step("plan groups", "finds the groups whose rows or settings changed", "store", 3),
    Step("retrain group", "runs all steps of one group's model on a worker", "network", 1),
    Step("report groups", "stores one report on the models of all groups", "store", 3),
    Step("find champion", "finds the run whose weights a warm start begins with", "store", 3),
    Step(
        "train", "trains the network", "network", 1, (_TRAINING,),
        "epochs", _number("epochs"), deterministic=False, folders=("train", "unfinished"),
    ),
    Step(
        "evaluate", "scores network and baselines on the test windows", "network", 1, _SCORING,
        "test windows", _number("windows"), deterministic=False, folders=("evaluate",),
    ),
    Step(
        "refit", "trains the network that serves on all windows", "network", 1, (_TRAINING,),
        "epochs", _number("epochs"), deterministic=False, folders=("refit",),
    ),
    Step("save", "stores the run", "store", 3),
    Step("promote", "compares the run with champion and baselines, promotes it if better", "store", 3),
    Step("report", "shows the run in Prefect", "store", 3),
    Step("plan folds", "plans the folds of a backtest", "data", 2),
    Step(
        "evaluate folds", "trains once and scores one or several folds", "network", 1, _FOLDS,
        "test windows", _number("windows"), deterministic=False, folders=("folds",),
    ),
    Step(
        "combine folds", "puts the folds of a backtest together", "data", 2, _FOLDS,
        "test windows", _number("windows"), deterministic=False, folders=("backtest",), always_runs=True,
    ),
    Step("begin search", "opens a search for hyperparameters, or continues it", "data", 2,
         folders=("tune",)),
    Step("trial", "trains with one set of hyperparameters", "network", 0),
    Step("best trial", "writes the best settings of a search", "data", 2),
    Step("choose run", "chooses the run to forecast with", "store", 3),
    Step("fetch rows", "fetches the newest rows", "data", 3),
    Step("forecast", "forecasts the rows after each series", "network", 1, folders=("forecast",)),
    Step("append", "appends the forecasts where they are kept", "store", 3),
    Step("score groups", "forecasts with the models of all groups, and appends", "network", 3),
    Step("check groups", "compares forecasts and inputs of the models of all groups", "data", 3),
    Step("check health", "compares live forecasts and inputs with test and training", "data", 3),
    Step("report degraded", "emits the event of a degraded model", "data", 3),
    Step("check freshness", "emits an event where no run is new or promoted for long", "store", 3),
    Step("verify store", "compares every stored run with its manifest", "store", 3),
    Step("prune runs", "deletes all but the newest runs", "store", 3),
    Step("clean work", "deletes intermediate results that no run has used lately", "store", 3),
)  # fmt: skip

STEPS = {step.name: step for step in _ALL}
# Work of a whole flow: the steps of a full retraining, and copies of runs stored in S3.
_FOLDERS_OF_FLOWS = ("full", "s3", "s3/manifests", "s3/champions")
FOLDERS = (*(folder for step in _ALL for folder in step.folders), *_FOLDERS_OF_FLOWS)


def as_markdown() -> str:
    """The table for the documentation."""
    header = [
        "step", "what it does", "output depends on its inputs and", "counts", "deterministic",
        "retries", "folders in `work`",
    ]  # fmt: skip
    rows = [
        [
            step.name,
            step.action,
            "; ".join(map(str, step.settings)) or "runs each time",
            step.unit,
            ("yes" if step.deterministic else "no") if step.settings else "",
            str(step.retries),
            ", ".join(f"`{folder}`" for folder in step.folders),
        ]
        for step in _ALL
    ]
    return "\n".join(markdown_table(header, rows, text_columns=(0, 1, 2, 3, 4, 6)))
