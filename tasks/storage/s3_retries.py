"""How long a request to S3 is repeated while the server is busy or gone.

boto3's own retries end after about 15 s, too early for a restart or a minute of throttling. More
attempts of boto3 are no alternative: its 'standard' and 'adaptive' modes share a quota of 500 retry
tokens a client, 5 a retry, which 16 requests at a time spend within half a minute of an outage (60 of
60 requests failed). A mistyped endpoint must fail soon all the same, so only a server that has answered
before is waited for.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

# Seconds without a successful answer after which a request fails.
RETRY_SECONDS = 90.0
_LONGEST_PAUSE = 10.0
_BUSY_STATUS = {429, 503}
_BUSY = {
    "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "TooManyRequests",
}  # fmt: skip


class RetryBudget:
    """Decides how long the requests of one client are repeated; its threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_answered = False
        self._failing_since: float | None = None
        self._last_failure = 0.0

    def watch(self, client: Any) -> None:
        """Subscribe to the client's retries; without a pause from here, boto3's own rules apply."""
        client.meta.events.register_first("needs-retry.s3", self.pause)

    def pause(
        self,
        response: Any,
        caught_exception: BaseException | None,
        request_dict: dict[str, Any],
        attempts: int,
        **_: Any,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to leave the decision to boto3.

        botocore calls it after each attempt; the signature is that of its event ``needs-retry``.
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
