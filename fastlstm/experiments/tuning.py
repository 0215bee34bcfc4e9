"""Search for hyperparameters with Optuna, scored on validation windows; every trial is kept.

With several series or targets a trial's score is the primary metric of its network, otherwise the
monitored metric of its best epoch. Pruning always compares epochs.

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
from fastlstm.reporting.text import title

# Trials before the first may be pruned, and before the sampler models their scores.
_BEFORE_PRUNING, _BEFORE_MODEL = 4, 8

_JOURNAL_FILE = "trials.journal"


class PrunedError(Exception):
    """A trial was pruned: it is unlikely to become the best."""


def _optuna() -> Any:
    """The module, whose own log messages are switched off: the steps report the trials."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "tune: searching needs Optuna; run \"pip install 'fastlstm[tune]'\""
        ) from None
    logging.getLogger("optuna").setLevel(logging.ERROR)
    return optuna


def study_key(config: RetrainConfig, data_sha256: str) -> str:
    """Key of the study that these data, settings and code belong to; more trials continue it."""
    hp = config.hyperparameters.model_dump(exclude={"model_name", "save_X_Y_data"})
    for name in config.tune.ranges:
        del hp[name]
    ranges = {name: span.model_dump() for name, span in config.tune.ranges.items()}
    search = ranges, config.tune.seed, config.tune.prune
    evaluation = config.evaluation
    scored = config.data.forecast_limits, *config.data.rounded_targets
    scoring = evaluation.primary_metric, evaluation.season_length, *scored
    return fingerprint(data_sha256, hp, search, scoring, code_version())


