"""A call in a process of its own: results, events, errors, time limit, kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from fastlstm import errors
from fastlstm.steps import forks, worker
from fastlstm.steps.worker import call, start_ahead

HERE = "tests.steps.test_worker"


@pytest.fixture(autouse=True)
def without_idle_process():
    yield
    worker._end_idle()


def doubled(number, on_event):
    for i in range(3):
        on_event({"event": "step", "i": i})
    print("noise on stdout")
    return {"value": number * 2, "pid": os.getpid()}


_PREPARED: list[bool] = []
_COUNT: list[bool] = []


def prepared():
    _PREPARED.append(True)


def counted(on_event):
    _COUNT.append(True)
    return {"count": len(_COUNT), "pid": os.getpid(), "parent": os.getppid()}


def leaving():
    os._exit(3)


def is_prepared(on_event):
    return {"prepared": _PREPARED == [True], "pid": os.getpid()}


def refusing(on_event):
    raise errors.DataError("column 'x' is bad")


def broken(on_event):
    raise KeyError("oops")


def sleeping(pid_file, on_event):
    Path(pid_file).write_text(str(os.getpid()))
    time.sleep(60)


def killed(on_event):
    name = tempfile.mkstemp()[1]
    assert "fastlstm-scratch" in name
    os.kill(os.getpid(), signal.SIGKILL)


def quitting(on_event):
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    os._exit(7)


def test_result_and_events_come_from_another_process():
    seen = []
    result = call(f"{HERE}:doubled", {"number": 21}, seen.append)
    assert result["value"] == 42 and result["pid"] != os.getpid()
    assert [e["i"] for e in seen] == [0, 1, 2]


def test_errors_keep_class_and_text():
    with pytest.raises(errors.DataError, match="column 'x' is bad"):
        call(f"{HERE}:refusing", {})
    with pytest.raises(errors.TrainingError, match="KeyError: 'oops'") as failed:
        call(f"{HERE}:broken", {})
    assert "in broken" in str(failed.value.__cause__)


def test_the_next_call_is_served_by_the_same_process_unless_it_must_be_fresh(monkeypatch):
    def pid(**options):
        return call(f"{HERE}:doubled", {"number": 1}, **options)["pid"]

    first = pid()
    assert pid() == first
    trained = pid(fresh=True)
    assert trained != first and pid() == trained
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)  # not kept beside it
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert pid() != trained


def test_a_process_started_ahead_serves_the_next_call_even_a_fresh_one():
    served = call(f"{HERE}:doubled", {"number": 1})["pid"]
    start_ahead(f"{HERE}:prepared")
    start_ahead(f"{HERE}:prepared")  # one is enough
    first = call(f"{HERE}:is_prepared", {}, fresh=True)
    assert first["prepared"] and first["pid"] != served
    again = call(f"{HERE}:is_prepared", {}, fresh=True)
    assert again["prepared"] and again["pid"] != first["pid"]


def test_a_process_started_ahead_serves_each_call_by_a_fork_that_finds_nothing_of_another():
    start_ahead(f"{HERE}:prepared")
    calls = [call(f"{HERE}:counted", {}, fresh=fresh) for fresh in (True, False, True)]
    assert [found["count"] for found in calls] == [1, 1, 1]
    assert len({found["pid"] for found in calls}) == 3
    assert len({found["parent"] for found in calls}) == 1


def test_beside_a_gpu_no_call_is_served_by_a_fork(monkeypatch, tmp_path):
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(forks, "_GPU_DRIVER", tmp_path / "nvidiactl")
    start_ahead(f"{HERE}:prepared")
    first = call(f"{HERE}:counted", {}, fresh=True)
    assert call(f"{HERE}:counted", {}) == {**first, "count": 2}
    assert call(f"{HERE}:counted", {}, fresh=True)["count"] == 1


@pytest.mark.soak
def test_imports_of_the_caller_do_not_part_it_from_the_process_started_ahead():
    program = textwrap.dedent(
        f"""
        from fastlstm.steps.worker import call, start_ahead
        start_ahead("{HERE}:prepared")
        from flows.retrain import retrain
        from sklearn import preprocessing
        assert call("{HERE}:is_prepared", {{}}, fresh=True)["prepared"]
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_process_started_ahead_that_fails_or_dies_harms_nothing():
    start_ahead(f"{HERE}:nothing_of_this_name")
    assert call(f"{HERE}:doubled", {"number": 2}, fresh=True)["value"] == 4
    start_ahead(f"{HERE}:leaving")
    time.sleep(3)
    assert call(f"{HERE}:doubled", {"number": 3}, fresh=True)["value"] == 6


def test_a_process_that_died_while_idle_is_replaced():
    first = call(f"{HERE}:doubled", {"number": 1})["pid"]
    os.kill(first, signal.SIGKILL)
    again = call(f"{HERE}:doubled", {"number": 2})
    assert again["value"] == 4 and again["pid"] != first


def test_a_failed_call_leaves_no_process():
    pid = call(f"{HERE}:doubled", {"number": 1})["pid"]
    with pytest.raises(errors.DataError):
        call(f"{HERE}:refusing", {})
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_time_limit(tmp_path):
    begin = time.monotonic()
    with pytest.raises(errors.TrainingError, match=r"time limit of 1 s; raise training_time_limit"):
        call(f"{HERE}:sleeping", {"pid_file": str(tmp_path / "pid")}, time_limit=1)
    assert time.monotonic() - begin < 20


def test_a_killed_process_is_told_as_such_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(errors.TrainingError, match="killed by the system"):
        call(f"{HERE}:killed", {}, fresh=True)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_by_itself_leaves_its_last_words():
    with pytest.raises(errors.TrainingError, match="ended with code 7: last words"):
        call(f"{HERE}:quitting", {})


def test_the_process_ends_with_a_killed_caller(tmp_path):
    pid_file = tmp_path / "pid"
    program = textwrap.dedent(
        f"""
        from fastlstm.steps.worker import call
        call("{HERE}:sleeping", {{"pid_file": {str(pid_file)!r}}})
        """
    )
    caller = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 250
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(pid_file.read_text())
    caller.kill()
    caller.wait()
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the process outlived its caller")


def test_a_script_needs_no_main_guard(tmp_path):
    """A user's script may start a training at its top level; it is not run a second time for it."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            from fastlstm.steps.worker import call

            Path({str(tmp_path / "runs")!r}).open("a").write("run\\n")
            print(call("{HERE}:doubled", {{"number": 4}})["value"])
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=900,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.stdout.strip() == "8", done.stderr
    assert (tmp_path / "runs").read_text() == "run\n"
