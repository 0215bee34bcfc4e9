"""The hyperparameters as a whole: fields, old names, defaults by task and checks between settings.

The class ``fastLSTM``, the JSON file of a run, the pipeline's config and the form in the Prefect UI
are all made from ``Hyperparameters``. Importing this module imports neither pandas nor Keras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from fastlstm.config.class_weights import is_by_column
from fastlstm.config.hyperparameter_checks import problems_between
from fastlstm.config.hyperparameter_defaults import changed_classic_stack, with_names_and_defaults
from fastlstm.config.hyperparameter_fields import HyperparameterFields
from fastlstm.config.keras_names import COUNT_LOSSES, OWN_LOSSES, canonical_loss, canonical_metric

# Context of a validation of settings that a stored run has.
STORED = {"stored": True}
# Output layer and losses of more than two classes in place of those of two.
_OF_CLASSES = {
    "sigmoid": "softmax",
    "binary_crossentropy": "categorical_crossentropy",
    "binary_focal_crossentropy": "categorical_focal_crossentropy",
}


class Hyperparameters(HyperparameterFields):
    """All settings of the network and its training.

    Windows have inputs of shape ``(timesteps, n_features)`` and targets of shape
    ``(steps_ahead, n_targets)``. Names of fastLSTM 1.0 are accepted too. A regressor's ``loss``,
    ``metrics`` and ``last_layer_activation`` have other defaults than a classifier's. Where
    ``architecture`` is not 'classic', and no setting of the classic stack is changed, or of a
    classifier named, there is also a default training recipe (see
    ``fastlstm.config.hyperparameter_defaults``). What is set is never replaced, but for 'sigmoid' and
    'binary_crossentropy' of label columns with more than two classes.

    Settings of a stored run are validated with the context ``STORED``: what only new trainings
    may not have is not refused then.

    Raises:
        pydantic.ValidationError: an unknown name, a wrong type, a value out of range or settings
            that contradict each other.
    """

    @model_validator(mode="before")
    @classmethod
    def _names_and_defaults(cls, given: Any) -> Any:
        return with_names_and_defaults(given) if isinstance(given, dict) else given

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, value: str) -> str:
        canonical_loss(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, value: list[str]) -> list[str]:
        for name in value:
            canonical_metric(name)
        if len(set(value)) != len(value):
            raise ValueError(f"a metric is listed twice in {value}; list each once")
        return value

    @field_validator("model_relative_width")
    @classmethod
    def _widths_positive(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and min(value) <= 0:
            raise ValueError(f"every width must be above 0, found {value}")
        return value

    @field_validator("model_dropout")
    @classmethod
    def _dropout_in_range(cls, value: list[float]) -> list[float]:
        if min(value) < 0 or max(value) >= 1:
            raise ValueError(f"every dropout rate must be in [0, 1), found {value}")
        return value

    @model_validator(mode="after")
    def _settings_agree(self, info: ValidationInfo) -> Hyperparameters:
        if max(self.label_sizes, default=1) > 1:
            # Classes that exclude each other have probabilities of sum 1.
            self.last_layer_activation = _OF_CLASSES.get(
                self.last_layer_activation, self.last_layer_activation
            )
            self.loss = _OF_CLASSES.get(canonical_loss(self.loss), self.loss)
        is_stored = bool(info.context and info.context.get("stored"))
        if problems := problems_between(self, is_stored=is_stored):
            raise ValueError("\n".join(problems))
        return self

    @property
    def may_be_segment(self) -> bool:
        """Whether 'auto' may take the 'segment' architecture: no setting needs the classic stack."""
        return self.is_regressor and not changed_classic_stack(self.model_dump())

    @property
    def takes_calendar(self) -> bool:
        """Whether ``calendar: auto`` may take any; a classifier that names its layers has none."""
        return self.is_regressor or self.model_relative_width is None

    @property
    def label_sizes(self) -> list[int]:
        """Outputs of each label column, 1 for two classes; empty where ``classes`` are not set."""
        return [1 if len(found) == 2 else len(found) for found in (self.classes or {}).values()]

    @property
    def has_label_groups(self) -> bool:
        """Whether the outputs of a window are several distributions, some over more than two classes."""
        several = len(self.label_sizes) * self.steps_ahead > 1
        return several and max(self.label_sizes) > 1

    def threshold_problems(
        self, thresholds: Mapping[str, float], targets: Sequence[str]
    ) -> list[str]:
        """Names of decision thresholds that are none of a classifier's outputs, targets and classes.

        Args:
            thresholds: by name.
            targets: names of the targets.
        """
        steps = range(1, self.steps_ahead + 1) if self.steps_ahead > 1 else ()
        names = [*targets, *(f"{target}_step_{step}" for step in steps for target in targets)]
        if self.classes is not None:
            # Of two classes the second one has the threshold.
            names += [n for found in self.classes.values() for n in found[len(found) == 2 :]]
        elif self.last_layer_activation != "softmax":
            names.append("1")
        return [
            f"thresholds: {name!r} is no output or class that has a threshold; give one of "
            f"{list(dict.fromkeys(names))}"
            for name in thresholds
            if name not in names
        ]

    @property
    def weighs_each_label(self) -> bool:
        """Whether the labels of a window, which are several, have weights by their classes."""
        return self.class_weight is not None and len(self.label_sizes) * self.steps_ahead > 1

    def weighs_indicators(self, targets: int) -> bool:
        """Whether labels 0 and 1 of a window, not named yet, have weights by their classes: several
        labels, or weights by label column.

        Args:
            targets: number of target columns.
        """
        named = targets * self.steps_ahead > 1 or is_by_column(self.class_weight)
        weighs = self.class_weight is not None and not self.is_regressor
        by_itself = self.last_layer_activation != "softmax" and self.classes is None
        return weighs and named and by_itself

    @property
    def has_stock_loss(self) -> bool:
        """Whether Keras has the loss itself, so that a saved network can name it."""
        of_labels = self.has_label_groups or self.weighs_each_label
        own = canonical_loss(self.loss) in OWN_LOSSES or of_labels
        return not own and self.step_weights is None

    @property
    def has_plain_crossentropy(self) -> bool:
        """Whether the loss is the negative log-likelihood of the labels."""
        plain = ("binary_crossentropy", "categorical_crossentropy")
        return canonical_loss(self.loss) in plain

    @property
    def has_count_loss(self) -> bool:
        """Whether the targets are counts or amounts by their loss: scaled by ratio, forecast above 0."""
        return self.is_regressor and canonical_loss(self.loss) in COUNT_LOSSES

    @property
    def outputs_each(self) -> int:
        """Outputs per step and target: one, or one per quantile."""
        return 1 if self.quantiles is None else len(self.quantiles)

    @property
    def calibration_method(self) -> Literal["platt", "temperature"] | None:
        """How probabilities are calibrated, or None; see ``calibration``."""
        if self.calibration == "none" or self.is_regressor:
            return None
        if self.calibration == "auto":
            # Outputs under a weighted loss are no probabilities of the data on purpose.
            if self.class_weight is not None or not self.has_plain_crossentropy:
                return None
            return "temperature" if self.last_layer_activation == "softmax" else "platt"
        return self.calibration
