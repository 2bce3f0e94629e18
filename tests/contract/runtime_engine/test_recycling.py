"""Code that has changed: new instances take the next events, and no answer is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hearth_runtime.engine.functions import FunctionNotFound, FunctionSpec
from hearth_runtime.launchers.process import ProcessLauncher
from tests.support.engines import alive, started, until

GREETER = """
import os, pathlib, time

{begin}

def lambda_handler(event, context):
    time.sleep(event.get("seconds", 0))
    return {{"said": {word!r}, "pid": os.getpid()}}
"""


def write(root: Path, word: str, name: str = "greeter", begin: str = "") -> None:
    """A function whose answer says which version of its code it is."""
    (root / f"{name}.py").write_text(GREETER.format(word=word, begin=begin))


def greeter(name: str = "greeter") -> FunctionSpec:
    return FunctionSpec(f"hearth-{name}", name, f"{name}.lambda_handler", timeout_s=10)


def launcher(root: Path) -> ProcessLauncher:
    # Bytecode is valid for a source of the same second and size: such are these.
    return ProcessLauncher(root, {"PYTHONDONTWRITEBYTECODE": "1"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "old")
    return tmp_path


def test_an_idle_instance_is_replaced_at_once(root: Path) -> None:
    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            old = await harness.call("greeter")
            await until(lambda: harness.engine.status()[0].state == "idle")
            write(root, "new")
            harness.engine.recycle()
            assert (await harness.call("greeter"))["said"] == "new"
            assert not alive(old["pid"])

    asyncio.run(scenario())


def test_a_busy_instance_gives_its_answer_and_no_other(root: Path) -> None:
    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            running = asyncio.create_task(harness.call("greeter", seconds=0.5))
            await until(lambda: harness.engine.status()[0].state == "busy")
            waiting = asyncio.create_task(harness.call("greeter"))
            write(root, "new")
            harness.engine.recycle(["greeter"])
            assert (await running)["said"] == "old"
            assert (await waiting)["said"] == "new"

    asyncio.run(scenario())


def test_an_instance_that_starts_with_old_code_takes_no_event(root: Path) -> None:
    write(root, "old", begin="pathlib.Path('begun').touch(); time.sleep(0.5)")

    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            call = asyncio.create_task(harness.call("greeter"))
            await until((root / "begun").exists)
            write(root, "new")
            harness.engine.recycle()
            assert (await call)["said"] == "new"

    asyncio.run(scenario())


def test_code_that_could_not_start_is_tried_again_without_a_pause(root: Path) -> None:
    write(root, "old", begin="raise RuntimeError('half written')")

    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            assert (await harness.error("greeter"))["errorMessage"] == "half written"
            await until(lambda: harness.engine.status()[0].state == "backing_off")
            write(root, "new")
            harness.engine.recycle()
            assert (await harness.call("greeter"))["said"] == "new"

    asyncio.run(scenario())


def test_other_functions_keep_their_instances(root: Path) -> None:
    write(root, "old", name="other")

    async def scenario() -> None:
        async with started(greeter(), greeter("other"), launcher=launcher(root)) as harness:
            kept = await harness.call("other")
            await harness.call("greeter")
            harness.engine.recycle(["hearth-greeter"])
            assert await harness.call("other") == kept

    asyncio.run(scenario())


def test_a_name_that_is_no_function_recycles_nothing(root: Path) -> None:
    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            kept = await harness.call("greeter")
            with pytest.raises(FunctionNotFound, match="gardener"):
                harness.engine.recycle(["greeter", "gardener"])
            assert await harness.call("greeter") == kept

    asyncio.run(scenario())


def test_nothing_happens_to_functions_that_sleep(root: Path) -> None:
    async def scenario() -> None:
        async with started(greeter(), launcher=launcher(root)) as harness:
            harness.engine.recycle()
            assert harness.engine.status()[0].state == "cold"

    asyncio.run(scenario())
