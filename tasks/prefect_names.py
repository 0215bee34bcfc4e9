"""Names of models as Prefect takes them: keys of artifacts, deployments, limits and event resources."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# Letters of a name that its slug shows.
_SHOWN = 60


def slug(model_name: str) -> str:
    """A model's name in lower-case letters, digits and dashes, of its own for each model.

    A name of such characters is its own slug. Another one has the hash of the name behind what is
    left of it, so that 'demand C' and 'demand-C++', or two names in Japanese, are not one to Prefect.
    """
    if _PLAIN.fullmatch(model_name):
        return model_name
    rest = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:_SHOWN].strip("-")
    return f"{rest or 'model'}-{hashlib.sha256(model_name.encode()).hexdigest()[:8]}"


def artifact_key(model_name: str, content: str) -> str:
    """An artifact's key, e.g. ``weather-temperature-report``."""
    return f"{slug(model_name)}-{content}"


def limit_name(flow: str, model_name: str) -> str:
    """Name of the concurrency limit of a flow and model; Prefect takes none of / % & < > there."""
    return f"fastlstm {flow} {slug(model_name)}"
