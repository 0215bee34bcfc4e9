"""Train a network on a window dataset; validation alone chooses epoch, stop and learning rate."""

from __future__ import annotations

import math
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from fastlstm.architecture import Architecture, batch_size, resolve
from fastlstm.artifacts import write_json
from fastlstm.calibration import calibrate
from fastlstm.checkpoint import (
    State,
    read_state,
    remembered,
    restore_callbacks,
    restore_variables,
    variables_of,
    write_state,
)
from fastlstm.disk import writing_to
from fastlstm.ensemble import trained_by_member
from fastlstm.errors import DataError, StoreError, TrainingError
from fastlstm.fused_lstm import fused
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.layers import build_network, use_fitting_threads
from fastlstm.linear_component import Linear, Penalty, best_share, set_share, solve
from fastlstm.loss_scaling import scaled_source
from fastlstm.network import averaging_callback, compile_network, import_keras
from fastlstm.proof import Proof, proven, set_gate
from fastlstm.split import LEARNED
from fastlstm.validation_errors import validation_errors
from fastlstm.window_store import WindowDataset, Windows
from fastlstm.windows import Folded, as_aligned

if TYPE_CHECKING:
    import keras

MODEL_FILE, HISTORY_FILE, TRAINING_FILE = "model.keras", "history.csv", "training.json"
# The network that validation judged, where the run's has learned from validation too.
JUDGED_FILE = "judged.keras"
OnEvent = Callable[[dict[str, Any]], None]


