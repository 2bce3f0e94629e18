"""What a function writes, seen in the log file, the tail and the metrics."""

from __future__ import annotations

import asyncio

from tests.support.engines import spec, started


def test_lines_belong_to_the_request_that_wrote_them() -> None:
    async def scenario() -> None:
        async with started(replicas={"behaviour": 2}) as harness:
            results = await asyncio.gather(
                *(harness.raw({"do": "log", "lines": [f"line of {n}"]}) for n in range(100))
            )
            await asyncio.sleep(0)
            records = harness.records()
            for number, result in enumerate(results):
                assert f"line of {number}\n".encode() in result.log_tail
                mine = [r for r in records if r.get("request_id") == result.request_id]
                messages = [r["message"] for r in mine]
                assert messages == ["START", f"line of {number}", "from logging", "REPORT"]
                assert mine[2]["level"] == "WARNING"
                assert mine[3]["billed_ms"] >= mine[3]["duration_ms"]
                assert mine[3]["max_memory_mb"] > 5

    asyncio.run(scenario())


def test_metric_lines_are_counted_and_not_shown() -> None:
    directive = {
        "Namespace": "Hearth",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "FramesAnalysed", "Unit": "Count"}],
    }
    document = {
        "_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]},
        "service": "detection",
        "FramesAnalysed": [10],
    }

    async def scenario() -> None:
        async with started() as harness:
            for _ in range(3):
                await harness.call(do="metric", document=document)
            text = harness.metrics.render()
            assert b'hearth_frames_analysed_total{service="detection"} 30.0' in text
            assert b'hearth_runtime_invocations_total{function="behaviour"} 3.0' in text
            assert b'hearth_runtime_cold_starts_total{function="behaviour"} 1.0' in text
            assert "FramesAnalysed" not in harness.log_file.read_text()

    asyncio.run(scenario())


def test_a_time_out_is_logged_with_its_request() -> None:
    async def scenario() -> None:
        async with started(spec(timeout_s=0.2)) as harness:
            result = await harness.raw({"do": "sleep", "seconds": 5})
            (error,) = [r for r in harness.records() if r["level"] == "ERROR"]
            assert error["message"] == "Task timed out after 0.20 seconds"
            assert error["request_id"] == result.request_id

    asyncio.run(scenario())


def test_what_is_written_while_importing_and_while_dying_is_kept() -> None:
    async def scenario() -> None:
        async with started(spec(), spec("init_error")) as harness:
            await harness.error("init_error")
            result = await harness.raw({"do": "leave", "status": 1})
            assert b"leaving\n" in result.log_tail
            await asyncio.sleep(0)
            text = harness.log_file.read_text()
            assert "RuntimeError: no model here" in text
            assert '"stackTrace"' in text
            assert '"message": "leaving"' in text

    asyncio.run(scenario())
