"""Import Keras over TensorFlow, and only when a network is needed."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from fastlstm.errors import ConfigError


def require_tensorflow() -> None:
    """Check that TensorFlow is installed, without importing it.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ConfigError(
            "TensorFlow is not installed; run \"pip install 'fastlstm[cpu]'\", or "
            "\"pip install 'fastlstm[gpu]'\" for NVIDIA GPUs"
        )


def import_keras() -> Any:
    """Keras over TensorFlow, without the messages that concern no user.

    Raises:
        ConfigError: TensorFlow is not installed.
    """
    require_tensorflow()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"KERAS_BACKEND is {keras.backend.backend()!r}; this library trains with 'tensorflow'"
        )
    return keras
