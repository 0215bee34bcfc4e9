"""The fastest way is measured once on each kind of processor, and kept with its name."""

from __future__ import annotations

import json
import time

import pytest

from fastlstm.network import kernel_choice
from fastlstm.network.kernel_choice import measured_choice, processor


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The file of what was found, of a user and process without any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel_choice, "_found", {})
    return tmp_path / "fastlstm" / "measured.json"


class Clock:
    """Ways that take so many seconds of a clock of their own."""

    def __init__(self, monkeypatch, **seconds):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        self.ways = {name: lambda name=name: self.take(name, seconds[name]) for name in seconds}

    def take(self, name, seconds):
        self.calls.append(name)
        # The first call compiles, which says nothing.
        self.now += seconds if self.calls.count(name) > 1 else 100 - seconds


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [({"a": 10, "b": 9}, "b"), ({"a": 10, "b": 9.7}, "a"), ({"a": 10, "b": 5, "c": 4}, "c")],
)
def test_the_fastest_is_kept_under_the_processors_name(seconds, expected, file, monkeypatch):
    clock = Clock(monkeypatch, **seconds)
    assert measured_choice("what", clock.ways) == expected
    assert json.loads(file.read_text()) == {processor(): {"what": expected}}
    count = len(clock.calls)
    assert measured_choice("what", clock.ways) == expected
    monkeypatch.setattr(kernel_choice, "_found", {})  # as in a later process
    assert measured_choice("what", clock.ways) == expected
    assert len(clock.calls) == count == 6 * len(seconds)


def test_what_was_kept_is_taken_and_other_entries_stay(file, monkeypatch):
    file.parent.mkdir()
    kept = {"another": {"what": "a"}, processor(): {"what": "a", "more": "b"}}
    file.write_text(json.dumps(kept))
    clock = Clock(monkeypatch, a=10, b=1)
    assert measured_choice("what", clock.ways) == "a" and not clock.calls
    assert measured_choice("new", clock.ways) == "b" and clock.calls
    kept[processor()]["new"] = "b"
    assert json.loads(file.read_text()) == kept


def test_of_two_processes_the_first_one_decides(file, monkeypatch):
    clock = Clock(monkeypatch, a=10, b=1)

    def compute():
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({processor(): {"what": "a"}}))
        clock.take("b", 1)

    assert measured_choice("what", {"a": clock.ways["a"], "b": compute}) == "a"


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"x": 1}', json.dumps({processor(): {"what": "gone"}}),
                json.dumps({processor(): 3})],
)  # fmt: skip
def test_a_file_that_is_of_no_use_is_written_anew(content, file, monkeypatch):
    file.parent.mkdir()
    file.write_text(content)
    assert measured_choice("what", Clock(monkeypatch, a=10, b=1).ways) == "b"
    assert json.loads(file.read_text())[processor()]["what"] == "b"


def test_without_a_cache_folder_each_process_measures(tmp_path, monkeypatch):
    (tmp_path / "fastlstm").write_text("no folder")
    assert measured_choice("what", Clock(monkeypatch, a=10, b=1).ways) == "b"
