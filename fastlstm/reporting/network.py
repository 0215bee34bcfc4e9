"""Sentences about the network that a training has, and why it has that one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm.config.hyperparameter_defaults import changed_classic_stack
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.escaping import markdown
from fastlstm.network.architecture import resolve


def network_sentence(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int,
    seasons: Sequence[int],
) -> str:
    """The network's structure with the reason for it; arguments as for ``resolve``."""
    hp = hyperparameters
    a = resolve(hp, features, targets, train_windows, seasons)
    why = _reason(hp, bool(a.own))
    if a.kind == "segment":
        count = -(-hp.timesteps // a.segment_length)
        shape = (
            f"{count} segment{'s' if count > 1 else ''} of {a.segment_length} rows, LSTM of {a.units} "
            f"units, {a.decoding} decoding"
        )
    else:
        shape = f"LSTM layers over {hp.timesteps} rows"
    shared = a.sequences
    more = []
    if a.members > 1:
        start = ", every second one of which corrects the last value" if a.mixed_start else ""
        more.append(f"the mean of {a.members} members{start}")
    if shared > 1:
        more.append(f"shared by the {shared} targets")
    if a.normalization != "none":
        more.append(f"each window normalized ('{a.normalization}')")
    if a.calendar:
        more.append("the calendar read in every row")
    if hp.ensemble_size is None:
        more.append(f"sized for {train_windows * shared:,} sequences to learn from")
    return f"Network: '{a.kind}' ({why}): {'; '.join([shape, *more])}."


def onnx_sentence(facts: dict[str, Any]) -> str:
    """What came of writing the network as ONNX, by the facts of the training."""
    if reason := facts.get("reason"):
        return f"There is no ONNX model ({markdown(reason)}): TensorFlow computes the forecasts."
    return f"ONNX model: its outputs are those of Keras on {facts['windows']} test windows."


def _reason(hp: Hyperparameters, own: bool) -> str:
    """Why the architecture is the one it is; ``own`` is true where all targets are features."""
    if hp.architecture != "auto":
        return "as set"
    if not hp.is_regressor:
        return "as of every classifier"
    if changed := changed_classic_stack(hp.model_dump()):
        return f"as {' and '.join(changed)} {'is' if len(changed) == 1 else 'are'} set"
    if not own:
        return "as not all targets are among the features"
    if not hp.scale_targets:
        return "as the targets are not scaled"
    if hp.timesteps < 2:
        return "as a look-back of one row has no segments"
    return "the default for forecasts of columns from their own past"
