"""Results of ``make bench``: each processor keeps its own; what is measured anew replaces a part."""

from __future__ import annotations

import pytest

from benchmarks import results
from benchmarks.results import Row, keep, read_results
from benchmarks.stages import stages_of

PARTS = ("training", "flow")
ABOUT = {"date": "2026-01-01", "versions": "keras 3", "rounds": 5}


@pytest.fixture
def page(tmp_path, monkeypatch):
    for name, file in (("_RESULTS", "results.json"), ("_PAGE", "page.md"), ("_GPU_PAGE", "gpu.md")):
        monkeypatch.setattr(results, name, tmp_path / file)
    return tmp_path / "page.md"


def test_a_part_replaces_that_of_its_processor_alone(page):
    def measured(processor, part, figures):
        keep(processor, part, [Row(part, "-", figures, "2x", reached=False)], ABOUT, PARTS)

    measured("one", "flow", "1.1x")
    measured("one", "training", "1.2x")
    measured("two", "flow", "1.3x")
    measured("one", "flow", "1.4x")
    assert list(read_results()["one"]) == list(PARTS)
    text = page.read_text()
    assert "1.1x" not in text and all(found in text for found in ("1.2x", "1.3x", "1.4x"))
    assert text.index("## one") < text.index("1.4x") < text.index("## two") < text.index("1.3x")
    assert "- training, flow: 2026-01-01, 5 rounds; keras 3." in text


def test_the_page_is_that_of_the_stored_results():
    assert results._PAGE.read_text(encoding="utf-8") == results.page(read_results())


def test_seconds_of_stages_add_up_to_the_command():
    told = [
        (6.0, "  4.0 s  check source    source table.csv"),
        (7.0, "  5.0 s  load            400 rows"),
        (7.5, "  5.5 s  load            calendar of the rows to forecast: hour"),
        (9.0, "         epoch 1 of 2: loss 0.2225, val_loss 0.1736"),
        (20.0, " 18.0 s  train           2 epochs in 12 s"),
        (25.0, " 23.0 s  evaluate        MAE 0.08 on 58 test windows"),
    ]
    found = stages_of(told, 26.0)
    assert found.seconds == {
        "start": 6.0, "load": 1.5, "train": 12.5, "evaluate": 5.0, "end": 1.0,
    }  # fmt: skip
    assert sum(found.seconds.values()) == found.whole
    assert found.error == "MAE 0.08 on 58 test windows"
