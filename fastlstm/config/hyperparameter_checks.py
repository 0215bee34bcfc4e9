"""Checks between hyperparameters, one function per subject.

A check takes the hyperparameters, each valid by itself, and returns one line per problem: the key,
what was found and what to do. A new check is one function and one entry of ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable

from fastlstm.config.categories import type_of_labels
from fastlstm.config.class_weights import form_problems
from fastlstm.config.hyperparameter_fields import HyperparameterFields
from fastlstm.config.keras_names import (
    CLASS_METRICS,
    OF_AMOUNTS,
    OF_LABELS,
    PROBABILITY_LOSSES,
    QUANTILE_LOSS,
    canonical_loss,
    canonical_metric,
)


def _stack(hp: HyperparameterFields) -> list[str]:
    """The layers of the classic stack."""
    layers = 1 if hp.model_relative_width is None else len(hp.model_relative_width)
    if layers == len(hp.model_dropout):
        return []
    return [
        f"model_dropout: {len(hp.model_dropout)} rates for {layers} layers in "
        "model_relative_width; give one rate for each layer"
    ]


def _splits(hp: HyperparameterFields) -> list[str]:
    """The shares of train, validation and test."""
    if hp.train_size_rate + hp.validation_size_rate < 1:
        return []
    return [
        f"validation_size_rate: {hp.train_size_rate} for training and {hp.validation_size_rate} for "
        "validation leave no test rows; lower one"
    ]


def _architecture(hp: HyperparameterFields) -> list[str]:
    """The architecture and its look-back."""
    problems = []
    if hp.architecture == "segment" and not hp.is_regressor:
        problems.append(
            "architecture: 'segment' forecasts quantities; a classifier takes 'classic'"
        )
    if hp.seasonal_residual is not None and hp.seasonal_residual > hp.timesteps:
        problems.append(
            f"seasonal_residual: {hp.seasonal_residual} rows do not fit in timesteps "
            f"{hp.timesteps}; raise timesteps"
        )
    if hp.segment_length is not None and hp.segment_length > hp.timesteps:
        problems.append(
            f"segment_length: {hp.segment_length} rows do not fit in timesteps {hp.timesteps}; "
            "lower it"
        )
    return problems


def _output_corrections(hp: HyperparameterFields) -> list[str]:
    """What is added to the outputs from the window's own target columns."""
    settings = {
        "instance_normalization": hp.instance_normalization in ("last", "revin"),
        "seasonal_residual": hp.seasonal_residual is not None,
        "naive_unless_better": bool(hp.naive_unless_better),
    }
    problems = []
    for name in (name for name, is_set in settings.items() if is_set):
        if not hp.is_regressor:
            problems.append(f"{name}: applies to quantities; remove it for a classifier")
        elif not hp.scale_targets:
            problems.append(
                f"{name}: inputs are scaled, so the targets must be too; set scale_targets to true"
            )
        elif hp.last_layer_activation != "linear":
            problems.append(
                f"{name}: is added to the outputs, so last_layer_activation must be 'linear', found "
                f"{hp.last_layer_activation!r}; set it to 'linear'"
            )
    return problems


def _linear_component(hp: HyperparameterFields) -> list[str]:
    """The ridge regression that is averaged with the LSTM."""
    if not hp.linear_component or not hp.is_regressor:
        return []
    if hp.last_layer_activation != "linear":
        problem = (
            "is averaged with the outputs, so last_layer_activation must be 'linear', found "
            f"{hp.last_layer_activation!r}; set it to 'linear'"
        )
    elif hp.quantiles is not None:
        problem = "forecasts no quantiles; remove it, or quantiles"
    elif hp.instance_normalization == "revin":
        problem = (
            "is solved after training and cannot use the scale that 'revin' learns; set "
            "instance_normalization to 'last'"
        )
    else:
        return []
    return [f"linear_component: {problem}"]


