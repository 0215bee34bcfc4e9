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
        (
            {"training_workers": 3, "workers": 2},
            r"execution\.training_workers: is 3, workers is 2, .*; raise workers, or lower training",
        ),
        (
            {"training_workers": 2, "training_gpus": 2},
            r"execution\.training_workers: the processes of one machine would share its GPUs; remove",
        ),
        ({"training_workers": 0}, r"execution\.training_workers: "),
        ({"worker": 2}, r"execution\.worker: unknown key; did you mean 'workers'\?"),
    ],
)
def test_what_does_not_fit_is_refused(settings, execution, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(settings(execution=execution))


def test_models_of_groups_are_each_trained_by_one_worker(settings):
    given = settings(models_by=["region"], execution={"training_workers": 2})
    with pytest.raises(
        ConfigError, match=r"^execution\.training_workers, .*: the models of groups"
    ):
        parse_config(given)