class Search:
    """The trials of one study.

    Args:
        config: all settings; those of ``tune`` define the search.
        key: see ``study_key``.
        folder: where the trials are kept unless ``tune.storage`` names another place.
        resume: whether to try again the hyperparameters of interrupted trials; only while no trial
            runs.
        primary: key of the primary metric, lower values better, that scores the trials; None where it
            is the metric of the best epoch.

    Raises:
        ConfigError: no ranges, or Optuna is not installed.
        StoreError: the storage cannot be reached, or is damaged.
    """

    def __init__(
        self, config: RetrainConfig, key: str, folder: Path, resume: bool = False,
        primary: str | None = None,
    ) -> None:  # fmt: skip
        if not config.tune.ranges:
            raise ConfigError(
                "tune.ranges: nothing to search; name hyperparameters, e.g. "
                "'learning_rate: {low: 0.0001, high: 0.01, log: true}'"
            )
        self._config, self._optuna, self._primary = config, _optuna(), primary
        try:
            self._study = self._open_study(key, folder)
            if resume:
                self._requeue_interrupted()
        except ConfigError:
            raise
        except Exception as error:  # of SQLAlchemy, JSON or the file system
            first = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            where = config.tune.storage or folder / _JOURNAL_FILE
            raise StoreError(f"{where}: the trials cannot be read ({first})") from None

    def _open_study(self, key: str, folder: Path) -> Any:
        """The study of this key, new or with the trials it has."""
        hp, optuna = self._config.hyperparameters, self._optuna
        return optuna.create_study(
            storage=self._storage(folder),
            study_name=f"{hp.model_name}-{key[:32]}",
            direction="minimize" if self._lower_is_better else "maximize",
            pruner=self._pruner(),
            load_if_exists=True,
        )

    @property
    def _lower_is_better(self) -> bool:
        """Which scores of trials are better."""
        return self._primary is not None or self._config.hyperparameters.checkpoint_mode == "min"

    def _storage(self, folder: Path) -> Any:
        """The database of the settings; without one a journal file in the folder."""
        if self._config.tune.storage is not None:
            return database_url(self._config.tune.storage)
        from optuna.storages.journal import JournalFileBackend

        folder.mkdir(parents=True, exist_ok=True)
        return self._optuna.storages.JournalStorage(JournalFileBackend(str(folder / _JOURNAL_FILE)))

    def _pruner(self) -> Any:
        """The median rule, if the settings ask for pruning.

        A slow learner has a worse score at first, so that the first tenth of the epochs does not count.
        """
        if not self._config.tune.prune:
            return self._optuna.pruners.NopPruner()
        warmup = self._config.hyperparameters.epochs // 10
        return self._optuna.pruners.MedianPruner(_BEFORE_PRUNING, warmup, n_min_trials=2)

    def _requeue_interrupted(self) -> None:
        """End the trials of processes that were killed, and queue their hyperparameters again."""
        state = self._optuna.trial.TrialState
        for trial in self._study.get_trials(states=(state.RUNNING,)):
            self._study.tell(trial.number, state=state.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs={"again": trial.number})

    def _ended(self) -> list[Any]:
        """Finished trials, without interrupted ones that are tried again."""
        again = {t.user_attrs.get("again") for t in self._study.trials}
        return [t for t in self._study.trials if t.state.is_finished() and t.number not in again]

    @property
    def ended(self) -> int:
        """Number of finished trials."""
        return len(self._ended())

    @property
    def left(self) -> int:
        """Number of trials still to run."""
        return max(0, self._config.tune.trials - self.ended)

    def ask(self) -> Trial:
        """The next trial."""
        self._study.sampler = self._optuna.samplers.TPESampler(
            # Depends on the number of trials alone, so that a resumed search draws the same values.
            seed=(self._config.tune.seed + self.ended) % 2**31,
            n_startup_trials=_BEFORE_MODEL,
        )
        trial = self._study.ask()
        chosen = {
            name: _suggest(trial, name, span) for name, span in self._config.tune.ranges.items()
        }
        return Trial(
            self._study, trial, chosen, self._config.hyperparameters, self._lower_is_better
        )

    def summary(self) -> dict[str, Any]:
        """All trials, the best one, and the importance of each hyperparameter, as JSON-like values.

        Raises:
            TrainingError: no trial completed.
        """
        hp, ended = self._config.hyperparameters, self._ended()
        rows = [self._row(trial) for trial in ended]
        complete = [t for t in ended if t.state == self._optuna.trial.TrialState.COMPLETE]
        if not complete:
            reason = next((row["note"] for row in rows if row["note"]), "all were pruned")
            raise TrainingError(f"none of {len(rows)} trials completed; the first: {reason}")
        best = self._study.best_trial
        return {
            "metric": title(self._primary) if self._primary else hp.checkpoint_monitor_metric,
            "better": "lower" if self._lower_is_better else "higher",
            "best": {
                "trial": best.number + 1,
                "value": best.value,
                "hyperparameters": _decoded(best.params),
            },
            "importance": self._importance(complete),
            "trials": rows,
        }

    def _row(self, trial: Any) -> dict[str, Any]:
        """One trial as a row of the summary's table."""
        state = self._optuna.trial.TrialState
        names = {state.COMPLETE: "complete", state.PRUNED: "pruned"}
        return {
            "trial": trial.number + 1,
            "state": names.get(trial.state, "failed"),
            "value": trial.value if trial.state == state.COMPLETE else None,
            "epochs": len(trial.intermediate_values),
            **_decoded(trial.params),
            "note": trial.user_attrs.get("note", ""),
        }

    def _importance(self, complete: list[Any]) -> dict[str, float]:
        """Share of each hyperparameter in the variance of scores; none where all scores are equal.

        Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter
        Importance" (functional analysis of variance over a random forest).
        """
        if len(complete) < 2 or len({t.value for t in complete}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=0)
        shares = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {str(name): float(share) for name, share in shares.items()}