def _quantiles(hp: HyperparameterFields) -> list[str]:
    """The quantiles and their loss."""
    loss, quantiles = canonical_loss(hp.loss), hp.quantiles
    if quantiles is None:
        if loss == QUANTILE_LOSS:
            return ["loss: 'quantile' needs quantiles; set them, e.g. [0.1, 0.5, 0.9]"]
        return []
    problems = []
    pairs = zip(quantiles, reversed(quantiles), strict=True)
    symmetric = all(abs(low + high - 1) < 1e-9 for low, high in pairs)
    rising = sorted(set(quantiles)) == quantiles and quantiles[0] > 0
    if not (rising and symmetric and 0.5 in quantiles):
        problems.append(
            f"quantiles: {quantiles} are not rising between 0 and 1 and symmetric about 0.5; give "
            "e.g. [0.1, 0.5, 0.9]"
        )
    if not hp.is_regressor:
        problems.append("quantiles: a classifier forecasts probabilities; remove them")
    elif loss != QUANTILE_LOSS:
        problems.append(
            f"loss: {hp.loss!r} is set together with quantiles, whose loss is 'quantile'; remove one"
        )
    return problems


def _loss_weights(hp: HyperparameterFields) -> list[str]:
    """Weights of steps and series in a regressor's loss."""
    weights = hp.step_weights
    if hp.loss_scaling == "mase" and not hp.is_regressor:
        return [f"loss_scaling: {hp.loss_scaling!r} is for a regressor; use 'none'"]
    if weights is None:
        return []
    if not hp.is_regressor:
        return ["step_weights: are for a regressor; remove them"]
    if len(weights) != hp.steps_ahead:
        return [
            f"step_weights: {len(weights)} given for steps_ahead {hp.steps_ahead}; give one for each "
            "step"
        ]
    if min(weights) < 0 or max(weights) <= 0:
        return ["step_weights: none may be below 0, and one must be above; correct them"]
    return []


def _class_weights(hp: HyperparameterFields) -> list[str]:
    """Weights of classes in a classifier's loss."""
    if hp.class_weight is None:
        return []
    if hp.is_regressor:
        return ["class_weight: a regressor has no classes; remove it"]
    return form_problems(hp.class_weight)


def _softmax(hp: HyperparameterFields) -> list[str]:
    """An output layer whose outputs are the classes of one target."""
    if hp.last_layer_activation != "softmax":
        return []
    problems = []
    if hp.steps_ahead > 1 and hp.classes is None:
        problems.append(
            f"steps_ahead: softmax gives one distribution, not {hp.steps_ahead}; use steps_ahead 1, "
            "last_layer_activation 'sigmoid', or one target column that holds the label"
        )
    if canonical_loss(hp.loss) == "binary_crossentropy":
        problems.append(
            "loss: softmax outputs sum to one, 'binary_crossentropy' takes each by itself; use "
            "'categorical_crossentropy'"
        )
    return problems


def _calibration(hp: HyperparameterFields) -> list[str]:
    """The calibration of probabilities, which depends on the output layer."""
    required = {"platt": "sigmoid", "temperature": "softmax"}.get(hp.calibration)
    if required is None or (not hp.is_regressor and hp.last_layer_activation == required):
        return []
    return [
        f"calibration: {hp.calibration!r} is for a classifier whose last_layer_activation is "
        f"{required!r}; remove it"
    ]


def _classes(hp: HyperparameterFields) -> list[str]:
    """The classes of label columns."""
    if hp.classes is None:
        return []
    if hp.is_regressor:
        return ["classes: a regressor has none; remove them"]
    for column, found in hp.classes.items():
        if len(set(found)) < 2 or len(set(found)) < len(found):
            return [
                f"classes: {column!r} has {found}; a label column needs two classes or more, each named "
                "once"
            ]
    return []


def _label_types(hp: HyperparameterFields) -> list[str]:
    """Types of label columns that their classes have."""
    if hp.label_types is None or hp.classes is None:
        return []
    absent = [name for name in hp.label_types if name not in hp.classes]
    if absent:
        return [f"label_types: {absent[0]!r} is none of the label columns {list(hp.classes)}"]
    return [
        f"label_types: the classes of {name!r} are {hp.classes[name]}, which are not of type {given!r}; "
        "use 'text'"
        for name, given in hp.label_types.items()
        if given not in ("text", type_of_labels(hp.classes[name]))
    ]