class WindowSource(Protocol):
    """Windows of three splits, wherever they lie; see ``WindowDataset``."""

    manifest: dict[str, Any]

    def count(self, split: str) -> int:
        """Windows in a split."""

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split."""

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches."""

    def folded(self, split: str) -> tuple[Folded, Folded] | None:
        """Inputs and targets as the rows they share; None where those are too large for memory."""

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """Weight of each window in the order ``batches`` gives them, or None."""


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        model: the network: with the chosen epoch's weights, or trained anew for as many epochs on train
            and validation windows (``refit``).
        judged: the network that validation chose and judges: ``model`` itself but after a refit.
        history: of the training that validation judged, one row per epoch: ``epoch`` (from 1), losses,
            metrics, ``learning_rate``.
        best_epoch: the epoch whose weights the network has.
        stopped_early: whether early stopping ended the training.
        interrupted: whether Ctrl-C did; the epochs finished before it count.
        seconds: wall time of the training.
        note: that it went on from an earlier training's last epoch, or could not; else empty.
        proof: the network beside the naive value on validation; None where it need not prove itself.
        linear: what validation chose for the linear component; None where there is none.
        uncalibrated: outputs whose probabilities could not be calibrated, and why.
        warm_start: how a training from the champion's weights compared; see ``fastlstm.warm_start``.
    """

    model: keras.Model
    judged: keras.Model
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    interrupted: bool
    seconds: float
    note: str = ""
    proof: Proof | None = None
    uncalibrated: tuple[str, ...] = ()
    warm_start: dict[str, Any] | None = None
    linear: Linear | None = None

    @property
    def refitted(self) -> bool:
        """Whether the network has learned from validation windows too."""
        return self.model is not self.judged

    def best_value(self, hyperparameters: Hyperparameters) -> float:
        """The monitored validation score of the kept epoch."""
        row = self.history.iloc[self.best_epoch - 1]
        return float(row[hyperparameters.checkpoint_monitor_metric])


def class_weights(hyperparameters: Hyperparameters, y: np.ndarray) -> np.ndarray | None:
    """Weight of each class, or None.

    'balanced' is ``n / (n_classes * count)`` over the train windows (King and Zeng 2001, "Logistic
    Regression in Rare Events Data"; scikit-learn's ``class_weight='balanced'``).

    Args:
        hyperparameters: ``class_weight``.
        y: labels of the train windows: ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.

    Raises:
        DataError: a class has no train window.
    """
    chosen = hyperparameters.class_weight
    if chosen is None:
        return None
    classes = y.shape[1] if y.shape[1] > 1 else 2
    if chosen != "balanced":
        return np.array([chosen[c] for c in range(classes)], np.float32)
    labels = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise DataError(
            f"class {int(np.argmin(counts))} has no train window, so class_weight 'balanced' is "
            "undefined; give more rows or raise train_size_rate"
        )
    return np.asarray(len(labels) / (classes * counts), np.float32)


def require_both_classes(dataset: WindowSource) -> None:
    """Refuse train windows in which an output is always 0, or always 1: nothing can be learned.

    Raises:
        DataError: names the target and the class that is absent.
    """
    y = dataset.read("train", columns=("y",)).y
    for number, target in enumerate(dataset.manifest["targets"]):
        for step in range(y.shape[1]):
            present = np.unique(y[:, step, number])
            if len(present) == 1:
                absent = 1 - int(present[0])
                raise DataError(
                    f"target {target!r}: class {absent} has no train window of {len(y):,}, so it "
                    "cannot be learned; give more rows, or raise train_size_rate"
                )


def fit(
    dataset: WindowSource,
    hyperparameters: Hyperparameters,
    on_event: OnEvent = lambda _: None,
    *,
    model: keras.Model | None = None,
    loss: Any = None,
    callbacks: Sequence[Any] = (),
    strategy: Any = None,
    verbose: str | int = 0,
    checkpoint: Path | None = None,
) -> Trained:
    """Train a network on the train windows, judged each epoch on validation.

    The test windows are never read. With the same dataset, hyperparameters and seed the numbers are
    the same on the same machine. Ctrl-C after a finished epoch ends the training in order; a refit is
    then not begun, or given up.

    Args:
        dataset: the windows.
        hyperparameters: network and training.
        on_event: told of progress: ``{'event': 'batch' | 'epoch', 'epoch': …, 'epochs': …,
            'loss': …, …}``, with ``'refit': True`` while it trains on validation windows too.
        model: a network to go on training; without it one is built.
        loss: a Keras loss object in place of ``hyperparameters.loss``.
        callbacks: more Keras callbacks.
        strategy: a ``tf.distribute.Strategy`` to build and train under.
        verbose: Keras' own progress output.
        checkpoint: file that holds the training's state after each epoch. Where it exists, the
            training goes on from it, with the numbers it would have had without the interruption.
            It must be of the same dataset, hyperparameters and code; see ``fastlstm.checkpoint``. A
            refit's state lies beside it (``state_files``).

    Raises:
        TrainingError: the loss is not finite.
        DataError: 'balanced' class weights with a class absent from train.
        ConfigError: ``loss_scaling`` does not fit the windows; see ``fastlstm.loss_scaling``.
    """
    keras = import_keras()
    import tensorflow as tf

    hp = hyperparameters
    dataset = scaled_source(dataset, hp)
    keras.utils.set_random_seed(hp.seed)
    tf.config.experimental.enable_op_determinism()
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    steps = _steps_of_an_epoch(dataset, "train", hp)
    with strategy.scope() if strategy is not None else nullcontext():
        if model is None:
            model = build_network(hp, *columns, dataset.count("train"))
        fitted = trained_by_member(model, hp.seed)
        compile_network(fitted, hp, steps, loss)
    set_gate(model, opened=True)
    set_share(model, 0.0)
    first_weights = model.get_weights() if hp.refit else []
    epoch_now = _Epoch()
    train = _tf_dataset(dataset, "train", hp, _class_weights_in(dataset, "train", hp), epoch_now)
    validation = _tf_dataset(dataset, "validation", hp, None, None)
    progress = _progress_callback(hp, steps, on_event, epoch_now)
    stopper = keras.callbacks.EarlyStopping(
        monitor=hp.early_stop_monitor_metric,
        mode=hp.early_stop_mode,
        patience=hp.early_stop_patience,
    )
    state, note = _earlier(checkpoint, fitted)
    begin = time.monotonic() - (state.seconds if state else 0.0)
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="fastlstm-") as folder:
        best = Path(folder) / "best.weights.h5"
        used = [
            keras.callbacks.ModelCheckpoint(
                str(best),
                monitor=hp.checkpoint_monitor_metric,
                mode=hp.checkpoint_mode,
                save_best_only=hp.save_best_only,
                save_weights_only=True,
            ),
            stopper,
        ]
        if hp.learning_rate_schedule == "reduce_on_plateau":
            used.append(
                keras.callbacks.ReduceLROnPlateau(
                    monitor="val_loss",
                    mode="min",
                    factor=hp.learning_rate_factor,
                    patience=hp.learning_rate_patience,
                )
            )
        averaging = [] if hp.ema_momentum is None else [averaging_callback()]
        keeping = []
        if checkpoint is not None:
            named = {type(callback).__name__: callback for callback in used}
            keeping = [_state_callback(checkpoint, named, best, progress, begin, state)]
        if state is not None:
            best.write_bytes(state.best)
            progress.rows = list(state.rows)
        try:
            if state is None or not state.stopped:
                with fused(fitted, hp.lstm_implementation):
                    fitted.fit(
                        train,
                        validation_data=validation,
                        initial_epoch=len(progress.rows),
                        epochs=hp.epochs,
                        shuffle=False,  # the windows come shuffled
                        verbose=verbose,
                        # Progress comes after the others: an epoch it noted has its best weights.
                        callbacks=[*used, *callbacks, *averaging, progress, *keeping],
                    )
        except KeyboardInterrupt:
            if not progress.rows:
                raise
            interrupted = True
        fitted.load_weights(str(best))
    del train, validation  # their rows, which a refit has in memory once more
    history = pd.DataFrame(progress.rows)
    monitored = history[hp.checkpoint_monitor_metric]
    best_row = monitored.argmin() if hp.checkpoint_mode == "min" else monitored.argmax()
    best_epoch = int(best_row) + 1 if hp.save_best_only else len(history)
    networks = [model]
    if hp.refit:
        again, more = None, ""
        if not interrupted:
            rates = history["learning_rate"].tolist()[:best_epoch]
            again, more = _refit(
                model, first_weights, rates, dataset, hp, on_event, loss=loss, strategy=strategy,
                verbose=verbose, checkpoint=checkpoint,
            )  # fmt: skip
        if again is None:
            interrupted, more = True, "interrupted, so not trained anew with the validation windows"
        else:
            networks.append(again)
        note = "; ".join(filter(None, (note, more)))
    architecture = resolve(hp, *columns, dataset.count("train"))
    penalty = solve(model, dataset, "train", architecture)
    for network in networks[1:]:
        solve(network, dataset, LEARNED, architecture, penalty)
    linear, proof = _judged(model, dataset, architecture, penalty)
    for network in networks:
        if linear is not None:
            set_share(network, linear.share)
        if proof is not None:
            set_gate(network, opened=proof.is_better())
    # Of a loss object it is not known whether it asks for probabilities.
    unknown = loss is not None and hp.calibration == "auto"
    uncalibrated = [] if unknown else calibrate(model, dataset, hp, networks[1:])
    return Trained(
        networks[-1],
        model,
        history,
        best_epoch,
        stopper.stopped_epoch > 0 or (state is not None and state.stopped),
        interrupted,
        time.monotonic() - begin,
        note,
        proof,
        tuple(uncalibrated),
        linear=linear,
    )


def _judged(
    model: keras.Model, dataset: WindowSource, architecture: Architecture, penalty: Penalty | None
) -> tuple[Linear | None, Proof | None]:
    """What validation says of the linear component, and of the network beside the naive value."""
    if penalty is None and not architecture.naive_unless_better:
        return None, None
    errors = validation_errors(model, dataset, architecture)
    linear, share = None, 0.0
    if penalty is not None:
        by_share = {share: found.all_steps for share, found in errors.network.items()}
        share = best_share(by_share, dataset.weights("validation"))
        linear = Linear(penalty, share)
    return linear, proven(errors, share) if architecture.naive_unless_better else None


def _refit(
    chosen: keras.Model,
    first_weights: list[np.ndarray],
    rates: list[float],
    dataset: WindowSource,
    hp: Hyperparameters,
    on_event: OnEvent,
    *,
    loss: Any,
    strategy: Any,
    verbose: str | int,
    checkpoint: Path | None,
) -> tuple[keras.Model | None, str]:
    """A network like the chosen one, trained on train and validation windows from its first weights.

    Args:
        chosen: the network that validation chose; stays as it is.
        first_weights: what its training began with.
        rates: the learning rates of its epochs, of which there are as many here.
        dataset: the windows, weighted as the loss asks.
        hp: network and training.
        on_event: told of progress.
        loss: as of ``fit``, like all below.
        strategy: a ``tf.distribute.Strategy``.
        verbose: Keras' own progress output.
        checkpoint: file of the state of the training that chose.

    Returns:
        The network, None where Ctrl-C ended its training; and what to tell of a resumed one.
    """
    keras = import_keras()
    steps = _steps_of_an_epoch(dataset, LEARNED, hp)
    with strategy.scope() if strategy is not None else nullcontext():
        model = _copy(chosen, first_weights)
        fitted = trained_by_member(model, hp.seed)
        compile_network(fitted, hp, steps, loss)
    file = None if checkpoint is None else state_files(checkpoint)[1]
    state, note = _earlier(file, fitted)
    epoch_now = _Epoch()
    train = _tf_dataset(dataset, LEARNED, hp, _class_weights_in(dataset, LEARNED, hp), epoch_now)
    told = hp.model_copy(update={"epochs": len(rates)})
    progress = _progress_callback(told, steps, lambda e: on_event({**e, "refit": True}), epoch_now)
    progress.rows = list(state.rows) if state else []
    used = [progress]
    if hp.learning_rate_schedule in ("constant", "reduce_on_plateau"):
        # Nothing is validated, so the plateaus are those of the training before.
        rate_of = keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])
        used.insert(0, rate_of)
    if file is not None:
        begin = time.monotonic() - (state.seconds if state else 0.0)
        used.append(_state_callback(file, {}, None, progress, begin, None))
    try:
        with fused(fitted, hp.lstm_implementation):
            fitted.fit(
                train,
                initial_epoch=len(progress.rows),
                epochs=len(rates),
                shuffle=False,
                verbose=verbose,
                callbacks=used,
            )
    except KeyboardInterrupt:
        return None, ""
    return model, f"refit {note}" if note else ""


def _copy(model: keras.Model, weights: list[np.ndarray]) -> keras.Model:
    """A network of the same layers, not compiled: Keras' own clone would carry the loss along."""
    copy = import_keras().Model.from_config(model.get_config())
    copy.set_weights(weights)
    return copy


def state_files(checkpoint: Path) -> list[Path]:
    """The files in which a training with this checkpoint keeps its state: its own, and its refit's."""
    return [checkpoint, checkpoint.with_name(f"{checkpoint.stem}-refit{checkpoint.suffix}")]


def write_network(folder: Path, trained: Trained, *, compiled: bool = True) -> dict[str, Any]:
    """Write network, history and facts into a folder; return the facts.

    Args:
        folder: where to.
        trained: what to.
        compiled: save loss and optimizer too; not for a loss only the caller's code knows, which
            would keep the file from opening without that code, nor for
            the losses of ``Hyperparameters.has_stock_loss``.
    """
    kept = {MODEL_FILE: trained.model}
    if trained.refitted:
        kept[JUDGED_FILE] = trained.judged
    for file, model in kept.items():
        saved = model if compiled else _copy(model, model.get_weights())
        saved.save(folder / file)
    trained.history.to_csv(folder / HISTORY_FILE, index=False)
    facts = {
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "stopped_early": trained.stopped_early,
        "interrupted": trained.interrupted,
        "parameters": trained.model.count_params(),
        "seconds": round(trained.seconds, 2),
    }
    if trained.refitted:
        facts["refit"] = True
    if trained.note:
        facts["note"] = trained.note
    if trained.warm_start is not None:
        facts["warm_start"] = trained.warm_start
    if trained.linear is not None:
        facts["linear"] = asdict(trained.linear)
    if trained.uncalibrated:
        facts["uncalibrated"] = list(trained.uncalibrated)
    if trained.proof is not None:
        facts["proof"] = {**asdict(trained.proof), "better": trained.proof.is_better()}
    write_json(folder / TRAINING_FILE, facts)
    return facts


def train_into(
    folder: str,
    windows: str,
    hyperparameters: dict[str, Any],
    on_event: OnEvent,
    checkpoint: str | None = None,
    champion: str | None = None,
) -> dict[str, Any]:
    """Train on the dataset folder ``windows`` and write network, history and facts into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own
    (``fastlstm.isolation.call``). ``checkpoint`` is the file to go on from; see ``fit``. ``champion``
    is the folder of a run to train on from too; see ``fastlstm.warm_start``.
    """
    hp = Hyperparameters.model_validate(hyperparameters)
    dataset = WindowDataset(Path(windows))
    if not hp.is_regressor:
        require_both_classes(dataset)
    file = Path(checkpoint) if checkpoint else None
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    use_fitting_threads(hp, *columns, dataset.count("train"))
    trained = fit(dataset, hp, on_event, checkpoint=file)
    if champion is not None:
        from fastlstm.warm_start import warm_started  # which trains by this module

        trained = warm_started(trained, dataset, hp, Path(champion), on_event, file)
    with writing_to(Path(folder)):
        return write_network(Path(folder), trained, compiled=hp.has_stock_loss)


def _earlier(file: Path | None, model: keras.Model) -> tuple[State | None, str]:
    """The state to go on from, set in the network and its optimizer; and what to tell of it."""
    if file is None:
        return None, ""
    try:
        state = read_state(file)
        if state is None:
            return None, ""
        restore_variables(variables_of(model), state.variables, file)
    except StoreError as error:
        return None, f"{error}, so training began anew"
    return state, f"resumed after epoch {len(state.rows)}"


def _class_weights_in(dataset: WindowSource, split: str, hp: Hyperparameters) -> np.ndarray | None:
    if hp.class_weight is None:
        return None
    y = dataset.read(split, columns=("y",)).y
    return class_weights(hp, y.reshape(len(y), -1))


def _state_callback(
    file: Path, callbacks: dict[str, Any], best: Path | None, progress: Any, begin: float,
    state: State | None,
) -> Any:  # fmt: skip
    keras = import_keras()

    class KeepState(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Writes the training's state after each epoch; the last of the callbacks."""

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            if state is not None:
                restore_callbacks(callbacks, state)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            to_numpy = keras.ops.convert_to_numpy
            write_state(
                file,
                State(
                    rows=progress.rows,
                    seconds=time.monotonic() - begin,
                    stopped=self.model.stop_training,
                    callbacks={name: remembered(c) for name, c in callbacks.items()},
                    variables=[to_numpy(v) for v in variables_of(self.model)],
                    best=b"" if best is None else best.read_bytes(),
                ),
            )

    return KeepState()


class _Epoch:
    """The running epoch, told to the generator of windows so that each has its own order."""

    number = 0


def _tf_dataset(
    dataset: WindowSource,
    split: str,
    hp: Hyperparameters,
    class_weight: np.ndarray | None,
    epoch: _Epoch | None,
) -> Any:
    import tensorflow as tf

    def seed() -> tuple[int, int] | None:
        return (hp.seed, epoch.number) if epoch is not None and hp.shuffle else None

    kept = dataset.folded(split)
    if kept is not None:
        made = _from_rows(dataset, split, hp, class_weight, kept, seed)
    else:
        made = _from_batches(dataset, split, hp, class_weight, seed)
    count = _steps_of_an_epoch(dataset, split, hp)
    return untuned(made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4))


def untuned(dataset: Any) -> Any:
    """A ``tf.data`` dataset whose stages are left as they are while it runs.

    TensorFlow's tuner looks at them 10, 20, 40, ... ms apart, and the end of an epoch at times waits for
    its next look: an epoch of 5.2 s then takes 10.2 s, one of 10.3 s 20.5 s. It would have nothing to
    choose here.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _windows_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    count = dataset.count(split)
    return min(count, hp.windows_per_epoch or count)


def _batch_size(dataset: WindowSource, hp: Hyperparameters) -> int:
    return batch_size(hp, dataset.manifest["features"], dataset.manifest["targets"])


def _steps_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    return math.ceil(_windows_of_an_epoch(dataset, split, hp) / _batch_size(dataset, hp))


def _order(count: int, wanted: int, seed: tuple[int, int] | None) -> np.ndarray:
    """Numbers of an epoch's windows: shuffled, or without a seed in order of time, evenly spaced."""
    if seed is None:
        return np.arange(wanted) * count // wanted
    return np.random.default_rng(seed).permutation(count)[:wanted]


def _weight_of_classes(class_weight: np.ndarray, flat: np.ndarray) -> np.ndarray:
    labels = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0].astype(int)
    return np.asarray(class_weight[labels], np.float32)


