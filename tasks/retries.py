"""Which failures may pass with a retry, and how long to wait before it."""

from __future__ import annotations

import errno
from http import HTTPStatus
from json import JSONDecodeError
from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.tasks import Task, exponential_backoff

from fastlstm.errors import FastLSTMError

_PASSING = {
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH,
    errno.ESTALE, errno.ETIMEDOUT, errno.ENOLCK,
}  # fmt: skip


# Seconds: 2, 4, 8, …; Prefect spreads each by the jitter factor.
DELAYS = exponential_backoff(backoff_factor=2)


JITTER = 0.5


def may_heal(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed step may succeed when retried: a connection, a time-out, a busy disk or server.

    Wrong settings, wrong data and a loss that is not finite are never retried. This must be a plain
    function: with any other callable Prefect never retries, without a warning.
    """
    try:
        state.result()
    except FastLSTMError:
        return False
    except (ConnectionError, TimeoutError):
        return True
    except OSError as error:
        return error.errno in _PASSING
    except PrefectHTTPStatusError as error:
        return error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    except JSONDecodeError as error:
        # Prefect empties the record of a cached result before it writes it again; another run may
        # read it in between.
        return not error.doc
    except BaseException:
        return False
    return False
