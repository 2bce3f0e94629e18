"""Applies custom-resource requests to the database schema."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from pydantic import ValidationError

from functions.migrate.schemas import (
    MAX_REASON_BYTES,
    CustomResourceRequest,
    CustomResourceResponse,
    SchemaProperties,
)
from hearth.errors import HearthError, InvalidInput

_log = logging.getLogger(__name__)

PHYSICAL_ID = "hearth-database-schema"


class SchemaService:
    """Creates and updates the schema; never deletes data.

    Args:
        upgrade: Brings the database to a revision and returns the one it then has; a repeat
            does nothing.
    """

    def __init__(self, upgrade: Callable[[str], str]) -> None:
        self._upgrade = upgrade

    def apply(self, request: CustomResourceRequest) -> CustomResourceResponse:
        """Apply a request; failures are responses too, so that no deployment waits in vain."""
        if request.request_type == "Delete":
            # The database outlives the stack.
            return _answer(request, "SUCCESS", "The data is kept.")
        try:
            reached = self._upgrade(_properties(request).revision)
        except HearthError as error:
            return _answer(request, "FAILED", error.message)
        except Exception as error:  # of any driver: without a response the stack would block
            _log.exception("the migration failed")
            return _answer(request, "FAILED", f"{type(error).__name__}: {error}")
        return _answer(request, "SUCCESS", data={"Revision": reached})


def _properties(request: CustomResourceRequest) -> SchemaProperties:
    try:
        return SchemaProperties.model_validate(request.resource_properties)
    except ValidationError as error:
        got = request.resource_properties.get("Revision")
        raise InvalidInput(
            f"Revision of {request.logical_resource_id} is {str(got)[:80]!r}; "
            "it must name an Alembic revision, such as '0004'"
        ) from error


def _answer(
    request: CustomResourceRequest,
    status: Literal["SUCCESS", "FAILED"],
    reason: str = "",
    data: dict[str, str] | None = None,
) -> CustomResourceResponse:
    return CustomResourceResponse(
        status=status,
        reason=_bounded(reason),
        physical_resource_id=request.physical_resource_id or PHYSICAL_ID,
        stack_id=request.stack_id,
        request_id=request.request_id,
        logical_resource_id=request.logical_resource_id,
        data=data or {},
    )


def _bounded(reason: str) -> str:
    """Shorten a reason to one line; a driver's message may be pages long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return line.encode(errors="replace")[:MAX_REASON_BYTES].decode(errors="ignore")
