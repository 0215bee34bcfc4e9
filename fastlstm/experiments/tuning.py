"""Search for hyperparameters with Optuna; validation alone judges, and every trial is kept.

Akiba et al. 2019, "Optuna: A Next-generation Hyperparameter Optimization Framework"; the search is its
tree-structured Parzen estimator (Bergstra et al. 2011), pruning its median rule.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import yaml

from fastlstm.artifacts.file_names import (
    BEST_SETTINGS_FILE,
    SEARCH_FIGURE_FILE,
    SEARCH_SUMMARY_FILE,
    TRIALS_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.config.base import Model
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.locations import database_url
from fastlstm.config.retrain import RetrainConfig
from fastlstm.config.tuning import Range, TuneConfig
from fastlstm.errors import ConfigError, StoreError, TrainingError

_BEFORE_PRUNING, _BEFORE_MODEL = 4, 8  # trials


class PrunedError(Exception):
    """A trial's training was ended because it is unlikely to become the best."""


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "tune: searching needs Optuna; run \"pip install 'fastlstm[tune]'\""
        ) from None
    # What the trials did is told by the steps themselves.
    logging.getLogger("optuna").setLevel(logging.ERROR)
    return optuna


def study_key(config: RetrainConfig, data_sha256: str) -> str:
    """Name of the study that these data, settings and code belong to; more trials go on with it."""
    hp = config.hyperparameters.model_dump(exclude={"model_name", "save_X_Y_data"})
    for name in config.tune.ranges:
        del hp[name]
    ranges = {name: span.model_dump() for name, span in config.tune.ranges.items()}
    searched = ranges, config.tune.seed, config.tune.prune
    return fingerprint(data_sha256, hp, searched, code_version())


