"""Secrets in URLs: found, so that settings refuse them, and replaced in what people read.

Stored runs, logs, states and reports are read by many, so no text that holds a URL may show its secret.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

HIDDEN = "***"

# As SQLAlchemy splits a URL: the password is all between the first ':' and the last '@' before a space,
# so that one with '/', '?' or '@' in it is found whole.
_LOGIN = re.compile(r"(?<=://)([^\s/:@?#]*):(?!\*\*\*@)(\S*)@")
# A key of a query or of an ODBC connection string whose value is a secret; paths of files are none.
_KEY = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|account|private)[_-]?key|credential|"
    r"(?<![A-Za-z0-9])sig|signature)(?!s?[_-]?(?:path|file|uri))[A-Za-z0-9_-]{0,40}"
)
_PAIR = re.compile(rf"({_KEY}\s{{0,2}}=\s{{0,2}})(?!\*\*\*)(\{{[^}}]*\}}|[^&;\s]+)", re.IGNORECASE)
# Shorter names are secrets as names of a query alone, and unless a place for a key stands there.
_SHORT_PAIR = re.compile(
    r"(?<=[?&;])((?:key|auth|pass|authorization)\s{0,2}=\s{0,2})(?!\*\*\*|\{)([^&;\s]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(authorization\s{0,2}(?::|%3A)(?:\s|\+|%20){0,3})(?!\*\*\*)((?:(?:bearer|basic|token)\s{1,3})?[^&\s]+)",
    re.IGNORECASE,
)
_CONNECTION = re.compile(r"(odbc_connect\s*=\s*)([^&\s]+)", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\n]*")


def has_secret(text: str) -> bool:
    """Whether a text is or holds a URL with a password, token or key in it, encoded or not."""
    plain = unquote_plus(text)
    return redacted(text) != text or redacted(plain) != plain


def redacted(text: str) -> str:
    """A text with ``***`` for each secret of the URLs in it; any other text as it is."""
    if "://" not in text:
        return text
    return _URL.sub(lambda found: _redacted_url(found[0]), text)


def _redacted_url(url: str) -> str:
    """One URL, and what stands behind it in its line, without its secrets."""
    shown = _LOGIN.sub(rf"\1:{HIDDEN}@", url)
    shown = _CONNECTION.sub(_redacted_connection, shown)
    for pattern in (_PAIR, _SHORT_PAIR, _HEADER):
        shown = pattern.sub(rf"\g<1>{HIDDEN}", shown)
    return shown


def _redacted_connection(found: re.Match[str]) -> str:
    """An ODBC connection string, which is hidden whole where it names a secret."""
    plain = unquote_plus(unquote_plus(found[2]))
    return f"{found[1]}{HIDDEN}" if _PAIR.search(plain) else found[0]
