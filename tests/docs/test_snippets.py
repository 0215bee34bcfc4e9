"""Every snippet of README and docs: YAML is read, commands are parsed, Python is run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import textwrap
import tomllib
import typing

import click
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel, TypeAdapter

from fastlstm import LSTMRegressor, fastLSTM
from fastlstm.config.data import DataConfig
from flows.cli.main import main
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODELS = (PipelineConfig, DataConfig, ScoringConfig, MonitorConfig, UpkeepConfig)
# Snippets that train; the soak test at the end runs them.
TRAIN = ("README.md", "docs/how-to/notebook.md", "docs/how-to/serve.md")


def _name(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, language):
    """The snippets of a page in a language, those within lists too."""
    found = re.findall(
        rf"^( *)```{language}\b[^\n]*\n(.*?)^\1```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return [textwrap.dedent(text) for _, text in found]


def _with(language):
    return [pytest.param(page, id=_name(page)) for page in PAGES if blocks(page, language)]


def _check(settings, model, where):
    """Each key of settings is one of a class, and its value one that the key takes."""
    # A class may take shorthands, such as a list of columns, which it turns into its fields.
    try:
        model.model_validate(settings)
        return
    except ValueError:
        pass
    for name, value in settings.items():
        assert name in model.model_fields, f"{where}.{name} is no setting"
        field = model.model_fields[name]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            _check(value, field.annotation, f"{where}.{name}")
            continue
        if name == "time" and isinstance(value, list):
            continue  # columns that are joined
        kind = typing.Annotated[field.annotation, *field.metadata] if field.metadata else None
        TypeAdapter(kind or field.annotation).validate_python(value, strict=True)


@pytest.mark.parametrize("page", _with("yaml"))
def test_yaml_is_settings_with_values_that_they_take(page):
    for block in blocks(page, "yaml"):
        # '…' stands for more of the same, which no list or mapping needs.
        settings = yaml.safe_load(re.sub(r",? *…", "", block))
        model = next((m for m in MODELS if set(settings) <= set(m.model_fields)), None)
        assert model is not None, f"{sorted(settings)} are settings of no flow"
        if {"data", "hyperparameters"} <= set(settings) and {"path", "time"} <= set(
            settings["data"]
        ):
            model.model_validate(settings)  # a whole file
        _check(settings, model, model.__name__)


def _commands(page):
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("page", _with("console"))
def test_commands_take_what_they_are_given(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for words in _commands(page):
        if words[0] == "fastlstm" and words[1].startswith("-"):
            main.make_parser(click.Context(main)).parse_args(words[1:])
        elif words[0] == "fastlstm":
            command = main.commands[words[1]]
            values, rest, _ = command.make_parser(click.Context(command)).parse_args(words[2:])
            given = [p for p in command.params if values.get(p.name) is not None]
            assert not rest, words
            assert all(p in given for p in command.params if p.required), words
        elif words[:2] == ["python", "-m"]:
            module = words[2].removeprefix("fastlstm_pipeline.")
            assert importlib.util.find_spec(module) is not None, words
        elif words[:2] == ["pip", "install"]:
            named = re.findall(r"\[([\w,]+)\]", " ".join(words))
            if not any("prefect" in word for word in words):
                assert {extra for names in named for extra in names.split(",")} <= set(extras)


def _table():
    """Names that the snippets use, as a reader has them."""
    random, rows = np.random.default_rng(0), 600
    X = pd.DataFrame({"sold": random.poisson(5, rows).astype(float), "price": random.random(rows)})
    return {
        "X": X.assign(height=1.0, **{"station=EWR": 1.0}), "Y": X[["sold"]],
        "hour": pd.Series(pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC")),
        "day": pd.Series(pd.date_range("2024-01-01", periods=rows)),
        "sales": pd.DataFrame({
            "at": pd.date_range("2026-01-01", periods=rows, freq="7h"), "store": "Rome",
            "sold": X["sold"], "price": X["price"],
        }),
        "station": np.repeat("EWR", rows), "shop": np.repeat("Rome", rows),
        "fastLSTM": fastLSTM, "LSTMRegressor": LSTMRegressor,
    }  # fmt: skip


def _run(text, names):
    exec(compile(text, "snippet", "exec"), names)
    return names


@pytest.mark.filterwarnings("ignore:.*rows.*:UserWarning")
@pytest.mark.parametrize(
    "page", [p for p in _with("python") if not p.id.startswith(TRAIN) and "schedule" not in p.id]
)
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        _run(block, _table())


def _tutorial_table():
    (block,) = blocks(ROOT / "docs" / "tutorial.md", "python")
    _run(block, {})
    return pd.read_csv("sales.csv")


def test_the_tutorial_begins_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _tutorial_table()
    page = (ROOT / "docs" / "tutorial.md").read_text()
    commands = [
        words for words in _commands(ROOT / "docs" / "tutorial.md") if words[0] == "fastlstm"
    ]
    assert [words[1] for words in commands[:2]] == ["init", "check"]
    for words in commands[:2]:
        done = CliRunner().invoke(main, words[1:])
        assert done.exit_code == 0, done.output
        first = done.output.splitlines()[1 if words[1] == "check" else 0]
        assert first in page, f"the page shows another output of {words[1]}: {first}"


@pytest.mark.soak
def test_snippets_that_train_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = _tutorial_table()
    train = fastLSTM.network_training
    monkeypatch.setattr(
        fastLSTM, "network_training", lambda self, epochs=1, **more: train(self, epochs=1, **more)
    )
    rows = table[table["shop"] == "Rome"].reset_index(drop=True)
    names = {
        "X": rows[["sold", "promo"]].astype(float), "Y": rows[["sold"]].astype(float),
        "shop": rows["shop"], "day": pd.to_datetime(rows["day"]),
    }  # fmt: skip
    for block in blocks(ROOT / "README.md", "python"):
        _run(block, dict(names))
    build, from_file, load = blocks(ROOT / "docs" / "how-to" / "notebook.md", "python")
    _run(from_file, {"fastLSTM": fastLSTM})
    _run(build, dict(names))
    newest = max(tmp_path.glob("runs/*/*/*HYPERPARAMETERS*"), key=lambda file: file.stat().st_mtime)
    rows[["sold", "promo", "day", "shop"]].assign(shop="Turin").to_csv("new.csv", index=False)
    stored = re.sub(r'\(\n *"runs/.*?\n\)', f"({str(newest)!r})", load, flags=re.DOTALL)
    assert stored != load
    assert len(_run(stored, {})["forecast"]) > 0


@pytest.mark.soak
def test_the_event_and_the_serving_snippets_run(tmp_path, monkeypatch):
    (block,) = blocks(ROOT / "docs" / "how-to" / "schedule.md", "python")
    sent = {}
    monkeypatch.setattr("prefect.events.emit_event", lambda event, **rest: sent.update(rest))
    _run(block, {})
    assert sent["resource"] == {"prefect.resource.id": "fastlstm.data.weather-temperature"}
    shutil.copytree(ROOT / "tests" / "stored_runs" / "small", tmp_path / "runs" / "small")
    monkeypatch.chdir(tmp_path)
    rows = pd.read_csv(ROOT / "tests" / "stored_runs" / "table.csv")
    first, second = blocks(ROOT / "docs" / "how-to" / "serve.md", "python")
    names = _run(first.replace('"sales"', '"small"'), {"newest_rows": rows})
    series = str(rows["site"].iloc[-1])
    row = rows.iloc[-1].to_dict()
    text = re.sub(r"update\(\{.*?\}\)", "update(row)", second).replace("Rome", series)
    assert "update(row)" in text and series in text
    _run(text, {**names, "row": row})
