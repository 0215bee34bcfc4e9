"""How time and memory of windows grow with rows, features, time steps and series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.contest import compete

_BASE = {"rows": 100_000, "series": 1, "timesteps": 24, "features": 5}
_ROWS = {"series": 1_000_000}  # so that each of the most series is longer than a window
_SIZES = {
    "rows": [100_000, 200_000, 400_000, 800_000, 1_600_000],
    "features": [5, 10, 20, 40],
    "timesteps": [24, 48, 96, 192],
    "series": [1, 10, 100, 1_000, 10_000],
}


def measure_growth(rounds: int) -> list[dict[str, Any]]:
    """Seconds and megabytes of writing windows, each thing doubled in turn."""
    found = []
    for what, sizes in _SIZES.items():
        base = {**_BASE, "rows": _ROWS.get(what, _BASE["rows"])}
        contestants = {
            str(size): ("benchmarks.windows:write", {**base, what: size}) for size in sizes
        }
        for size, result in compete(contestants, rounds).items():
            amount = (base["rows"] if what != "rows" else int(size)) / result.rate
            found.append(
                {
                    "what": what,
                    "size": int(size),
                    "seconds": round(amount, 3),
                    "megabytes": round(result.extra_megabytes),
                }
            )
    return found


def _short(size: int) -> str:
    if size >= 1_000_000:
        return f"{size / 1_000_000:g}M"
    return f"{size // 1000}k" if size >= 1000 else str(size)


def draw(points: list[dict[str, Any]], file: Path) -> None:
    """One panel for each thing: seconds and megabytes against its size, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(
        1, len(_SIZES), figsize=(3.4 * len(_SIZES), 3), layout="constrained"
    )
    for axis, what in zip(axes, _SIZES, strict=True):
        mine = [point for point in points if point["what"] == what]
        sizes = [point["size"] for point in mine]
        axis.loglog(sizes, [point["seconds"] for point in mine], "o-", label="seconds")
        first, same = mine[0]["seconds"], what == "series"
        ideal = [first if same else first * size / sizes[0] for size in sizes]
        axis.loglog(sizes, ideal, ":", color="grey", label="equal" if same else "linear")
        other = axis.twinx()
        other.loglog(sizes, [max(1, point["megabytes"]) for point in mine], "s--", color="C1")
        other.set_ylim(1, 10_000)
        other.set_ylabel("MB above the table (dashed)" if what == "series" else "")
        axis.set_xlabel(what)
        axis.set_xticks(sizes, labels=[_short(size) for size in sizes])
        axis.xaxis.minorticks_off()
        # So much at least, that a difference of a tenth does not look like a slope.
        seconds = [point["seconds"] for point in mine]
        axis.set_ylim(min(seconds) / 3, max(seconds) * 3)
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel("seconds" if what == "rows" else "")
        axis.legend(fontsize=7)
    figure.savefig(file, dpi=110)
    plt.close(figure)
