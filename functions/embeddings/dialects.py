"""What the dialects of other programs have in common: a text, or a list of texts."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

MAX_INPUTS: Final = 1000
"""Texts of one request: so many vectors, written as numbers, are below Lambda's 6 MB."""

AnyText = Annotated[str, Field(min_length=1)]
"""As long as the body allows: what a model does not read is truncated."""


def as_list(value: Any) -> Any:
    """Convert a text to a list of one, so that an error names a text by its index.

    Raises:
        ValueError: The value is neither a text nor a list.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [value]
    raise ValueError("must be a text, or a list of texts")


_TEXT_SCHEMA: Final = {"type": "string", "minLength": 1}
_LIST_SCHEMA: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_INPUTS,
    "items": _TEXT_SCHEMA,
}
Inputs = Annotated[
    list[AnyText],
    Field(min_length=1, max_length=MAX_INPUTS, examples=["turn the porch light on"]),
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, _LIST_SCHEMA]}),
]


def _as_lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


TruncationDirection = Annotated[
    Literal["right"],
    BeforeValidator(_as_lower_case),
    Field(description="`right` or `Right`: the end of a long text is not read."),
]
"""text-embeddings-inference writes `Right`, its clients `right`."""
