"""The names that ``import fastlstm`` offers."""

from __future__ import annotations

import pytest

import fastlstm


@pytest.mark.parametrize("name", fastlstm.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(fastlstm, name).__module__.startswith("fastlstm.")
