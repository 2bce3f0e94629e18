"""Checks that foreign values can be returned as valid JSON."""

from __future__ import annotations

import json
from typing import Any

from hearth.errors import InvalidInput


def check_json(value: Any, field: str) -> None:
    """Check that `value`, read from JSON, can be written as JSON again.

    Python accepts NaN, infinity and unpaired surrogates, which JSON must not contain (RFC 8259,
    sections 6 and 8.2).

    Args:
        field: The name of the field in the request, for the error.

    Raises:
        InvalidInput: The value contains one of them.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:  # a UnicodeEncodeError is one
        kind = "half of a surrogate pair" if isinstance(error, UnicodeError) else "NaN or infinity"
        message = f"holds {kind}, which JSON has not"
        raise InvalidInput(
            f"{field} {message}", details=[{"field": field, "message": message}]
        ) from error
