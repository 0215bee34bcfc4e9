"""The promotion rule: a challenger becomes champion only if it beats the champion and naive baselines on test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.errors import StoreError
from fastlstm.reporting.text import number, title


@dataclass(frozen=True)
class PromotionDecision:
    """Whether to promote, and the reason in one sentence."""

    promote: bool
    reason: str


def decide_promotion(
    manifest: dict[str, Any],
    comparison: dict[str, Any] | None,
    backtest: dict[str, bool] | None = None,
) -> PromotionDecision:
    """Decide by the challenger's manifest and its comparison with the champion, if there is one.

    Args:
        manifest: the challenger's.
        comparison: as of ``compare``.
        backtest: by baseline, whether a backtest of the same settings beats it beyond chance; None
            where no backtest decides.

    Raises:
        StoreError: the manifest tells no primary metric.
    """
    primary = manifest.get("primary")
    if not primary:
        raise StoreError("the run's manifest tells no primary metric")
    name, value, lower = primary["name"], primary["value"], primary["better"] == "lower"
    label = title(name)

    def beats(own: float, other: float) -> bool:
        return own < other if lower else own > other

    if value is None:
        return PromotionDecision(
            False, f"{label} is undefined on these test windows (one class only?)"
        )
    for baseline, scores in manifest["baselines"].items():
        mine, costless = scores["model"], scores["baseline"]
        if mine is None or costless is None or beats(mine, costless):
            continue
        words = baseline.replace("_", " ")
        return PromotionDecision(
            False,
            f"challenger's {label} {number(mine)} does not beat the {words}, {number(costless)}",
        )
    if backtest is not None and not all(backtest.values()):
        names = " and the ".join(k.replace("_", " ") for k, won in backtest.items() if not won)
        return PromotionDecision(
            False,
            f"{label} {number(value)} on test, but the backtest does not show it to beat the {names} "
            "beyond chance",
        )
    best = [s["baseline"] for s in manifest["baselines"].values() if s["baseline"] is not None]
    if comparison is None:
        against = f"best baseline {number(min(best) if lower else max(best))}" if best else "none"
        return PromotionDecision(True, f"{label} {number(value)} against {against}; first champion")
    if not comparison["comparable"]:
        return PromotionDecision(
            False,
            f"cannot be compared with the champion: {comparison['why']}; promote by hand if wanted",
        )
    mine, other = comparison["challenger"], comparison["champion"]
    told = f"{label} {number(mine)} against champion {number(other)}"
    if comparison["trained_on_test"]:
        told += " (the champion had trained on part of these windows)"
    if mine is not None and other is not None and beats(mine, other):
        return PromotionDecision(True, told)
    pairs = [
        (scores["challenger"], scores["champion"]) for scores in comparison["by_series"].values()
    ]
    known = [(m, o) for m, o in pairs if m is not None and o is not None]
    worse = sum(not beats(m, o) for m, o in known)
    return PromotionDecision(
        False, f"{told}; challenger not better on {worse} of {len(known)} series"
    )
