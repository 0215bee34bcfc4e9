"""What a training and its refit have in common: compiling a network, and running epochs of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastlstm.errors import ConfigError
from fastlstm.network.compiling import compile_network
from fastlstm.network.ensemble import trained_by_member
from fastlstm.network.fused_lstm import fused
from fastlstm.network.losses import loss_of
from fastlstm.training.class_weights import class_weights_in, label_class_weights
from fastlstm.training.input_pipeline import Epoch, steps_of_an_epoch, tf_dataset
from fastlstm.training.setup import TrainingSetup

if TYPE_CHECKING:
    import keras


def compiled_network(
    setup: TrainingSetup, split: str, network: Callable[[], keras.Model]
) -> tuple[keras.Model, keras.Model]:
    """A network, and the model to fit in its place, which shares its layers and is compiled.

    Args:
        setup: hyperparameters, loss and strategy.
        split: what it will be trained on, whose steps the learning rate's schedule counts.
        network: builds the network, or gives one; called under the strategy.
    """
    hp = setup.hyperparameters
    steps = steps_of_an_epoch(setup.dataset, split, hp)
    with setup.scope():
        built = network()
        compiled = trained_by_member(built, hp)
        compile_network(compiled, hp, steps, _loss(setup))
    return built, compiled


def _loss(setup: TrainingSetup) -> Any:
    """A loss in place of the named one, or None.

    Raises:
        ConfigError: a loss object cannot weigh the labels of a window.
    """
    weights = label_class_weights(setup.dataset, setup.hyperparameters)
    if weights is None:
        return setup.loss
    if setup.loss is not None:
        raise ConfigError(
            "class_weight: windows have several labels, which a loss object cannot weigh; name the "
            "loss, or remove class_weight"
        )
    return loss_of(setup.hyperparameters, [weight.tolist() for weight in weights])


def train_batches(setup: TrainingSetup, split: str, epoch: Epoch) -> Any:
    """Shuffled, weighted batches of a split to learn from."""
    dataset, hp = setup.dataset, setup.hyperparameters
    return tf_dataset(
        dataset,
        split,
        hp,
        weights=setup.weights(split),
        weigh=setup.weigh,
        class_weight=class_weights_in(dataset, split, hp),
        epoch=epoch,
        part=setup.part,
    )


def validation_batches(setup: TrainingSetup) -> Any:
    """The batches that score each epoch."""
    weights = setup.weights("validation")
    return tf_dataset(
        setup.dataset, "validation", setup.hyperparameters, weights=weights, part=setup.part
    )


def run_epochs(
    setup: TrainingSetup, compiled: keras.Model, batches: Any, *, first: int, epochs: int,
    callbacks: Sequence[Any], validation: Any = None,
) -> bool:  # fmt: skip
    """Train a compiled network.

    Args:
        setup: how LSTM layers are computed, and Keras' own output.
        compiled: the network.
        batches: what it learns from.
        first: number of the first epoch, from 0.
        epochs: number of epochs, those before ``first`` included.
        callbacks: Keras callbacks, in order.
        validation: batches that score each epoch, or None.

    Returns:
        Whether Ctrl-C ended it.
    """
    try:
        with fused(compiled, setup.hyperparameters.lstm_implementation):
            if setup.part is not None:
                _run_on_replicas(setup, compiled, batches, first, epochs, callbacks, validation)
                return False
            compiled.fit(
                batches,
                validation_data=validation,
                initial_epoch=first,
                epochs=epochs,
                shuffle=False,  # the windows come shuffled
                verbose=setup.verbose,
                callbacks=list(callbacks),
            )
    except KeyboardInterrupt:
        return True
    return False


def _run_on_replicas(
    setup: TrainingSetup, compiled: keras.Model, batches: Any, first: int, epochs: int,
    callbacks: Sequence[Any], validation: Any,
) -> None:  # fmt: skip
    """As ``run_epochs``, for a network that several replicas train together."""
    from fastlstm.training.replicas import Replicas

    assert setup.part is not None  # noqa: S101 (there are several replicas)
    Replicas(compiled, setup.strategy, setup.part.first).fit(
        batches, validation, callbacks, first=first, epochs=epochs, steps=int(batches.cardinality()),
        verbose=setup.verbose if setup.is_chief else 0,
    )  # fmt: skip
