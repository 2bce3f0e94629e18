"""What a caller gets, with the real awslambdaric on the other side."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest

from hearth_runtime.engine.functions import (
    EVENT_PAYLOAD_LIMIT,
    SYNC_PAYLOAD_LIMIT,
    EngineStopping,
    FunctionNotFound,
    PayloadTooLarge,
    TooManyRequests,
)
from tests.support.engines import spec, started, until


def test_an_event_comes_back_and_only_the_first_is_cold() -> None:
    async def scenario() -> None:
        async with started() as harness:
            first = await harness.raw({})
            second = await harness.raw({"text": "Überlänge €"})
            assert json.loads(first.payload) == {}
            assert json.loads(second.payload) == {"text": "Überlänge €"}
            assert (first.cold, second.cold) == (True, False)
            assert first.request_id != second.request_id

    asyncio.run(scenario())


def test_short_and_physical_names_reach_the_same_function() -> None:
    async def scenario() -> None:
        async with started() as harness:
            one = await harness.call("behaviour", do="describe")
            other = await harness.call("hearth-behaviour", do="describe")
            assert one["pid"] == other["pid"]

    asyncio.run(scenario())


def test_a_function_sees_what_lambda_shows_and_nothing_of_the_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_RUNTIME", "x")

    async def scenario() -> dict[str, Any]:
        function = spec(environment={"MODEL": "m", "AWS_REGION": "tried"}, memory_mb=300)
        async with started(function, environment={"AWS_ENDPOINT_URL": "http://e"}) as harness:
            result = await harness.engine.invoke(
                "behaviour",
                b'{"do": "describe"}',
                client_context='{"custom": {"a": "\\u00e9"}}',
                request_id="11111111-2222-3333-4444-555555555555",
                trace_id="Root=1-2;\r\nLambda-Runtime-Aws-Request-Id: forged",
            )
            seen: dict[str, Any] = json.loads(result.payload)
            return seen

    seen = asyncio.run(scenario())
    environment = seen["environment"]
    assert "SECRET_OF_THE_RUNTIME" not in environment
    assert environment["MODEL"] == "m"
    assert environment["AWS_ENDPOINT_URL"] == "http://e"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "hearth-behaviour"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "300"
    assert environment["LAMBDA_TASK_ROOT"] == seen["directory"]
    assert seen["memory_mb"] in ("300", 300)
    assert seen["request_id"] == "11111111-2222-3333-4444-555555555555"
    assert seen["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:hearth-behaviour"
    assert seen["custom"] == {"a": "é"}
    assert 9_000 < seen["remaining_ms"] <= 10_000


def test_an_exception_is_answered_with_its_type_message_and_trace() -> None:
    async def scenario() -> None:
        async with started() as harness:
            before = await harness.call(do="describe")
            error = await harness.error(do="fail", message="no such camera")
            assert error["errorType"] == "ValueError"
            assert error["errorMessage"] == "no such camera"
            assert "behaviour.py" in error["stackTrace"][0]
            assert (await harness.call(do="describe"))["pid"] == before["pid"]
            (status,) = harness.engine.status()
            assert (status.invocations, status.errors) == (3, 1)
            assert status.last_error == "ValueError: no such camera"

    asyncio.run(scenario())


def test_an_answer_that_is_not_json_is_a_marshal_error() -> None:
    async def scenario() -> None:
        async with started() as harness:
            error = await harness.error(do="unserialisable")
            assert error["errorType"] == "Runtime.MarshalError"

    asyncio.run(scenario())


def test_six_megabytes_come_back_and_more_is_lambdas_error() -> None:
    async def scenario() -> None:
        async with started() as harness:
            answer = await harness.call(do="large", bytes=6 * 1024 * 1024)
            assert len(answer) == 6 * 1024 * 1024
            error = await harness.error(do="large", bytes=7 * 1024 * 1024)
            assert error["errorType"] == "Function.ResponseSizeTooLarge"
            assert "6291556" in error["errorMessage"]
            assert await harness.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_a_time_out_kills_the_process_and_the_next_event_finds_a_new_one() -> None:
    async def scenario() -> None:
        async with started(spec(timeout_s=0.5)) as harness:
            before = await harness.call(do="describe")
            begun = time.monotonic()
            result = await harness.raw({"do": "sleep", "seconds": 30})
            assert time.monotonic() - begun < 15  # not the 30 s
            error = json.loads(result.payload)
            assert result.function_error == "Unhandled"
            assert error["errorType"] == "Sandbox.Timedout"
            assert re.fullmatch(
                r"20\d\d-\d\d-\d\dT[\d:.]+Z "
                + result.request_id
                + r" Task timed out after 0\.50 seconds",
                error["errorMessage"],
            )
            assert b"going to sleep" in result.log_tail
            after = await harness.call(do="describe")
            assert after["pid"] != before["pid"]

    asyncio.run(scenario())


def test_a_crash_during_an_invocation_says_how_the_process_ended() -> None:
    async def scenario() -> None:
        async with started() as harness:
            result = await harness.raw({"do": "leave", "status": 3})
            assert json.loads(result.payload) == {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {result.request_id} Error: "
                "Runtime exited with error: exit status 3",
            }
            assert b"leaving" in result.log_tail
            assert await harness.call(a=1) == {"a": 1}  # at once: no back-off for these

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["allocate", "allocate_in_child"])
def test_more_memory_than_the_template_allows_ends_the_process(where: str) -> None:
    async def scenario() -> None:
        async with started(spec(memory_mb=100)) as harness:
            error = await harness.error(do=where, mb=150, seconds=8)
            assert error["errorType"] == "Runtime.OutOfMemory"
            assert "memory limit 100 MB, used " in error["errorMessage"]
            assert await harness.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_a_page_that_a_child_shares_is_counted_once() -> None:
    async def scenario() -> None:
        async with started(spec(memory_mb=200)) as harness:
            await harness.call(do="allocate", mb=110)
            # Counted twice this would be over the limit.
            await harness.call(do="allocate_in_child", mb=30, seconds=3)
            await asyncio.sleep(0)
            report = [record for record in harness.records() if record["message"] == "REPORT"][-1]
            assert 140 < report["max_memory_mb"] < 200

    asyncio.run(scenario())


def test_refusals_name_what_is_wrong() -> None:
    async def scenario() -> None:
        refusing = spec("closed", module="behaviour", reserved_concurrency=0)
        async with started(spec(), refusing) as harness:
            with pytest.raises(FunctionNotFound, match="nothing; there are: behaviour, closed"):
                await harness.engine.invoke("nothing", b"{}")
            with pytest.raises(PayloadTooLarge, match="6291457 byte payload"):
                await harness.engine.invoke("behaviour", b" " * (SYNC_PAYLOAD_LIMIT + 1))
            with pytest.raises(PayloadTooLarge, match="Event"):
                harness.engine.invoke_event("behaviour", b" " * (EVENT_PAYLOAD_LIMIT + 1))
            with pytest.raises(TooManyRequests, match="reserved concurrency of 0"):
                await harness.engine.invoke("closed", b"{}")
            assert all(status.pids == () for status in harness.engine.status())

    asyncio.run(scenario())


def test_reserved_concurrency_refuses_the_second_and_a_full_queue_the_third() -> None:
    async def scenario() -> None:
        reserved = spec("reserved", module="behaviour", reserved_concurrency=1)
        async with started(spec(), reserved, max_queue=1) as harness:
            for function in ("reserved", "behaviour"):
                await harness.call(function)
            running = asyncio.create_task(harness.call("reserved", do="sleep", seconds=3))
            await until(lambda: any(f.state == "busy" for f in harness.engine.status()))
            with pytest.raises(TooManyRequests) as refused:
                await harness.call("reserved")
            assert refused.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
            await running

            running = asyncio.create_task(harness.call(do="sleep", seconds=3))
            await until(lambda: any(f.state == "busy" for f in harness.engine.status()))
            waiting = asyncio.create_task(harness.call(a=1))
            await asyncio.sleep(0)
            with pytest.raises(TooManyRequests, match="1 invocations of hearth-behaviour wait"):
                await harness.call()
            assert await waiting == {"a": 1}
            await running
            assert b'hearth_runtime_throttles_total{function="behaviour"} 1.0' in (
                harness.metrics.render()
            )

    asyncio.run(scenario())


def test_a_caller_that_leaves_the_queue_costs_nothing() -> None:
    async def scenario() -> None:
        async with started() as harness:
            running = asyncio.create_task(harness.call(do="sleep", seconds=0.5))
            await until(lambda: harness.engine.status()[0].state == "busy")
            leaving = asyncio.create_task(harness.call(do="fail", message="must not run"))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            assert harness.engine.status()[0].queued == 0
            await running
            assert (await harness.call(a=2)) == {"a": 2}
            assert harness.engine.status()[0].errors == 0

    asyncio.run(scenario())


def test_an_event_is_tried_three_times_and_its_last_failure_is_logged() -> None:
    async def scenario() -> None:
        async with started(event_retry_delays_s=(0.05, 0.1)) as harness:
            request_id = harness.engine.invoke_event("behaviour", b'{"do": "fail", "message": "m"}')
            done = harness.engine.invoke_event("behaviour", b"{}")
            await until(lambda: "for the last time" in harness.log_file.read_text())
            mine = [r for r in harness.records() if r.get("request_id") == request_id]
            outcomes = [r["message"] for r in mine if r["message"].startswith("event")]
            assert outcomes == ["event failed", "event failed", "event failed for the last time"]
            assert sum(r["message"] == "START" for r in mine) == 3
            assert any(
                r["message"] == "event done" and r["request_id"] == done for r in harness.records()
            )

    asyncio.run(scenario())


def test_a_stop_finishes_what_runs_and_refuses_what_comes() -> None:
    async def scenario() -> None:
        async with started() as harness:
            await harness.call()
            running = asyncio.create_task(harness.call(do="sleep", seconds=0.5))
            await until(lambda: harness.engine.status()[0].state == "busy")
            queued = asyncio.create_task(harness.call())
            await asyncio.sleep(0)
            pids = harness.engine.status()[0].pids
            stopping = asyncio.create_task(harness.engine.stop(grace_s=5))
            with pytest.raises(EngineStopping):
                await queued
            with pytest.raises(EngineStopping):
                await harness.call()
            assert (await running)["slept"] == 0.5
            await stopping
            assert pids
            assert harness.engine.status()[0].pids == ()

    asyncio.run(scenario())


def test_a_stop_ends_what_does_not_finish_in_its_grace() -> None:
    async def scenario() -> None:
        async with started() as harness:
            running = asyncio.create_task(harness.error(do="sleep", seconds=60))
            await until(lambda: harness.engine.status()[0].state == "busy")
            begun = time.monotonic()
            await harness.engine.stop(grace_s=0.3)
            assert time.monotonic() - begun < 30  # not the 60 s
            assert (await running)["errorType"] == "Runtime.ExitError"

    asyncio.run(scenario())
