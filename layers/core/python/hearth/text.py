"""Text of others (site names, descriptions, what a language model wrote) made harmless."""

from __future__ import annotations

import unicodedata

_SPACES = frozenset("\t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029")


def clean(text: str) -> str:
    """One line of text that can be shown anywhere.

    Composed (NFC); line breaks and tabs become spaces; control, format (bidirectional overrides,
    zero-width), private-use and unassigned characters and lone surrogates are removed.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = []
    for character in unicodedata.normalize("NFC", text):
        if character in _SPACES:
            kept.append(" ")
        elif unicodedata.category(character)[0] != "C":
            kept.append(character)
    return "".join(kept)


def truncate(text: str, length: int) -> str:
    """Cut text to at most `length` characters, with an ellipsis at its end."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
