"""Lambda's Invoke API, so that boto3 and the AWS CLI work with an endpoint URL.

Reference: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html. A qualifier is accepted and
ignored: there is one version, $LATEST.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from hearth_runtime.engine.engine import Engine
from hearth_runtime.engine.environment import function_arn
from hearth_runtime.engine.functions import (
    SYNC_PAYLOAD_LIMIT,
    PayloadTooLarge,
    RuntimeRefusal,
    TooManyRequests,
)

from .events import refuse_constant

ROOT = "/2015-03-31/functions"
# name, account:function:name or a whole ARN, each with an optional :qualifier (API_Invoke).
FUNCTION = re.compile(
    r"(?:(?:arn:aws[\w-]*:lambda:[\w-]+:)?\d{12}:function:|function:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?::[A-Za-z0-9_$-]+)?"
)
PAYLOAD_TIMEOUT_S = 30.0
TRACE_LIMIT = 1024  # characters; AWS's own have 70 to 100
CONTEXT_LIMIT = 3583  # bytes of JSON, Lambda's own

Handler = Callable[[web.Request], Awaitable[web.Response]]


class InvalidParameter(RuntimeRefusal):
    code = "InvalidParameterValueException"
    status = 400


class InvalidContent(RuntimeRefusal):
    code = "InvalidRequestContentException"
    status = 400


def invoke_app(engine: Engine) -> web.Application:
    """An application that serves the Invoke API alone."""
    app = web.Application(client_max_size=SYNC_PAYLOAD_LIMIT + 1024)
    add_invoke_routes(app, engine)
    return app


def add_invoke_routes(app: web.Application, engine: Engine) -> None:
    """Add /2015-03-31/functions/… to `app`, whose client_max_size must be above 6 MB."""
    api = _InvokeApi(engine)
    app.router.add_post(ROOT + "/{function}/invocations", _answering_errors(api.invoke))
    for path in (ROOT, ROOT + "/"):  # boto3 leaves the slash out, older clients don't
        app.router.add_get(path, _answering_errors(api.list_functions))
    app.router.add_get(ROOT + "/{function}/configuration", _answering_errors(api.describe))


class _InvokeApi:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def invoke(self, request: web.Request) -> web.Response:
        function = _function_name(request)
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        payload = await _payload(request)
        context = _client_context(request)
        if kind == "RequestResponse":
            return await self._run(request, function, payload, context)
        if kind == "Event":
            request_id = self._engine.invoke_event(function, payload, client_context=context)
            return _answer(202, b"", request_id)
        if kind == "DryRun":
            self._engine.check(function)
            return _answer(204, b"", str(uuid.uuid4()))
        raise InvalidParameter(
            f"X-Amz-Invocation-Type is {kind[:40]!r}; give RequestResponse, Event or DryRun"
        )

    async def list_functions(self, _: web.Request) -> web.Response:
        functions = [self._configuration(spec.name) for spec in self._engine.specs()]
        return web.json_response({"Functions": functions, "NextMarker": None})

    async def describe(self, request: web.Request) -> web.Response:
        return web.json_response(self._configuration(_function_name(request)))

    async def _run(
        self, request: web.Request, function: str, payload: bytes, context: str | None
    ) -> web.Response:
        result = await self._engine.invoke(
            function,
            payload,
            client_context=context,
            trace_id=_trace_id(request),
        )
        headers = {"X-Amz-Executed-Version": "$LATEST"}
        if result.function_error is not None:
            headers["X-Amz-Function-Error"] = result.function_error
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(result.log_tail).decode()
        return _answer(200, result.payload, result.request_id, headers)

    def _configuration(self, function: str) -> dict[str, Any]:
        spec = self._engine.check(function)
        return {
            "FunctionName": spec.name,
            "FunctionArn": function_arn(spec.name, self._engine.region),
            "Handler": spec.handler,
            "Timeout": int(spec.timeout_s),
            "MemorySize": spec.memory_mb,
            "PackageType": "Image",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Version": "$LATEST",
            "Architectures": ["x86_64"],
        }


def _function_name(request: web.Request) -> str:
    given = request.match_info["function"]
    if (match := FUNCTION.fullmatch(given)) is None:
        raise InvalidParameter(f"{given[:200]!r} is no function name and no ARN of a function")
    return match["name"]


async def _payload(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(PAYLOAD_TIMEOUT_S):
            payload = await request.read()
    except TimeoutError as error:
        raise InvalidContent(
            f"The request body did not arrive within {PAYLOAD_TIMEOUT_S:g} seconds"
        ) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise PayloadTooLarge(
            f"Request must be smaller than {SYNC_PAYLOAD_LIMIT} bytes for the Invoke operation"
        ) from error
    try:
        json.loads((payload or b"{}").decode("utf-8"), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidContent(f"Could not parse request body into json: {error}") from error
    return payload or b"{}"


def _trace_id(request: web.Request) -> str | None:
    """The caller's trace id; one that could not travel on in a header is left out, as by AWS."""
    given = request.headers.get("X-Amzn-Trace-Id", "")
    fits = given.isascii() and given.isprintable() and len(given) <= TRACE_LIMIT
    return given if given and fits else None


def _client_context(request: web.Request) -> str | None:
    given = request.headers.get("X-Amz-Client-Context")
    if given is None:
        return None
    if len(given) > CONTEXT_LIMIT * 4 // 3 + 4:
        raise InvalidParameter(f"X-Amz-Client-Context has more than {CONTEXT_LIMIT} bytes")
    try:
        value = json.loads(base64.b64decode(given, validate=True))
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"X-Amz-Client-Context is not JSON in base64: {error}") from error
    return json.dumps(value)  # ASCII on one line: it travels in a header


def _answer(
    status: int, body: bytes, request_id: str, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status,
        body=body,
        headers={"X-Amzn-RequestId": request_id, **(headers or {})},
        content_type="application/json" if body else None,
    )


def _answering_errors(handler: Handler) -> Handler:
    """Answer a refusal in the Lambda API's shape: header x-amzn-errortype, body Type, Message."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except RuntimeRefusal as error:
            body = {"Type": "User" if error.status < 500 else "Service", "Message": str(error)}
            headers = {"x-amzn-errortype": error.code, "X-Amzn-RequestId": str(uuid.uuid4())}
            if isinstance(error, TooManyRequests):
                body["Reason"] = error.reason
                headers["Retry-After"] = "1"
            return web.json_response(body, status=error.status, headers=headers)

    return answer
