"""How many windows an epoch has."""

from __future__ import annotations

from collections.abc import Sequence

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import batch_size, sequences_of_window

# Of 'auto' windows per epoch: fewest gradient steps; most sequences, or most steps where these are more.
_FEWEST_STEPS, _MOST_SEQUENCES, _MOST_STEPS = 50, 16_384, 100


def windows_of_epoch(
    count: int,
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    *,
    may_repeat: bool = True,
) -> int:
    """Windows in an epoch: all there are, or as ``windows_per_epoch`` says.

    Args:
        count: windows to learn from.
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.
        may_repeat: whether an epoch has more windows than there are where these are too few for its
            gradient steps.
    """
    wanted = hyperparameters.windows_per_epoch
    if wanted is None:
        return count
    if wanted != "auto":
        return min(count, int(wanted))
    size = batch_size(hyperparameters, features, targets)
    sequences = sequences_of_window(hyperparameters, features, targets)
    most = max(_MOST_SEQUENCES // sequences, _MOST_STEPS * size)
    return max(min(count, most), _FEWEST_STEPS * size if may_repeat else 0)
