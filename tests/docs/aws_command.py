"""Commands of the AWS command line as calls of boto3, which has the same models of its services.

The command line itself fixes a version of botocore, so that it is not installed beside boto3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

_SERVICES = {"s3api": "s3"}


def call(words: Sequence[str], root: Path) -> dict[str, Any]:
    """Run ``aws SERVICE OPERATION --option value …``.

    Args:
        words: of the command.
        root: folder of the files that its ``file://`` name.

    Returns:
        The service's answer.
    """
    program, service, command, *rest = words
    assert program == "aws"
    client = boto3.client(_SERVICES.get(service, service))
    (operation,) = (
        name for name in client.meta.service_model.operation_names
        if xform_name(name, "-") == command
    )  # fmt: skip
    shape = client.meta.service_model.operation_model(operation).input_shape
    members = {f"--{xform_name(name, '-')}": name for name in shape.members}
    given = {}
    for option, value in zip(rest[::2], rest[1::2], strict=True):
        name = members[option]
        text = (root / value.removeprefix("file://")).read_text() if "file://" in value else value
        given[name] = text if shape.members[name].type_name == "string" else _structure(text)
    return getattr(client, xform_name(operation))(**given)


def _structure(text: str) -> Any:
    """JSON, or the short form of one level, ``Key=Value,…``."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    return dict(part.split("=", 1) for part in text.split(","))
