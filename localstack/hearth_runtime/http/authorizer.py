"""Who may use a route: asks the route's Lambda authorizer as API Gateway does, and remembers.

Reference: "Working with AWS Lambda authorizers for HTTP APIs" of the API Gateway Developer Guide.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from hearth_runtime.engine.functions import RuntimeRefusal
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.template.model import Authorizer

from .calls import Calls
from .events import API_ID
from .routing import Match

LOCAL_OWNER: Mapping[str, str] = {"kind": "local", "principal_id": "local", "role": "admin"}
"""Context for functions about a caller that is a program of this machine; no authorizer answers
so, and no client can: the context is the gateway's to write."""
ASK_TIMEOUT_S = 10.0  # API Gateway's limit for an authorizer
KEPT_ANSWERS = 10_000
Context = Mapping[str, Any] | None


class Refused(Exception):
    """The request ends here, with API Gateway's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Gatekeeper:
    """Lets requests in, or not.

    Args:
        registry: Counts what became of requests: cached, allowed, denied, unknown, failed.
        now: Seconds of a clock that is never set.
    """

    def __init__(
        self,
        calls: Calls,
        logs: LogStream,
        registry: CollectorRegistry,
        *,
        region: str,
        account: str,
        ask_timeout_s: float = ASK_TIMEOUT_S,
        kept_answers: int = KEPT_ANSWERS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._logs = logs
        self._arn = f"arn:aws:execute-api:{region}:{account}:{API_ID}"
        self._ask_timeout_s = ask_timeout_s
        self._answers = _Answers(kept_answers, now)
        self._counter = Counter(
            "hearth_runtime_gateway_authorizations",
            "Requests for routes with an authorizer, by what became of them.",
            ("authorizer", "outcome"),
            registry=registry,
        )

    async def admit(self, match: Match, event: Mapping[str, Any], *, is_local: bool) -> Context:
        """What to tell the function of the caller; None where nobody was asked.

        Args:
            event: The request's payload 2.0, without its body.
            is_local: Whether it is the owner of this machine who calls.

        Raises:
            Refused: The caller may not.
        """
        if is_local:
            return LOCAL_OWNER
        authorizer = match.route.authorizer
        if authorizer is None:
            return None
        identity = [_identity(source, event) for source in authorizer.identity]
        if not all(identity):
            self._count(authorizer, "unknown")
            raise Refused(401, "Unauthorized")
        key = _key(authorizer, identity)
        answer = self._answers.get(key)
        if answer is None:
            answer = await self._ask(authorizer, identity, event)
            self._answers.put(key, answer, authorizer.ttl_s)
            self._count(authorizer, "allowed" if answer["isAuthorized"] else "denied")
        else:
            self._count(authorizer, "cached")
        if not answer["isAuthorized"]:
            raise Refused(403, "Forbidden")
        context: Context = answer.get("context")
        return context

    async def _ask(
        self, authorizer: Authorizer, identity: Sequence[str], event: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        request = event["requestContext"]
        stage, method, path = request["stage"], request["http"]["method"], event["rawPath"]
        question = {
            **{name: value for name, value in event.items() if name != "isBase64Encoded"},
            "type": "REQUEST",
            "routeArn": f"{self._arn}/{stage}/{method}{path}",
            "identitySource": identity,
        }
        try:
            result = await self._calls.invoke(
                authorizer.function,
                json.dumps(question).encode(),
                request_id=request["requestId"],
                timeout_s=self._ask_timeout_s,
            )
        except (RuntimeRefusal, TimeoutError) as error:
            raise self._failed(authorizer, str(error)) from error
        if result.function_error is not None:
            # The one way in which an authorizer can say 401.
            if _error_message(result.payload) == "Unauthorized":
                self._count(authorizer, "unknown")
                raise Refused(401, "Unauthorized")
            raise self._failed(authorizer, "it raised an error")
        answer = _answer(result.payload)
        if answer is None:
            raise self._failed(authorizer, "it did not answer {isAuthorized: …, context: {…}}")
        return answer

    def _failed(self, authorizer: Authorizer, reason: str) -> Refused:
        self._count(authorizer, "failed")
        self._logs.write("ERROR", "authorizer failed", function=authorizer.function, error=reason)
        return Refused(500, "Internal Server Error")

    def _count(self, authorizer: Authorizer, outcome: str) -> None:
        self._counter.labels(authorizer.name, outcome).inc()


class _Answers:
    """The newest answers, each for its time."""

    def __init__(self, size: int, now: Callable[[], float]) -> None:
        self._size = size
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, Mapping[str, Any]]] = OrderedDict()

    def get(self, key: bytes) -> Mapping[str, Any] | None:
        until, answer = self._kept.get(key, (0.0, None))
        return answer if self._now() < until else None

    def put(self, key: bytes, answer: Mapping[str, Any], ttl_s: float) -> None:
        if ttl_s <= 0:
            return
        self._kept[key] = (self._now() + ttl_s, answer)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def _key(authorizer: Authorizer, identity: Sequence[str]) -> bytes:
    """Of one size, however long a header is; and no token lies about in memory."""
    text = json.dumps([authorizer.name, *identity])
    return hashlib.sha256(text.encode()).digest()


def _identity(source: str, event: Mapping[str, Any]) -> str:
    """The value of `$request.header.X`, `$request.querystring.X` or `$context.routeKey`."""
    kind, _, name = source.removeprefix("$").rpartition(".")
    if kind == "request.header":
        values = event["headers"]
        name = name.lower()
    elif kind == "request.querystring":
        values = event.get("queryStringParameters", {})
    else:
        values = event["requestContext"]
    return str(values.get(name, ""))


def _answer(payload: bytes) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
        return None
    context = answer.get("context")
    return answer if context is None or isinstance(context, dict) else None


def _error_message(payload: bytes) -> str:
    try:
        error = json.loads(payload)
    except ValueError:
        return ""
    return str(error.get("errorMessage", "")) if isinstance(error, dict) else ""
