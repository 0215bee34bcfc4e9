"""Tests of the class and the estimators train tiny networks in this process.

They run TensorFlow step by step and leave figures and feature importance out. A test marked ``traced``
has graphs, a test marked ``figures`` has what others leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import pytest

from fastlstm import fastLSTM
from tests.api.examples import classifier, label_tables, regressor, wave_tables

mpl.use("Agg")


@contextmanager
def step_by_step() -> Iterator[None]:
    """TensorFlow without graphs."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@contextmanager
def runs_without_figures() -> Iterator[None]:
    """Runs are stored without figures and feature importance."""
    from fastlstm.api import fast_lstm
    from fastlstm.runs import writing

    def without_importance(*args):
        config = run_config(*args)
        evaluation = config.evaluation.model_copy(update={"explain_windows": 0})
        return config.model_copy(update={"evaluation": evaluation})

    run_config = fast_lstm.run_config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_lstm, "run_config", without_importance)
        patch.setattr(writing, "write_figures", lambda *args, **kwargs: None)
        yield


@pytest.fixture(autouse=True)
def _graphs_only_where_marked(request):
    if request.node.get_closest_marker("traced"):
        yield
    else:
        with step_by_step():
            yield


@pytest.fixture(autouse=True)
def _figures_only_where_marked(request):
    if request.node.get_closest_marker("figures"):
        yield
    else:
        with runs_without_figures():
            yield


@pytest.fixture
def wave():
    return wave_tables()


@pytest.fixture
def labels():
    return label_tables()


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> fastLSTM:
    """A trained regressor over two steps, for tests that only read it."""
    folder = tmp_path_factory.mktemp("trained")
    model = regressor(*wave_tables(), folder, steps_ahead=2, batch_size=32)
    with step_by_step(), runs_without_figures():
        model.network_structure_set_compile()
        model.network_training(3, verbose=0)
    return model


@pytest.fixture(scope="session")
def trained_classifier(tmp_path_factory) -> fastLSTM:
    """A trained classifier with class weights, for tests that only read it."""
    folder = tmp_path_factory.mktemp("classifier")
    model = classifier(*label_tables(), folder, class_weight={0: 1.0, 1: 3.0})
    with step_by_step(), runs_without_figures():
        model.network_training(2, verbose=0)
    return model
