"""Write ``prefect.yaml``, the deployments of one model for a work pool, from its config.

``python -m deployments.prefect_file my.yaml`` writes it beside the config; ``prefect deploy --all`` in
that folder then makes the deployments.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from deployments.serve import live_settings, read_model, upkeep_settings
from fastlstm.artifacts.files import replace_file
from tasks.prefect_names import slug
from tasks.settings import PipelineConfig

POOLS = ("process", "docker", "kubernetes")

# The file for the bundled example, whose definitions of settings are replaced.
_EXAMPLE = Path(__file__).with_name("prefect.yaml")
_HEAD = re.compile(r"\A(#.*\n)+")
_SETTINGS = re.compile(r"(?<=^definitions:\n).*?(?=^  # One run at a time)", re.M | re.S)
# In a checkout the example names files of it, which another folder does not have.
_FLOW_FILE = re.compile(r"(?<=entrypoint: )flows/(\w+)\.py:")
_HEAD_OF_CONFIG = """\
# Deployments for a work pool. In this folder:
#
#   prefect work-pool create fastlstm-{pool} --type {pool}
#   prefect --no-prompt deploy --all
#   prefect worker start --pool fastlstm-{pool}
#
# Change settings and schedules here, then deploy again.
"""
_NAME, _ZONE, _POOL = "weather-temperature", "America/New_York", "{ <<: *process }"


def prefect_file(
    config: PipelineConfig, given: dict[str, Any], time_zone: str, pool: str, forecasts: str
) -> str:
    """The text of ``prefect.yaml`` for one model.

    Args:
        config: the settings of its retraining.
        given: those that the config file names.
        time_zone: IANA zone of the schedules.
        pool: kind of the work pool, one of ``POOLS``.
        forecasts: folder or ``s3://`` prefix that forecasts are appended to.
    """
    scoring, monitoring = live_settings(config, forecasts)
    settings = {
        "config": {
            **_checked(given, config.model_dump(mode="json", exclude_unset=True)),
            "store": config.store,
            "work": config.work,
        },
        "scoring": _without_none(scoring["config"]),
        "monitoring": _without_none(monitoring["config"]),
        "upkeep": _without_none(upkeep_settings(config)["config"]),
    }
    definitions = "".join(
        f"  {name}: &{name}\n{textwrap.indent(_yaml(values), '    ')}\n"
        for name, values in settings.items()
    )
    text = _SETTINGS.sub(lambda _: definitions, _EXAMPLE.read_text(encoding="utf-8"), count=1)
    text = _HEAD.sub(_HEAD_OF_CONFIG.format(pool=pool), text, count=1)
    text = _FLOW_FILE.sub(r"fastlstm_pipeline.flows.\1:", text)
    text = text.replace(_NAME, slug(config.model_name)).replace(_ZONE, time_zone)
    return text.replace(f"&pool {_POOL}", f"&pool {{ <<: *{pool} }}")


def _checked(given: dict[str, Any], checked: dict[str, Any]) -> dict[str, Any]:
    """The given settings as they were read, with absolute paths. Defaults are those of the version
    that retrains, so they are not written down."""
    return {
        name: _checked(value, checked[name])
        if isinstance(value, dict) and isinstance(checked.get(name), dict)
        else checked.get(name, value)
        for name, value in given.items()
    }


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that are not given."""
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def main() -> None:
    """Write the file, unless there is one."""
    # Installed, this module has another name than in the checkout.
    module = __spec__.name if __spec__ else "deployments.prefect_file"
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description="Write prefect.yaml, the deployments of one model for a work pool.",
    )
    parser.add_argument("config", help="YAML file with the settings of the model")
    parser.add_argument(
        "--time-zone", default="UTC", help="IANA time zone of the schedules, e.g. Europe/Rome"
    )
    parser.add_argument("--pool", choices=POOLS, default="process", help="kind of the work pool")
    parser.add_argument(
        "--forecasts",
        help="folder or s3:// prefix that forecasts are appended to; default: forecasts beside CONFIG",
    )
    arguments = parser.parse_args()
    folder = Path(arguments.config).resolve().parent
    file = folder / "prefect.yaml"
    config = read_model(arguments.config, arguments.time_zone)
    if file.exists():
        raise SystemExit(f"{file}: is there already; move it away, or edit it")
    forecasts = arguments.forecasts or str(folder / "forecasts")
    given = yaml.safe_load(Path(arguments.config).read_text(encoding="utf-8"))
    text = prefect_file(config, given, arguments.time_zone, arguments.pool, forecasts)
    replace_file(file, text)
    print(
        f"{file}\nNext, in its folder:\n"
        f"  prefect work-pool create fastlstm-{arguments.pool} --type {arguments.pool}\n"
        "  prefect --no-prompt deploy --all"
    )


if __name__ == "__main__":
    main()
