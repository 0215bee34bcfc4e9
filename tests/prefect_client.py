"""How tests ask Prefect's server."""

from __future__ import annotations

import httpx
from prefect.client.base import PrefectHttpxSyncClient


def prefect_client(api: str) -> PrefectHttpxSyncClient:
    """A client that asks again where the server's database is busy, as Prefect's own clients do.

    Any other answer but success is an error with the server's words.

    Args:
        api: address of Prefect's API, which the paths of requests follow.
    """
    # The server closes connections that are idle for five seconds.
    limits = httpx.Limits(keepalive_expiry=2)
    return PrefectHttpxSyncClient(base_url=api, timeout=90, follow_redirects=True, limits=limits)
