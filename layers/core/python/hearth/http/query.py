"""What queries of HTTP routes have in common.

Without FastAPI, so that a worker that knows these models starts without it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from hearth.errors import InvalidInput
from hearth.ids import parse_time
from hearth.paging import MAX_LIMIT


def _rfc_3339(value: Any) -> datetime:
    try:
        return parse_time(value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


# Not pydantic's AwareDatetime: that takes "0.5" for a time, which the document does not say, and
# admits times of the years 1 and 9999 that UTC has no name for.
TimeParameter = Annotated[datetime, BeforeValidator(_rfc_3339)]
"""A time in a query: RFC 3339 with an offset; given to the endpoint in UTC."""


class PageQuery(BaseModel):
    """The query of every list: `query: Annotated[PageQuery, Query()]`."""

    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many to return.")
    cursor: str | None = Field(
        None, max_length=2048, description="`next_cursor` of the page before; opaque."
    )
