"""The Lambda authorizer of the HTTP API: payload 2.0, simple answers.

API Gateway answers 403 to `{"isAuthorized": false}`, 401 to an error whose message is exactly
`Unauthorized`, and 500 to any other error. An authenticated caller is never refused here, so there
is no 403: each function checks permissions itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from functions.auth.authenticator import Bearer
from hearth.errors import Unauthenticated
from hearth.logging import logger, request_id_of

# RFC 6750, 2.1; schemes are compared without case (RFC 9110, 11.1).
_BEARER = re.compile(r"bearer +(?P<credential>[A-Za-z0-9._~+/=-]+)", re.ASCII | re.IGNORECASE)


class Unauthorized(Exception):
    """The error that API Gateway turns into a 401, by its message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Authenticates(Protocol):
    def authenticate(self, credential: str) -> Bearer: ...


def make_handler(authenticator: Authenticates) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Build the Lambda authorizer."""

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        logger.set_correlation_id(request_id_of(event, context))
        try:
            bearer = authenticator.authenticate(_credential(event))
        except Unauthenticated as error:
            logger.info("refused", reason=error.message)
            raise Unauthorized from None
        finally:
            logger.set_correlation_id(None)
        return {"isAuthorized": True, "context": bearer.principal.context()}

    return handle


def _credential(event: dict[str, Any]) -> str:
    """Return the bearer credential of the header Authorization, which is the identity source."""
    shown = (event.get("identitySource") or [""])[0]
    match = _BEARER.fullmatch(shown)
    if match is None:
        raise Unauthenticated("the header is not `Authorization: Bearer <token>`")
    return match["credential"]
