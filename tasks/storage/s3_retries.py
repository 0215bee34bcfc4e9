"""How long to wait for an S3 server that says it is busy, or that answered before and is gone.

boto3's own retries end after about 15 s, too early for a restart or a minute of throttling. More of
them would make everyone wait as long whose endpoint is mistyped, so only a server that has answered
before is waited for.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

# Seconds without a good answer after which a server is given up.
RETRY_SECONDS = 90.0


_LONGEST_PAUSE = 10.0


_BUSY_STATUS = {429, 503}


_BUSY = {
    "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "TooManyRequests",
}  # fmt: skip


class RetryBudget:
    """Decides for one client how long a request is tried again; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_answered = False
        self._failing_since: float | None = None
        self._last_failure = 0.0

    def watch(self, client: Any) -> None:
        """Ask for a say in the client's retries; where it has none, boto3's own go on."""
        client.meta.events.register_first("needs-retry.s3", self.pause)

    def pause(
        self,
        response: Any,
        caught_exception: BaseException | None,
        request_dict: dict[str, Any],
        attempts: int,
        **_: Any,
    ) -> float | None:
        """Seconds to wait before the next try, or None to leave it to boto3.

        Called by botocore after each try; the signature is its event ``needs-retry``.
        """
        from botocore.exceptions import ConnectionError, HTTPClientError

        now = time.monotonic()
        gone = isinstance(caught_exception, HTTPClientError | ConnectionError)
        busy = response is not None and _is_busy(*response)
        begun = request_dict["context"].setdefault("fastlstm_begun", now)
        with self._lock:
            if response is not None:
                self._has_answered = True
            if not (busy or gone):
                self._failing_since = None
                return None
            if self._failing_since is None or now - self._last_failure > RETRY_SECONDS:
                self._failing_since = now
            self._last_failure = now
            since = min(begun, self._failing_since)
            if not self._has_answered or now - since > RETRY_SECONDS:
                return None
        return random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, 0.5 * 2.0**attempts)


def _is_busy(http: Any, parsed: dict[str, Any]) -> bool:
    code = str(parsed.get("Error", {}).get("Code", ""))
    return http.status_code in _BUSY_STATUS or code in _BUSY
