"""boto3's own Lambda client, and requests that no client would send, against the Invoke API."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import boto3
import pytest
from aiohttp import ClientSession, web
from botocore.config import Config
from botocore.exceptions import ClientError

from hearth_runtime.http.invoke_api import ROOT, invoke_app
from tests.support.engines import Harness, spec, started, until


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, Harness]]:
    closed = spec("closed", module="behaviour", reserved_concurrency=0)
    async with started(spec(), closed, event_retry_delays_s=()) as harness:
        runner = web.AppRunner(invoke_app(harness.engine))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", harness
        finally:
            await runner.cleanup()


@contextmanager
def lambda_client(url: str) -> Iterator[Any]:
    client = boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    "name",
    [
        "behaviour",
        "hearth-behaviour",
        "behaviour:$LATEST",
        "000000000000:function:hearth-behaviour",
        "arn:aws:lambda:us-east-1:000000000000:function:hearth-behaviour",
        "arn:aws:lambda:us-east-1:000000000000:function:hearth-behaviour:live",
    ],
)
def test_boto3_invokes_by_any_name_that_lambda_takes(name: str) -> None:
    async def scenario() -> None:
        async with serving() as (url, _):
            with lambda_client(url) as client:
                answer = await asyncio.to_thread(
                    client.invoke, FunctionName=name, Payload=b'{"a": 1}', LogType="Tail"
                )
            assert answer["StatusCode"] == 200
            assert "FunctionError" not in answer
            assert answer["ExecutedVersion"] == "$LATEST"
            assert json.loads(answer["Payload"].read()) == {"a": 1}
            request_id = answer["ResponseMetadata"]["RequestId"]
            tail = base64.b64decode(answer["LogResult"]).decode().splitlines()
            assert tail[0] == f"START RequestId: {request_id} Version: $LATEST"
            assert tail[-2] == f"END RequestId: {request_id}"
            assert tail[-1].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
            assert "Init Duration: " in tail[-1]

    asyncio.run(scenario())


def test_boto3_sees_a_function_error_an_event_and_a_dry_run() -> None:
    async def scenario() -> None:
        async with serving() as (url, harness):
            with lambda_client(url) as client:
                failed = await asyncio.to_thread(
                    client.invoke,
                    FunctionName="behaviour",
                    Payload=b'{"do": "fail", "message": "m"}',
                )
                assert failed["FunctionError"] == "Unhandled"
                assert json.loads(failed["Payload"].read())["errorType"] == "ValueError"
                context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
                described = await asyncio.to_thread(
                    client.invoke,
                    FunctionName="behaviour",
                    ClientContext=context,
                    Payload=b'{"do": "describe"}',
                )
                assert json.loads(described["Payload"].read())["custom"] == {"k": "v"}
                event = await asyncio.to_thread(
                    client.invoke, FunctionName="behaviour", InvocationType="Event", Payload=b"{}"
                )
                assert event["StatusCode"] == 202
                await until(lambda: harness.engine.status()[0].invocations == 3)
                dry = await asyncio.to_thread(
                    client.invoke, FunctionName="behaviour", InvocationType="DryRun"
                )
                assert dry["StatusCode"] == 204
                listed = await asyncio.to_thread(client.list_functions)
                names = [function["FunctionName"] for function in listed["Functions"]]
                assert names == ["hearth-behaviour", "hearth-closed"]
                configuration = await asyncio.to_thread(
                    client.get_function_configuration, FunctionName="behaviour"
                )
                assert configuration["MemorySize"] == 256

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"FunctionName": "nothing"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "closed"}, 429, "TooManyRequestsException"),
        ({"FunctionName": "behaviour", "Payload": b"{"}, 400, "InvalidRequestContentException"),
        ({"FunctionName": "behaviour", "Payload": b"\xff"}, 400, "InvalidRequestContentException"),
        (
            {"FunctionName": "behaviour", "Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'},
            413,
            "RequestTooLargeException",
        ),
        (
            {
                "FunctionName": "behaviour",
                "InvocationType": "Event",
                "Payload": b'"' + b"x" * 1024 * 1024 + b'"',
            },
            413,
            "RequestTooLargeException",
        ),
    ],
    ids=["unknown", "throttled", "not_json", "not_utf8", "7_megabytes", "event_of_1_megabyte"],
)
def test_boto3_raises_lambdas_own_error(request_: dict[str, Any], status: int, code: str) -> None:
    async def scenario() -> None:
        async with serving() as (url, _):
            with lambda_client(url) as client, pytest.raises(ClientError) as raised:
                await asyncio.to_thread(client.invoke, **request_)
            assert raised.value.response["Error"]["Code"] == code
            assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("function", "headers"),
    [
        ("a%20b", {}),
        ("behaviour", {"X-Amz-Invocation-Type": "Later"}),
        ("behaviour", {"X-Amz-Client-Context": "not base64!"}),
        ("behaviour", {"X-Amz-Client-Context": base64.b64encode(b"{").decode()}),
        ("behaviour", {"X-Amz-Client-Context": base64.b64encode(b'"' + b"x" * 4000).decode()}),
    ],
    ids=["name", "type", "context_base64", "context_json", "context_size"],
)
def test_a_malformed_request_is_the_callers_fault(function: str, headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with serving() as (url, _), ClientSession() as session:
            path = f"{url}{ROOT}/{function}/invocations"
            async with session.post(path, data=b"{}", headers=headers) as answer:
                assert answer.status == 400
                assert answer.headers["x-amzn-errortype"] == "InvalidParameterValueException"
                assert (await answer.json())["Type"] == "User"

    asyncio.run(scenario())


def test_no_body_is_an_empty_event() -> None:
    async def scenario() -> None:
        async with (
            serving() as (url, _),
            ClientSession() as session,
            session.post(f"{url}{ROOT}/behaviour/invocations") as answer,
        ):
            assert await answer.json() == {}

    asyncio.run(scenario())
