"""When instances are started, stopped and replaced, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hearth_runtime.engine import supervisor
from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.launchers.process import Process, ProcessLauncher
from tests.support.engines import ROOT, Harness, alive, kill, spec, started, until


def state(harness: Harness) -> str:
    return harness.engine.status()[0].state


def test_a_function_sleeps_until_used_and_again_after_idling() -> None:
    async def scenario() -> None:
        async with started(idle_s=0.2) as harness:
            assert state(harness) == "cold"
            pid = (await harness.call(do="describe"))["pid"]
            assert harness.engine.status()[0].pids == (pid,)
            assert harness.engine.status()[0].rss_mb > 5
            await until(lambda: state(harness) == "cold")
            assert not alive(pid)
            assert await harness.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_one_caller_needs_one_instance_and_two_at_once_need_two_but_never_three() -> None:
    async def scenario() -> None:
        async with started(replicas={"behaviour": 2}) as harness:
            for _ in range(20):
                await harness.call()
            assert len(harness.engine.status()[0].pids) == 1
            slept = await asyncio.gather(*(harness.call(do="sleep", seconds=0.3) for _ in range(5)))
            assert len({answer["pid"] for answer in slept}) == 2

    asyncio.run(scenario())


def test_five_hundred_concurrent_events_are_all_answered_with_their_own_answer() -> None:
    async def scenario() -> None:
        async with started(replicas={"hearth-behaviour": 2}) as harness:
            answers = await asyncio.gather(*(harness.call(n=n) for n in range(500)))
            assert answers == [{"n": n} for n in range(500)]

    asyncio.run(scenario())


def pauses(harness: Harness) -> list[float]:
    """For how long each failed start put the next one off."""
    return [r["next_start_in_s"] for r in harness.records() if "next_start_in_s" in r]


def test_an_import_error_reaches_every_waiting_caller_and_later_ones_without_another_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (60.0, 60.0))

    async def scenario() -> None:
        async with started(spec("init_error")) as harness:
            errors = await asyncio.gather(*(harness.error("init_error") for _ in range(5)))
            assert {e["errorType"] for e in errors} == {"RuntimeError"}
            assert {e["errorMessage"] for e in errors} == {"no model here"}
            await until(lambda: state(harness) == "backing_off")
            assert (await harness.error("init_error"))["errorMessage"] == "no model here"
            assert pauses(harness) == [60.0]

    asyncio.run(scenario())


def test_each_start_that_fails_puts_the_next_one_off_for_twice_as_long() -> None:
    async def scenario() -> None:
        async with started(spec("init_error")) as harness:
            while len(pauses(harness)) < 2:
                await harness.error("init_error")
                await asyncio.sleep(0.05)
            assert pauses(harness) == [0.5, 1.0]

    asyncio.run(scenario())


def test_a_process_that_ends_while_importing_is_an_exit_error() -> None:
    async def scenario() -> None:
        async with started(spec("init_exit")) as harness:
            error = await harness.error("init_exit")
            assert error["errorType"] == "Runtime.ExitError"
            assert "exit status 7" in error["errorMessage"]

    asyncio.run(scenario())


def test_a_process_killed_while_it_starts_costs_its_caller_nothing() -> None:
    async def scenario() -> None:
        function = spec("init_slow", environment={"HEARTH_TEST_INIT_S": "0.5"})
        async with started(function) as harness:
            call = asyncio.create_task(harness.call("init_slow", a=1))
            await until(lambda: len(harness.engine.status()[0].pids) == 1)
            kill(harness.engine.status()[0].pids[0], signal.SIGKILL)
            assert await call == {"a": 1}

    asyncio.run(scenario())


def test_a_handler_that_does_not_exist_is_named() -> None:
    async def scenario() -> None:
        missing = FunctionSpec("hearth-missing", "missing", "functions.nothing.lambda_handler")
        async with started(missing) as harness:
            error = await harness.error("missing")
            assert error["errorType"] == "Runtime.ImportModuleError"
            assert "functions.nothing" in error["errorMessage"]

    asyncio.run(scenario())


def test_a_copy_of_the_project_runs_on_its_own_layers(tmp_path: Path) -> None:
    layer = tmp_path / "layers/core/python/hearth"
    layer.mkdir(parents=True)
    (layer / "__init__.py").write_text("COPY = 'this one'\n")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/copied.py").write_text(
        "import hearth\n\n\ndef lambda_handler(event, context):\n    return hearth.COPY\n"
    )

    async def scenario() -> None:
        function = FunctionSpec("hearth-copied", "copied", "functions.copied.lambda_handler")
        async with started(function, launcher=ProcessLauncher(tmp_path)) as harness:
            # Answers "this one", though this virtual environment knows another `hearth`.
            result = await harness.raw({}, "copied")
            assert (result.function_error, json.loads(result.payload)) == (None, "this one")

    asyncio.run(scenario())


def test_a_function_that_can_import_again_is_used_again(tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    async def scenario() -> None:
        function = spec("init_once", environment={"HEARTH_TEST_FLAG": str(flag)})
        async with started(function) as harness:
            assert (await harness.error("init_once"))["errorMessage"] == "not yet"
            flag.touch()
            await asyncio.sleep(0.6)
            assert await harness.call("init_once", a=1) == {"a": 1}
            assert harness.engine.status()[0].state == "idle"

    asyncio.run(scenario())


def test_an_import_may_take_the_init_time_and_the_functions_time_and_no_more() -> None:
    async def scenario() -> None:
        environment = {"HEARTH_TEST_INIT_S": "0.5"}
        slow = spec("init_slow", environment=environment, timeout_s=1)
        async with started(slow, init_timeout_s=0.1) as harness:
            assert await harness.call("init_slow", a=1) == {"a": 1}
        slower = spec("init_slow", environment={"HEARTH_TEST_INIT_S": "30"}, timeout_s=0.3)
        async with started(slower, init_timeout_s=0.1) as harness:
            error = await harness.error("init_slow")
            assert error["errorType"] == "Sandbox.Timedout"
            assert "Init timed out after 0.40 seconds" in error["errorMessage"]

    asyncio.run(scenario())


def test_an_event_is_not_given_to_an_idle_process_that_was_just_killed() -> None:
    async def scenario() -> None:
        async with started() as harness:
            for _ in range(10):
                pid = (await harness.call(do="describe"))["pid"]
                await until(lambda: state(harness) == "idle")
                kill(pid, signal.SIGKILL)
                while alive(pid):
                    time.sleep(0.001)  # noqa: ASYNC251  the loop must not run: it would notice
                # Nothing has told the engine yet that the process is gone.
                assert await harness.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_a_killed_instance_takes_the_processes_it_started_with_it() -> None:
    async def scenario() -> None:
        async with started() as harness:
            answer = await harness.call(do="child")
            assert alive(answer["child"])
            kill(answer["pid"], signal.SIGKILL)
            await until(lambda: not alive(answer["child"]))

    asyncio.run(scenario())


def test_killing_processes_at_any_time_loses_no_caller_and_mixes_no_answers() -> None:
    chance = random.Random(7)

    async def caller(harness: Harness, number: int) -> bool:
        result = await harness.raw({"n": number})
        answer = json.loads(result.payload)
        if result.function_error is None:
            assert answer == {"n": number}
        else:
            assert answer["errorType"] == "Runtime.ExitError"
            assert "signal: killed" in answer["errorMessage"]
        return result.function_error is None

    async def scenario() -> None:
        async with started(replicas={"behaviour": 2}) as harness:
            done = 0
            for _ in range(15):
                calls = [asyncio.create_task(caller(harness, n)) for n in range(40)]
                await asyncio.sleep(chance.uniform(0, 0.03))
                for pid in harness.engine.status()[0].pids:
                    with contextlib.suppress(ProcessLookupError):
                        kill(pid, signal.SIGKILL)
                async with asyncio.timeout(10):
                    done += sum(await asyncio.gather(*calls))
            assert done >= 15 * 38  # a kill costs at most the event each instance works on

    asyncio.run(scenario())


def test_a_process_that_hangs_costs_one_event_its_time_out() -> None:
    async def scenario() -> None:
        async with started(spec(timeout_s=0.5)) as harness:
            pid = (await harness.call(do="describe"))["pid"]
            await asyncio.sleep(0.1)  # it polls: stopped before, it would get no event
            kill(pid, signal.SIGSTOP)
            stat = Path(f"/proc/{pid}/stat")
            await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
            assert (await harness.error(a=1))["errorType"] == "Sandbox.Timedout"
            assert await harness.call(a=2) == {"a": 2}
            assert not alive(pid)

    asyncio.run(scenario())


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    async def scenario() -> None:
        async with started() as harness:
            pid = (await harness.call(do="stubborn"))["pid"]
            await harness.engine.stop(grace_s=0.2)
            assert not alive(pid)

    asyncio.run(scenario())


def test_a_place_that_can_not_start_processes_is_an_error_and_not_a_hang() -> None:
    class Broken:
        runtime_api_host = "127.0.0.1"

        async def launch(self, *_: object) -> Process:
            raise PermissionError("not here")

    async def scenario() -> None:
        async with started(launcher=Broken()) as harness:
            error = await harness.error()
            assert error["errorType"] == "Runtime.LaunchError"
            assert "not here" in error["errorMessage"]
            assert harness.engine.status()[0].pids == ()

    asyncio.run(scenario())


RUNTIME = """
import asyncio, json, sys
from tests.support.engines import spec, started

