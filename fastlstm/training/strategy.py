"""The processes and GPUs that train one network together, as a ``tf.distribute.Strategy``."""

from __future__ import annotations

from typing import Any

from fastlstm.errors import ConfigError


def strategy_of(ranks: int, gpus: int) -> Any:
    """The strategy to build and train a network under; None for one process with one device.

    It is made before TensorFlow computes anything. Of several processes each makes its own, and waits
    for the others.

    Args:
        ranks: number of processes; of several, the environment variable ``TF_CONFIG`` holds the
            addresses.
        gpus: number of GPUs of each process; 1 also where there is none.

    Raises:
        ConfigError: this machine has fewer GPUs.
    """
    import tensorflow as tf

    if ranks == gpus == 1:
        return None
    found = tf.config.list_physical_devices("GPU")
    if gpus > max(1, len(found)):
        raise ConfigError(
            f"execution.training_gpus: is {gpus}, and TensorFlow finds {len(found)} GPUs on this "
            f"machine; set it to {max(1, len(found))}"
        )
    tf.config.set_visible_devices(found[:gpus], "GPU")
    if ranks > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy([f"GPU:{number}" for number in range(gpus)])
