"""Base class of all settings."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator

from fastlstm.config.locations import without_password

Model = TypeVar("Model", bound=BaseModel)


class StrictSettings(BaseModel):
    """Settings that refuse unknown keys and never convert a value silently."""

    # Prefect shows pydantic's own text of an error, which would quote a refused URL.
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        validate_default=True,
        hide_input_in_errors=True,
        # JSON, in which settings are stored, has no such numbers.
        allow_inf_nan=False,
        # A command builds the validators of the settings it reads alone.
        defer_build=True,
    )

    @field_validator("*")
    @classmethod
    def _without_secrets(cls, value: Any) -> Any:
        """Refuse a URL with a password in any setting, for settings are stored with every run."""
        return without_password(value) if isinstance(value, str) else value
