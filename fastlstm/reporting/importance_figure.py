"""The figure of feature importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fastlstm.reporting.figure_style import finish, name_text


def importance_figure(lines: list[dict[str, Any]]) -> Figure:
    """Feature importance by block of past rows, as permutation importance and integrated gradients.

    Args:
        lines: ``'importance'`` of the metrics. The 15 most important features are drawn.
    """
    table = pd.DataFrame(lines).dropna(subset=["permutation"]).astype({"permutation": float})
    kinds = {
        "permutation": "permutation (increase of the error)",
        "integrated_gradients": "integrated gradients",
    }
    order = table.groupby("feature")["permutation"].sum().sort_values(ascending=False).index[:15]
    figure = Figure(figsize=(6.4, 2 * (1.3 + 0.32 * len(order))), layout="constrained")
    spans = table[["from", "to"]].drop_duplicates()
    for ax, (kind, name) in zip(figure.subplots(2), kinds.items(), strict=True):
        cells = table.pivot_table(index="feature", columns="from", values=kind, sort=False)
        shown = np.maximum(cells.loc[order, spans["from"]].to_numpy(), 0)
        drawn = ax.imshow(shown, cmap="Blues", vmin=0, aspect="auto")
        figure.colorbar(drawn, ax=ax)
        finish(ax, f"Feature importance: {name}", "lag (rows before the first forecast row)", "")
        ax.set_yticks(range(len(order)), map(name_text, order))
        lags = [f"{a}–{b}" if a != b else f"{a}" for a, b in spans.itertuples(index=False)]
        every = -(-len(lags) // 6)
        ax.set_xticks(range(0, len(lags), every), lags[::every])
        ax.grid(visible=False)
    return figure
