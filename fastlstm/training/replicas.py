"""Epochs of one training that several replicas share: processes, devices of a machine, or both.

Keras' own ``fit`` fails under several workers (keras-team/keras#20585), so this is the same loop over
the same callbacks, with the steps of ``tf.distribute``: each replica computes the gradients of its part
of a batch, the optimizer adds them up, and outputs are gathered, so that losses and metrics are those of
the whole batch on every replica. But for rounding, the numbers are those of one process. Importing this
module imports Keras.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from fastlstm.network.keras_import import import_keras

keras = import_keras()

# Added to the seeds of a replica's random numbers, so that dropout differs between replicas.
_BETWEEN_SEEDS = 1 << 32


class Replicas:
    """A network that several replicas train together.

    Args:
        model: compiled under the strategy.
        strategy: a ``tf.distribute.Strategy`` with several replicas.
        first: number of this process' first replica.
    """

    def __init__(self, model: Any, strategy: Any, first: int) -> None:
        self._model, self._strategy, self._first = model, strategy, first
        self._train = tf.function(self._train_step, autograph=False)
        self._test = tf.function(self._test_step, autograph=False)
        self._separate_random_numbers()

    def fit(
        self, batches: Any, validation: Any, callbacks: Sequence[Any], *, first: int, epochs: int,
        steps: int, verbose: str | int,
    ) -> None:  # fmt: skip
        """Train, as ``keras.Model.fit`` does.

        Args:
            batches: this process' part of each batch; see ``fastlstm.training.input_pipeline``.
            validation: the same of the batches that score each epoch, or None.
            callbacks: Keras callbacks, in order.
            first: number of the first epoch, from 0.
            epochs: number of epochs, those before ``first`` included.
            steps: gradient steps of an epoch.
            verbose: Keras' own progress output.
        """
        model = self._model
        every = keras.callbacks.CallbackList(
            list(callbacks), add_progbar=verbose != 0, verbose=verbose, epochs=epochs, steps=steps,
            model=model,
        )  # fmt: skip
        model.stop_training = False
        every.on_train_begin()
        logs: dict[str, Any] = {}
        for epoch in range(first, epochs):
            model.reset_metrics()
            every.on_epoch_begin(epoch)
            for step, batch in enumerate(batches):
                every.on_train_batch_begin(step)
                logs = self._train(batch)
                every.on_train_batch_end(step, logs)
            if validation is not None:
                found = self._scores(validation, every)
                logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            every.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_weights)
        every.on_train_end(logs)

    def _scores(self, batches: Iterable[Any], callbacks: Any) -> dict[str, Any]:
        """Loss and metrics of all batches."""
        self._model.reset_metrics()
        callbacks.on_test_begin()
        logs: dict[str, Any] = {}
        for step, batch in enumerate(batches):
            callbacks.on_test_batch_begin(step)
            logs = self._test(batch)
            callbacks.on_test_batch_end(step, logs)
        callbacks.on_test_end(logs)
        return logs

    def _train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        """One gradient step; losses and metrics of the epoch so far."""
        count = batch[3]
        loss, *gathered = self._first_result(self._learn, batch)
        y, y_pred, weights = (values[:count] for values in gathered)
        self._model._loss_tracker.update_state(loss, sample_weight=count)
        return dict(self._model.compute_metrics(None, y, y_pred, weights))

    def _test_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        """Losses and metrics of the batches so far, this one included."""
        model, count = self._model, batch[3]
        y, y_pred, weights = (
            values[:count] for values in self._first_result(self._forecast, batch)
        )
        loss = model.compute_loss(None, y, y_pred, weights, training=False)
        model._loss_tracker.update_state(loss, sample_weight=count)
        return dict(model.compute_metrics(None, y, y_pred, weights))

    def _first_result(self, function: Any, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """The results of the first replica here of a function that gives all replicas the same."""
        results = self._strategy.run(function, args=batch)
        return tuple(self._strategy.experimental_local_results(part)[0] for part in results)

    def _own(self, values: Sequence[Any]) -> list[Any]:
        """The part of this replica, of those of its process."""
        here = self._strategy.extended.worker_devices
        number = tf.distribute.get_replica_context().replica_id_in_sync_group - self._first
        size = tf.shape(values[0])[0] // len(here)
        return [value[number * size : (number + 1) * size] for value in values]

    def _learn(self, x: Any, y: Any, weights: Any, count: Any) -> tuple[Any, ...]:
        """One replica's part of a gradient step.

        Args:
            x: inputs of this process' windows, ``(n, timesteps, features)``.
            y: their targets, ``(n, outputs)``.
            weights: their weights in the loss, 0 for a repeated window, ``(n,)``.
            count: windows in the batches of all processes, without repeated ones.

        Returns:
            The loss of the batch; targets, outputs and weights of all windows.
        """
        model, context = self._model, tf.distribute.get_replica_context()
        x, y, weights = self._own([x, y, weights])
        # Keras divides by the number of this replica's windows and by that of the replicas.
        divided = tf.shape(y)[0] * self._strategy.num_replicas_in_sync
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, weights, training=True)
            loss = loss * tf.cast(divided, loss.dtype) / tf.cast(count, loss.dtype)
        variables = model.trainable_weights
        # The optimizer adds up the gradients of all replicas.
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
        return (whole, *self._gathered(y, y_pred, weights))

    def _forecast(self, x: Any, y: Any, weights: Any, _: Any) -> tuple[Any, ...]:
        """Targets, outputs and weights of all windows, of which this replica computes its part."""
        x, y, weights = self._own([x, y, weights])
        return self._gathered(y, self._model(x, training=False), weights)

    def _gathered(self, *values: Any) -> tuple[Any, ...]:
        """The values of all replicas, one after the other."""
        context = tf.distribute.get_replica_context()
        return tuple(context.all_gather(value, axis=0) for value in values)

    def _separate_random_numbers(self) -> None:
        """Give each replica random numbers of its own; those of the first are those of one process."""
        for variable in self._model.variables:
            if variable.name != "seed_generator_state":
                continue
            copies = self._strategy.experimental_local_results(variable.value)
            for number, copy in enumerate(copies, start=self._first):
                copy.assign_add([number * _BETWEEN_SEEDS, 0])