def _classifier(hp: HyperparameterFields) -> list[str]:
    """Settings that a classifier cannot have."""
    if hp.is_regressor:
        return []
    problems = []
    if hp.last_layer_activation not in ("sigmoid", "softmax"):
        problems.append(
            "last_layer_activation: a classifier's outputs are probabilities, "
            f"{hp.last_layer_activation!r} gives none; use 'sigmoid' or 'softmax'"
        )
    loss = canonical_loss(hp.loss)
    if loss in ("negative_binomial", "tweedie"):
        problems.append(f"loss: {loss!r} is for amounts; a classifier takes 'binary_crossentropy'")
    if loss == "sparse_categorical_crossentropy":
        problems.append(
            "loss: targets are one column per class, not class numbers; use "
            "'categorical_crossentropy'"
        )
    if loss == "categorical_crossentropy" and hp.last_layer_activation != "softmax":
        problems.append(
            "loss: 'categorical_crossentropy' needs last_layer_activation 'softmax'; use "
            "'binary_crossentropy' with 'sigmoid'"
        )
    if hp.scale_targets:
        problems.append("scale_targets: labels must stay 0 and 1; set it to false for a classifier")
    return problems


def _regressor(hp: HyperparameterFields) -> list[str]:
    """Settings that a regressor cannot have."""
    if not hp.is_regressor:
        return []
    problems = []
    if canonical_loss(hp.loss) in PROBABILITY_LOSSES:
        problems.append(
            f"loss: {hp.loss!r} is for probabilities; a regressor takes e.g. 'mse' or 'mae'"
        )
    if hp.last_layer_activation == "softmax":
        problems.append("last_layer_activation: a regressor's outputs are quantities; use 'linear'")
    of_classes = [name for name in hp.metrics if canonical_metric(name) in CLASS_METRICS]
    if of_classes:
        problems.append(f"metrics: {of_classes[0]!r} needs classes; a regressor takes 'mae'")
    return problems


def _units_of_targets(hp: HyperparameterFields) -> list[str]:
    """Losses and metrics that need the targets' own units, which scaled targets have lost."""
    if not (hp.is_regressor and hp.scale_targets):
        return []
    own_units = "set scale_targets to false and architecture to 'classic'"
    problems = []
    loss = canonical_loss(hp.loss)
    if loss in OF_AMOUNTS:
        problems.append(
            f"loss: {hp.loss!r} compares amounts, and the targets are scaled, so that 0 is their mean; "
            "use 'poisson', 'negative_binomial' or 'tweedie', which keep amounts as they are, or "
            f"{own_units}"
        )
    if loss in OF_LABELS:
        problems.append(
            f"loss: {hp.loss!r} is for labels, shares or directions, and the targets are scaled "
            f"quantities; use 'mae' or 'mse', or {own_units}"
        )
    problems += [
        f"metrics: {name!r} needs the targets' own units, and they are scaled; remove it (the report "
        f"has errors in their units), or {own_units}"
        for name in hp.metrics
        if canonical_metric(name) in (*OF_AMOUNTS, *OF_LABELS)
    ]
    return problems


def _sampling(hp: HyperparameterFields) -> list[str]:
    """The windows of an epoch."""
    if not isinstance(hp.windows_per_epoch, int) or hp.shuffle:
        return []
    return ["windows_per_epoch: windows are drawn by shuffling; set shuffle to true, or remove it"]


def _monitors(hp: HyperparameterFields) -> list[str]:
    """The quantities that checkpoint and early stopping watch."""
    logged = ["loss", *hp.metrics]
    known = logged + [f"val_{name}" for name in logged]
    return [
        f"{key}: {getattr(hp, key)!r} is not logged; choose one of {', '.join(known)}"
        for key in ("checkpoint_monitor_metric", "early_stop_monitor_metric")
        if getattr(hp, key) not in known
    ]


CHECKS: tuple[Callable[[HyperparameterFields], list[str]], ...] = (
    _stack,
    _splits,
    _architecture,
    _output_corrections,
    _linear_component,
    _quantiles,
    _loss_weights,
    _class_weights,
    _softmax,
    _calibration,
    _classes,
    _label_types,
    _classifier,
    _regressor,
    _sampling,
    _monitors,
)


# Checks of settings that a stored run may have, since earlier versions trained with them.
CHECKS_OF_NEW: tuple[Callable[[HyperparameterFields], list[str]], ...] = (_units_of_targets,)


def problems_between(
    hyperparameters: HyperparameterFields, *, is_stored: bool = False
) -> list[str]:
    """Every problem of hyperparameters that contradict each other, one line each.

    Args:
        hyperparameters: each valid by itself.
        is_stored: whether they are of a stored run, which is opened whatever it was trained with.
    """
    checks = CHECKS if is_stored else (*CHECKS, *CHECKS_OF_NEW)
    return [problem for check in checks for problem in check(hyperparameters)]
