"""Run one function on many pieces of work, wherever they run.

A function is named ``module:function`` and takes and returns JSON-like values, so that another process
or machine can run it; what is large lies in files.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# From a function's name and the keyword arguments of each call to the results in their order. It raises
# the error of the first call that fails.
Mapper = Callable[[str, list[dict[str, Any]]], list[Any]]


def function_of(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def run_here(function: str, arguments: list[dict[str, Any]]) -> list[Any]:
    """One call after the other, in this process."""
    call = function_of(function)
    return [call(**given) for given in arguments]
