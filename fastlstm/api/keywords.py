"""The documented keywords of the class, and the hyperparameters they give."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_loss
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.errors import ConfigError

# The documented keywords in the order of fastLSTM 1.0, and the hyperparameter of each where it has
# another name. Defaults come from Hyperparameters.
_KEYWORDS = {
    "scaler": "scaler_type", "model_relative_width": "", "model_dropout": "", "LSTM_type": "",
    "learning_rate": "", "activation": "", "last_layer_activation": "", "loss": "",
    "metric": "metrics", "check_point_metric": "checkpoint_monitor_metric",
    "metric_mode": "checkpoint_mode", "early_stop_condittion": "early_stop_monitor_metric",
    "early_stop_patience": "", "batch_size": "", "timesteps": "", "scale_target": "scale_targets",
    "steps_ahead": "", "class_weight": "", "save_best_only": "", "save_X_Y_data": "",
    "train_size_rate": "", "validation_size_rate": "", "shuffle": "", "seed": "",
    "lstm_implementation": "", "learning_rate_schedule": "", "model_name": "",
}  # fmt: skip


def documented_signature(constructor: Callable[..., None]) -> inspect.Signature:
    """A constructor's signature with the documented keywords and their defaults.

    ``help()`` and the completion of notebooks read it. The documented keywords stand after ``X_data``
    and ``Y_data``, before the constructor's other parameters. Those that are left out have the training
    recipe's values where it applies; see ``fastlstm.config.hyperparameter_defaults``.
    """
    defaults = {name: field.default for name, field in Hyperparameters.model_fields.items()}
    # The defaults as fastLSTM 1.0 spells them.
    defaults |= {"metrics": "accuracy", "LSTM_type": "classificator"}
    documented = [
        inspect.Parameter(
            keyword, inspect.Parameter.KEYWORD_ONLY, default=defaults[hyperparameter or keyword]
        )
        for keyword, hyperparameter in _KEYWORDS.items()
    ]
    parameters = dict(inspect.signature(constructor).parameters)
    del parameters["self"]
    data = [parameters.pop("X_data"), parameters.pop("Y_data")]
    return inspect.Signature([*data, *documented, *parameters.values()])


def parse_hyperparameters(keywords: dict[str, Any]) -> Hyperparameters:
    """Hyperparameters from keywords of today or of fastLSTM 1.0.

    Raises:
        ConfigError: a keyword is unknown, or a value is refused.
    """
    try:
        return Hyperparameters.model_validate(keywords)
    except ValidationError as error:
        raise ConfigError(describe(error, RetrainConfig, "hyperparameters")) from None


def split_loss_object(keywords: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Keywords with the loss by name, and the loss object where one is given.

    A function or class of the caller's own has no Keras name and is left out of the keywords; the
    network is then saved without it.
    """
    if isinstance(keywords.get("loss", ""), str):
        return keywords, None
    loss = keywords["loss"]
    named = {name: value for name, value in keywords.items() if name != "loss"}
    try:
        named["loss"] = canonical_loss(getattr(loss, "__name__", type(loss).__name__))
    except ValueError:
        pass
    return named, loss
