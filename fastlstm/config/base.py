"""Base class of all settings."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

Model = TypeVar("Model", bound=BaseModel)


class StrictSettings(BaseModel):
    """Settings that refuse unknown keys and never convert a value silently."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)
