"""The section ``execution``, and the places that its settings had before."""

from __future__ import annotations

import pytest

from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.reading import parse_config
from fastlstm.errors import ConfigError


@pytest.mark.parametrize(
    ("backtest", "execution"),
    [
        ({"task_runner": "threads", "parallel": 3}, {"engine": "local", "workers": 3}),
        ({"parallel": 1}, {"workers": 1}),
        (
            {"task_runner": "dask", "cluster": "tcp://h:1", "parallel": 4},
            {"engine": "dask", "cluster": "tcp://h:1"},
        ),
        ({"task_runner": "ray", "folds": 3}, {"engine": "ray"}),
    ],
)
def test_former_names_are_read(settings, backtest, execution):
    read = parse_config(settings(backtest=backtest))
    assert read.execution == ExecutionConfig(**execution)
    assert read.backtest.folds == backtest.get("folds", 5)
    # Settings that were read are written in the new place, and read again.
    assert parse_config(read.model_dump()).execution == read.execution


def test_both_names_may_agree_but_not_differ(settings):
    both = {"backtest": {"task_runner": "dask"}, "execution": {"engine": "dask"}}
    assert parse_config(settings(**both)).execution.engine == "dask"
    both["execution"]["engine"] = "ray"
    with pytest.raises(
        ConfigError,
        match=r"^backtest\.task_runner: is 'dask', execution\.engine is 'ray'; remove backtest",
    ):
        parse_config(settings(**both))


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        ({"cluster": "tcp://h:1"}, r"execution\.cluster: engine 'local' uses none; remove it"),
        (
            {"engine": "dask", "cluster": "tcp://h:1", "workers": 2},
            r"execution\.workers: the cluster at tcp://h:1 has its own; remove workers or cluster",
        ),
        ({"workers": 0}, r"execution\.workers: "),
        ({"worker": 2}, r"execution\.worker: unknown key; did you mean 'workers'\?"),
    ],
)
def test_what_does_not_fit_is_refused(settings, execution, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(settings(execution=execution))
