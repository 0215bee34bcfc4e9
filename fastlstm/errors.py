"""Errors a user can act on. Each message names what is wrong, what was found and what to do."""

from __future__ import annotations

from fastlstm.redaction import redacted


class FastLSTMError(Exception):
    """Base of every error this library raises on purpose; its text is for users and shows no secret."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class ConfigError(FastLSTMError, ValueError):
    """A setting is unknown, has the wrong type, or contradicts another setting or the data.

    Attributes:
        problems: one line for each problem, each naming the key and the remedy.
    """

    def __init__(self, problems: str | list[str]) -> None:
        given = [problems] if isinstance(problems, str) else problems
        self.problems = [redacted(problem) for problem in given]
        super().__init__("\n".join(self.problems))


class DataError(FastLSTMError, ValueError):
    """The rows cannot be used; the text names the file, column or row and what was found."""


class StoreError(FastLSTMError):
    """A stored run, cached file or champion record is missing, damaged or changed."""


class TrainingError(FastLSTMError):
    """Training gave no usable network (loss not finite, process killed, time limit reached)."""


class WorkerKilledError(TrainingError):
    """The system killed a process before it answered; another try may succeed."""


class WorkerEndedError(TrainingError):
    """A process ended by itself before it answered, or lost those that it works with."""


class EngineError(FastLSTMError):
    """The engine that runs parts of a flow does not answer any more."""


def first_line(error: Exception) -> str:
    """The first line of an error's text, 200 characters at most; its class where it has no text."""
    return redacted(str(error) or type(error).__name__).splitlines()[0][:200]