def _from_rows(
    dataset: WindowSource, split: str, hp: Hyperparameters, class_weight: np.ndarray | None,
    kept: tuple[Folded, Folded], seed: Callable[[], tuple[int, int] | None],
) -> Any:  # fmt: skip
    """Batches gathered from rows in memory by TensorFlow itself; Python gives each epoch's order alone.

    Measured on 2 cores with a network that takes 20 ms a batch: 1.2 to 1.8 times the speed of batches
    made in Python, which compete with the training for the cores.
    """
    import tensorflow as tf

    y = kept[1]
    columns = [_shared(part.rows) for part in kept]
    firsts = [_shared(part.first) for part in kept]
    outputs = y.length * y.rows.shape[1]
    weight = dataset.weights(split)
    if class_weight is not None:
        of_classes = _weight_of_classes(class_weight, y[np.arange(len(y))].reshape(len(y), outputs))
        weight = of_classes if weight is None else weight * of_classes
    weights = None if weight is None else tf.constant(weight, tf.float32)

    # TensorFlow keeps a generator's function as long as the process lives, so it holds no rows.
    count, wanted = dataset.count(split), _windows_of_an_epoch(dataset, split, hp)

    def orders() -> Iterator[np.ndarray]:
        yield _order(count, wanted, seed())

    def gather(number: int, chosen: Any) -> Any:
        rows = tf.gather(firsts[number], chosen)[:, None] + tf.range(
            kept[number].length, dtype=tf.int64
        )
        return tf.gather(columns[number], rows)

    def batch(chosen: Any) -> tuple[Any, ...]:
        made = (gather(0, chosen), tf.reshape(gather(1, chosen), [-1, outputs]))
        return made if weights is None else (*made, tf.gather(weights, chosen))

    whole = tf.data.Dataset.from_generator(
        orders, output_signature=tf.TensorSpec((None,), tf.int64)
    )
    return whole.unbatch().batch(_batch_size(dataset, hp)).map(batch)


