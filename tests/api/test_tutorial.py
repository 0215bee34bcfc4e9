"""The tutorial notebook runs from top to bottom and shows what it describes."""

from __future__ import annotations

import nbclient
import nbformat
import pytest


@pytest.mark.soak
def test_tutorial_runs():
    notebook = nbformat.read("docs/tutorial.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    for text in (
        "temp_step_12", "seasonal naive", "naive (last class)", "precision", "trained: 5 epochs",
    ):  # fmt: skip
        assert text in shown
