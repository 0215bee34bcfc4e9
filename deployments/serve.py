"""Serve all flows of one model from this process, without a work pool.

``python -m deployments.serve deployments/weather_temperature.yaml`` starts a Prefect server on
loopback, or finds the one that another model's serve has started, unless ``PREFECT_API_URL`` names one.
It runs the flows when a schedule, an event or a person starts them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.local_server import local_server
from fastlstm.config.locations import S3_PREFIX
from fastlstm.config.reading import read_settings
from fastlstm.config.time_formats import check_time_zone
from fastlstm.errors import FastLSTMError
from fastlstm.runs.writing import git_commit
from tasks.prefect_names import slug
from tasks.settings import PipelineConfig
from tasks.work_place import local_work

if TYPE_CHECKING:
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events import DeploymentEventTrigger

# Name of the folder of forecasts and Prefect's database.
_DATA = "fastlstm-data"


@dataclass(frozen=True)
class _Model:
    """What the deployments of one model share.

    Attributes:
        name: name of the model.
        slug: the name as Prefect's keys take it.
        time_zone: IANA zone of the schedules.
        version: the commit that is served, if known.
    """

    name: str
    slug: str
    time_zone: str
    version: str | None

    def deployment(
        self, flow: Any, name: str, description: str, parameters: dict[str, Any], **options: Any
    ) -> Any:
        """A deployment of a flow, of which one run goes on at a time."""
        from prefect.client.schemas.objects import (
            ConcurrencyLimitConfig,
            ConcurrencyLimitStrategy,
        )

        return flow.to_deployment(
            name=f"{name}-{self.slug}",  # lists cut long names at the end
            description=description,
            tags=["fastlstm", self.slug],
            version=self.version,
            parameters=parameters,
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
            ),
            **options,
        )

    def cron(self, text: str) -> CronSchedule:
        """A schedule in the time zone."""
        from prefect.client.schemas.schedules import CronSchedule

        return CronSchedule(cron=text, timezone=self.time_zone)

    def hourly(self) -> CronSchedule:
        """A quarter past each hour: in UTC, where a clock change skips or repeats none."""
        from prefect.client.schemas.schedules import CronSchedule

        return CronSchedule(cron="15 * * * *", timezone="UTC")

    def trigger(self, event: str, resource: str, reason: str) -> DeploymentEventTrigger:
        """Start a retraining on an event about a resource."""
        from prefect.events import DeploymentEventTrigger

        return DeploymentEventTrigger(
            name=f"retrain {self.slug} on {event}",
            match={"prefect.resource.id": resource},
            expect={event},
            parameters={"reason": reason},
        )


def deployments(config: PipelineConfig, time_zone: str, forecasts: str) -> list[RunnerDeployment]:
    """The six deployments of one model.

    Args:
        config: the settings of its retraining.
        time_zone: IANA zone of the schedules.
        forecasts: folder or ``s3://`` prefix that the forecasts are appended to.
    """
    from flows.monitor import monitor
    from flows.predict import predict
    from flows.retrain import retrain
    from flows.upkeep import upkeep
    from tasks.model_events import DEGRADED

    key = slug(config.model_name)
    model = _Model(config.model_name, key, time_zone, (git_commit() or "")[:12] or None)
    settings = {"config": config.model_dump()}
    scoring, monitoring = live_settings(config, forecasts)
    keeping = upkeep_settings(config)
    full = {**settings, "full": True, "reason": "weekly full retraining"}
    return [
        model.deployment(retrain, "retrain-nightly",
                   "Retrains every night on the latest data and promotes the run if it is better.",
                   settings, schedule=model.cron("0 3 * * *")),
        model.deployment(retrain, "retrain-weekly-full",
                   "Retrains every Sunday from scratch, without using the cache.",
                   full, schedule=model.cron("0 5 * * 0")),
        model.deployment(retrain, "retrain-on-event",
                   "Retrains when new data arrives or the monitoring finds the model degraded.",
                   settings, triggers=[
                       model.trigger("fastlstm.data.arrived", f"fastlstm.data.{key}",
                               "new data: {{ event.payload.note }}"),
                       model.trigger(DEGRADED, f"fastlstm.model.{key}", "{{ event.payload.reason }}"),
                   ]),
        model.deployment(predict, "score-hourly",
                   "Forecasts every hour with the champion and appends the forecasts.",
                   scoring, schedule=model.hourly()),
        model.deployment(monitor, "monitor-daily",
                   "Compares live errors with the test errors, and inputs with the training data.",
                   monitoring, schedule=model.cron("30 6 * * *")),
        model.deployment(upkeep, "upkeep-weekly",
                   "Verifies the store, deletes old runs and unused intermediate files.",
                   keeping, schedule=model.cron("0 12 * * 0")),
    ]  # fmt: skip


def _place(config: PipelineConfig) -> dict[str, Any]:
    """The settings that all flows of a model share.

    Args:
        config: the settings of its retraining.
    """
    return {
        "model_name": config.model_name,
        "store": config.store,
        "s3": config.s3.model_dump(),
        "work": config.work,
    }


def live_settings(config: PipelineConfig, forecasts: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of scoring and monitoring, whose source and store are the retraining's.

    Args:
        config: the settings of the retraining.
        forecasts: folder or ``s3://`` prefix that the forecasts are appended to.
    """
    common = _place(config)
    source = config.data.model_dump(include={"path", "format", "query"})
    appended = {"path": forecasts}
    scoring = {"config": {**common, "input": source, "output": appended}}
    if config.models_by:  # the models of groups forecast on the engine that trains them
        scoring["config"]["execution"] = config.execution.model_dump()
    return scoring, {"config": {**common, "forecasts": appended, "actuals": source}}


