"""Keeps web pages away from the stand-in for S3 and SQS, which itself answers whoever asks.

Whoever may run programs here owns what the stack keeps here, so a signature is asked for, as AWS
does, but its secret is not checked. A page of another site cannot give one: a browser asks with a
preflight first, and that is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, MutableMapping
from typing import Any
from xml.sax.saxutils import escape

from hearth_runtime.http.loopback import refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HEALTH_PATH = "/_ministack/health"
_ALGORITHM = "AWS4-HMAC-SHA256"


class BrowserGuard:
    """ASGI middleware that lets signed requests of programs through and has no CORS headers.

    The emulator's own routes (reset, configuration, certificates) are not served, except its
    health.
    """

    def __init__(self, application: Application, names: Container[str] = ()) -> None:
        """
        Args:
            names: Host names under which the stand-in is known, beside those of loopback.
        """
        self._application = application
        self._names = names

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        reason = _reason(scope, self._names)
        if reason is not None:
            await _refuse(scope, send, reason)
            return

        async def send_without_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    item
                    for item in message.get("headers", ())
                    if not item[0].lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": kept}
            await send(message)

        await self._application(scope, receive, send_without_cors)


def _reason(scope: MutableMapping[str, Any], names: Container[str]) -> str | None:
    if scope["type"] != "http":
        return "only HTTP is served"
    headers = {
        name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]
    }
    reason = refusal(headers, names=names)
    if reason is not None:
        return reason
    if scope["method"] == "OPTIONS":
        return "preflight requests are not answered"
    if scope["path"].startswith("/_"):
        is_health = scope["path"] == HEALTH_PATH and scope["method"] == "GET"
        return None if is_health else "the emulator's own routes are not served"
    signed = headers.get("Authorization", "").startswith(_ALGORITHM)
    if signed or b"Signature=" in scope["query_string"]:
        return None
    return "the request has no AWS signature"


async def _refuse(scope: MutableMapping[str, Any], send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    message = escape(f"Forbidden: {reason}")
    body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>".encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
