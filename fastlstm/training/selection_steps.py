"""The selection steps in the order in which they run."""

from __future__ import annotations

from fastlstm.training.calibration import CalibrationStep
from fastlstm.training.combination import CombinationStep
from fastlstm.training.label_combination import LabelCombinationStep
from fastlstm.training.refit import RefitStep
from fastlstm.training.selection import SelectionStep
from fastlstm.training.warm_start import WarmStartStep

# All processes that train one network together run these.
STEPS_THAT_TRAIN: tuple[SelectionStep, ...] = (WarmStartStep(), RefitStep())
# A warm start decides which network is selected at all; the refit adds the network to use; calibration
# needs the outputs as the combination gives them.
SELECTION_STEPS: tuple[SelectionStep, ...] = (
    *STEPS_THAT_TRAIN,
    CombinationStep(),
    LabelCombinationStep(),
    CalibrationStep(),
)