class Trial:
    """One trial: called with the events of a training, it reports each epoch and may prune it.

    Attributes:
        number: from 1.
        chosen: the hyperparameters it tries.
        best: the best epoch's score so far.
    """

    def __init__(
        self, study: Any, trial: Any, chosen: dict[str, Any], hyperparameters: Hyperparameters,
        lower_is_better: bool,
    ) -> None:  # fmt: skip
        self._study, self._trial, self._hp = study, trial, hyperparameters
        # A study has one direction, in which pruning compares epochs too.
        self._sign = 1 if lower_is_better == (hyperparameters.checkpoint_mode == "min") else -1
        self.number: int = trial.number + 1
        self.chosen = chosen
        self.best: float | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Receive an event of ``fastlstm.training.fit.fit``.

        Raises:
            PrunedError: the median of earlier trials was better at this epoch.
        """
        if event["event"] != "epoch":
            return
        value = event[self._hp.checkpoint_monitor_metric]
        better = min if self._hp.checkpoint_mode == "min" else max
        self.best = value if self.best is None else better(self.best, value)
        self._trial.report(self._sign * self.best, event["epoch"])
        if self._trial.should_prune():
            raise PrunedError

    def complete(self, score: float | None = None) -> None:
        """End it.

        Args:
            score: the primary metric of its network; None where the best epoch's score counts.
        """
        self._study.tell(self._trial, self.best if score is None else score)

    def prune(self) -> None:
        """End it as pruned."""
        self._study.tell(self._trial, state=_optuna().trial.TrialState.PRUNED)

    def fail(self, reason: str) -> None:
        """End it as failed."""
        self._trial.set_user_attr("note", reason)
        self._study.tell(self._trial, state=_optuna().trial.TrialState.FAIL)


def _suggest(trial: Any, name: str, span: Range) -> Any:
    """A value from a range, for the hyperparameter of this name."""
    if span.choices is not None:
        # As JSON text, since a study keeps only numbers and text.
        labels = [json.dumps(choice) for choice in span.choices]
        return json.loads(trial.suggest_categorical(name, labels))
    ends: list[Any] = [span.low, span.high]
    if all(isinstance(end, int) for end in ends) and not _takes_fractions(name):
        return trial.suggest_int(name, *ends, step=int(span.step or 1), log=span.log)
    return trial.suggest_float(
        name, *map(float, ends), step=None if span.step is None else float(span.step), log=span.log
    )


def _takes_fractions(name: str) -> bool:
    """Whether a hyperparameter is a float."""
    annotation = Hyperparameters.model_fields[name].annotation
    return float in (annotation, *get_args(annotation))


def _decoded(parameters: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters as set, from those a study keeps; see ``_suggest``."""
    return {
        name: json.loads(value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def with_hyperparameters(config: Model, chosen: dict[str, Any]) -> Model:
    """The settings with some hyperparameters replaced; all hyperparameters are checked again."""
    hp: Hyperparameters = config.hyperparameters  # type: ignore[attr-defined]
    changed = Hyperparameters.model_validate({**hp.model_dump(), **chosen})
    return config.model_copy(update={"hyperparameters": changed})


def _differing(hp: Hyperparameters) -> dict[str, Any]:
    """The hyperparameters that differ from what a config without them would have."""
    values = hp.model_dump()
    kept = {"LSTM_type": values["LSTM_type"], "architecture": values["architecture"]}
    fields = Hyperparameters.model_fields
    kept |= {name: value for name, value in values.items() if value != fields[name].get_default()}
    own = Hyperparameters.model_validate(kept).model_dump()
    return kept | {name: value for name, value in values.items() if own[name] != value}


def write_search(folder: Path, summary: dict[str, Any], config: RetrainConfig) -> None:
    """Write the best settings as a config file, the trials as a table, and a figure.

    Args:
        folder: where to write.
        summary: see ``Search.summary``.
        config: the settings of the search.
    """
    # These modules import Matplotlib, which takes seconds.
    from fastlstm.reporting.experiment_figures import search_figure
    from fastlstm.reporting.figure_style import save_figure

    best = summary["best"]
    settings = with_hyperparameters(config, best["hyperparameters"])
    given = settings.model_copy(update={"tune": TuneConfig()}).model_dump(exclude_defaults=True)
    # A hyperparameter's default depends on others, so one that equals its field's may yet be a choice.
    given["hyperparameters"] = _differing(settings.hyperparameters)
    note = (
        f"# The best of {len(summary['trials'])} trials, number {best['trial']}: "
        f"{summary['metric']} {best['value']:.6g} on validation.\n"
    )
    text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=100)
    (folder / BEST_SETTINGS_FILE).write_text(note + text, encoding="utf-8")
    pd.DataFrame(summary["trials"]).to_csv(folder / TRIALS_FILE, index=False)
    write_json(folder / SEARCH_SUMMARY_FILE, summary)
    save_figure(search_figure(summary), folder / SEARCH_FIGURE_FILE)