class Search:
    """The trials of one study, wherever they are stored.

    Opening it takes up trials that were cut off: what they were about to try is tried again.

    Args:
        config: all settings; those of ``tune`` say what is searched.
        key: as of ``study_key``.
        folder: where the trials are kept unless ``tune.storage`` says otherwise.
        resume: whether to take up trials that were cut off; only where none is running.

    Raises:
        ConfigError: no ranges, or Optuna is not installed.
        StoreError: the storage cannot be reached, or is damaged.
    """

    def __init__(self, config: RetrainConfig, key: str, folder: Path, resume: bool = False) -> None:
        if not config.tune.ranges:
            raise ConfigError(
                "tune.ranges: nothing to search; name hyperparameters, e.g. "
                "'learning_rate: {low: 0.0001, high: 0.01, log: true}'"
            )
        optuna = _optuna()
        self._config, self._optuna = config, optuna
        hp, chosen = config.hyperparameters, config.tune
        place: Any = None if chosen.storage is None else database_url(chosen.storage)
        try:
            if place is None:
                from optuna.storages.journal import JournalFileBackend

                folder.mkdir(parents=True, exist_ok=True)
                place = optuna.storages.JournalStorage(
                    JournalFileBackend(str(folder / "trials.journal"))
                )
            pruner: Any = optuna.pruners.NopPruner()
            if chosen.prune:
                # What learns slowly begins worse; the first tenth of the epochs tells little.
                pruner = optuna.pruners.MedianPruner(
                    _BEFORE_PRUNING, hp.epochs // 10, n_min_trials=2
                )
            self._study = optuna.create_study(
                storage=place,
                study_name=f"{hp.model_name}-{key[:32]}",
                direction="minimize" if hp.checkpoint_mode == "min" else "maximize",
                pruner=pruner,
                load_if_exists=True,
            )
            if resume:
                self._take_up()
        except Exception as error:  # SQLAlchemy's, JSON's and the file system's alike
            if isinstance(error, ConfigError):
                raise
            first = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            where = chosen.storage or folder / "trials.journal"
            raise StoreError(f"{where}: the trials cannot be read ({first})") from None

    def _take_up(self) -> None:
        state = self._optuna.trial.TrialState
        for trial in self._study.get_trials(states=(state.RUNNING,)):
            self._study.tell(trial.number, state=state.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs={"again": trial.number})

    def _ended(self) -> list[Any]:
        """Trials that count: those that were cut off and are tried again do not."""
        again = {t.user_attrs.get("again") for t in self._study.trials}
        return [t for t in self._study.trials if t.state.is_finished() and t.number not in again]

    @property
    def ended(self) -> int:
        """Trials that came to an end."""
        return len(self._ended())

    @property
    def left(self) -> int:
        """Trials still to be made."""
        return max(0, self._config.tune.trials - self.ended)

    def ask(self) -> Trial:
        """The next trial."""
        self._study.sampler = self._optuna.samplers.TPESampler(
            # By the trials before it, so that a search that was cut off draws what it would have.
            seed=(self._config.tune.seed + self.ended) % 2**31,
            n_startup_trials=_BEFORE_MODEL,
        )
        trial = self._study.ask()
        chosen = {
            name: _suggest(trial, name, span) for name, span in self._config.tune.ranges.items()
        }
        return Trial(self._study, trial, chosen, self._config.hyperparameters)

    def summary(self) -> dict[str, Any]:
        """All trials, the best, and how much each hyperparameter mattered, as JSON-like values.

        Raises:
            TrainingError: no trial came to its end.
        """
        state, hp = self._optuna.trial.TrialState, self._config.hyperparameters
        trials = [
            {
                "trial": trial.number + 1,
                "state": {state.COMPLETE: "complete", state.PRUNED: "pruned"}.get(
                    trial.state, "failed"
                ),
                "value": trial.value if trial.state == state.COMPLETE else None,
                "epochs": len(trial.intermediate_values),
                **_plain(trial.params),
                "note": trial.user_attrs.get("note", ""),
            }
            for trial in self._ended()
        ]
        complete = [t for t in self._ended() if t.state == state.COMPLETE]
        if not complete:
            notes = next((t["note"] for t in trials if t["note"]), "all were pruned")
            raise TrainingError(f"none of {len(trials)} trials came to its end; the first: {notes}")
        best = self._study.best_trial
        return {
            "metric": hp.checkpoint_monitor_metric,
            "better": "lower" if hp.checkpoint_mode == "min" else "higher",
            "best": {
                "trial": best.number + 1,
                "value": best.value,
                "hyperparameters": _plain(best.params),
            },
            "importance": self._importance(complete),
            "trials": trials,
        }

    def _importance(self, complete: list[Any]) -> dict[str, float]:
        """Share of each hyperparameter in how scores differ; none where they hardly do.

        Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter
        Importance" (functional analysis of variance over a random forest).
        """
        if len(complete) < 2 or len({t.value for t in complete}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {str(name): float(share) for name, share in found.items()}


class Trial:
    """One trial: called with a training's events, it reports each epoch and ends what is hopeless.

    Attributes:
        number: from 1.
        chosen: the hyperparameters it tries.
        best: the best score so far.
    """

    def __init__(
        self, study: Any, trial: Any, chosen: dict[str, Any], hyperparameters: Hyperparameters
    ) -> None:
        self._study, self._trial, self._hp = study, trial, hyperparameters
        self.number: int = trial.number + 1
        self.chosen = chosen
        self.best: float | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event of ``fastlstm.training.fit.fit``.

        Raises:
            PrunedError: the median of the earlier trials was better at this epoch.
        """
        if event["event"] != "epoch":
            return
        value = event[self._hp.checkpoint_monitor_metric]
        better = min if self._hp.checkpoint_mode == "min" else max
        self.best = value if self.best is None else better(self.best, value)
        self._trial.report(self.best, event["epoch"])
        if self._trial.should_prune():
            raise PrunedError

    def complete(self) -> None:
        """End it with its best score."""
        self._study.tell(self._trial, self.best)

    def prune(self) -> None:
        """End it as pruned."""
        self._study.tell(self._trial, state=_optuna().trial.TrialState.PRUNED)

    def fail(self, reason: str) -> None:
        """End it as failed."""
        self._trial.set_user_attr("note", reason)
        self._study.tell(self._trial, state=_optuna().trial.TrialState.FAIL)


def _suggest(trial: Any, name: str, span: Range) -> Any:
    if span.choices is not None:
        # As text, for a storage keeps numbers and texts alone.
        labels = [json.dumps(choice) for choice in span.choices]
        return json.loads(trial.suggest_categorical(name, labels))
    ends: list[Any] = [span.low, span.high]
    if all(isinstance(end, int) for end in ends) and not _takes_fractions(name):
        return trial.suggest_int(name, *ends, step=int(span.step or 1), log=span.log)
    return trial.suggest_float(
        name, *map(float, ends), step=None if span.step is None else float(span.step), log=span.log
    )


def _takes_fractions(name: str) -> bool:
    annotation = Hyperparameters.model_fields[name].annotation
    return float in (annotation, *get_args(annotation))


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def with_hyperparameters(config: Model, chosen: dict[str, Any]) -> Model:
    """The settings with these hyperparameters in place of theirs; all are checked again."""
    hp: Hyperparameters = config.hyperparameters  # type: ignore[attr-defined]
    changed = Hyperparameters.model_validate({**hp.model_dump(), **chosen})
    return config.model_copy(update={"hyperparameters": changed})


def write_search(folder: Path, summary: dict[str, Any], config: RetrainConfig) -> None:
    """Write the best settings as a config file, the trials as a table, and a figure.

    Args:
        folder: where to.
        summary: as of ``Search.summary``.
        config: the settings the search was made with.
    """
    # These import Matplotlib.
    from fastlstm.reporting.experiment_figures import search_figure
    from fastlstm.reporting.figure_style import save_figure

    best = summary["best"]
    settings = with_hyperparameters(config, best["hyperparameters"])
    given = settings.model_copy(update={"tune": TuneConfig()}).model_dump(exclude_defaults=True)
    note = (
        f"# The best of {len(summary['trials'])} trials, number {best['trial']}: "
        f"{summary['metric']} {best['value']:.6g} on validation.\n"
    )
    text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=100)
    (folder / BEST_SETTINGS_FILE).write_text(note + text, encoding="utf-8")
    pd.DataFrame(summary["trials"]).to_csv(folder / TRIALS_FILE, index=False)
    write_json(folder / SEARCH_SUMMARY_FILE, summary)
    save_figure(search_figure(summary), folder / SEARCH_FIGURE_FILE)
