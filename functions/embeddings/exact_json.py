"""What of others goes back as it came must be JSON that everybody reads."""

from __future__ import annotations

import json
from typing import Any

from hearth.errors import InvalidInput


def check_json(value: Any, field: str) -> None:
    """See that `value`, read from JSON, can be written as JSON again.

    Python reads NaN, infinity and half of a surrogate pair, which no answer may hold (RFC 8259,
    sections 6 and 8.2).

    Args:
        field: Its name in the request, for the caller.

    Raises:
        InvalidInput: It holds one of them.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:  # a UnicodeEncodeError is one
        kind = "half of a surrogate pair" if isinstance(error, UnicodeError) else "NaN or infinity"
        message = f"holds {kind}, which JSON has not"
        raise InvalidInput(
            f"{field} {message}", details=[{"field": field, "message": message}]
        ) from error
