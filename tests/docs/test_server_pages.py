"""Commands of the pages on roll-back, on a secure server, and on Docker and Kubernetes.

Those of fastLSTM and of the shell are run. Docker and a cluster are not at hand: of their commands the
files, build arguments and manifests that they name are checked.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner
from prefect.settings.models.api import APISettings
from prefect.settings.models.server.api import ServerAPISettings

from fastlstm.registry.folder_store import FolderStore
from flows.cli.main import main
from tests.conftest import ROOT, build_settings, prefect_in_memory
from tests.prefect_client import prefect_client

STORED = ROOT / "tests" / "stored_runs" / "small"
TEMPLATE = ROOT / "deployments" / "kubernetes" / "job.json"
DOCKERFILE = (ROOT / "deployments" / "Dockerfile").read_text()


def commands(page):
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def test_roll_back_and_promotion_of_the_page(tmp_path, monkeypatch):
    shutil.copytree(STORED, tmp_path / "runs" / "small")
    store = FolderStore(tmp_path / "runs")
    first, second = (entry.run_id for entry in store.runs("small"))
    for run in (first, second):
        store.update_champion("small", lambda record, run=run: record.promoted(run, "better"))
    settings = {**build_settings(tmp_path), "store": "runs", "work": "work"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    serving = []
    for line in commands("roll-back"):
        program, *words = shlex.split(line, comments=True)
        assert program == "fastlstm"
        words = [second if re.fullmatch(r"[\d-]{10} [\d-]{8}", word) else word for word in words]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, f"{line}: {done.output}"
        serving.append(store.champion("small").champion)
    assert serving == [second, first, second]
    assert "checked by hand" in (tmp_path / "runs" / "small" / "champion.json").read_text()


def test_docker_and_kubectl_take_what_is_there():
    arguments = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    builds = [line for line in commands("docker-kubernetes") if line.startswith("docker ")]
    assert len(builds) > 3
    for line in builds:
        words = shlex.split(line)
        options = dict(zip(words[2:-1:2], words[3:-1:2], strict=True))
        assert words[:2] == ["docker", "build"] and words[-1] == "."
        assert {*options} <= {"--file", "--tag", "--build-arg"}
        assert (ROOT / options["--file"]).is_file()
        assert options.get("--build-arg", "BASE=").partition("=")[0] in arguments
    (applied,) = (line for line in commands("docker-kubernetes") if line.startswith("kubectl "))
    # The manifest that tests/deployments/test_container_files.py compares with Kubernetes' schemas.
    assert applied == "kubectl apply --filename deployments/kubernetes/worker.yaml"


def test_the_password_of_the_server_is_made_once_and_known_to_clients(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    text = "\n".join([*commands("secure"), "env"])
    told = subprocess.run(["bash", "-e", "-c", text], capture_output=True, text=True, check=True)
    found = dict(line.partition("=")[::2] for line in told.stdout.splitlines())
    password = found["PREFECT_SERVER_API_AUTH_STRING"]
    assert re.fullmatch("admin:[0-9a-f]{48}", password)
    assert found["PREFECT_API_AUTH_STRING"] == password
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", password)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", password)
    read = ServerAPISettings().auth_string, APISettings().auth_string
    assert {secret.get_secret_value() for secret in read} == {password}


@pytest.mark.soak
def test_prefect_with_a_password_takes_the_pools_and_deployments_of_the_pages(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, "admin:a-password-of-the-test")
    settings = {**build_settings(tmp_path), "store": "s3://models/production", "work": "/work"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    with prefect_in_memory(tmp_path / "home", scheduling=False) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        api = environment["PREFECT_API_URL"]
        assert httpx.post(f"{api}/deployments/filter", json={}).status_code == 401
        for page, pool in (("schedule", "process"), ("docker-kubernetes", "kubernetes")):
            (tmp_path / "prefect.yaml").unlink(missing_ok=True)
            written = ["python -m deployments.prefect_file my.yaml --pool " + pool]
            of_prefect = [line for line in commands(page) if line.startswith("prefect ")]
            for line in written + [line for line in of_prefect if " worker start" not in line]:
                line = line.replace("deployments/kubernetes/job.json", str(TEMPLATE))
                program, *words = shlex.split(line)
                module = ["-m", "prefect"] if program == "prefect" else []
                done = subprocess.run(
                    [sys.executable, *module, *words], cwd=tmp_path, capture_output=True, text=True,
                    timeout=900, env={**os.environ, "PYTHONPATH": str(ROOT)},
                )  # fmt: skip
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            user, _, password = os.environ["PREFECT_API_AUTH_STRING"].partition(":")
            with prefect_client(api) as client:
                found = client.post("/deployments/filter", json={}, auth=(user, password)).json()
            assert {d["work_pool_name"] for d in found} == {f"fastlstm-{pool}"} and len(found) == 6
