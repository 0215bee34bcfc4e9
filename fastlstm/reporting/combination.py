"""What a run's report says of the combination of forecasters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastlstm.reporting.text import number

# With less weight in the forecast the network is said to add nothing.
_NO_TRUST = 0.05

# With fewer horizons of forecast origins on validation a gain is said to be uncertain.
_ENOUGH_HORIZONS = 2

# Weights of the first and the last step are listed where one differs by more than this.
_DIFFERENT = 0.1

_NAMES = {
    "lstm": "LSTM",
    "linear": "ridge regression",
    "naive": "naive (last value)",
    "mean": "mean of the last rows",
    "drift": "drift",
    "recent_drift": "drift of the last rows",
    "by_past_error_8": "naive forecasts that were best in the window",
    "by_past_error_2": "naive forecasts weighed by their errors in the window",
}

_OF_SEASON = {
    "seasonal_naive": "seasonal naive",
    "seasonal_mean": "seasonal mean",
    "seasonal_shape": "seasonal mean at the level of the last season",
    "seasonal_level": "seasonal naive at the level of the last rows",
}


def combination_of(facts: Mapping[str, Any]) -> list[str]:
    """The weight of each forecaster, and how far what was learned is trusted.

    Args:
        facts: of a training; those of runs before the combination of all forecasters have the weights of
            LSTM and ridge regression alone.
    """
    combination = facts.get("combination")
    if combination is None:
        return _old_combination(facts)
    weights, first, last = (combination[name] for name in ("weights", "first_step", "last_step"))
    spread = max(abs(first[name] - last[name]) for name in weights)
    by_step = (
        f" At the first step ahead: {_listed(first)}. At the last: {_listed(last)}."
        if spread > _DIFFERENT
        else ""
    )
    has_naive = combination["gain"] is not None
    trust = [_trust(combination)] if has_naive else []
    return [
        *trust,
        f"Forecast combination, mean over the steps: {_listed(weights)}.{by_step} "
        f"{_start(weights)}{_penalty(combination['penalty'])}"
        "Epochs and learning curves are of the LSTM alone.",
    ]


def label_combination_of(facts: Mapping[str, Any]) -> list[str]:
    """The weight of each forecaster's logits in a classifier's forecast."""
    combination = facts.get("label_combination")
    if combination is None:
        return []
    weights, penalty = combination["weights"], combination["penalty"]
    shifted = _shifted(combination.get("shifts") or {})
    return [
        f"Forecast combination: the logits are {weights['lstm']:.2f} times the LSTM's, "
        f"{weights['logistic']:.2f} times a logistic regression's on the same windows and "
        f"{weights['prior']:.2f} times those of the class shares in train, by the log loss of "
        f"{combination['windows']:,} validation windows. The logistic regression has the penalty "
        f"{penalty['strength']:g}. {shifted}Epochs and learning curves are of the LSTM alone."
    ]


def _shifted(shifts: Mapping[str, list[float]]) -> str:
    """Label columns whose logits are shifted, where there are any."""
    names = ", ".join(shifts)
    return f"Logits of {names} are shifted by class, as validation prefers. " if shifts else ""


def _trust(combination: Mapping[str, Any]) -> str:
    """How far the forecast goes from the naive forecast to the network's, and why."""
    trust, gain = combination["trust"], combination["gain"]
    change = f"{abs(gain):.0%} {'lower' if gain >= 0 else 'higher'}"
    finding = (
        f"the loss of LSTM and ridge regression is {change} than that of the mean of the naive "
        f"forecasts"
        if "linear" in combination["weights"]
        else f"the loss of the LSTM is {change} than that of the mean of the naive forecasts"
    )
    origins = f"over {combination['origins']:,} forecast origins of validation"
    if trust < _NO_TRUST:
        return (
            f"**On validation the network adds nothing to the naive forecast, so the forecast is the "
            f"naive one** (trust {trust:.0%}): {finding} {origins}"
            f"{', which is no more than chance may give' if gain > 0 else ''}.{_advice(combination)}"
        )
    return f"Trust in the network: {trust:.0%}; {finding} {origins}.{_advice(combination)}"


