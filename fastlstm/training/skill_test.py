"""Test on validation whether a network is better than the naive forecast, which is used if it is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastlstm.evaluation.significance import Comparison, by_origin, diebold_mariano
from fastlstm.network.fixed_weights import GATE, set_weight
from fastlstm.training.linear_weight import LinearWeight
from fastlstm.training.selection import SelectionContext
from fastlstm.training.validation_errors import ValidationErrors

# How much lower, relatively, the error must be where the forecasts are too few for a test of all steps.
_WIDE_MARGIN = 0.1


@dataclass(frozen=True)
class SkillTest(Comparison):
    """A network compared with the naive forecast over the steps that allow a test; see ``Comparison``.

    Attributes:
        steps: first steps ahead whose mean loss is compared.
        margin: what ``difference`` must exceed; 0 where all steps are compared.
        of_all_steps: ``difference`` over all steps.
    """

    steps: int
    margin: float
    of_all_steps: float

    def is_better(self, level: float = 0.05) -> bool:
        """Whether the network is significantly better by more than the margin, and better over all
        steps."""
        return super().is_better(level) and self.difference > self.margin and self.of_all_steps > 0

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        return {"proof": {**asdict(self), "better": self.is_better()}}


class SkillTestStep:
    """Let the network forecast where it is significantly better than the naive forecast."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether ``naive_unless_better`` is set, or the architecture has it."""
        return context.setup.architecture.naive_unless_better

    def run(self, context: SelectionContext) -> SkillTest:
        """Test the forecast with the linear component's weight; open or close the networks' gates."""
        linear = context.finding(LinearWeight)
        weight = 0.0 if linear is None else linear.weight
        skill = run_skill_test(context.validation_errors, weight)
        for network in context.networks:
            set_gate(network, opened=skill.is_better())
        return skill


def set_gate(model: Any, opened: bool) -> None:
    """Let a network forecast, or the naive forecast replace it; one without a gate stays as it is."""
    set_weight(model, GATE, float(opened))


def run_skill_test(errors: ValidationErrors, weight: float) -> SkillTest:
    """Compare a network with the naive forecast by their absolute errors on the validation windows.

    Where there are too few origins for a test of all steps, the first ones are tested. Four horizons of
    origins are still few, and a trend that lasts for all of them looks like skill, so the error must
    also be a tenth lower than the naive one there, and lower over all steps.

    Args:
        errors: of both; see ``fastlstm.training.validation_errors``.
        weight: of the linear component in the network's forecast.

    Raises:
        ValueError: the errors lack those of the naive forecast.
    """
    network, naive = errors.network[weight], errors.naive
    if naive is None:
        raise ValueError("the errors of the naive forecast were not computed")
    gains, naive_errors, gains_of_all = (
        by_origin(errors.origin, by_window)
        for by_window in (
            naive.first_steps - network.first_steps,
            naive.first_steps,
            naive.all_steps - network.all_steps,
        )
    )
    of_all = errors.first == errors.steps
    return SkillTest(
        **asdict(diebold_mariano(gains, errors.first)),
        steps=errors.first,
        margin=0.0 if of_all else _WIDE_MARGIN * float(naive_errors.mean()),
        of_all_steps=float(gains_of_all.mean()),
    )
