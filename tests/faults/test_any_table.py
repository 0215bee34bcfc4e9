"""Whatever names, calendars and containers a table has: numbers, names and times stay what they are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.faults.any_table import check, check_rows, check_trainings, tables

# Tables of `make soak` that are trained on, each some seconds; `FASTLSTM_TABLES=500 make soak` takes
# more.
_MANY_TABLES, _AT_A_TIME = int(os.environ.get("FASTLSTM_TABLES", "100")), 10
# Tables of `make soak` that are read, checked, scaled and cut into windows.
_MANY_ROWS, _ROWS_AT_A_TIME = 400, 100


@pytest.fixture(scope="module", autouse=True)
def _small_and_fast():
    """Networks of one unit are computed op by op, which is faster than compiling each; no figures."""
    import tensorflow as tf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastlstm.runs.writing.write_figures", lambda *_: None)
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


_anything = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "print_blob": True,
    "phases": [Phase.generate],  # shrinking a table takes many trainings
    "report_multiple_bugs": False,
}


@pytest.mark.soak
@settings(max_examples=24, derandomize=True, **_anything)
@given(tables())
def test_rows_of_any_table(table):
    with tempfile.TemporaryDirectory() as folder:
        check_rows(table, Path(folder))


@pytest.mark.soak
@settings(max_examples=4, derandomize=True, **_anything)
@given(tables())
def test_networks_of_any_table(table):
    with tempfile.TemporaryDirectory() as folder:
        check(table, Path(folder))


@pytest.mark.soak
@settings(max_examples=2, derandomize=True, **_anything)
@given(tables())
def test_the_same_table_in_other_words(table):
    with tempfile.TemporaryDirectory() as folder:
        check_trainings(table, Path(folder))


@pytest.mark.soak
@pytest.mark.parametrize("number", range(_MANY_ROWS // _ROWS_AT_A_TIME))
def test_rows_of_many_tables(number):
    @seed(1_000 + number)
    @settings(max_examples=_ROWS_AT_A_TIME, **_anything)
    @given(tables())
    def check_each(table):
        with tempfile.TemporaryDirectory() as folder:
            check_rows(table, Path(folder))

    check_each()


@pytest.mark.soak
@pytest.mark.parametrize("number", range(_MANY_TABLES // _AT_A_TIME))
def test_networks_of_many_tables(number):
    @seed(number)
    @settings(max_examples=_AT_A_TIME, **_anything)
    @given(tables())
    def check_each(table):
        with tempfile.TemporaryDirectory() as folder:
            check(table, Path(folder))
            check_trainings(table, Path(folder))

    check_each()