async def main():
    functions = spec(), spec("other", module="behaviour")
    async with started(*functions, replicas={"behaviour": 2}) as harness:
        calls = [harness.call(do="sleep", seconds=0.2), harness.call(do="sleep", seconds=0.2)]
        await asyncio.gather(*calls, harness.call("other"))
        asyncio.create_task(harness.call(do="sleep", seconds=60))
        await asyncio.sleep(0.2)
        pids = [pid for status in harness.engine.status() for pid in status.pids]
        print(json.dumps(pids), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_no_process_survives_a_runtime_that_is_killed() -> None:
    runtime = subprocess.Popen(
        [sys.executable, "-c", RUNTIME],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}"},
    )
    try:
        assert runtime.stdout is not None
        pids = json.loads(runtime.stdout.readline())
        assert len(pids) == 3
        assert all(alive(pid) for pid in pids)
        runtime.kill()
        runtime.wait()
        deadline = time.monotonic() + 2
        while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [pid for pid in pids if alive(pid)] == []
    finally:
        runtime.kill()
        runtime.communicate()


def test_the_guard_starts_nothing_when_its_parent_is_gone_already(tmp_path: Path) -> None:
    trace = tmp_path / "started"
    guard = ROOT / "localstack/hearth_runtime/launchers/exec_guard.py"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", guard, "1", "/usr/bin/touch", trace], check=False
    )
    assert ended.returncode == 1
    assert not trace.exists()
