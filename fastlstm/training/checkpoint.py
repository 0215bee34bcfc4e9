"""The state of a training after each epoch, in a file that an interrupted training goes on from."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replace_file
from fastlstm.errors import StoreError
from fastlstm.network.keras_import import import_keras

if TYPE_CHECKING:
    import keras


def refit_checkpoint(checkpoint: Path) -> Path:
    """Checkpoint of the refit of a training with this checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}-refit{checkpoint.suffix}")


def warm_start_checkpoint(checkpoint: Path) -> Path:
    """Checkpoint of the training from a champion's weights that is compared with the one of this."""
    return checkpoint.with_name(f"{checkpoint.stem}-warm{checkpoint.suffix}")


def state_files(checkpoint: Path) -> list[Path]:
    """All files in which a training with this checkpoint keeps states."""
    return [checkpoint, refit_checkpoint(checkpoint), warm_start_checkpoint(checkpoint)]


def earlier_state(file: Path | None, model: keras.Model) -> tuple[State | None, str]:
    """The state to go on from, which the network and its optimizer then have; and a note for the user.

    Args:
        file: the checkpoint, which need not exist; None for none.
        model: the compiled network.

    Returns:
        The state, None where there is none to go on from, and the note, empty where there is nothing to
        note.
    """
    if file is None:
        return None, ""
    try:
        state = read_state(file)
        if state is None:
            return None, ""
        restore_variables(variables_of(model), state.variables, file)
    except StoreError as error:
        return None, f"{error}, so the training began with the first epoch"
    return state, f"resumed after epoch {len(state.rows)}"


# Attributes of Keras' callbacks that change from epoch to epoch, and are reset when a training begins.
_CALLBACK_STATE = ("best", "best_epoch", "wait", "stopped_epoch", "cooldown_counter")


# A file begins with the hash of all that follows, for NumPy checks the sums of a damaged part only where
# it reads all of it.
_HASH_BYTES = hashlib.sha256().digest_size

# Names of the file's arrays beside the variables.
_ABOUT, _BEST = "about", "best"


@dataclass(frozen=True)
class State:
    """A training after some epochs.

    Attributes:
        rows: the history so far, one row per epoch.
        seconds: wall time so far.
        stopped: whether early stopping has ended it.
        callbacks: state of each callback, by the callback's name.
        variables: values of the network's and the optimizer's variables, in their order.
        best: content of the file with the best epoch's weights.
    """

    rows: list[dict[str, float]]
    seconds: float
    stopped: bool
    callbacks: dict[str, dict[str, Any]]
    variables: list[np.ndarray]
    best: bytes


def callback_state(callback: Any) -> dict[str, Any]:
    """The attributes of a Keras callback that change from epoch to epoch."""
    found = {name: getattr(callback, name) for name in _CALLBACK_STATE if hasattr(callback, name)}
    return {n: float(v) if isinstance(v, np.floating) else v for n, v in found.items()}


def variables_of(model: Any) -> list[Any]:
    """All variables of a network compiled by ``compile_network`` that a step changes, in fixed order."""
    return [*model.variables, *model.optimizer.variables]


def initial_values(model: Any) -> list[np.ndarray | None]:
    """Values of ``variables_of`` a compiled network; None for those that are all 0, as moments are."""
    to_numpy = import_keras().ops.convert_to_numpy
    # A copy: on a CPU the array may be the variable's own memory.
    values = (to_numpy(variable).copy() for variable in variables_of(model))
    return [value if value.any() else None for value in values]


def reset_variables(model: Any, values: Sequence[np.ndarray | None]) -> None:
    """Give a compiled network the variables that it had; for values see ``initial_values``."""
    for variable, value in zip(variables_of(model), values, strict=True):
        variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)


def restore_variables(variables: Sequence[Any], values: Sequence[np.ndarray], file: Path) -> None:
    """Set the variables of a network and its optimizer.

    Raises:
        StoreError: the values in ``file`` are those of another network.
    """
    shapes = [tuple(v.shape) for v in variables]
    if shapes != [v.shape for v in values]:
        raise StoreError(f"{file}: is the state of another network")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def restore_callbacks(callbacks: Mapping[str, Any], state: State) -> None:
    """Give callbacks the state they had, after Keras has reset them."""
    for name, callback in callbacks.items():
        for attribute, value in state.callbacks[name].items():
            setattr(callback, attribute, value)


def write_state(file: Path, state: State) -> None:
    """Replace the state in a file, in one atomic step."""
    about = {
        "rows": state.rows,
        "seconds": state.seconds,
        "stopped": state.stopped,
        "callbacks": state.callbacks,
        "variables": len(state.variables),
    }
    arrays = {f"v{number}": value for number, value in enumerate(state.variables)}
    arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays[_BEST] = np.frombuffer(state.best, np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    with writing_to(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    whole = content.getvalue()
    replace_file(file, hashlib.sha256(whole).digest() + whole)


def read_state(file: Path) -> State | None:
    """The state in a file; None where there is no file.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from None
    whole = content[_HASH_BYTES:]
    if hashlib.sha256(whole).digest() != content[:_HASH_BYTES]:
        raise StoreError(f"{file}: is damaged (differs from its own hash)")
    try:
        with np.load(io.BytesIO(whole), allow_pickle=False) as arrays:
            about = json.loads(arrays[_ABOUT].tobytes())
            return State(
                rows=about["rows"],
                seconds=about["seconds"],
                stopped=about["stopped"],
                callbacks=about["callbacks"],
                variables=[arrays[f"v{number}"] for number in range(about["variables"])],
                best=arrays[_BEST].tobytes(),
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{file}: is no state of a training ({error})") from None
