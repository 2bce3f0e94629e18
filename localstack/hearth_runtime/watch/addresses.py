"""Addresses of sources as messages may show them: without what gives access."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hearth_runtime.watch.errors import SourceError

_SHORTEST_SECRET = 4  # characters; a shorter one would blank out ordinary words
# `rtsp://host/user=admin&password=…&channel=1`: recorders take them in the path.
_NAMED = re.compile(
    r"\b(user(?:name)?|usr|login|pass(?:word|wd)?|pwd|psw|token|auth|key|secret)=([^&/?#]*)", re.I
)
HIDDEN = "***"
# `admin:password@10.0.0.7/stream`, `rtsp:/admin:password@…`: no path, though it looks like one.
_WITHOUT_SCHEME = re.compile(r":.*@")


def public_source(source: str) -> str:
    """The source without user name, password, query and fragment.

    Of an address whose password holds an unescaped "/" or "@" everything up to the last "@" is left
    out; nothing is shown where the "@" may belong to a query.
    """
    scheme, mark, rest = source.partition("://")
    if not mark:
        return HIDDEN if _WITHOUT_SCHEME.search(source) else source
    before, _, rest = rest.rpartition("@")
    if re.search("[?#]", before) or _NAMED.search(before):
        return f"{scheme}://{HIDDEN}"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        _ = parts.port
    except ValueError:
        return "the address"
    if not (parts.scheme and parts.netloc):
        return source if scheme.lower() == "file" else "the address"
    path = _NAMED.sub(rf"\1={HIDDEN}", parts.path)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def missing_path(path: Path) -> SourceError:
    """The error of a path that does not exist; it may be an address that was mistyped."""
    if (shown := public_source(str(path))) != str(path):
        return SourceError(
            "The source is neither a file nor an address.",
            "An address begins with rtsp:// or http://; it is not shown, because it may hold a "
            "password.",
        )
    return SourceError(f"{shown} does not exist.", "Check the name of the file or folder.")


def without_secrets(text: str, source: str) -> str:
    """`text` with every secret part of `source` blanked out: user name, password and query."""
    for secret in sorted(_secrets(source), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(source: str) -> set[str]:
    _, mark, rest = source.partition("://")
    if not mark:
        if not _WITHOUT_SCHEME.search(source):
            return set()
        rest = source
    credentials, _, address = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    query = address.partition("?")[2]
    values = {pair.partition("=")[2] for pair in re.split("[&#]", query)}
    values |= {value for _, value in _NAMED.findall(rest)}
    found = {credentials, user, password, query} | values
    # A library that fails names a part of it: what it takes for the host, the port or the path.
    found |= {part for one in (password, user) for part in re.split(r"[/?#@:]", one)}
    if public_source(source).endswith(HIDDEN):
        found |= {rest, address, *re.split(r"[/?#@:&=]", rest)}
    found |= {unquote(secret) for secret in found} | {quote(secret, safe="") for secret in found}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}
