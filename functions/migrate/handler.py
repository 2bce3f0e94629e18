"""Lambda handler of CloudFormation's custom-resource events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from functions.migrate.schemas import CustomResourceRequest, CustomResourceResponse
from hearth.errors import InvalidInput
from hearth.logging import logger, with_request_id

if TYPE_CHECKING:
    from functions.migrate.service import SchemaService


def make_handler(
    service: SchemaService, answer: Callable[[str, CustomResourceResponse], None]
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Build the Lambda handler.

    Args:
        answer: Delivers the response to the request's ResponseURL.
    """

    @with_request_id
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            request = CustomResourceRequest.model_validate(event)
        except ValidationError as error:
            wrong = ", ".join(str(e["loc"][0]) for e in error.errors() if e["loc"])
            # There is no ResponseURL to answer to, so the invocation fails.
            raise InvalidInput(
                f"not a custom-resource request; invalid or missing: {wrong}"
            ) from None
        response = service.apply(request)
        log = logger.info if response.status == "SUCCESS" else logger.error
        log("schema", request_type=request.request_type, **response.model_dump())
        answer(request.response_url, response)
        return response.model_dump(by_alias=True)

    return handler
