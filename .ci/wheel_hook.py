"""Hatchling's build hook: in the wheel, the pipeline's packages lie in one package of our own name.

The checkout has ``tasks``, ``flows`` and ``deployments`` at its top. Installed under these names they
would stand in for, or be hidden by, every user's own packages of these names. So the wheel holds them
as ``fastlstm_pipeline.tasks`` and so on, and their imports of each other are rewritten while it is
built. An editable installation gets a package ``fastlstm_pipeline`` that gives the checkout's modules
under these names, so that entry points are the same.
"""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARENT, PACKAGES = "fastlstm_pipeline", ("deployments", "flows", "tasks")
_NAMES = "|".join(PACKAGES)
_IMPORT = re.compile(rf"^(\s*(?:from|import) )(?=(?:{_NAMES})\b)", re.MULTILINE)
# The name of a module, or of something in it, as a string: 'flows.group:retrain_group'.
_STRING = re.compile(rf"(?<=[\"'])(?=(?:{_NAMES})(?:\.\w+)+(?::\w+)?[\"'])")
# A flow's file in Prefect's settings of deployments: 'flows/retrain.py:retrain'.
_ENTRYPOINT = re.compile(r"(entrypoint: )(flows)/(\w+)\.py:")
_DOCSTRING = f'"""The pipeline of fastLSTM: {", ".join(PACKAGES)}."""\n'
_EDITABLE = '''"""The packages of the checkout under the names that they have in a wheel."""

import importlib
import importlib.util
import sys


class _Checkout:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(__name__ + "."):
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec):
        module = importlib.import_module(spec.name.partition(".")[2])
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self._spec  # its own, which the import system has replaced


__path__ = []
sys.meta_path.insert(0, _Checkout())
'''


def rewritten(source: str, path: str) -> str:
    """The source of a module with imports as in the wheel.

    Args:
        source: its source in the checkout.
        path: names it in errors.

    Raises:
        ValueError: an import of the packages would remain.
    """
    found = _STRING.sub(f"{PARENT}.", _IMPORT.sub(rf"\g<1>{PARENT}.", source))
    for node in ast.walk(ast.parse(found)):
        names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            if any(a.name.startswith(f"{PARENT}.") and not a.asname for a in node.names):
                raise ValueError(f"{path}:{node.lineno}: write 'from … import …', or 'import … as'")
        if any((name or "").partition(".")[0] in PACKAGES for name in names):
            raise ValueError(f"{path}:{node.lineno}: import each package on a line of its own")
    return found


def write_packages(root: Path, target: Path) -> None:
    """Write the packages as the wheel holds them into ``target``."""
    (target / PARENT).mkdir()
    (target / PARENT / "__init__.py").write_text(_DOCSTRING, encoding="utf-8")
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            copy = target / PARENT / file.relative_to(root)
            if file.is_dir() or "__pycache__" in file.parts:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".py":
                source = file.read_text(encoding="utf-8")
                copy.write_text(rewritten(source, str(file.relative_to(root))), encoding="utf-8")
            elif file.suffix == ".yaml":
                text = file.read_text(encoding="utf-8")
                copy.write_text(_ENTRYPOINT.sub(rf"\1{PARENT}.\2.\3:", text), encoding="utf-8")
            else:
                shutil.copyfile(file, copy)


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the package to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files and name them to the builder."""
        self._made = tempfile.TemporaryDirectory(prefix="fastlstm-wheel-")
        made = Path(self._made.name)
        if version == "editable":
            (made / "editable.py").write_text(_EDITABLE, encoding="utf-8")
            files = {str(made / "editable.py"): f"{PARENT}/__init__.py"}
            build_data["force_include_editable"] = files
        else:
            write_packages(Path(self.root), made)
            build_data["force_include"][str(made / PARENT)] = PARENT

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was written."""
        self._made.cleanup()
