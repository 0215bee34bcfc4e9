"""Test metrics of a classifier and of the baselines, at thresholds chosen on validation windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.series import rows_by_series
from fastlstm.evaluation.baselines import (
    CLASSIFICATION_BASELINES,
    naive,
    shares_after,
    transition_counts,
)
from fastlstm.evaluation.label_tally import (
    LabelTally,
    RankedLabels,
    ranked_outputs,
)
from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    given_threshold,
    label_columns,
    likeliest_labels,
)
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    LABEL_METRICS,
    label_scores,
    primary_classification_metric,
    primary_score,
)
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.output_report import choose_threshold, label_report, output_report
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    joined_descriptions,
    prediction_table,
)
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.windows.origins import output_names, target_windows
from fastlstm.windows.source import WindowSource

_DEFAULT_THRESHOLD = 0.5


def evaluate_classification(
    networks: EvaluatedNetworks,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:
    """Score a classifier; see ``fastlstm.evaluation.evaluate.evaluate``."""
    sources = dataset, scalers, table, settings
    train = TrainLabels.of(dataset, table, settings)
    validation = validation_labels(networks, *sources)
    scored = ScoredLabels(train, settings)
    rows, columns = scored.add(networks, dataset, scalers, table)
    predictions = prediction_table(table, rows, settings.data.targets, columns)
    return Evaluation(scored.metrics(validation, dataset), predictions)


def validation_labels(
    networks: EvaluatedNetworks, dataset: WindowSource, scalers: Scalers, table: TargetTable,
    settings: RetrainConfig, outputs: np.ndarray | None = None,
) -> list[RankedLabels]:  # fmt: skip
    """The validation labels of each output by their probability, from which thresholds are chosen."""
    found = forecast_split(
        networks.chosen, "validation", dataset, scalers, table, settings, {}, outputs=outputs
    )
    return ranked_outputs(found.truth, found.point_forecasts["model"])


@dataclass(frozen=True)
class TrainLabels:
    """What the baselines of a classifier and the notes on its classes need of train windows.

    Attributes:
        windows: number of windows.
        positives: number of labels 1, ``(steps_ahead, n_targets)``.
        after: by label column, for each step how often each class followed the last known one,
            ``(steps_ahead, n_classes, n_classes)``.
        present: by label column, the numbers of the classes that there are.
    """

    windows: int
    positives: np.ndarray
    after: list[np.ndarray]
    present: list[np.ndarray]

    @classmethod
    def of(cls, dataset: WindowSource, table: TargetTable, settings: RetrainConfig) -> TrainLabels:
        """Of the train windows of one shard.

        Args:
            dataset: the windows.
            table: the rows that they are cut from.
            settings: the label columns, and how far targets look ahead.
        """
        steps, lookahead = dataset.manifest["steps_ahead"], settings.data.lookahead
        windows = dataset.read("train", columns=("y",))
        rows = table.rows_of(windows.series, windows.origin)
        truth = target_windows(table.targets, rows, steps)
        before = naive(table.targets, table.block, rows, steps, lookahead)
        known = ~np.isnan(before).any(axis=(1, 2))
        columns = label_columns(settings.hyperparameters, settings.data.targets)
        after = [
            np.stack(
                [
                    transition_counts(
                        class_numbers(before[known, step], column),
                        class_numbers(truth[known, step], column),
                        len(column.classes),
                    )
                    for step in range(steps)
                ]
            )
            for column in columns
        ]
        return cls(
            len(windows.y),
            windows.y.sum(axis=0, dtype=np.float64),
            after,
            [np.unique(class_numbers(windows.y, column)) for column in columns],
        )

    @classmethod
    def joined(cls, parts: Sequence[TrainLabels]) -> TrainLabels:
        """The sums of all shards."""
        return cls(
            sum(part.windows for part in parts),
            np.sum([part.positives for part in parts], axis=0),
            [
                np.sum(of_column, axis=0)
                for of_column in zip(*(p.after for p in parts), strict=True)
            ],
            [
                np.unique(np.concatenate(of_column))
                for of_column in zip(*(part.present for part in parts), strict=True)
            ],
        )

    @property
    def share(self) -> np.ndarray:
        """Share of labels 1, ``(steps_ahead, n_targets)``."""
        share: np.ndarray = self.positives / self.windows
        return share

    def after_last_class(self, last: np.ndarray, columns: Sequence[LabelColumn]) -> np.ndarray:
        """Probabilities of the classes after the last known one, ``(n, steps, n_targets)``.

        Args:
            last: indicators of the last known class, same shape; NaN where none is known, which gives
                NaN.
            columns: the label columns.
        """
        found = np.full(last.shape, np.nan)
        defined = ~np.isnan(last).any(axis=(1, 2))
        for column, of_column in zip(columns, self.after, strict=True):
            for step, counts in enumerate(of_column):
                shares = shares_after(counts, class_numbers(last[defined, step], column))
                of_outputs = shares[:, 1:] if column.is_binary else shares
                found[np.flatnonzero(defined), step, column.outputs] = of_outputs
        return found


@dataclass
class ScoredLabels:
    """Scores of the test windows of the shards so far.

    Attributes:
        train: labels of all train windows.
        settings: names, and how thresholds are chosen.
    """

    train: TrainLabels
    settings: RetrainConfig
    # Of the network and each baseline on the windows where it is defined; and of the network on those
    # of each baseline that is not defined everywhere.
    _tallies: dict[str, LabelTally] = field(default_factory=dict)
    _same: dict[str, LabelTally] = field(default_factory=dict)
    _about: list[dict[str, Any]] = field(default_factory=list)
    _by_series: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def _columns(self) -> list[LabelColumn]:
        return label_columns(self.settings.hyperparameters, self.settings.data.targets)

    def add(
        self, networks: EvaluatedNetworks, dataset: WindowSource, scalers: Scalers,
        table: TargetTable, outputs: np.ndarray | None = None,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:  # fmt: skip
        """Forecast and add the test windows of a shard.

        Args:
            networks: whose served one is scored.
            dataset: the windows of the shard.
            scalers: of the features.
            table: its rows.
            outputs: of the served network, where they are known; see ``forecast_split``.

        Returns:
            Their first target rows, and the columns of the table of predictions.
        """
        test = forecast_split(
            networks.served, "test", dataset, scalers, table, self.settings,
            CLASSIFICATION_BASELINES, lambda: self.train.share, outputs,
        )  # fmt: skip
        columns, forecasts = self._columns, test.point_forecasts
        last = self.train.after_last_class(test.baselines["last_class"], columns)
        likelihoods = {**forecasts, "last_class": last}
        self._add(test.truth, forecasts, likelihoods, columns)
        self._about.append(describe_windows(dataset, table, test.rows))
        for series, rows in rows_by_series(test.series).items():
            self._by_series[series] = {
                name: _defined_scores(test.truth, f, likelihoods[name], columns, rows)
                for name, f in forecasts.items()
            }
        return test.rows, {**test.columns, **_label_values(test, columns, self.settings)}

    def _add(
        self, truth: np.ndarray, forecasts: dict[str, np.ndarray],
        likelihoods: dict[str, np.ndarray], columns: list[LabelColumn],
    ) -> None:  # fmt: skip
        """Add the forecasts of a shard to the sums."""
        model, before = (
            LabelTally.of(truth, forecasts["model"], columns),
            self._tallies.get("model"),
        )
        for name, forecast in forecasts.items():
            defined = ~np.isnan(forecast).any(axis=(1, 2))
            found = model
            if name != "model":
                likelihood = likelihoods[name][defined]
                found = LabelTally.of(truth[defined], forecast[defined], columns, likelihood)
            if name in self._same or not defined.all():
                same = LabelTally.of(truth[defined], forecasts["model"][defined], columns)
                known = self._same.get(name, before)
                self._same[name] = same if known is None else known.plus(same)
            known = self._tallies.get(name)
            self._tallies[name] = found if known is None else known.plus(found)

    def metrics(self, validation: list[RankedLabels], dataset: WindowSource) -> dict[str, Any]:
        """All metrics, as ``metrics.json`` keeps them.

        Args:
            validation: validation labels of each output by their probability.
            dataset: the windows of all shards.
        """
        model, columns = self._tallies["model"], self._columns
        overall = self._overall()
        outputs, notes = self._scores_by_output(validation, model)
        primary = primary_classification_metric(self.settings.evaluation.primary_metric)
        metrics: dict[str, Any] = {
            "task": "classifier",
            "primary": primary_score(
                primary,
                overall["model"][primary] if model.has_two_classes else None,
                {**LABEL_METRICS, **CLASSIFICATION_METRICS},
            ),
            **joined_descriptions(self._about, dataset),
            "test": overall,
            "outputs": outputs,
            "labels": {
                column.name: label_report(counted, column.classes)
                for column, counted in zip(columns, model.columns, strict=True)
                if len(column.classes) > 2 or column.is_named
            },
            "by_series": self._by_series,
            "notes": [*notes, *self._absent_classes(model)],
        }
        if len(columns) == 1 and len(columns[0].classes) > 2:
            of_label = metrics["labels"][columns[0].name]
            metrics |= {name: of_label[name] for name in ("accuracy", "confusion_matrix")}
        return metrics

    def _overall(self) -> dict[str, dict[str, Any]]:
        """Scores of the network and each baseline."""
        overall: dict[str, dict[str, Any]] = {}
        for name, tally in self._tallies.items():
            overall[name] = {**tally.scores(), "windows": tally.windows}
            if name in self._same:
                overall[name]["model_on_same_windows"] = self._same[name].scores()
        return overall

    def _scores_by_output(
        self, validation: list[RankedLabels], test: LabelTally
    ) -> tuple[dict[str, Any], list[str]]:
        """Scores of each output at its threshold, and notes on what could not be chosen or scored."""
        steps, chosen_by, columns = len(self.train.share), self.settings.evaluation, self._columns
        names = output_names(self.settings.data.targets, steps)
        classes = [
            column.classes[-1] if column.is_binary else column.classes[number]
            for column in columns
            for number in range(len(column.names))
        ] * steps
        # Of named classes that are absent one note names all.
        several = {name for column in columns if not column.is_binary for name in column.names}
        of_classes = {name for name in names if name.partition("_step_")[0] in several}
        outputs, notes = {}, []
        for name, target, of_class, seen, scored, prior in zip(
            names, self.settings.data.targets * steps, classes, validation, test.outputs,
            self.train.share.reshape(-1), strict=True,
        ):  # fmt: skip
            given = given_threshold(chosen_by.thresholds, name, target, of_class)
            truth, probability, windows = seen.weighted
            chosen = choose_threshold(truth, probability, chosen_by.threshold_metric, windows)
            if chosen is None and given is None:
                notes.append(
                    f"{name}: validation holds one class only, so no threshold could be chosen there; "
                    f"{_DEFAULT_THRESHOLD:g} was used"
                )
            source = "nothing" if chosen is None else "validation"
            threshold = _DEFAULT_THRESHOLD if chosen is None else chosen
            truth, probability, windows = scored.weighted
            if len(np.unique(truth)) == 1 and name not in of_classes:
                notes.append(
                    f"{name}: test holds one class only, so this output is left out of the mean ROC "
                    "AUC and average precision"
                )
            if given is not None:
                source, threshold = "settings", given
            outputs[name] = {
                **output_report(truth, probability, threshold, windows),
                "threshold_chosen_on": source,
                "prior": float(prior),
            }
        return outputs, notes

    def _absent_classes(self, test: LabelTally) -> list[str]:
        """Notes on classes without a train or test window."""
        notes = []
        for number, column in enumerate(self._columns):
            if not column.is_named:
                continue
            for split, present, lacks in (
                ("train", self.train.present[number], "the network cannot learn it"),
                (
                    "test", test.columns[number].present,
                    "it has no recall there and counts in no mean over classes",
                ),
            ):  # fmt: skip
                absent = [c for i, c in enumerate(column.classes) if i not in present]
                if absent:
                    names = ", ".join(map(repr, absent))
                    notes.append(f"{column.name}: no {split} window of {names}; {lacks}")
        return notes


def _label_values(
    test: SplitForecasts, columns: list[LabelColumn], settings: RetrainConfig
) -> dict[str, np.ndarray]:
    """True and forecast labels with their probability, ``(n, steps, n_targets)`` each; none where the
    classes have no names."""
    if settings.hyperparameters.classes is None:
        return {}
    found = likeliest_labels(test.point_forecasts["model"], columns, settings.evaluation.thresholds)
    truth = likeliest_labels(test.truth, columns, {})
    return {"true_label": truth["label"], **found}


def _defined_scores(
    truth: np.ndarray, forecast: np.ndarray, likelihood: np.ndarray, columns: list[LabelColumn],
    rows: np.ndarray,
) -> dict[str, float | None]:  # fmt: skip
    """Scores of those of some windows for which a forecast is defined."""
    defined = rows[~np.isnan(forecast[rows]).any(axis=(1, 2))]
    return label_scores(truth[defined], forecast[defined], columns, likelihood[defined])