def _advice(combination: Mapping[str, Any]) -> str:
    """How to be surer of a gain that is not fully trusted where validation is short; nothing for runs
    stored without ``steps``."""
    if "steps" not in combination or combination["gain"] <= 0 or combination["trust"] >= 1:
        return ""
    horizons = combination["origins"] / combination["steps"]
    if horizons >= _ENOUGH_HORIZONS:
        return ""
    return (
        f" That is {number(horizons)} times the horizon of {combination['steps']} steps, too few to be "
        "sure of a gain: raise `hyperparameters.validation_size_rate` and lower `train_size_rate` by as "
        "much, or forecast fewer steps."
    )


def _start(weights: Mapping[str, float]) -> str:
    """The mean of the naive forecasts, where it has enough weight for the share of each to be known."""
    naive = {name: weight for name, weight in weights.items() if name not in ("lstm", "linear")}
    total = sum(naive.values())
    if len(naive) < 2 or total < _NO_TRUST:
        return ""
    shares = {name: weight / total for name, weight in naive.items()}
    return f"The naive forecast is {_listed(shares)}, by train windows. "


def _listed(weights: Mapping[str, float]) -> str:
    """Forecasters with their weights; those below half a percent are left out."""
    return ", ".join(
        f"{_name(name)} {weight:.0%}" for name, weight in weights.items() if weight >= 0.005
    )


def _name(forecaster: str) -> str:
    """A forecaster's name in a report."""
    if forecaster in _NAMES:
        return _NAMES[forecaster]
    kind, _, season = forecaster.rpartition("_")
    return f"{_OF_SEASON[kind]} ({season} rows)"


def _penalty(penalty: Mapping[str, float] | None) -> str:
    """The penalty of the ridge regression, where there is one."""
    if penalty is None:
        return ""
    return f"The ridge regression has the {_of_columns(penalty)}, chosen on validation. "


def _of_columns(penalty: Mapping[str, float]) -> str:
    """The penalty of the target's own past, and the factor of other columns."""
    others = penalty["others"]
    return f"penalty {penalty['own']:g}" + (
        "" if others == 1 else f", times {others:g} for other columns"
    )


def old_skill_test(skill: dict[str, Any] | None) -> list[str]:
    """The result of the skill test on validation, of runs that have no combination."""
    if skill is None:
        return []
    if skill["p_value"] is None:
        finding = f"{skill['origins']:,} forecast origins are too few for the test"
    else:
        finding = (
            f"its mean absolute error is {_difference(skill['difference'])} in scaled units, "
            f"p = {skill['p_value']:.2g}, Diebold-Mariano test"
        )
        if skill.get("margin"):  # absent in runs of earlier versions
            finding += (
                f" over the first {skill['steps']:,} steps ahead, as the origins are too few to test "
                f"all steps. A difference of more than {number(skill['margin'])} is required. Over "
                f"all steps the error is {_difference(skill['of_all_steps'])}"
            )
    decision = (
        "Skill test on validation: the network is significantly better (5%) than the naive forecast"
        if skill["better"]
        else "**Skill test on validation: the network is not significantly better (5%) than the naive "
        "forecast, so the saved network gives the naive forecast** (naive_unless_better)"
    )
    return [f"{decision}; {finding}."]


def _difference(gain: float) -> str:
    """An error's difference in words."""
    return f"{number(abs(gain))} {'lower' if gain > 0 else 'higher'}"


def _old_combination(facts: Mapping[str, Any]) -> list[str]:
    """The weights of LSTM and ridge regression, where a stored run has these alone."""
    linear, skill = facts.get("linear"), facts.get("proof")
    is_naive = skill is not None and not skill["better"]
    if linear is None or is_naive:
        return []
    weight = linear["share"]
    return [
        f"Forecast combination: weight {1 - weight:.0%} for the LSTM, {weight:.0%} for a ridge "
        f"regression on the same windows ({_of_columns(linear['penalty'])}), chosen on "
        "validation. Epochs and learning curves are of the LSTM alone."
    ]
