"""Installed from a wheel, the pipeline's packages and a user's own of the same names do not meet."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def hook():
    spec = importlib.util.spec_from_file_location("wheel_hook", ROOT / ".ci" / "wheel_hook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_name_of_a_package_is_rewritten(tmp_path):
    wheel = hook()
    wheel.write_packages(ROOT, tmp_path)
    home = tmp_path / wheel.PARENT
    imported = set()
    for file in home.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
    assert not imported & set(wheel.PACKAGES) and {"fastlstm", wheel.PARENT} <= imported
    assert (
        '"fastlstm_pipeline.flows.group:retrain_group"'
        in (home / "tasks" / "retrain_group.py").read_text()
    )
    for package in wheel.PACKAGES:
        of_checkout = {
            str(f.relative_to(ROOT))
            for f in (ROOT / package).rglob("*")
            if f.is_file() and "__pycache__" not in f.parts
        }
        built = {str(f.relative_to(home)) for f in (home / package).rglob("*") if f.is_file()}
        assert built == of_checkout
    text = (home / "deployments" / "prefect.yaml").read_text()
    assert "entrypoint: fastlstm_pipeline.flows.retrain:retrain" in text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from tasks.load import load\n", "from fastlstm_pipeline.tasks.load import load\n"),
        ("if 1:\n    from flows import x\n", "if 1:\n    from fastlstm_pipeline.flows import x\n"),
        ("import tasks.load as load\n", "import fastlstm_pipeline.tasks.load as load\n"),
        ('_F = "tasks.ranks:run"\n', '_F = "fastlstm_pipeline.tasks.ranks:run"\n'),
        ("text = 'tasks are steps. flows chain them'\n", None),
        ("from prefect.tasks import task\n", None),
        ("from tasks_of_mine import x\n", None),
    ],
)
def test_imports_and_names_are_rewritten_and_nothing_else(source, expected):
    assert hook().rewritten(source, "x.py") == (expected or source)


@pytest.mark.parametrize("source", ["import tasks.load\n", "import os, tasks\n"])
def test_an_import_that_cannot_be_rewritten_stops_the_build(source):
    with pytest.raises(ValueError, match=r"x\.py:1: "):
        hook().rewritten(source, "x.py")


USER = """
import tasks
assert tasks.OWN == "the user's"
from fastlstm_pipeline.flows.retrain import retrain
from fastlstm.registry.opening import open_store
store = open_store("s3://bucket/runs")
assert type(store).__module__ == "fastlstm_pipeline.tasks.storage.s3_store"
import flows
assert flows.OWN == "the user's" and retrain.name == "retrain"
"""


@pytest.mark.soak
def test_a_users_own_packages_and_ours_do_not_meet(settings, tmp_path):
    """The wheel in an environment of its own, which borrows the other packages of this one."""
    built = tmp_path / "dist"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    home = next((tmp_path / "venv").rglob("site-packages"))
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(home)
    (home / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    user = tmp_path / "user"
    for name in ("tasks", "flows", "deployments"):
        (user / name).mkdir(parents=True)
        (user / name / "__init__.py").write_text('OWN = "the user\'s"\n')
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*words, **more):
        done = subprocess.run(
            [str(python), *words], cwd=user, env={**environment, **more}, check=False, text=True,
            capture_output=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-c", USER)
    (user / "c.yaml").write_text(yaml.safe_dump(settings(hyperparameters={"epochs": 1})))
    for path in ("", str(user)):
        shown = run("-m", "fastlstm_pipeline.flows", "check", "c.yaml", PYTHONPATH=path)
        assert "Train it" in shown
    assert "romoted" in run("-m", "fastlstm_pipeline.flows", "retrain", "c.yaml")
    assert "lookahead" not in run("-m", "fastlstm_pipeline.flows", "init", "--example", "rain")
    assert (user / "weather_rain.yaml").read_text().endswith("work: .fastlstm\n")
