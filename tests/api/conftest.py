"""Tests of the class train tiny networks in this process, untraced."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _untraced(untraced):
    """See ``tests/conftest.py``."""
