"""Addresses of sources as messages may show them: without what gives access."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

_SHORTEST_SECRET = 4  # characters; a shorter one would blank out ordinary words


def public_source(source: str) -> str:
    """The source without user name, password and query."""
    try:
        parts = urlsplit(source)
        _ = parts.port
    except ValueError:
        return "the address"
    if not (parts.scheme and parts.netloc):
        return source
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_secrets(text: str, source: str) -> str:
    """`text` with every secret part of `source` blanked out: user name, password and query."""
    for secret in sorted(_secrets(source), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(source: str) -> set[str]:
    credentials, query = "", ""
    try:
        parts = urlsplit(source)
        credentials, query = parts.netloc.rpartition("@")[0], parts.query
    except ValueError:
        # A malformed address: all between the scheme and the last @ may be a password.
        credentials = source.partition("://")[2].rpartition("@")[0]
    user, _, password = credentials.partition(":")
    values = {pair.partition("=")[2] for pair in query.split("&")}
    found = {credentials, user, password, query} | values
    found |= {unquote(secret) for secret in found}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}
