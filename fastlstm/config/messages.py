"""pydantic's errors as one line per problem: the key, what was found, what to do."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ValidationError

from fastlstm.config.columns import ColumnRules
from fastlstm.config.hyperparameter_defaults import ALIASES
from fastlstm.redaction import redacted


def _sections(model: type[BaseModel]) -> dict[str, set[str]]:
    """Every section of the settings and the keys it has."""
    found = {"the top level": set(model.model_fields)}
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found[name] = set(section.model_fields)
    if "data" in found:
        found["data.columns.<column>"] = set(ColumnRules.model_fields)
    if "hyperparameters" in found:
        found["hyperparameters"] |= set(ALIASES)
    return found


def _unknown_key(location: tuple[str | int, ...], root: str, model: type[BaseModel]) -> str:
    """What to do about an unknown key: a similar key, its right section, or the list of keys."""
    key, section = str(location[-1]), str(location[0]) if len(location) > 1 else root
    sections = _sections(model)
    known = sections.get(section, set()) if len(location) <= 2 else set(ColumnRules.model_fields)
    near = difflib.get_close_matches(key, sorted(known), n=1)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    for other, keys in sections.items():
        if key in keys:
            return f"unknown key here; it belongs under {other}"
    return f"unknown key; remove it or use one of {', '.join(sorted(known))}"


def describe(
    error: ValidationError, model: type[BaseModel], root: str = "the top level"
) -> list[str]:
    """One line per problem of a pydantic error: key, what was found, what to do.

    Args:
        error: pydantic's error.
        model: the settings as a whole, to suggest keys from.
        root: the section of them that was validated.
    """
    lines: list[str] = []
    for item in error.errors(include_url=False):
        location = tuple(item["loc"])
        key = ".".join(str(part) for part in location if part != "dict[int,float]")
        kind = item["type"]
        if kind == "value_error":
            prefix = f"{key}: " if key else ""
            # Messages over several settings name their key relative to the section.
            for line in str(item["ctx"]["error"]).split("\n"):
                joined = f"{key}.{line}" if _starts_with_key(line) and key else prefix + line
                lines.append(joined)
        elif kind == "extra_forbidden":
            lines.append(f"{key}: {_unknown_key(location, root, model)}")
        elif kind == "missing":
            lines.append(f"{key}: required, but not given; add it")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(
                f"{key}: {message}, found {redacted(repr(item['input']))}; correct the value"
            )
    return list(dict.fromkeys(lines))


def _starts_with_key(line: str) -> bool:
    """Whether a message names its own key, as ``key: what is wrong``."""
    head = line.split(":", 1)[0]
    return head.replace("_", "").replace(".", "").isalnum() and ":" in line
