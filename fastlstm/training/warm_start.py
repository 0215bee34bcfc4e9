"""Train a second time from the champion's weights; the better of the two trainings is kept.

They are compared by the validation score that also chooses the epoch. The champion must not have
learned from rows that are validation or test now, or the comparison, or the test, would favour a
network that has seen the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.training.checkpoint import warm_start_checkpoint
from fastlstm.training.selection import SelectionContext
from fastlstm.training.setup import Champion


@dataclass(frozen=True)
class WarmStart:
    """How a training from the champion's weights compared with one from new weights.

    Attributes:
        run_id: the champion.
        kept: the training that was kept: 'champion' or 'new'.
        scores: ``metric``, and the values of it as ``champion`` and ``new``; empty where it could not be
            tried.
        why: why it could not be tried; empty where it was.
    """

    run_id: str
    kept: str
    scores: dict[str, Any]
    why: str = ""

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        why = {"why": self.why} if self.why else {}
        return {"warm_start": {"from": self.run_id, "kept": self.kept, **self.scores, **why}}


class WarmStartStep:
    """Train once more from the champion's weights, and keep the training with the better score."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether there is a champion to begin from."""
        return context.setup.champion is not None

    def run(self, context: SelectionContext) -> WarmStart:
        """Put the second training in place of the first where it is better."""
        setup = context.setup
        hp, manifest, champion = setup.hyperparameters, setup.dataset.manifest, setup.champion
        assert champion is not None  # noqa: S101 (the step applies)
        why = _obstacle(champion, manifest, hp)
        if why is None:
            with setup.scope():
                network = build_network(
                    hp,
                    manifest["features"],
                    manifest["targets"],
                    setup.dataset.count("train"),
                    setup.seasons,
                )
            if [w.shape for w in champion.network.weights] != [w.shape for w in network.weights]:
                why = "its layers differ"
        if why is not None:
            return WarmStart(champion.run_id, "new", {}, why)
        network.set_weights(champion.network.get_weights())
        file = None if setup.checkpoint is None else warm_start_checkpoint(setup.checkpoint)
        second = context.train(network, file)
        new, old = context.training.best_value(hp), second.best_value(hp)
        scores = {"metric": hp.checkpoint_monitor_metric, "champion": old, "new": new}
        if old < new if hp.checkpoint_mode == "min" else old > new:
            context.training = second
            return WarmStart(champion.run_id, "champion", scores)
        return WarmStart(champion.run_id, "new", scores)


def _obstacle(
    champion: Champion, manifest: dict[str, Any], hyperparameters: Hyperparameters
) -> str | None:
    """Why a training cannot begin from the champion's weights, without opening its network."""
    cuts = champion.manifest["cuts"]
    for setting, old, new in (
        ("features", champion.data.features, manifest["features"]),
        ("targets", champion.data.targets, manifest["targets"]),
        ("timesteps", champion.hyperparameters.timesteps, hyperparameters.timesteps),
        ("steps_ahead", champion.hyperparameters.steps_ahead, hyperparameters.steps_ahead),
        ("type", champion.hyperparameters.LSTM_type, hyperparameters.LSTM_type),
    ):
        if old != new:
            return f"its {setting} are {old}, now {new}"
    if "by_series" in (hyperparameters.split, champion.hyperparameters.split):
        return "each series is split by itself, so its rows may be validation or test now"
    if "validation" not in cuts:
        return "it was stored before its cuts were"
    learned = cuts["test" if champion.hyperparameters.refit is True else "validation"]
    if learned > manifest["cuts"]["validation"] or cuts["test"] > manifest["cuts"]["test"]:
        return "it learned from rows that are validation or test now"
    return None
