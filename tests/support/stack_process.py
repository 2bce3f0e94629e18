"""The small stack in a process of its own, as `hearth up` runs the real one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hearth_runtime.config import RuntimeConfig
from hearth_runtime.http.tls import Certificate
from hearth_runtime.server import serve
from hearth_runtime.stack_state import SetupError, StackState

SMALL = Path(__file__).with_name("small_stack") / "template.yaml"
ROOT = Path(__file__).resolve().parents[2]


def start(data: Path, **config: Any) -> subprocess.Popen[str]:
    """Start a runtime; its first line of output is the state, or why there is none."""
    given = {"template": str(SMALL), "data": str(data), "log_format": "none"} | config
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.stack_process", json.dumps(given)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def state_of(process: subprocess.Popen[str]) -> StackState:
    """Wait until it is ready. Raises AssertionError with the reason when it does not get so."""
    assert process.stdout is not None
    line = json.loads(process.stdout.readline() or "{}")
    assert "pid" in line, line
    return StackState(**line)


@contextlib.contextmanager
def small_stack(data: Path, **config: Any) -> Iterator[StackState]:
    """A ready small stack while the block runs."""
    process = start(data, **config)
    try:
        yield state_of(process)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> int:
    """End it in order; kill it when that takes too long."""
    process.terminate()
    try:
        status = process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    return status


async def _main(given: Mapping[str, Any]) -> int:
    paths = {"template": Path(given["template"]), "data": Path(given["data"])}
    tls = Certificate(*map(Path, given["tls"])) if "tls" in given else None
    config = RuntimeConfig(**{**given, **paths, "tls": tls})
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    def ready(state: StackState) -> None:
        print(json.dumps(asdict(replace(state, queues=dict(state.queues)))), flush=True)

    try:
        await serve(config, ready=ready, stop=ended)
    except SetupError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(json.loads(sys.argv[1]))))
