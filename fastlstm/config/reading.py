"""Read settings from a YAML file and refuse wrong ones before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.config.base import Model
from fastlstm.config.locations import PACKAGE_PREFIX, is_remote
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.errors import ConfigError, StoreError

# Most bytes of a config, most values in it, anchors written out, most digits of a number, and most
# brackets around a value.
_CONFIG_BYTES, _VALUES, _DIGITS, _DEPTH = 1 << 20, 100_000, 100, 50


class _UniqueKeyLoader(yaml.SafeLoader):
    """Plain YAML in which a duplicate key is an error, and whose values have a bounded size."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping of distinct keys."""
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is no plain text", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def fetch_flow_collection_start(self, token: Any) -> None:
        """A bracket or brace, not too deep within others: each costs time over a whole line."""
        if self.flow_level > _DEPTH:
            raise yaml.scanner.ScannerError(None, None, "is nested without end", self.get_mark())
        super().fetch_flow_collection_start(token)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """A plain value."""
        number = isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float"))
        if number and len(node.value) > _DIGITS:
            raise yaml.constructor.ConstructorError(
                None, None, f"a number has {len(node.value):,} digits", node.start_mark
            )
        return super().construct_scalar(node)

    def get_single_data(self) -> Any:
        """The value of the only document."""
        node = self.get_single_node()
        if node is None:
            return None
        _size(node, {}, set())
        return self.construct_document(node)


def _size(node: yaml.Node, known: dict[int, int], open_: set[int]) -> int:
    """Number of values below a node with its anchors written out.

    Args:
        node: the node.
        known: sizes of nodes by their identity, so that each is counted once.
        open_: identities of the nodes around this one.

    Raises:
        yaml.constructor.ConstructorError: the node contains itself, or too many values.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        if id(node) in open_:
            raise yaml.constructor.ConstructorError(
                None, None, "an anchor contains itself", node.start_mark
            )
        open_.add(id(node))
        parts = (
            part for pair in node.value for part in (pair if isinstance(pair, tuple) else [pair])
        )
        known[id(node)] = 1 + sum(_size(part, known, open_) for part in parts)
        open_.discard(id(node))
    if known[id(node)] > _VALUES:
        raise yaml.constructor.ConstructorError(
            None, None, f"holds over {_VALUES:,} values", node.start_mark
        )
    return known[id(node)]


def read_config(path: str | Path) -> RetrainConfig:
    """Read and check a config file of the library; see ``read_settings``.

    Raises:
        ConfigError: the file is missing or holds no YAML mapping, or a setting is refused.
    """
    return read_settings(path, RetrainConfig)


def read_settings(path: str | Path, model: type[Model]) -> Model:
    """Read and check a config file.

    Relative paths in it (``data.path``, ``store``, ``work``) are taken from the file's folder and
    returned absolute, so that a run does not depend on where it was started.

    Args:
        path: a YAML file.
        model: the settings it holds.

    Raises:
        ConfigError: the file is missing or holds no YAML mapping, or a setting is refused.
    """
    file = Path(path)
    try:
        text = read_bytes(file, _CONFIG_BYTES).decode("utf-8")
    except StoreError as error:
        hint = "" if ";" in str(error) else "; check the path"
        raise ConfigError(f"{error}{hint}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    try:
        given = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader subclass)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "is not valid YAML"
        raise ConfigError(f"{file}:{where} {what}; correct the file") from None
    except RecursionError:
        raise ConfigError(f"{file}: is nested without end; correct the file") from None
    except (ValueError, OverflowError) as error:  # of a date or a number that is none
        raise ConfigError(f"{file}: has a value that is none ({error}); correct the file") from None
    if not isinstance(given, dict):
        raise ConfigError(
            f"{file}: holds no mapping of settings; start from an example in deployments/"
        )
    return check_settings(given, model, relative_to=file.resolve().parent)


def parse_config(given: dict[str, Any], relative_to: Path | None = None) -> RetrainConfig:
    """Check settings of the library given as a mapping; see ``read_settings``.

    Raises:
        ConfigError: a setting is refused.
    """
    return check_settings(given, RetrainConfig, relative_to)


def check_settings(
    given: dict[str, Any], model: type[Model], relative_to: Path | None = None
) -> Model:
    """Check settings given as a mapping; see ``read_settings``.

    Raises:
        ConfigError: a setting is refused.
    """
    try:
        config = model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(describe(error, model)) from None
    return absolute(config, relative_to or Path.cwd())


def absolute(config: Model, base: Path) -> Model:
    """The settings with relative paths resolved against ``base``."""

    def resolved(location: str) -> str:
        if is_remote(location) or location.startswith(PACKAGE_PREFIX):
            return location
        return str((base / location).resolve())

    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel) and isinstance(getattr(value, "path", None), str):
            moved: dict[str, Any] = {"path": resolved(value.path)}  # type: ignore[attr-defined]
            if joins := getattr(value, "joins", None):
                moved["joins"] = [
                    join.model_copy(update={"path": resolved(join.path)}) for join in joins
                ]
            changes[name] = value.model_copy(update=moved)
        elif name in ("store", "work"):
            changes[name] = resolved(value)
        elif name == "groups" and value.overrides is not None:
            changes[name] = value.model_copy(update={"overrides": resolved(value.overrides)})
    return config.model_copy(update=changes)
