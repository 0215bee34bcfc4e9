"""The report as one page: it holds its figures, and names from the data are no markup."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest

from fastlstm.errors import StoreError
from fastlstm.escaping import markdown
from fastlstm.reporting.page import html_page
from fastlstm.reporting.text import markdown_table
from fastlstm.runs.figures import captioned_figures
from fastlstm.runs.file_names import file_name
from fastlstm.runs.page import stored_page
from fastlstm.runs.saved_run import SavedRun
from tests.conftest import ROOT

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_figures_are_within_the_page_and_nothing_else_is_fetched(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    table = "\n".join(markdown_table(["", "MAE"], [["network", "0.5"]]))
    page = html_page("sales · 2026", f"# sales\n\n{table}\n", [("Forecast", tmp_path / "a.png")])
    (found,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(found) == PNG
    assert (
        "<h1>sales</h1>" in page and "<td>network</td>" in page and "Forecast</figcaption>" in page
    )
    assert not re.search(r'(src|href)="(?!data:)|@import|url\(|<script|<link', page)


def test_names_from_the_data_are_no_markup():
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://a/b.png)"
    for text in (hostile, markdown(hostile)):
        page = html_page(hostile, f"# {text}\n\n{text}\n", [])
        assert not re.search(r"<script|<a |<img", page)
        assert "alert(1)" in page


def test_forecasts_come_first_and_learning_curves_last(tmp_path):
    run = "2026-11-24 03-00-00"
    for kind, detail in (("curve", "loss"), ("coverage", ""), ("forecast", "b"), ("forecast", "a")):
        (tmp_path / file_name(run, kind, "sales", detail)).write_bytes(PNG)
    assert [caption for caption, _ in captioned_figures(tmp_path, run)] == [
        "Forecast against truth a", "Forecast against truth b", "Coverage of intervals",
        "Training loss curve",
    ]  # fmt: skip


def test_data_of_the_script_cannot_end_it():
    from fastlstm.escaping import script_json

    hostile = "</script><script>alert(1)</script><!-- & \u2028"
    written = script_json({hostile: [hostile]})
    assert not re.search("[<>&\u2028]", written)
    assert json.loads(written) == {hostile: [hostile]}


@pytest.mark.figures
def test_a_stored_run_of_an_earlier_version_gets_a_page_with_charts():
    (folder,) = (ROOT / "tests/stored_runs/small").glob("*09-48")
    saved = SavedRun(folder)
    page = stored_page(saved)
    assert len(page) < 3e6
    assert not re.search(r'(src|href)="(?!data:|#)|@import|url\(|<link', page)
    assert "default-src 'none'" in page
    (data,) = re.findall(r'id="run-data">(.*?)</script>', page)
    held = json.loads(data)
    assert [series["name"] for series in held["series"]] == ["b", "a"]  # the worst first
    predictions = pd.read_parquet(saved.path("predictions"))
    own = predictions[predictions["series"] == "b"]
    record = held["series"][0]["records"][0]
    newest = own[own["origin"] == own["origin"].max()]
    origin = record["origins"][-1]
    assert numbers(origin["columns"]["prediction"]) == pytest.approx(newest["prediction"])
    truth = numbers(record["truth"])[origin["at"] : origin["at"] + len(newest)]
    assert truth == pytest.approx(newest["truth"])
    by_step = record["errors"]["by_step"]
    errors = (own["prediction"] - own["truth"]).abs().groupby(own["step"]).mean()
    assert numbers(by_step[1]) == pytest.approx(errors)
    with pytest.raises(StoreError, match="no test predictions of 'c'"):
        stored_page(saved, ["c"])


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")
