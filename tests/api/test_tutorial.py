"""The tutorial notebook runs from top to bottom and shows what it describes."""

from __future__ import annotations

import nbclient
import nbformat
import pytest

_SHORTER = "weather = weather.groupby('airport').head({rows}).reset_index(drop=True)"


@pytest.mark.slow
@pytest.mark.parametrize("rows", [900, pytest.param(None, marks=pytest.mark.soak)])
def test_tutorial_runs(rows):
    """With the first weeks of the data, and as it stands."""
    notebook = nbformat.read("docs/tutorial.ipynb", as_version=4)
    if rows is not None:
        (load,) = (i for i, cell in enumerate(notebook.cells) if "read_csv" in cell.source)
        shorter = nbformat.v4.new_code_cell(_SHORTER.format(rows=rows))
        notebook.cells.insert(load + 1, shorter)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    for text in (
        "temp_step_12",
        "seasonal naive",
        "naive (last class)",
        "precision",
        "trained: 5 epochs",
    ):
        assert text in shown
