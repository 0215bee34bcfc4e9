"""Check a ``.keras`` file before Keras opens it: it may hold stock layers and plain weights only.

Keras' ``safe_mode`` refuses lambdas, but other names in a file have let it run code (CVE-2025-1550,
CVE-2025-8747, CVE-2025-9906). So a file is refused here unless all that it names is on a list.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fastlstm.errors import StoreError

# The members of the zip file.
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}


# Most bytes of a JSON member.
_JSON_BYTES = 16 << 20


# Keras stores members uncompressed, so content far larger than the file itself is a zip bomb.
_SPARE_BYTES, _GROWTH = 64 << 20, 20


# Largest whole number but a seed in a configuration, and layers that a network may have.
_LARGEST, _LAYERS = 10_000_000, 5_000
# Keys whose numbers make nothing large.
_ANY_NUMBER = {"seed", "shared_object_id"}
# A layer names its initializers, its inputs and more.
_NAMES_OF_LAYER = 10


# Weights that no file holds, such as states of random numbers.
_SPARE_WEIGHTS = 1 << 20


# Modules of stock building blocks; `keras.utils`, `keras.saving` and others can fetch or open files.
_MODULES = re.compile(
    r"keras(\.(layers|models|initializers|regularizers|constraints|dtype_policies))?"
    r"|keras\.src\.models\.(functional|sequential|model)"
    r"|keras\.src\.ops\.(numpy|nn|math|core)"
)


# Stock layers that run code from the file, or open another file.
_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Map", "Cond", "Scan",
         "WhileLoop", "VectorizedMap", "AssociativeScan", "ForiLoop", "Switch"}  # fmt: skip


# Classes of tensors and arguments in the file, which have no module.
_TENSORS = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__", "__tuple__"}


def check_model_file(file: Path) -> int:
    """Refuse a ``.keras`` file that holds anything but stock layers and their weights.

    Returns:
        The size of the weights in bytes.

    Raises:
        StoreError: names the file and what is wrong with it.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, file)
            config = _config(archive)
            if _count(config, "class_name") > _LAYERS * _NAMES_OF_LAYER:
                raise _refused(file, f"it has over {_LAYERS:,} layers")
            _check_names(config, file)
            with archive.open("model.weights.h5") as weights:
                return _check_weights(weights, file)
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing") from None
    except StoreError:
        raise
    except (
        OSError,
        KeyError,
        ValueError,
        RuntimeError,
        zipfile.BadZipFile,
        RecursionError,
    ) as error:
        raise _refused(file, f"it is damaged: {str(error).splitlines()[0][:200]}") from None


def _refused(file: Path, why: str) -> StoreError:
    """The error that refuses a file."""
    return StoreError(
        f"{file}: cannot be opened as a Keras model ({why}); take the run from where it was written"
    )


def _check_members(archive: zipfile.ZipFile, file: Path) -> None:
    """Refuse other members than Keras writes, and sizes that it does not write."""
    members = archive.infolist()
    names = [member.filename for member in members]
    strange = sorted(set(names) - _MEMBERS)
    if strange:
        raise _refused(file, f"it has a member {strange[0]!r}")
    if len(set(names)) != len(names) or set(names) < {"config.json", "model.weights.h5"}:
        raise _refused(file, f"it has the members {sorted(names)}")
    allowed = _SPARE_BYTES + _GROWTH * file.stat().st_size
    if sum(member.file_size for member in members) > allowed:
        raise _refused(file, "its content is far larger than the file, as a zip bomb's is")
    for member in members:
        if member.filename.endswith(".json") and member.file_size > _JSON_BYTES:
            raise _refused(file, f"{member.filename} has {member.file_size:,} bytes")


def _config(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The network's configuration, without what only compiling would read."""
    with archive.open("config.json") as opened:
        # Read no more than the zip directory may declare, whatever the compressed bytes unfold to.
        config: dict[str, Any] = json.loads(opened.read(_JSON_BYTES + 1))
    if not isinstance(config, dict):
        raise ValueError("config.json is no object")
    # Loss, metrics and optimizer are not opened: networks are loaded without compiling.
    return {key: value for key, value in config.items() if key != "compile_config"}


def _count(part: Any, key: str) -> int:
    """How often a key occurs in a part of the configuration."""
    if isinstance(part, list):
        return sum(_count(item, key) for item in part)
    if isinstance(part, dict):
        return (key in part) + sum(_count(item, key) for item in part.values())
    return 0


def _check_names(part: Any, file: Path) -> None:
    """Refuse a part of the configuration that names a class which is not on the list."""
    if isinstance(part, list):
        for item in part:
            _check_names(item, file)
    elif isinstance(part, int) and abs(part) > _LARGEST:
        raise _refused(file, f"its configuration has the number {str(part)[:20]}…")
    elif isinstance(part, dict):
        if "class_name" in part or "module" in part:
            module, name = part.get("module"), part.get("class_name")
            stock = isinstance(module, str) and _MODULES.fullmatch(module) and name not in _CODE
            if not stock and not (module is None and name in _TENSORS):
                raise _refused(file, f"it names {module}.{name}, which is no stock layer")
        for key, item in part.items():
            if key not in _ANY_NUMBER:
                _check_names(item, file)


@contextmanager
def no_more_weights_than(size: int, file: Path) -> Iterator[None]:
    """Within the block, layers that need more weights than a file has are refused before they are made.

    A few numbers in a configuration can ask for any amount of memory.

    Args:
        size: the size of the weights in the file, in bytes.
        file: the file, for the error.

    Raises:
        StoreError: the layers need more.
    """
    import keras

    left = size + _SPARE_WEIGHTS
    add_weight = keras.layers.Layer.add_weight

    def counted(layer: Any, shape: Any = None, *arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 4 * math.prod(shape or ())
        if left < 0:
            raise _refused(file, f"layer {layer.name!r} needs more weights than it holds")
        return add_weight(layer, shape, *arguments, **options)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


def _check_weights(weights: IO[bytes], file: Path) -> int:
    """Refuse weights that link to other files, or are far larger than the file; their size in bytes."""
    import h5py

    allowed = _SPARE_BYTES + _GROWTH * file.stat().st_size
    total = 0
    with h5py.File(weights, "r") as opened:
        groups = [opened]
        while groups:
            group = groups.pop()
            for name in group:
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise _refused(file, f"its weights hold a link, {name!r}")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                if item.external:
                    raise _refused(file, f"its weights {name!r} lie in another file")
                total += item.nbytes
    if total <= allowed:
        return total
    raise _refused(file, "its weights are far larger than the file, as a zip bomb's are")
