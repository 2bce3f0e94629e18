"""JSON from outside as a model, with one shape for what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hearth.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound="BaseModel")
MAX_DETAILS: Final = 20


def parse_model(model: type[M], value: Any, what: str) -> M:
    """`value` as `model`.

    Args:
        model: A pydantic model.
        value: JSON text, or JSON values such as a job's payload.
        what: Names the value in the error, such as "the digest job".

    Raises:
        InvalidInput: `value` is not JSON or does not fit; `details` names each field that is wrong.
    """
    from pydantic import ValidationError

    try:
        if not isinstance(value, str | bytes):
            # As JSON text: numbers and times are then read by JSON's rules, not by Python's.
            value = json.dumps(dict(value) if isinstance(value, Mapping) else value)
        return model.model_validate_json(value)
    except ValidationError as error:
        raise invalid_input(what, error) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} is not JSON: {str(error)[:200]}") from error


def invalid_input(what: str, error: ValidationError) -> InvalidInput:
    """The error for a value that does not fit its model."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    details = [
        {
            "field": ".".join(map(str, one["loc"])),
            "message": one["msg"].removeprefix("Value error, "),
        }
        for one in problems[:MAX_DETAILS]
    ]
    first = details[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = f"{first['field']}: " if first["field"] else ""
    return InvalidInput(f"{what} is not valid: {where}{first['message']}{more}", details=details)
