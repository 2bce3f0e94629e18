"""Sources are watched; a change recycles the functions it belongs to."""

from __future__ import annotations

import asyncio
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.engine.reload import NO_BYTECODE, Reload
from hearth_runtime.launchers.process import ProcessLauncher
from hearth_runtime.observe.logs import LogStream
from tests.support.engines import Harness, alive, started, until
from tests.support.stack_process import SMALL, small_stack

HANDLER = """
from shared import WORD

def lambda_handler(event, context):
    return {word!r} + WORD
"""


def greeter(name: str) -> FunctionSpec:
    handler = f"functions.{name}.main.lambda_handler"
    return FunctionSpec(f"hearth-{name}", name, handler, timeout_s=10)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of two functions and a layer that both use."""
    for name in ("greeter", "other"):
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(HANDLER.format(word="old"))
    layer = tmp_path / "layers/core/python"
    layer.mkdir(parents=True)
    (layer / "shared.py").write_text("WORD = '!'\n")
    return tmp_path


@asynccontextmanager
async def watched(root: Path) -> AsyncIterator[Harness]:
    launcher = ProcessLauncher(root, NO_BYTECODE)
    async with started(greeter("greeter"), greeter("other"), launcher=launcher) as harness:
        logs = LogStream(harness.log_file)
        watching = asyncio.create_task(Reload(root, harness.engine, logs).run())
        try:
            # Watching begins in a thread of its own.
            await asyncio.sleep(0.3)
            yield harness
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            logs.close()


def pids(harness: Harness) -> list[tuple[int, ...]]:
    return [status.pids for status in harness.engine.status()]


async def both(harness: Harness) -> tuple[str, str]:
    first, second = await asyncio.gather(harness.call("greeter"), harness.call("other"))
    return first, second


def test_a_changed_function_answers_with_its_new_code_and_the_other_stays(root: Path) -> None:
    async def scenario() -> None:
        async with watched(root) as harness:
            assert await both(harness) == ("old!", "old!")
            (changed,), (kept,) = pids(harness)
            (root / "functions/greeter/main.py").write_text(HANDLER.format(word="new"))
            await until(lambda: not alive(changed))
            assert await both(harness) == ("new!", "old!")
            assert pids(harness)[1] == (kept,)
            (record,) = [r for r in harness.records() if "code has changed" in r["message"]]
            assert record["files"] == ["functions/greeter/main.py"]
            assert record["functions"] == ["hearth-greeter"]

    asyncio.run(scenario())


def test_a_changed_layer_is_everybodys(root: Path) -> None:
    async def scenario() -> None:
        async with watched(root) as harness:
            await both(harness)
            before = pids(harness)
            (root / "layers/core/python/shared.py").write_text("WORD = '?'\n")
            await until(lambda: not any(alive(pid) for (pid,) in before))
            assert await both(harness) == ("old?", "old?")

    asyncio.run(scenario())


def test_a_function_that_cannot_be_imported_for_a_moment_is_mended_by_the_next_save(
    root: Path,
) -> None:
    async def scenario() -> None:
        async with watched(root) as harness:
            main = root / "functions/greeter/main.py"
            await both(harness)
            ((first,), _) = pids(harness)
            main.write_text("def lambda_handler(")
            await until(lambda: not alive(first))
            error = await harness.error("greeter")
            assert error["errorType"] == "Runtime.UserCodeSyntaxError"
            main.write_text(HANDLER.format(word="new"))
            await until(lambda: len([r for r in harness.records() if "files" in r]) == 2)
            assert await harness.call("greeter") == "new!"

    asyncio.run(scenario())


def test_a_stack_watches_the_folder_of_its_handlers(tmp_path: Path) -> None:
    root = shutil.copytree(SMALL.parent, tmp_path / "project")
    echo = root / "handlers/echo.py"
    config = {"template": str(root / "template.yaml"), "reload": True}
    with small_stack(tmp_path / "data", **config) as state:
        url = f"{state.control_url}/2015-03-31/functions/echo/invocations"

        def answer() -> str:
            with urllib.request.urlopen(url, data=b"{}", timeout=30) as response:
                return str(response.read().decode())

        assert "saved anew" not in answer()
        echo.write_text("def lambda_handler(event, context):\n    return 'saved anew'\n")
        deadline = time.monotonic() + 60
        while answer() != '"saved anew"':
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_files_that_are_no_python_change_nothing(root: Path) -> None:
    async def scenario() -> None:
        async with watched(root) as harness:
            await both(harness)
            before = pids(harness)
            (root / "functions/greeter/notes.txt").write_text("x")
            (root / "functions/greeter/__pycache__").mkdir()
            (root / "functions/greeter/__pycache__/main.py").write_text("x")
            await asyncio.sleep(0.5)
            assert pids(harness) == before

    asyncio.run(scenario())
