"""The promotion rule: a challenger must beat the naive baselines and the champion on test.

First every baseline that is defined on some of the test windows must be beaten there on the primary
metric, the naive and the seasonal naive forecast alike; the champion is compared after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastlstm.errors import StoreError
from fastlstm.reporting.text import forecast_name, number, title


@dataclass(frozen=True)
class PromotionDecision:
    """Whether to promote, and the reason in one sentence."""

    promote: bool
    reason: str


@dataclass(frozen=True)
class _Metric:
    """The primary metric: its key, and which values are better."""

    key: str
    lower_is_better: bool

    @property
    def label(self) -> str:
        """Its name in sentences."""
        return title(self.key)

    @property
    def why_undefined(self) -> str:
        """What leaves it without a value."""
        if self.key in ("mase", "rmsse"):
            return "no series has train rows that change from season to season"
        return "one class only?"

    def beats(self, score: float, other: float) -> bool:
        return score < other if self.lower_is_better else score > other

    def best(self, scores: list[float]) -> float:
        return min(scores) if self.lower_is_better else max(scores)


def decide_promotion(
    manifest: dict[str, Any],
    comparison: dict[str, Any] | None,
    backtest: dict[str, bool] | None = None,
    *,
    replaces_incomparable: bool = False,
) -> PromotionDecision:
    """Decide by the challenger's test scores and its comparison with the champion, if there is one.

    Args:
        manifest: the challenger's manifest.
        comparison: scores of champion and challenger on the same windows, see
            ``fastlstm.steps.compare.compare``; None before there is a champion.
        backtest: by baseline, whether the network is significantly better (5%) in a backtest of the
            same settings; None where no backtest decides.
        replaces_incomparable: whether a champion that cannot be compared is replaced.

    Raises:
        StoreError: the manifest has no primary metric.
    """
    primary = manifest.get("primary")
    if not primary:
        raise StoreError("the run's manifest has no primary metric")
    metric = _Metric(primary["name"], primary["better"] == "lower")
    value, baselines = primary["value"], manifest["baselines"]
    objection = _objection(metric, value, baselines, backtest)
    if objection is not None:
        return PromotionDecision(False, objection)
    if comparison is None:
        scores = [s["baseline"] for s in baselines.values() if s["baseline"] is not None]
        best = f"best baseline {number(metric.best(scores))}" if scores else "none"
        reason = f"{metric.label} {number(value)} against {best}; first champion"
        return PromotionDecision(True, reason)
    if not comparison["comparable"]:
        why = f"cannot be compared with the champion: {comparison['why']}"
        if replaces_incomparable:
            return PromotionDecision(True, f"{metric.label} {number(value)}; {why}")
        return PromotionDecision(
            False,
            f"{why}; run 'fastlstm promote CONFIG newest', or set incomparable_champion: replace",
        )
    return _against_champion(metric, comparison)


def _objection(
    metric: _Metric, value: float | None, baselines: dict[str, Any],
    backtest: dict[str, bool] | None,
) -> str | None:  # fmt: skip
    """Why a challenger may not become champion whatever the champion's score, or None."""
    if value is None:
        return f"{metric.label} is undefined on these test windows ({metric.why_undefined})"
    lost = {
        baseline: scores
        for baseline, scores in baselines.items()
        # Both on the windows for which the baseline is defined.
        if scores["model"] is not None and scores["baseline"] is not None
        if not metric.beats(scores["model"], scores["baseline"])
    }
    if lost:
        best = metric.best([scores["baseline"] for scores in lost.values()])
        baseline, scores = next((b, s) for b, s in lost.items() if s["baseline"] == best)
        return (
            f"challenger's {metric.label} {number(scores['model'])} does not beat the "
            f"{forecast_name(baseline)} forecast, {number(scores['baseline'])}"
        )
    if backtest is not None and not all(backtest.values()):
        names = " and the ".join(
            f"{forecast_name(baseline)} forecast" for baseline, won in backtest.items() if not won
        )
        return (
            f"{metric.label} {number(value)} on test, but in the backtest the network does not "
            f"significantly beat (5%) the {names}"
        )
    return None


def _against_champion(metric: _Metric, comparison: dict[str, Any]) -> PromotionDecision:
    """The decision by the scores of challenger and champion on the same windows."""
    score, other = comparison["challenger"], comparison["champion"]
    reason = f"{metric.label} {number(score)} against champion {number(other)}"
    if comparison["trained_on_test"]:
        reason += " (the champion had trained on part of these windows)"
    if score is not None and other is not None and metric.beats(score, other):
        return PromotionDecision(True, reason)
    pairs = [(s["challenger"], s["champion"]) for s in comparison["by_series"].values()]
    defined = [(new, old) for new, old in pairs if new is not None and old is not None]
    worse = sum(not metric.beats(new, old) for new, old in defined)
    return PromotionDecision(
        False, f"{reason}; challenger not better on {worse} of {len(defined)} series"
    )
