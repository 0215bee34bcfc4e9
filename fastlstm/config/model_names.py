"""Names of models, which become folders, keys of S3 and parts of file names."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from fastlstm.config.group_names import is_group_name

# A file name has 255 bytes on common file systems; the rest names the run and the content.
_LONGEST = 150

# Characters without a width that words of some scripts need.
_JOINERS = "\u200c\u200d"


def check_model_name(value: str) -> str:
    """Refuse a name that cannot be a folder, a key and part of a file name everywhere.

    Returns:
        The name as it was given.

    Raises:
        ValueError: the message says what is wrong with it.
    """
    shown = repr(value if len(value) < 60 else f"{value[:57]}...")
    if not value.strip() or value.startswith(".") or "/" in value or "\\" in value:
        raise ValueError(f"{shown} cannot name a folder; use letters, digits, spaces, '-' or '_'")
    if value != value.strip():
        raise ValueError(f"{shown} begins or ends with a space; remove it")
    unseen = [char for char in value if not char.isprintable() and char not in _JOINERS]
    if unseen:
        raise ValueError(f"{shown} holds the character {unseen[0]!r}, which nobody sees; remove it")
    length = len(value.encode())
    if length > _LONGEST:
        raise ValueError(
            f"{shown} has {length} bytes in UTF-8, file names leave room for {_LONGEST}; shorten it"
        )
    return value


def check_stored_name(value: str) -> str:
    """Refuse what is neither a model's name nor that of one of its groups, ``<model>/<group>``.

    Raises:
        ValueError: the message says what is wrong with it.
    """
    model, slash, group = value.partition("/")
    if not slash or "/" in group or not is_group_name(group):
        check_model_name(value)
        return value
    check_model_name(model)
    return value


ModelName = Annotated[str, AfterValidator(check_model_name)]
StoredName = Annotated[str, AfterValidator(check_stored_name)]
