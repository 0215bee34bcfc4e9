"""Which files a table is read from, which are left out, and the fingerprint of their bytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from fastlstm.artifacts.file_hashes import sha256_once
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.config.file_formats import ENDINGS, FORMAT_TITLES, FORMATS, format_of
from fastlstm.config.locations import PACKAGE_PREFIX, check_source, is_remote
from fastlstm.errors import ConfigError

# Formats of tables that are used for notes about tables too.
_DESCRIBING = {"json", "excel"}

# Letters of a path in an error.
_SHOWN = 300
# What Hive and Spark name a partition whose value is missing.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def resolve(path: str) -> Path:
    """The file or folder a ``data.path`` names; ``package:NAME/FILE`` without importing NAME.

    Raises:
        ConfigError: the location is remote or of an unknown kind, the package is not installed, or
            no file or folder has this path.
    """
    check_source(path)
    if path.startswith(PACKAGE_PREFIX):
        return _package_file(path)
    if is_remote(path):
        raise ConfigError(
            f"data.path: {path} is remote and only the pipeline reads it; run 'fastlstm retrain', or "
            "give a local file"
        )
    found = Path(path)
    if not _exists(found):
        raise ConfigError(f"data.path: {_shown(found)} does not exist; correct the path")
    if not found.is_dir() and not found.is_file():
        raise ConfigError(
            f"data.path: {found} is no file or folder, but a pipe, device or socket, which cannot be "
            "read twice; write its content into a file"
        )
    return found


def _exists(path: Path) -> bool:
    """Whether a path is there; one that is too long or holds a zero byte never is."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> str:
    """A path for an error, of bounded length."""
    text = str(path)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _package_file(path: str) -> Path:
    """The file that ``package:NAME/FILE`` names."""
    package, _, inner = path.removeprefix(PACKAGE_PREFIX).partition("/")
    # find_spec does not import a top-level package; some data packages read every table on import.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"data.path: the Python package {package!r} is not installed; run "
            f"'pip install {package}', or correct 'package:NAME/FILE'"
        )
    found = Path(next(iter(spec.submodule_search_locations))) / inner
    if not inner or not found.exists():
        raise ConfigError(
            f"data.path: package {package!r} holds no file {inner!r}; correct the path"
        )
    return found


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: the file.
        format: name of its format, one of ``fastlstm.config.file_formats``.
        partition: values of columns that the names of its folders give (``year=2024/``), as text; None
            where a value is missing.
    """

    path: Path
    format: str
    partition: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source in order of name, and what lies beside them and is not read.

    Attributes:
        files: those that are read.
        skipped: the others by their name in the source, each with the reason.
    """

    files: tuple[SourceFile, ...]
    skipped: Mapping[str, str]


def source_files(path: str, file_format: str = "auto") -> SourceFiles:
    """The files of a source.

    Of a folder every file of a known format is read, and those in Hive partitions, which are subfolders
    named ``<column>=<value>``. Other files and subfolders are not, nor are names that begin with a dot
    or underscore.

    Args:
        path: a ``data.path``.
        file_format: name of a format of ``fastlstm.config.file_formats``, or 'auto' for that of
            the file name's ending.

    Raises:
        ConfigError: no file is found, or a file name's ending belongs to no format.
    """
    found = resolve(path)
    if found.is_dir():
        names, skipped = choose_files(_names_in(found), file_format)
        if not names:
            wanted = FORMAT_TITLES if file_format == "auto" else FORMATS[file_format].title
            beside = f", only {few(list(skipped))}" if skipped else ""
            raise ConfigError(
                f"data.path: folder {found} holds no {wanted} file{beside}; correct the path or "
                "data.format"
            )
        for name in names:
            if not (found / name).is_file():
                raise ConfigError(
                    f"data.path: {found / name} is no plain file, but a pipe, a device or a link; "
                    "remove it from the folder"
                )
        files = (
            SourceFile(found / name, known, partition_of(name)) for name, known in names.items()
        )
        return SourceFiles(tuple(files), skipped)
    known = file_format if file_format != "auto" else format_of(found.name)
    if known is None:
        raise ConfigError(
            f"data.path: {found.name} ends in none of {', '.join(ENDINGS)}; set data.format"
        )
    return SourceFiles((SourceFile(found, known),), {})