def _shared(values: np.ndarray) -> Any:
    """A tensor over an array's own memory; ``tf.constant`` would keep two more copies of it.

    TensorFlow ends the process over memory that is not aligned, so such an array is copied.
    """
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(as_aligned(values).__dlpack__())


def _from_batches(
    dataset: WindowSource, split: str, hp: Hyperparameters, class_weight: np.ndarray | None,
    seed: Callable[[], tuple[int, int] | None],
) -> Any:  # fmt: skip
    """Batches made in Python, of windows that are too many for memory."""
    import tensorflow as tf

    shape, size = dataset.manifest, _batch_size(dataset, hp)
    outputs = shape["steps_ahead"] * len(shape["targets"])
    weighted = class_weight is not None or dataset.weights(split) is not None
    # TensorFlow keeps a generator's function as long as the process lives; the caller keeps the windows.
    kept = weakref.ref(dataset)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        dataset, chosen = kept(), seed()
        assert dataset is not None  # noqa: S101 (the caller trains on it)
        of_windows = dataset.weights(split, chosen)
        # Shuffled batches come in the order of the seed, whose first windows are the epoch's.
        taken = np.zeros(dataset.count(split), bool)
        wanted = _windows_of_an_epoch(dataset, split, hp)
        taken[np.arange(wanted) if chosen else _order(len(taken), wanted, None)] = True
        start = 0
        for every_x, every_y in dataset.batches(split, size, chosen):
            mine = np.flatnonzero(taken[start : start + len(every_x)])
            here, start = start + mine, start + len(every_x)
            if not len(mine):
                continue
            x, y = every_x[mine], every_y[mine]
            flat = y.reshape(len(y), outputs)
            if not weighted:
                yield x, flat
                continue
            weight = np.ones(len(x), np.float32)
            if of_windows is not None:
                weight = of_windows[here]
            if class_weight is not None:
                weight = weight * _weight_of_classes(class_weight, flat)
            yield x, flat, weight

    signature: tuple[Any, ...] = (
        tf.TensorSpec((None, shape["timesteps"], len(shape["features"])), tf.float32),
        tf.TensorSpec((None, outputs), tf.float32),
    )
    if weighted:
        signature += (tf.TensorSpec((None,), tf.float32),)
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Taking evenly spaced windows leaves batches of any size.
    return made if hp.windows_per_epoch is None else made.unbatch().batch(size)


