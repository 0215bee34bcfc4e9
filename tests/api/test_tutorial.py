"""The tutorial notebook runs from top to bottom and shows what it describes."""

from __future__ import annotations

import ast
import tempfile
from typing import Any

import matplotlib.pyplot as plt
import nbclient
import nbformat
import pytest

NOTEBOOK = "docs/tutorial.ipynb"
SHOWN = (
    "temp_step_12", "seasonal naive", "naive (last class)", "precision", "trained: 5 epochs",
)  # fmt: skip


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def run_cell(source: str, names: dict[str, Any]) -> str:
    """Run a cell as a notebook does; return what it shows of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK, "exec"), names)
    if last is None:
        return ""
    return repr(eval(compile(ast.Expression(last.value), NOTEBOOK, "eval"), names))


@pytest.mark.soak
def test_its_cells_run_on_the_first_weeks(notebook, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown.append(run_cell(cell.source, names))
            if "read_csv" in cell.source:
                rows = names["weather"].groupby("airport").head(500)
                names["weather"] = rows.reset_index(drop=True)
    plt.close("all")
    text = "\n".join([*shown, capsys.readouterr().out])
    for words in SHOWN:
        assert words in text


@pytest.mark.soak
def test_it_runs_whole_in_a_kernel(notebook):
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    text = "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    for words in SHOWN:
        assert words in text
