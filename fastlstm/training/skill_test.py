"""A network proves on validation that it is better than the naive value, which else stands for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastlstm.evaluation.significance import Comparison, by_origin, diebold_mariano
from fastlstm.network.fixed_weights import GATE, set_weight
from fastlstm.training.validation_errors import ValidationErrors

# How much lower, relatively, the error must be where the forecasts are too few for a test of all steps.
_WIDE_MARGIN = 0.1


def set_gate(model: Any, opened: bool) -> None:
    """Let a network forecast, or the naive value stand for it; one without a gate stays as it is."""
    set_weight(model, GATE, float(opened))


@dataclass(frozen=True)
class SkillTest(Comparison):
    """A network beside the naive value: the test of ``Comparison``, over the steps that allow one.

    Attributes:
        steps: first steps ahead whose mean loss is compared.
        margin: what ``difference`` must exceed; 0 where these are all steps.
        of_all_steps: ``difference`` over all steps.
    """

    steps: int
    margin: float
    of_all_steps: float

    def is_better(self, level: float = 0.05) -> bool:
        """Whether the network is better beyond chance and margin, and over all steps better at all."""
        return super().is_better(level) and self.difference > self.margin and self.of_all_steps > 0


def run_skill_test(errors: ValidationErrors, share: float) -> SkillTest:
    """Compare a network with the naive value by their absolute errors on the validation windows.

    Where there are too few origins for a test of all steps, the first ones are tested. Four horizons of
    origins tell little still, and a trend that lasts for all of them looks like skill, so the error
    must also be a tenth lower there than the naive value's, and lower over all steps.

    Args:
        errors: of both; see ``fastlstm.training.validation_errors``.
        share: of the linear component in the network's forecast.

    Raises:
        ValueError: the errors lack those of the naive value.
    """
    network, naive = errors.network[share], errors.naive
    if naive is None:
        raise ValueError("the naive value's errors were not asked for")
    gains, costs, gains_of_all = (
        by_origin(errors.origin, each)
        for each in (
            naive.first_steps - network.first_steps,
            naive.first_steps,
            naive.all_steps - network.all_steps,
        )
    )
    of_all = errors.first == errors.steps
    return SkillTest(
        **asdict(diebold_mariano(gains, errors.first)),
        steps=errors.first,
        margin=0.0 if of_all else _WIDE_MARGIN * float(costs.mean()),
        of_all_steps=float(gains_of_all.mean()),
    )
