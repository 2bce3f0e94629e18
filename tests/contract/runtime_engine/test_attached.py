"""Functions in containers that somebody else starts: the real leash, kept up as Docker would."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.launchers import compose_containers as attached
from hearth_runtime.launchers.compose_containers import (
    AttachedLauncher,
    listening_address,
    seen_from,
)
from hearth_runtime.observe.logs import LogStream
from tests.support.engines import ROOT, Harness, alive, spec, started, until

LEASH = ROOT / "layers/core/image/leash"
HANDLER = "tests.support.lambdas.behaviour.lambda_handler"


@contextmanager
def container(
    tmp_path: Path, address: str, function: str = "behaviour", handler: str = HANDLER
) -> Iterator[list[int]]:
    """Keeps the leash running, as a restart policy does; yields its process ids so far."""
    bootstrap, script = tmp_path / "bootstrap", tmp_path / "leash"
    bootstrap.write_text(f'#!/bin/sh\nexec {sys.executable} -m awslambdaric "$1"\n')
    bootstrap.chmod(0o755)
    script.write_text(LEASH.read_text().replace("/var/runtime/bootstrap", str(bootstrap)))
    pids: list[int] = []
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            process = subprocess.Popen(
                ["/bin/bash", script, function, handler],
                env={"PATH": os.environ["PATH"], "HEARTH_RUNTIME": address, "IMAGE": "kept"},
                cwd=ROOT,
                start_new_session=True,
            )
            pids.append(process.pid)
            process.wait()
            end(process.pid)  # a container takes all its processes with it
            over.wait(0.05)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield pids
    finally:
        over.set()
        while thread.is_alive():
            if pids:
                end(pids[-1])
            thread.join(0.1)


def end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@asynccontextmanager
async def attached_bench(
    tmp_path: Path, containers: int = 1, **changes: Any
) -> AsyncIterator[tuple[Harness, list[list[int]]]]:
    """An engine whose function runs on `containers` leashes."""
    logs = LogStream(tmp_path / "launcher.jsonl")
    launcher = AttachedLauncher("127.0.0.1", ["behaviour"], {"GIVEN": "to all"}, logs=logs)
    await launcher.start(0)
    address = f"127.0.0.1:{launcher.port}"
    kept = [container(tmp_path, address) for _ in range(containers)]
    options = {"replicas": {"behaviour": containers}}
    try:
        async with started(spec(**changes), launcher=launcher, **options) as harness:
            yield harness, [each.__enter__() for each in kept]
    finally:
        await launcher.stop()
        logs.close()
        for each in kept:
            await asyncio.to_thread(each.__exit__, None, None, None)


def test_a_function_starts_when_it_is_needed_with_its_environment(tmp_path: Path) -> None:
    async def scenario() -> None:
        value = "two\nlines; $HOME `id` 'quoted' \"twice\" ünï"
        async with attached_bench(tmp_path, environment={"ODD": value}) as (harness, [leash]):
            await until(lambda: len(leash) == 1)
            await asyncio.sleep(0.3)
            assert harness.engine.status()[0].state == "cold"
            seen = (await harness.call(do="describe"))["environment"]
            assert (seen["ODD"], seen["GIVEN"], seen["IMAGE"]) == (value, "to all", "kept")

    asyncio.run(scenario())


def test_what_a_function_prints_belongs_to_its_invocation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path) as (harness, _):
            lines = ["first", "a NUL \0memory of mine", "x" * 100_000]
            result = await harness.raw({"do": "log", "lines": lines})
            written = [r for r in harness.records() if r.get("request_id") == result.request_id]
            messages = "\n".join(str(r["message"]) for r in written)
            assert "first" in messages
            assert "memory of mine" in messages
            assert "x" * 100_000 in messages
            assert b"from logging" in result.log_tail

    asyncio.run(scenario())


def test_a_hung_function_is_killed_and_its_container_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path, timeout_s=1.5) as (harness, [leash]):
            first = await harness.call(do="describe")
            error = await harness.error(do="sleep", seconds=60)
            assert error["errorType"] == "Sandbox.Timedout"
            await until(lambda: not alive(first["pid"]))
            second = await harness.call(do="describe")
            assert second["pid"] != first["pid"]
            assert len(leash) == 1

    asyncio.run(scenario())


def test_a_killed_container_is_an_error_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path) as (harness, [leash]):
            await harness.call()
            hung = asyncio.create_task(harness.error(do="sleep", seconds=8))
            await until(lambda: harness.engine.status()[0].state == "busy")
            end(leash[0])
            async with asyncio.timeout(3):
                assert (await hung)["errorType"] == "Runtime.ExitError"
            assert await harness.call(again=True) == {"again": True}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"do": "leave", "status": 7}, "Runtime exited with error: exit status 7"),
        ({"do": "leave", "status": 0}, "Runtime exited with error: exit status 0"),
    ],
)
def test_a_function_that_leaves_tells_its_status(
    tmp_path: Path, event: dict[str, Any], text: str
) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path) as (harness, _):
            error = await harness.error(**event)
            assert error["errorType"] == "Runtime.ExitError"
            assert text in error["errorMessage"]
            assert await harness.call(again=True) == {"again": True}

    asyncio.run(scenario())


def test_memory_is_measured_and_limited(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path, memory_mb=160) as (harness, _):
            await harness.call(do="sleep", seconds=1.2)
            assert 10 < harness.engine.status()[0].rss_mb < 160
            error = await harness.error(do="allocate", mb=200, seconds=8)
            assert error["errorType"] == "Runtime.OutOfMemory"

    asyncio.run(scenario())


def test_an_idle_function_ends_and_its_container_waits_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path) as (harness, [leash]):
            first = await harness.call(do="stubborn")  # hears no SIGTERM
            harness.engine.recycle()
            await until(lambda: not alive(first["pid"]))
            assert (await harness.call(do="describe"))["pid"] != first["pid"]
            assert len(leash) == 1

    asyncio.run(scenario())


def test_two_containers_work_side_by_side(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with attached_bench(tmp_path, containers=2) as (harness, _):
            both = [harness.call(do="sleep", seconds=1.5) for _ in range(2)]
            first, second = await asyncio.gather(*both)
            assert first["pid"] != second["pid"]

    asyncio.run(scenario())


def test_containers_outlive_the_runtime_and_attach_to_the_next(tmp_path: Path) -> None:
    async def session(port: int, environment: dict[str, str]) -> Any:
        launcher = AttachedLauncher("127.0.0.1", ["behaviour"], environment, logs=logs)
        await launcher.start(port)
        try:
            async with started(spec(), launcher=launcher) as harness:
                return await harness.call(do="describe")
        finally:
            await launcher.stop()

    async def scenario() -> None:
        first = AttachedLauncher("127.0.0.1", [], {}, logs=logs)
        await first.start(0)
        await first.stop()
        with container(tmp_path, f"127.0.0.1:{first.port}") as leash:
            before = await session(first.port, {"ONCE": "then"})
            await until(lambda: not alive(before["pid"]))
            after = await session(first.port, {})
            assert after["pid"] != before["pid"]
            assert before["environment"]["ONCE"] == "then"
            assert "ONCE" not in after["environment"]
            assert len(leash) == 1

    logs = LogStream(tmp_path / "launcher.jsonl")
    asyncio.run(scenario())
    logs.close()


def test_without_a_container_the_caller_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "PATIENCE_S", 0.2)

    async def scenario() -> None:
        logs = LogStream(tmp_path / "launcher.jsonl")
        launcher = AttachedLauncher("127.0.0.1", ["behaviour"], {}, logs=logs)
        await launcher.start(0)
        async with started(spec(), launcher=launcher) as harness:
            error = await harness.error()
            assert error["errorType"] == "Runtime.LaunchError"
            assert "no container of behaviour waits for work" in error["errorMessage"]
            assert "docker compose up" in error["errorMessage"]
        await launcher.stop()
        logs.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "does not say which function"),
        (b"stranger\n", "the template has no function 'stranger'"),
        (b"behaviour" + 300 * b"x", "does not say which function"),
        (b"\xff\xfe\n", "does not say which function"),
    ],
)
def test_a_stranger_is_refused_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, why: str
) -> None:
    monkeypatch.setattr(attached, "_GREETING_S", 0.3)

    async def scenario() -> None:
        logs = LogStream(tmp_path / "launcher.jsonl")
        launcher = AttachedLauncher("127.0.0.1", ["behaviour"], {}, logs=logs)
        await launcher.start(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", launcher.port)
        writer.write(said)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await launcher.stop()
        logs.close()

    asyncio.run(scenario())
    assert re.search(re.escape(why), (tmp_path / "launcher.jsonl").read_text())


def test_a_name_from_the_wrong_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here every caller is on loopback, which is trusted: for this test it is not.
    monkeypatch.setattr(attached, "is_loopback", lambda host: False)

    async def scenario() -> None:
        logs = LogStream(tmp_path / "launcher.jsonl")
        launcher = AttachedLauncher("127.0.0.1", ["jobs", "localhost"], {}, logs=logs)
        monkeypatch.setattr(attached, "listening_address", lambda host: "127.0.0.1")
        await launcher.start(0)
        for name, taken in (("jobs", False), ("localhost", True)):
            reader, writer = await asyncio.open_connection("127.0.0.1", launcher.port)
            writer.write(f"{name}\n".encode())
            answered = asyncio.create_task(reader.read())
            done, _ = await asyncio.wait((answered,), timeout=2)
            assert bool(done) is not taken
            writer.close()
            answered.cancel()
        await launcher.stop()
        logs.close()

    asyncio.run(scenario())
    assert "the network knows no jobs at its address" in (tmp_path / "launcher.jsonl").read_text()


@pytest.mark.parametrize(
    ("host", "listening"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1")]
)
def test_a_loopback_name_listens_on_loopback_alone(host: str, listening: str) -> None:
    assert listening_address(host) == listening


def test_any_other_name_listens_on_all_addresses() -> None:
    assert listening_address("runtime") == "0.0.0.0"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("", ""),
        ("http://127.0.0.1:4566", "http://runtime:4566"),
        ("http://localhost/", "http://runtime/"),
        ("http://[::1]:80/a?b", "http://runtime:80/a?b"),
        ("http://minio:9000", "http://minio:9000"),
        ("https://s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
    ],
)
def test_our_loopback_is_our_name_for_others(url: str, seen: str) -> None:
    assert seen_from("runtime", url) == seen