def upkeep_settings(config: PipelineConfig) -> dict[str, Any]:
    """The parameters of the upkeep of a model's store.

    Args:
        config: the settings of the retraining.
    """
    return {"config": {**_place(config), "retention": config.retention.model_dump()}}


def read_model(file: str, time_zone: str) -> PipelineConfig:
    """The settings of a model that is to be deployed.

    Args:
        file: its config.
        time_zone: IANA zone of the schedules.

    Raises:
        SystemExit: one of them is refused.
    """
    try:
        config = read_settings(file, PipelineConfig)
        check_time_zone(time_zone)
    except FastLSTMError as error:
        raise SystemExit(f"{error}") from None
    except ValueError as error:
        raise SystemExit(f"--time-zone: {error}") from None
    return config


def data_folder(work: str) -> Path:
    """Where forecasts and Prefect's database lie by default: beside the folder ``work``, never in it.

    Args:
        work: the setting; where it is in S3, the folder is below the current one.
    """
    return (Path.cwd() if work.startswith(S3_PREFIX) else Path(work).resolve().parent) / _DATA


def _refuse_data_in_work(data: Path, work: str) -> None:
    """Refuse to begin anew where an earlier version kept its data in ``work``.

    Raises:
        SystemExit: it is there, and nothing is in the data folder.
    """
    earlier = [local_work(work) / name for name in ("prefect", "forecasts")]
    found = [str(folder) for folder in earlier if folder.is_dir()]
    if found and not data.exists():
        command = f"mkdir -p {shlex.quote(str(data))} && mv {shlex.join([*found, str(data)])}"
        raise SystemExit(
            f"forecasts and Prefect's database lie in {work}, which may be deleted; move them to their "
            f"own folder, then start again: {command}"
        )


@contextmanager
def _only_server_of(model: str, data: Path) -> Iterator[None]:
    """Refuse to serve a model that another process serves from the same data folder.

    Raises:
        SystemExit: it is served already.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / f"{model}.serving").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SystemExit(
                f"{model!r} is served already by process {file.read() or '?'}; stop that one first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def main() -> None:
    """Serve until interrupted."""
    # Installed, this module has another name than in the checkout.
    module = __spec__.name if __spec__ else "deployments.serve"
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=f"""Serve all flows of one model from this process, without a work pool.
        "python -m {module} my.yaml" starts a Prefect server on loopback, or finds the one that another
        model's serve has started, unless PREFECT_API_URL names one. It runs the flows when a schedule,
        an event or a person starts them.""",
    )
    parser.add_argument("config", help="YAML file with the settings of the model")
    parser.add_argument(
        "--time-zone", default="UTC", help="IANA time zone of the schedules, e.g. Europe/Rome"
    )
    parser.add_argument(
        "--data", help=f"folder of forecasts and Prefect's database; default: {_DATA} beside 'work'"
    )
    parser.add_argument(
        "--forecasts",
        help="folder or s3:// prefix that forecasts are appended to; default: forecasts in --data",
    )
    parser.add_argument("--port", type=int, default=4200, help="port of a new local server")
    arguments = parser.parse_args()
    config = read_model(arguments.config, arguments.time_zone)
    data = Path(arguments.data or data_folder(config.work)).resolve()
    _refuse_data_in_work(data, config.work)
    forecasts = arguments.forecasts or str(data / "forecasts")
    # SIGTERM ends this process like Ctrl-C does, so that the server is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.environ.get("PREFECT_API_URL"):
        _serve(deployments(config, arguments.time_zone, forecasts))
        return
    try:
        with _only_server_of(slug(config.model_name), data):
            _serve_locally(config, arguments, data, forecasts)
    except (OSError, TimeoutError) as error:
        raise SystemExit(f"Prefect's server: {error}") from None


def _serve_locally(
    config: PipelineConfig, arguments: argparse.Namespace, data: Path, forecasts: str
) -> None:
    with local_server(data / "prefect", arguments.port) as environment:
        os.environ.update(environment)  # before Prefect is imported, which reads it then
        address = environment["PREFECT_API_URL"].removesuffix("/api")
        print(f"Prefect: {address}/deployments (Ctrl-C stops it)", flush=True)
        print(f"Forecasts and Prefect's database: {data}", flush=True)
        _serve(deployments(config, arguments.time_zone, forecasts))


def _serve(served: list[RunnerDeployment]) -> None:
    from prefect import serve

    for item in served:
        print(f"  {item.flow_name}/{item.name}: {item.description}")
    sys.stdout.flush()
    serve(*served, print_starting_message=False, pause_on_shutdown=False)


if __name__ == "__main__":
    main()
