"""SHA-256 of files, remembered by this process for as long as a file stays unchanged.

A file is recognized by device, inode, size and both times of change. The kernel sets the time of the
last status change (ctime) itself at every write, so no program can give a changed file its old one.
Bits that decay on the disk change none of these: whoever looks for those reads the file again.
"""

from __future__ import annotations

import time
from pathlib import Path

from fastlstm.artifacts.fingerprint import sha256_file

# device, inode, size, mtime and ctime in nanoseconds
_Identity = tuple[int, int, int, int, int]

# Linux sets file times from a clock that advances at least every 10 ms: a file hashed sooner after its
# last write could change again without another time.
_TICK_NS = 10_000_000
# File systems with times of whole milliseconds or seconds cannot show a quick change.
_COARSE_NS = 1_000_000
_LIMIT = 10_000

_known: dict[_Identity, str] = {}


def sha256_once(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, computed once by this process while the file is unchanged."""
    identity = _identity(path)
    known = _known.get(identity)
    if known is not None:
        return known
    age = time.time_ns() - identity[-1]
    if 0 <= age < _TICK_NS:
        time.sleep((_TICK_NS - age) / 1e9)
    digest = sha256_file(path)
    reliable = age >= 0 and identity[-1] % _COARSE_NS
    if reliable and _identity(path) == identity:
        _remember(identity, digest)
    return digest


def known_hashes(folder: Path) -> list[list[int | str]]:
    """The remembered hashes of files below a folder, JSON-like, for another process of the same run."""
    found: list[list[int | str]] = []
    for file in folder.rglob("*"):
        identity = _identity(file)
        if identity in _known:
            found.append([*identity, _known[identity]])
    return found


def accept_hashes(hashes: list[list[int | str]]) -> None:
    """Remember hashes that the calling process has computed; see ``known_hashes``."""
    for *identity, digest in hashes:
        device, inode, size, modified, changed = map(int, identity)
        _remember((device, inode, size, modified, changed), str(digest))


def _identity(path: Path) -> _Identity:
    """What changes whenever the content of a file may have changed."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remember(identity: _Identity, digest: str) -> None:
    while len(_known) >= _LIMIT:
        try:
            del _known[next(iter(_known))]  # the oldest
        except (KeyError, StopIteration, RuntimeError):
            continue  # another thread changed the table at this moment
    _known[identity] = digest
