"""Run the tests that a change touches, by the packages' layout: ``python .ci/quick.py [--base REV]``.

A file of a package stands for the test file of its name or, where there is none, for all tests in the
folder of the package's name; ``ELSEWHERE`` has the exceptions.
Changed is what differs from ``--base`` (the last commit, unless it is given), new files included.
Tests marked ``slow`` or ``soak`` are left to ``make test`` and ``make soak``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Where the tests of a file do not lie in a folder of its package's name; the longest start decides.
ELSEWHERE = {
    "fastlstm/": ("tests/config", "tests/tooling"),  # errors.py and the public names
    "fastlstm/reporting/": ("tests/runs", "tests/evaluation", "tests/experiments"),
    "tasks/": ("tests/tasks/test_*.py", "tests/flows/test_traps.py"),
    "tasks/storage/": ("tests/tasks/storage",),
    "flows/": ("tests/flows/test_cli.py", "tests/flows/test_traps.py"),
    "flows/retrain.py": ("tests/flows/test_retrain.py", "tests/flows/test_cli.py"),
    "flows/backtest.py": ("tests/flows/test_backtest_flow.py",),
    "flows/tune.py": ("tests/flows/test_tune_flow.py",),
    "flows/predict.py": ("tests/flows/test_scoring.py",),
    "flows/monitor.py": ("tests/flows/test_scoring.py",),
    "deployments/": ("tests/flows/test_traps.py",),
    "benchmarks/": ("tests/tooling",),
    "docs/": ("tests/docs", "tests/tooling", "tests/api/test_tutorial.py"),
    "": ("tests/docs", "tests/tooling"),  # README, Makefile, pyproject.toml, .ci
}


def tests_of(file: str, root: Path = ROOT) -> set[str]:
    """The test files and folders that a changed file stands for.

    Args:
        file: path within the repository.
        root: the repository.

    Returns:
        Paths within the repository that exist.
    """
    path = Path(file)
    if path.parts[0] == "tests":
        of_itself = path.name.startswith("test_") and path.suffix == ".py"
        patterns: tuple[str, ...] = (file if of_itself else path.parent.as_posix(),)
    elif path.parts[0] == "fastlstm" and (root / "tests" / path.parts[1]).is_dir():
        folder = f"tests/{path.parts[1]}"
        own = f"{folder}/test_{path.stem}.py"
        patterns = (own if (root / own).exists() else folder,)
    else:
        patterns = ELSEWHERE[max((start for start in ELSEWHERE if file.startswith(start)), key=len)]
    return {
        found.relative_to(root).as_posix() for pattern in patterns for found in root.glob(pattern)
    }


def without_nested(paths: Iterable[str]) -> list[str]:
    """Paths in order, without those within another of them."""
    chosen = set(paths)
    return sorted(p for p in chosen if not any(str(up) in chosen for up in Path(p).parents))


def changed_files(base: str, root: Path = ROOT) -> set[str]:
    """Files that differ from a commit, and those that git does not know yet."""

    def listed(*arguments: str) -> set[str]:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            ["git", *arguments, "-z"],  # noqa: S607 (the git on the user's path is meant)
            cwd=root, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return set(filter(None, done.stdout.split("\0")))

    return listed("diff", "--name-only", "--no-renames", base) | listed(
        "ls-files", "--others", "--exclude-standard"
    )


def main() -> int:
    """Run the tests; the exit code is pytest's."""
    parser = argparse.ArgumentParser(description="Run the tests that a change touches.")
    parser.add_argument("--base", default="HEAD", help="the commit to compare with")
    parser.add_argument("--list", action="store_true", help="print the tests, run none")
    given = parser.parse_args()
    changed = changed_files(given.base)
    chosen = without_nested(path for file in changed for path in tests_of(file))
    print(f"{len(changed)} files changed since {given.base}: {' '.join(chosen) or 'no tests'}")
    if given.list or not chosen:
        return 0
    command = [sys.executable, "-m", "pytest", "-m", "not slow and not soak", "-n", "2", *chosen]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603
    return 0 if code == 5 else code  # 5: every test of these files is slow


if __name__ == "__main__":
    sys.exit(main())