def _progress_callback(
    hp: Hyperparameters, steps: int, on_event: OnEvent, epoch_now: _Epoch
) -> Any:
    keras = import_keras()

    class Progress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells of progress, notes the learning rate, stops at a loss that is not finite."""

        def __init__(self) -> None:
            super().__init__()
            self.rows: list[dict[str, float]] = []
            self.learning_rate = 0.0
            self.epoch = 0
            self.told = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch = epoch_now.number = epoch
            rate = self.model.optimizer.learning_rate
            self.learning_rate = float(keras.ops.convert_to_numpy(rate))

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            loss = float((logs or {}).get("loss", 0.0))
            self.check("loss", loss)
            if time.monotonic() - self.told > 0.2:
                self.told = time.monotonic()
                self.tell("batch", {"loss": loss}, (batch + 1) / steps)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            values = {k: float(v) for k, v in (logs or {}).items()}
            for name in ("loss", "val_loss"):
                self.check(name, values.get(name, 0.0))
            self.rows.append({"epoch": epoch + 1, **values, "learning_rate": self.learning_rate})
            self.tell("epoch", values, 1.0)

        def tell(self, event: str, values: dict[str, float], part: float) -> None:
            on_event(
                {
                    "event": event,
                    "epoch": self.epoch + 1,
                    "epochs": hp.epochs,
                    "part": part,
                    **values,
                }
            )

        def check(self, name: str, value: float) -> None:
            if not math.isfinite(value):
                raise TrainingError(
                    f"{name} became {value} in epoch {self.epoch + 1}; the likely cause is a "
                    f"learning_rate ({hp.learning_rate}) or target values too large: lower "
                    "learning_rate, or set scale_targets for a regressor"
                )

    return Progress()
