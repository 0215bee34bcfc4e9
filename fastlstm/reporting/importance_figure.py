"""The figure of feature importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fastlstm.reporting.figure_style import finish


def importance_figure(lines: list[dict[str, Any]]) -> Figure:
    """How much each feature in each stretch of past rows matters, by both measures.

    Args:
        lines: ``'importance'`` of the metrics. The 15 features that matter most are drawn.
    """
    table = pd.DataFrame(lines)
    kinds = {
        "permutation": "increase of the error when exchanged",
        "integrated_gradients": "integrated gradients",
    }
    order = table.groupby("feature")["permutation"].sum().sort_values(ascending=False).index[:15]
    figure = Figure(figsize=(6.4, 2 * (1.3 + 0.32 * len(order))), layout="constrained")
    spans = table[["from", "to"]].drop_duplicates()
    for ax, (kind, words) in zip(figure.subplots(2), kinds.items(), strict=True):
        cells = table.pivot_table(index="feature", columns="from", values=kind, sort=False)
        shown = np.maximum(cells.loc[order, spans["from"]].to_numpy(), 0)
        drawn = ax.imshow(shown, cmap="Blues", vmin=0, aspect="auto")
        figure.colorbar(drawn, ax=ax)
        finish(ax, f"What matters: {words}", "rows before the forecast", "")
        ax.set_yticks(range(len(order)), order)
        names = [f"{a}–{b}" if a != b else f"{a}" for a, b in spans.itertuples(index=False)]
        every = -(-len(names) // 6)
        ax.set_xticks(range(0, len(names), every), names[::every])
        ax.grid(visible=False)
    return figure
