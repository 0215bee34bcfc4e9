"""The population stability index against figures worked by hand, and the rows its bins come from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.config.reading import parse_config
from fastlstm.data.input_summary import reference, summarise
from fastlstm.data.tables import write_table
from fastlstm.data.validation import validate
from fastlstm.forecasting.drift import population_stability_index
from fastlstm.steps.scaled_table import scale_table_into
from tests.conftest import make_panel


def test_by_hand():
    # Shares with half a row added: 100.5/201 and 50.5/151 against 100.5/151.
    expected, actual = [100, 100], [50, 100]
    e, a = np.array([100.5, 100.5]) / 201, np.array([50.5, 100.5]) / 151
    assert population_stability_index(expected, actual) == pytest.approx(
        ((a - e) * np.log(a / e)).sum()
    )
    assert population_stability_index([1000] * 10, [1000] * 10) == 0
    assert population_stability_index([0, 0], [0, 0]) == 0
    with pytest.raises(ValueError, match="2 bins against 3"):
        population_stability_index([1, 2], [1, 2, 3])


@given(st.lists(st.integers(0, 500), min_size=2, max_size=11))
def test_never_negative_nor_infinite(counts):
    other = counts[::-1]
    index = population_stability_index(counts, other)
    assert np.isfinite(index) and index >= -1e-12


def test_same_distribution_is_small_and_a_moved_one_large():
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"x": rng.normal(0, 1, 5000), "rain": rng.binomial(1, 0.1, 5000)})
    about = reference(train, np.ones(len(train), bool))
    assert len(about["x"]["edges"]) == 9 and len(about["rain"]["edges"]) == 1
    assert sum(about["x"]["counts"]) == 5000

    def index(name, values):
        counts = summarise(pd.DataFrame({name: values}), about)[name]["counts"]
        return population_stability_index(about[name]["counts"], counts)

    assert index("x", rng.normal(0, 1, 2000)) < 0.02
    assert index("x", rng.normal(1, 1, 2000)) > 0.5
    assert index("rain", rng.binomial(1, 0.1, 2000)) < 0.02
    assert index("rain", rng.binomial(1, 0.9, 2000)) > 1
    assert index("x", np.full(100, np.nan)) > 1  # missing values are a bin of their own


def test_only_train_rows_make_the_bins(settings, tmp_path):
    """Fails where a row after the validation cut changes them."""
    made = []
    for shift in (0.0, 1e6):
        config = parse_config(settings())
        panel = make_panel().rename(columns={"when": "__time", "site": "__series"})
        late = panel["__time"] >= panel["__time"].sort_values().iloc[int(len(panel) * 0.71)]
        panel.loc[late, ["load", "heat"]] += shift
        clean, report = validate(panel, config.data, labels=False)
        assert report.passed
        folder = tmp_path / str(shift)
        folder.mkdir()
        write_table(clean, folder / "clean.parquet")
        scale_table_into(folder, folder / "clean.parquet", config)
        made.append(json.loads((folder / "inputs.json").read_text()))
    assert made[0] == made[1]
