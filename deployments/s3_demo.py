"""The bundled example with its runs in S3: a local S3 server, one retraining, a list of the objects.

``python -m deployments.s3_demo`` needs no account; the objects are stored in ``.fastlstm/local-s3``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from deployments.local_s3 import local_s3

_EXAMPLE = Path(__file__).with_name("weather_temperature.yaml")


def main() -> None:
    """Retrain into S3, list the runs, and list the objects with their sizes and media types."""
    work = Path(".fastlstm").resolve()
    config = yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))
    config |= {"store": "s3://models/production", "work": str(work)}
    file = work / "weather_temperature_s3.yaml"
    with local_s3(work / "local-s3", "models") as server:
        file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        environment = {**os.environ, **server.environment}
        for command in (["retrain", str(file)], ["runs", str(file)]):
            print(f"\n$ fastlstm {' '.join(command)}", flush=True)
            done = subprocess.run(  # noqa: S603 (our own command)
                [sys.executable, "-m", "flows", *command], env=environment, check=False
            )
            if done.returncode:
                raise SystemExit(done.returncode)
        client = server.client()
        print(f"\nObjects at {server.endpoint_url}:")
        for item in client.list_objects_v2(Bucket="models", Prefix="production/")["Contents"]:
            kind = client.head_object(Bucket="models", Key=item["Key"])["ContentType"]
            print(f"  {item['Size']:>9,} B  {kind:<28}  s3://models/{item['Key']}")


if __name__ == "__main__":
    main()
