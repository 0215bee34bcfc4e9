"""Names of fastLSTM 1.0 and defaults that depend on the task.

Both are applied to hyperparameters as they are given, before any is checked.
"""

from __future__ import annotations

from typing import Any

from fastlstm.config.class_weights import with_integer_names
from fastlstm.config.keras_names import QUANTILE_LOSS, canonical_metric

# Old name -> name. Old names stay valid wherever hyperparameters are read.
ALIASES: dict[str, str] = {
    "scaler": "scaler_type",
    "metric": "metrics",
    "check_point_metric": "checkpoint_monitor_metric",
    "metric_mode": "checkpoint_mode",
    "early_stop_condittion": "early_stop_monitor_metric",
    "early_stop_condition": "early_stop_monitor_metric",
    "scale_target": "scale_targets",
    "lstm_type": "LSTM_type",
}


# Defaults of a regressor.
REGRESSOR_DEFAULTS: dict[str, Any] = {
    "loss": "mse",
    "metrics": ["mae"],
    "last_layer_activation": "linear",
    "checkpoint_monitor_metric": "val_loss",
    "checkpoint_mode": "min",
    "early_stop_monitor_metric": "val_loss",
    "early_stop_mode": "min",
}


# Further defaults of a regressor that sets nothing of the classic stack: its training recipe.
FORECAST_DEFAULTS: dict[str, Any] = {
    "scale_targets": True,
    "loss": "mae",
    "epochs": 60,
    "batch_size": None,
    "learning_rate": 0.002,
    "learning_rate_patience": 3,
    "early_stop_patience": 10,
    "windows_per_epoch": "auto",
    "ensemble_size": None,
    "loss_scaling": "auto",
    "refit": "all",
}


# Defaults of a classifier that sets nothing of the classic stack: its training recipe.
LABEL_DEFAULTS: dict[str, Any] = {
    "model_relative_width": None,
    "model_dropout": [0.3],
    "epochs": 60,
    "batch_size": 64,
    "learning_rate": 0.002,
    "learning_rate_patience": 3,
    "early_stop_patience": 10,
    "windows_per_epoch": "auto",
    "ensemble_size": None,
    # A class depends on the levels of its features, which scales by series hide.
    "scaler_scope": "table",
}


# Metrics of which higher values are better.
_HIGHER_IS_BETTER = {
    "accuracy", "auc", "binary_accuracy", "categorical_accuracy", "precision", "recall", "r2_score",
    "f1_score", "cosine_similarity",
}  # fmt: skip


# Settings that only the classic stack has, with their defaults for a regressor.
_CLASSIC_STACK = {
    "model_relative_width": [1], "model_dropout": [0], "activation": "tanh",
    "last_layer_activation": "linear",
}  # fmt: skip


def changed_classic_stack(settings: dict[str, Any]) -> list[str]:
    """The settings that only the classic stack has and that a regressor's settings change."""
    return [
        name for name, default in _CLASSIC_STACK.items() if settings.get(name, default) != default
    ]


def with_names_and_defaults(given: dict[Any, Any]) -> dict[str, Any]:
    """Hyperparameters under their present names, with the defaults of their task.

    Args:
        given: hyperparameters as a user or a stored run gives them. What they set is not replaced.

    Raises:
        ValueError: a setting is given under two names.
    """
    named = _renamed(given)
    if named.get("quantiles") is not None:
        named.setdefault("loss", QUANTILE_LOSS)
    for monitor, mode in (
        ("checkpoint_monitor_metric", "checkpoint_mode"),
        ("early_stop_monitor_metric", "early_stop_mode"),
    ):
        if isinstance(named.get(monitor), str):
            named.setdefault(mode, _better(named[monitor]))
    if named.get("LSTM_type", "classifier") == "classifier":
        if named.get("architecture", "auto") != "classic" and not _sets_classic_stack(named):
            named = LABEL_DEFAULTS | named
    elif named.get("LSTM_type") == "regressor":
        defaults = REGRESSOR_DEFAULTS
        if named.get("architecture", "auto") != "classic" and not changed_classic_stack(named):
            defaults = defaults | FORECAST_DEFAULTS
        named = defaults | named
    return named


def _sets_classic_stack(settings: dict[str, Any]) -> bool:
    """Whether a classifier's settings name the layers of the classic stack."""
    return any(name in settings for name in ("model_relative_width", "model_dropout", "activation"))


def _better(monitored: str) -> str:
    """Whether lower ('min') or higher ('max') values of a monitored quantity are better."""
    name = monitored.removeprefix("val_")
    try:
        return "max" if canonical_metric(name) in _HIGHER_IS_BETTER else "min"
    except ValueError:  # the loss, or a name that is refused later
        return "min"


def _renamed(given: dict[Any, Any]) -> dict[str, Any]:
    """Hyperparameters with the names and kinds of values of fastLSTM 1.0 replaced."""
    named: dict[str, Any] = {}
    for key, value in given.items():
        name = ALIASES.get(str(key), str(key))
        if name in named:
            raise ValueError(f"{key!r} and another spelling of {name!r} are both set; keep one")
        named[name] = value
    # fastLSTM 1.0 has one mode for checkpoint and early stopping.
    if "metric_mode" in given:
        named.setdefault("early_stop_mode", given["metric_mode"])
    if named.get("LSTM_type") == "classificator":
        named["LSTM_type"] = "classifier"
    if isinstance(named.get("metrics"), str):
        named["metrics"] = [named["metrics"]]
    if "class_weight" in named:
        named["class_weight"] = with_integer_names(named["class_weight"])
    return named
