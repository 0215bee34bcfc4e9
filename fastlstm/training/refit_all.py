"""Retrain the network that serves on all windows, once its like was scored on test.

Everything that was chosen stays as validation chose it: the number of epochs and their learning rates,
the penalty of the linear component, the weights of the combination, the calibration. The network that
was scored on test stays beside it, for comparisons on windows that it has not learned from (Hyndman and
Athanasopoulos,
"Forecasting: Principles and Practice", 3rd ed., section 5.8, evaluate on a test set and forecast from
all data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fastlstm.data.split import EVERY
from fastlstm.network.combination import COMBINATION, START, has_combination
from fastlstm.training.calibration import Correction
from fastlstm.training.fit import first_network
from fastlstm.training.label_combination import solve_again
from fastlstm.training.linear_component import Penalty, has_linear_component, solve
from fastlstm.training.logistic_component import LogisticPenalty
from fastlstm.training.refit import retrain
from fastlstm.training.result import Training
from fastlstm.training.setup import TrainingSetup

if TYPE_CHECKING:
    import keras


def refit_on_all(
    setup: TrainingSetup,
    chosen: keras.Model,
    history: pd.DataFrame,
    best_epoch: int,
    penalty: Penalty | LogisticPenalty | None,
    *,
    calibration: Correction | None = None,
    continued: bool = False,
) -> keras.Model:
    """A network like the chosen one, trained on train, validation and test windows.

    Args:
        setup: windows, settings and options of the training.
        chosen: the network that validation chose; it stays as it is.
        history: of its training.
        best_epoch: the epoch whose weights it has.
        penalty: of its linear component; None without one.
        calibration: of its logits; None without one.
        continued: begin from its weights, not from new ones: it was trained from a champion's.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it; a checkpoint has its finished epochs.
    """
    network = chosen if continued else first_network(setup)
    weights = network.get_weights()
    training = Training(chosen, weights, history, best_epoch, False, False, 0.0, "")
    fitted, _ = retrain(setup, training, EVERY)
    if fitted is None:
        raise KeyboardInterrupt
    if isinstance(penalty, LogisticPenalty):
        solve_again(fitted, setup, EVERY, penalty)
    elif has_linear_component(fitted):
        solve(fitted, setup.dataset, EVERY, setup.architecture, setup.weights, penalty)
    for layer in fitted.layers:
        if layer.name in (COMBINATION, START):
            layer.set_weights(chosen.get_layer(layer.name).get_weights())
    if calibration is not None and not has_combination(fitted):
        calibration.apply(fitted)  # that of a combination is in its weights
    return fitted
