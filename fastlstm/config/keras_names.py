"""Names of Keras losses, metrics and activations, checked without an import of Keras."""

from __future__ import annotations

import re

# Keras names of losses, as function names; class names and the usual short forms map to them.
# A list, so that settings are checked without TensorFlow's import of several seconds.
LOSSES = (
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
    "categorical_focal_crossentropy", "categorical_hinge", "cosine_similarity", "dice", "hinge",
    "huber", "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
)  # fmt: skip


_SHORT_FORMS = {
    "mae": "mean_absolute_error", "mse": "mean_squared_error",
    "mape": "mean_absolute_percentage_error", "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy", "logcosh": "log_cosh", "kld": "kl_divergence",
    "kldivergence": "kl_divergence",
}  # fmt: skip


# The pinball loss, which this library adds to those of Keras.
QUANTILE_LOSS = "quantile"


# Losses of targets that are counts or amounts, none of them negative.
COUNT_LOSSES = ("poisson", "negative_binomial", "tweedie")


# Losses of this library; ``fastlstm.network.losses`` has a function for each.
OWN_LOSSES = (QUANTILE_LOSS, *COUNT_LOSSES)


# Losses and metrics that mean nothing of standardized targets: those of ratios of amounts, and those of
# labels, shares or directions.
OF_AMOUNTS = ("mean_absolute_percentage_error", "mean_squared_logarithmic_error")
OF_LABELS = (
    "categorical_hinge", "cosine_similarity", "dice", "hinge", "kl_divergence", "squared_hinge",
    "tversky",
)  # fmt: skip


PROBABILITY_LOSSES = {n for n in LOSSES if "crossentropy" in n}


METRICS = (
    "accuracy", "auc", "binary_accuracy", "categorical_accuracy", "precision", "recall",
    "mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score",
    "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "cosine_similarity",
    "binary_crossentropy", "categorical_crossentropy", "f1_score", "log_cosh_error",
)  # fmt: skip


# Metrics of labels.
CLASS_METRICS = ("accuracy", "auc", "precision", "recall", "f1_score")


_METRIC_SHORT_FORMS = {
    **_SHORT_FORMS, "acc": "accuracy", "rmse": "root_mean_squared_error", "r2": "r2_score",
}  # fmt: skip


ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip


def _snake(name: str) -> str:
    """A class name in snake case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def canonical_loss(name: str) -> str:
    """The Keras function name of a loss given by function name, class name or short form.

    Raises:
        ValueError: no loss has that name.
    """
    found = _SHORT_FORMS.get(name.lower(), _snake(name))
    if found not in OWN_LOSSES and found not in LOSSES:
        known = ", ".join((*LOSSES, *OWN_LOSSES))
        raise ValueError(f"no loss is named {name!r}; choose one of {known}")
    return found


def canonical_metric(name: str) -> str:
    """The snake-case Keras name of a metric given by name, class name or short form.

    Raises:
        ValueError: the metric is not among those a window network can report per epoch.
    """
    found = _METRIC_SHORT_FORMS.get(name.lower(), _snake(name))
    if found not in METRICS:
        raise ValueError(f"no metric is named {name!r}; choose one of {', '.join(METRICS)}")
    return found
