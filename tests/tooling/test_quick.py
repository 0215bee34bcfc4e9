"""``make quick`` chooses the tests of a change by the packages' layout."""

from __future__ import annotations

import importlib.util
import subprocess

import pytest

from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("quick", ROOT / ".ci" / "quick.py")
assert spec is not None and spec.loader is not None
quick = importlib.util.module_from_spec(spec)
spec.loader.exec_module(quick)


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("fastlstm/data/scaling.py", {"tests/data"}),
        ("fastlstm/data/gone.py", {"tests/data"}),  # a deleted file has tests too
        ("fastlstm/training/refit.py", {"tests/training/test_refit.py"}),
        ("fastlstm/errors.py", {"tests/config", "tests/tooling"}),
        ("tasks/storage/s3_store.py", {"tests/tasks/storage"}),
        ("flows/retrain.py", {"tests/flows/test_retrain.py", "tests/flows/test_cli.py"}),
        ("flows/cli/main.py", {"tests/flows/test_cli.py", "tests/flows/test_traps.py"}),
        ("tests/data/test_tables.py", {"tests/data/test_tables.py"}),
        ("tests/data/test_gone.py", set()),
        ("tests/faults/proxy.py", {"tests/faults"}),
        ("tests/conftest.py", {"tests"}),
        ("docs/index.md", {"tests/docs", "tests/tooling", "tests/api/test_tutorial.py"}),
        ("pyproject.toml", {"tests/docs", "tests/tooling"}),
    ],
)
def test_a_file_stands_for_the_tests_of_its_package(file, tests):
    assert quick.tests_of(file) == tests


def test_steps_of_the_flow_have_their_tests():
    assert "tests/tasks/test_work_folder.py" in quick.tests_of("tasks/train.py")


def test_every_package_has_tests_and_every_name_in_the_table_is_there():
    for file in ROOT.glob("fastlstm/**/*.py"):
        assert quick.tests_of(file.relative_to(ROOT).as_posix())
    for start, patterns in quick.ELSEWHERE.items():
        assert (ROOT / start).exists(), start
        assert all(list(ROOT.glob(pattern)) for pattern in patterns), patterns


def test_nothing_runs_twice():
    given = ["tests/data/test_x.py", "tests/data", "tests/runs"]
    assert quick.without_nested(given) == ["tests/data", "tests/runs"]


def test_changed_is_what_differs_and_what_is_new(tmp_path):
    def git(*arguments):
        named = ("-c", "user.name=x", "-c", "user.email=x@y")
        subprocess.run(["git", *named, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("one.py", "two.py", "gone.py"):
        (tmp_path / name).write_text("1\n")
    git("add", ".")
    git("commit", "-m", "first")
    assert quick.changed_files("HEAD", tmp_path) == set()
    (tmp_path / "one.py").write_text("2\n")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "a new one.py").write_text("3\n")
    changed = {"one.py", "gone.py", "a new one.py"}
    assert quick.changed_files("HEAD", tmp_path) == changed
    git("add", ".")
    git("commit", "-m", "second")
    assert quick.changed_files("HEAD~1", tmp_path) == changed
