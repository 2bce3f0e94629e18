"""An engine with real parts for tests: processes of awslambdaric, a log file, metrics."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearth_runtime.engine.engine import Engine
from hearth_runtime.engine.functions import FunctionSpec, InvokeResult
from hearth_runtime.launchers.process import Launcher, ProcessLauncher
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.observe.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]


def spec(short_name: str = "behaviour", **changes: Any) -> FunctionSpec:
    """A function of tests/support/lambdas, by the name of its module."""
    module = changes.pop("module", short_name)
    given = {"timeout_s": 10.0, "memory_mb": 256} | changes
    return FunctionSpec(
        name=f"hearth-{short_name}",
        short_name=short_name,
        handler=f"tests.support.lambdas.{module}.lambda_handler",
        **given,
    )


@dataclass(frozen=True)
class Harness:
    """A started engine and what it writes."""

    engine: Engine
    metrics: Metrics
    log_file: Path

    async def call(self, function: str = "behaviour", **event: Any) -> Any:
        """The decoded answer to one event; fails the test on a function error."""
        result = await self.engine.invoke(function, json.dumps(event).encode())
        assert result.function_error is None, result.payload
        return json.loads(result.payload)

    async def error(self, function: str = "behaviour", **event: Any) -> dict[str, Any]:
        """The decoded error of one event; fails the test when there is none."""
        result = await self.engine.invoke(function, json.dumps(event).encode())
        assert result.function_error == "Unhandled", result.payload
        decoded: dict[str, Any] = json.loads(result.payload)
        return decoded

    async def raw(self, event: Mapping[str, Any], function: str = "behaviour") -> InvokeResult:
        """The undecoded result."""
        return await self.engine.invoke(function, json.dumps(event).encode())

    def records(self) -> list[dict[str, Any]]:
        """What the log file holds so far."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]


@asynccontextmanager
async def started(
    *functions: FunctionSpec,
    launcher: Launcher | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Harness]:
    """An engine that runs `functions` (by default the `behaviour` one), stopped at the end."""
    with tempfile.TemporaryDirectory() as directory:
        log_file = Path(directory) / "events.jsonl"
        logs, metrics = LogStream(log_file), Metrics()
        engine = Engine(
            functions or (spec(),),
            launcher=launcher or ProcessLauncher(ROOT, environment),
            logs=logs,
            metrics=metrics,
            **options,
        )
        await engine.start()
        try:
            yield Harness(engine, metrics, log_file)
        finally:
            await engine.stop(grace_s=0)
            logs.close()


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until `condition` holds; fails the test when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  the condition is outside this loop's reach
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def kill(pid: int, number: int) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)
