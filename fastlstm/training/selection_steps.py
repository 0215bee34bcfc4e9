"""The selection steps in the order in which they run."""

from __future__ import annotations

from fastlstm.training.calibration import CalibrationStep
from fastlstm.training.linear_weight import LinearWeightStep
from fastlstm.training.refit import RefitStep
from fastlstm.training.selection import SelectionStep
from fastlstm.training.skill_test import SkillTestStep
from fastlstm.training.warm_start import WarmStartStep

# A warm start decides which network is selected at all; the refit adds the network to use; the linear
# component's weight comes before the skill test, which tests the forecast with it; calibration needs
# the outputs as they will be.
SELECTION_STEPS: tuple[SelectionStep, ...] = (
    WarmStartStep(),
    RefitStep(),
    LinearWeightStep(),
    SkillTestStep(),
    CalibrationStep(),
)
