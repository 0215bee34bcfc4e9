"""A company's installation in small: its own Prefect home, server, work pool, worker and bucket."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import yaml

from deployments.local_s3 import LocalS3
from fastlstm.registry.store import Store
from tasks.settings import PipelineConfig, store_of
from tests.conftest import BASE, ROOT, make_panel, prefect_in_memory
from tests.prefect_client import prefect_client

# Of a database that is not there; it must not be told anywhere.
PASSWORD = "canary-7f3a9c"
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def recent_panel(rows: int) -> pd.DataFrame:
    """Two hourly series that end at the last full hour."""
    frame = make_panel(rows)
    now = pd.Timestamp(datetime.now(UTC)).floor("h")
    return frame.assign(when=frame["when"] - frame["when"].max() + now)


_TOO_LATE = object()


def _first(look: Any, limit: float) -> Any:
    """The first true answer of ``look`` within so many seconds, or None."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    return None


@dataclass
class Company:
    """Everything that runs, and how to ask it.

    Attributes:
        ui: address of Prefect's pages.
        environment: by which other processes find all of it.
        s3: the S3 server.
        config: settings of the retraining that is deployed.
    """

    ui: str
    environment: dict[str, str]
    s3: LocalS3
    config: dict[str, Any]
    folder: Path
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = prefect_client(f"{self.ui}/api")

    @classmethod
    @contextmanager
    def running(cls, folder: Path, s3: LocalS3) -> Iterator[Company]:
        """Start everything, deploy, and stop it at the end."""
        config = copy.deepcopy(BASE)
        config["hyperparameters"]["epochs"] = 3
        config["data"]["path"] = "s3://raw/readings/"
        config["store"], config["work"] = "s3://models/production", str(folder / "work")
        with prefect_in_memory(folder / "home", scheduling=True) as environment:
            made = cls(
                environment["PREFECT_API_URL"].removesuffix("/api"),
                {
                    **os.environ,
                    **environment,
                    **s3.environment,
                    "PYTHONPATH": str(ROOT),
                    "WAREHOUSE_URL": f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:1/w",
                },
                s3,
                config,
                folder,
            )
            made.put_rows("readings/history.csv", recent_panel(240))
            made.put_rows("newest/rows.csv", recent_panel(40))
            made._make_pools()
            made.run(
                "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", made.prefect_file()
            )
            # Which of the real schedules is due depends on the hour at which the tests run.
            for found in made.ask("POST", "/deployments/filter"):
                if found["name"] != "due-soon":
                    made.ask("POST", f"/deployments/{found['id']}/pause_deployment")
            with (folder / "worker.log").open("w") as log:
                worker = subprocess.Popen(
                    [
                        sys.executable, "-m", "prefect", "worker", "start", "--pool",
                        "fastlstm-process", "--name", "one",
                    ],
                    env={**made.environment, "PREFECT_WORKER_QUERY_SECONDS": "2"},
                    cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
                try:
                    yield made
                finally:
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()

    def _make_pools(self) -> None:
        """What ``prefect work-pool create --type`` does, which costs seconds a command."""
        known = self.ask("GET", "/collections/views/aggregate-worker-metadata")
        kinds = {name: kind for package in known.values() for name, kind in package.items()}
        for kind in ("process",):
            template = kinds[kind]["default_base_job_configuration"]
            self.ask(
                "POST",
                "/work_pools/",
                name=f"fastlstm-{kind}",
                type=kind,
                base_job_template=template,
            )

    def prefect_file(self) -> str:
        """deployments/prefect.yaml with the settings of this company in place of the weather's."""
        text = (ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8")
        project = yaml.safe_load(text)
        place = {key: self.config[key] for key in ("store", "work")} | {"model_name": "small"}
        forecasts = {"path": "s3://models/forecasts"}
        settings = {
            "flows/retrain.py:retrain": self.config,
            "flows/predict.py:predict": {
                **place, "input": {"path": "s3://raw/newest/"}, "output": forecasts
            },
            "flows/monitor.py:monitor": {**place, "forecasts": forecasts, "minimum_rows": 10},
            "flows/upkeep.py:upkeep": place,
        }  # fmt: skip
        for deployment in project["deployments"]:
            parameters = {**deployment["parameters"], "config": settings[deployment["entrypoint"]]}
            deployment["parameters"] = parameters
            for trigger in deployment.get("triggers", []):
                match = trigger["match"]["prefect.resource.id"]
                trigger["match"] = {
                    "prefect.resource.id": match.replace("weather-temperature", "small")
                }
        nightly = project["deployments"][0]
        project["deployments"].append(nightly | {"name": "due-soon", "schedules": []})
        del project["definitions"]
        file = self.folder / "prefect.yaml"
        file.write_text(yaml.safe_dump(project), encoding="utf-8")
        return str(file)

    def schedule(self, name: str, seconds: float) -> None:
        """Give a deployment a schedule that is due in some seconds, and next a day later."""
        anchor = datetime.now(UTC) + timedelta(seconds=seconds)
        schedule = {"interval": 86_400, "anchor_date": anchor.isoformat(), "timezone": "UTC"}
        path = f"/deployments/{self.deployment(name)['id']}/schedules"
        self.ask("POST", path, [{"active": True, "slug": "soon", "schedule": schedule}])

    def run(self, module: str, *arguments: str) -> str:
        """Run a command of this environment; its output."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def put_rows(self, key: str, frame: pd.DataFrame) -> None:
        """Put a table into the bucket of raw data."""
        self.s3.client().put_object(Bucket="raw", Key=key, Body=frame.to_csv(index=False))

    def store(self) -> Store:
        """The store the deployments write to, seen from another machine."""
        elsewhere = {**self.config, "work": str(self.folder / "elsewhere")}
        return store_of(PipelineConfig.model_validate(elsewhere))

    def ask(self, method: str, path: str, listed: Any = None, **json: Any) -> Any:
        """One request to Prefect's API, with a list or an object."""
        answer = self._client.request(method, path, json=listed or json or None)
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment, e.g. ``retrain/retrain-nightly``."""
        found: dict[str, Any] = self.ask("GET", f"/deployments/name/{name}")
        return found

    def start(self, name: str, **parameters: Any) -> str:
        """Start a deployment as the API does; id of the flow run."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(self.ask("POST", path, parameters=parameters)["id"])

    def runs_of(self, name: str, *, by_schedule: bool = False) -> list[dict[str, Any]]:
        """Flow runs of a deployment, asked for or by schedule, oldest first."""
        asked = {"deployments": {"id": {"any_": [self.deployment(name)["id"]]}}}
        found: list[dict[str, Any]] = self.ask("POST", "/flow_runs/filter", **asked)
        mine = [run for run in found if run["auto_scheduled"] == by_schedule]
        return sorted(mine, key=lambda run: str(run["expected_start_time"]))

    def ended(self, run_id: str, limit: float = 900) -> dict[str, Any]:
        """A flow run when it has ended."""
        if not _first(lambda: self._is_over(run_id), limit):
            raise AssertionError(f"did not end: {self._told(run_id)}")
        run: dict[str, Any] = self.ask("GET", f"/flow_runs/{run_id}")
        return run

    def appears(self, look: Any, limit: float = 900) -> Any:
        """The first true answer of ``look``."""
        found = _first(look, limit)
        if not found:
            raise AssertionError(f"nothing came in {limit} s")
        return found

    def shows(self, run_id: str, look: Any, limit: float = 900) -> Any:
        """The first true answer of ``look`` about a flow run, which must come before the run ends."""

        def seen() -> Any:
            over = self._is_over(run_id)  # asked before the last look
            return look() or (over and _TOO_LATE)

        found = _first(seen, limit)
        if not found or found is _TOO_LATE:
            raise AssertionError(f"it is not to be seen: {self._told(run_id)}")
        return found

    def _is_over(self, run_id: str) -> bool:
        return self.ask("GET", f"/flow_runs/{run_id}")["state"]["type"] in FINAL

    def _told(self, run_id: str) -> str:
        return f"{self.ask('GET', f'/flow_runs/{run_id}')['state']}; {self.logs(run_id)}"

    def slots_taken(self, name: str) -> int:
        """Slots in use of a global concurrency limit; 0 where there is none of that name yet."""
        limits = self.ask("POST", "/v2/concurrency_limits/filter", limit=50)
        return sum(limit["active_slots"] for limit in limits if limit["name"] == name)

    def logs(self, run_id: str) -> list[str]:
        """What a flow run and its tasks logged, each line with the task's id in front."""
        asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        entries = self.ask("POST", "/logs/filter", **asked)
        return [f"{entry['task_run_id'] or 'flow'}: {entry['message']}" for entry in entries]

    def artifact(self, key: str) -> dict[str, Any] | None:
        """The newest artifact of a key."""
        asked = {"artifacts": {"key": {"any_": [key]}}}
        found = self.ask("POST", "/artifacts/latest/filter", **asked)
        return found[0] if found else None
