"""A small copy of a figure, for places that keep each copy for long."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

_WIDTH = 480
_COLOURS = 32


def small_picture(file: Path) -> bytes:
    """A figure as PNG, at most 480 pixels wide and of 32 colours: about a third of its bytes.

    Args:
        file: the figure, as ``fastlstm.reporting.figure_style.save_figure`` writes it.
    """
    with Image.open(file) as stored:
        picture = stored.convert("RGB")
    if picture.width > _WIDTH:
        height = max(1, round(picture.height * _WIDTH / picture.width))
        picture = picture.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    # This method keeps rare colours, those of thin lines, where the usual one merges them.
    coverage = Image.Quantize.MAXCOVERAGE
    written = io.BytesIO()
    picture.quantize(_COLOURS, method=coverage, dither=Image.Dither.NONE).save(
        written, format="PNG", optimize=True
    )
    return written.getvalue()
