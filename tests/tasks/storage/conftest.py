"""Real S3 servers on loopback: SeaweedFS, and rclone's, which ignores conditional writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployments.local_s3 import free_ports
from tasks.settings import S3Settings


@pytest.fixture
def s3(s3_server) -> S3Settings:
    """Settings that reach the server."""
    return S3Settings(endpoint_url=s3_server.endpoint_url)


@pytest.fixture
def careless_server(tmp_path):
    """The address of an S3 server that ignores the condition of every conditional write."""
    (port,) = free_ports(1)
    (tmp_path / "data" / "models").mkdir(parents=True)
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("rclone"), "serve", "s3", str(tmp_path / "data"),
            "--addr", f"127.0.0.1:{port}", "--auth-key", "local-access-key,local-secret-key",
            "--config", os.devnull,
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
