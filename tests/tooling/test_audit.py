"""The scan of the locks: an advisory fails it, advisories out of reach are told and do not."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deployments.local_s3 import free_ports
from tests.conftest import ROOT

LOCK = "idna==3.6 --hash=sha256:{0}\nclick==8.1.7 --hash=sha256:{0}\n".format("0" * 64)
ADVISORY = {
    "id": "PYSEC-2024-60",
    "summary": "slow on crafted input",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "idna"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
        }
    ],
}


@contextlib.contextmanager
def advisories():
    """A server that answers as osv.dev does, and knows one advisory."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"vulns": [ADVISORY]} if asked["package"]["name"] == "idna" else {}
            body = json.dumps(known).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()


def audit(url, lock):
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", "-s", "osv", "--osv-url", url, lock],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip


@pytest.mark.soak
def test_an_advisory_fails_and_an_unreachable_service_does_not(tmp_path):
    lock = tmp_path / "small.lock"
    lock.write_text(LOCK)
    with advisories() as url:
        done = audit(url, lock)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{lock}: idna 3.6: PYSEC-2024-60, fixed in 3.7" in done.stdout
    assert "2 of 2 packages scanned, 1 with advisories" in done.stdout

    (port,) = free_ports(1)
    done = audit(f"http://127.0.0.1:{port}/v1/query", lock)
    assert done.returncode == 0 and "NOT SCANNED, the advisories cannot be reached" in done.stdout

    lock.write_text("no requirement at all !!!\n")
    done = audit(f"http://127.0.0.1:{port}/v1/query", lock)
    assert done.returncode == 1 and "pip-audit failed" in done.stdout
