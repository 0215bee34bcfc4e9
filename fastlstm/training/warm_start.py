"""Train on from the champion's weights, beside a training from new ones; the better one is kept.

The comparison is by the validation score that also chooses the epoch. The champion must have learned
from nothing that is not train or validation now, or the comparison, or the test, would favour what has
seen the answers.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.training.callbacks import OnEvent
from fastlstm.training.fit import fit
from fastlstm.training.result import Trained
from fastlstm.windows.source import WindowSource


class Champion(Protocol):
    """An opened run whose weights a training may begin from."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest, with the cuts of its splits."""

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Those it was trained with."""

    @property
    def data(self) -> DataConfig:
        """The columns it was trained on."""

    @property
    def network(self) -> Any:
        """Its Keras network."""


def warm_started(
    fresh: Trained,
    dataset: WindowSource,
    hyperparameters: Hyperparameters,
    champion: Champion,
    on_event: OnEvent = lambda _: None,
    checkpoint: Path | None = None,
) -> Trained:
    """The better on validation of a training from new weights and one from a champion's.

    Args:
        fresh: the training from new weights.
        dataset: the windows both learn from; test is never read.
        hyperparameters: network and training of both.
        champion: the champion's run.
        on_event: told of progress; see ``fastlstm.training.fit.fit``.
        checkpoint: file of the first training's state; the second's lies beside it (``further``).

    Returns:
        One of the two, its ``warm_start`` telling ``from`` (the champion's run id) and ``kept``:
        'champion' or 'new', with both scores as ``metric``, ``champion`` and ``new``; or ``why`` it
        could not be tried.
    """
    about: dict[str, Any] = {"from": champion.run_id, "kept": "new"}
    hp, shape = hyperparameters, dataset.manifest
    why = _hindrance(champion, shape, hp)
    if why is None:
        model = build_network(hp, shape["features"], shape["targets"], dataset.count("train"))
        if [w.shape for w in champion.network.weights] != [w.shape for w in model.weights]:
            why = "its layers differ"
    if why is not None:
        return replace(fresh, warm_start={**about, "why": why})
    model.set_weights(champion.network.get_weights())
    state = None if checkpoint is None else further(checkpoint)
    warm = fit(dataset, hp, on_event, model=model, checkpoint=state)
    new, old = fresh.best_value(hp), warm.best_value(hp)
    about |= {"metric": hp.checkpoint_monitor_metric, "champion": old, "new": new}
    better = old < new if hp.checkpoint_mode == "min" else old > new
    if better:
        return replace(warm, warm_start={**about, "kept": "champion"})
    return replace(fresh, warm_start=about)


def further(checkpoint: Path) -> Path:
    """File of the state of the training that follows one with this file."""
    return checkpoint.with_name(f"{checkpoint.stem}-warm{checkpoint.suffix}")


def _hindrance(
    run: Champion, shape: dict[str, Any], hyperparameters: Hyperparameters
) -> str | None:
    """What speaks against going on from a run, before its network is opened."""
    cuts = run.manifest["cuts"]
    for words, old, new in (
        ("features", run.data.features, shape["features"]),
        ("targets", run.data.targets, shape["targets"]),
        ("timesteps", run.hyperparameters.timesteps, hyperparameters.timesteps),
        ("steps_ahead", run.hyperparameters.steps_ahead, hyperparameters.steps_ahead),
        ("type", run.hyperparameters.LSTM_type, hyperparameters.LSTM_type),
    ):
        if old != new:
            return f"its {words} are {old}, now {new}"
    if "validation" not in cuts:
        return "it was stored before its cuts were"
    learned = cuts["test" if run.hyperparameters.refit else "validation"]
    if learned > shape["cuts"]["validation"] or cuts["test"] > shape["cuts"]["test"]:
        return "it learned from rows that are validation or test now"
    return None