def _names_in(folder: Path, below: str = "") -> Iterator[tuple[str, int]]:
    """Name and size of the files in a folder and in its Hive partitions; other subfolders by name."""
    for entry in sorted((folder / below).iterdir()):
        name = below + entry.name
        if not entry.is_dir():
            # A pipe or a device is no file to read, and neither is a link to nowhere.
            yield name, entry.stat().st_size if entry.is_file() else 0
        elif _is_partition(entry.name):
            yield from _names_in(folder, f"{name}/")
        else:
            yield f"{name}/", 1


def choose_files(
    sizes: Iterable[tuple[str, int]], file_format: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Which files of a folder or prefix are read.

    Args:
        sizes: name below the folder, with ``/`` between folders, and size in bytes. A name that ends
            with ``/`` is a folder.
        file_format: name of a format, or 'auto'.

    Returns:
        The format of each file to read by its name, and why each of the others is not read. Hidden
        files that are empty, such as Spark's ``_SUCCESS``, hold no rows and are in neither.
    """
    chosen, skipped = {}, {}
    for name, size in sizes:
        *folders, last = name.split("/")
        other = next((n for n, part in enumerate(folders) if not _is_partition(part)), None)
        known = format_of(last)
        if other is not None:
            below = "/".join(folders[: other + 1])
            skipped[f"{below}/"] = "a subfolder that is no partition <column>=<value>"
        elif last.startswith((".", "_")):
            if size:
                skipped[name] = "its name begins with '.' or '_'"
        elif known is None:
            skipped[name] = f"its ending is none of {', '.join(ENDINGS)}"
        elif file_format not in ("auto", known):
            skipped[name] = f"its format is not {file_format!r}"
        else:
            chosen[name] = known
    if file_format == "auto" and not all(_describes(*each) for each in chosen.items()):
        # Beside tables such files say something about them.
        for name in [name for name, known in chosen.items() if _describes(name, known)]:
            known = chosen.pop(name)
            title = FORMATS[known].title if known in _DESCRIBING else "text"
            skipped[name] = f"it is {title}, and other files are tables"
    return dict(sorted(chosen.items())), dict(sorted(skipped.items()))


def _describes(name: str, known: str) -> bool:
    """Whether a file may say something about tables beside it instead of being one."""
    return known in _DESCRIBING or ".txt" in name.lower()


def _is_partition(folder: str) -> bool:
    """Whether a folder's name is that of a Hive partition, ``<column>=<value>``."""
    column, equals, _ = folder.partition("=")
    return bool(column and equals) and not column.startswith((".", "_"))


def partition_of(name: str) -> dict[str, str | None]:
    """Columns that a file's folders give, by name; see ``SourceFile.partition``."""
    pairs = (folder.partition("=") for folder in name.split("/")[:-1])
    return {
        unquote(column): None if value == _NO_VALUE else unquote(value)
        for column, _, value in pairs
    }


def few(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def skipped_files_lines(skipped: Mapping[str, str]) -> list[str]:
    """``skipped_files_text`` where there are such files; otherwise nothing."""
    return [skipped_files_text(skipped)] if skipped else []


def skipped_files_text(skipped: Mapping[str, str]) -> str:
    """What is not read of a source, and why, in one sentence.

    Args:
        skipped: see ``SourceFiles``; at least one.
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        by_reason.setdefault(reason, []).append(name)
    reasons = "; ".join(f"{few(names)}: {reason}" for reason, names in by_reason.items())
    number = len(skipped)
    return (
        f"{number:,} {'files and subfolders are' if number > 1 else 'file or subfolder is'} not read "
        f"({reasons})"
    )


def source_fingerprint(path: str, file_format: str = "auto") -> str:
    """Hash of the bytes of every source file, independent of file names and times.

    Only values of partitions count, which are data.
    """
    return fingerprint(
        [
            [
                file.format,
                sha256_once(file.path),
                *([dict(file.partition)] if file.partition else []),
            ]
            for file in source_files(path, file_format).files
        ]
    )
