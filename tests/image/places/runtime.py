"""Our own runtime: functions as processes of this virtual environment, or as containers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.launchers.process import Launcher, ProcessLauncher
from tests.image.build import ROOT
from tests.image.containers import launcher
from tests.image.places.answers import comparable
from tests.image.places.backing import Backing
from tests.image.places.place import Invoke
from tests.support.engines import started


@contextlib.contextmanager
def processes(backing: Backing) -> Iterator[Invoke]:
    """`hearth up`."""
    launcher = ProcessLauncher(ROOT, backing.endpoint.environment())
    with asyncio.Runner() as runner, _engine(runner, backing, launcher) as invoke:
        yield invoke


@contextlib.contextmanager
def containers(backing: Backing) -> Iterator[Invoke]:
    """`hearth up --containers`."""
    with asyncio.Runner() as runner:
        opening = launcher(backing.folder, environment=backing.endpoint.environment())
        opened = runner.run(opening.__aenter__())
        try:
            with _engine(runner, backing, opened) as invoke:
                yield invoke
        finally:
            runner.run(opening.__aexit__(None, None, None))


@contextlib.contextmanager
def _engine(runner: asyncio.Runner, backing: Backing, starter: Launcher) -> Iterator[Invoke]:
    engine = started(*backing.template.functions, launcher=starter, init_timeout_s=60)
    bench = runner.run(engine.__aenter__())

    def invoke(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
        result = runner.run(bench.engine.invoke(spec.name, json.dumps(event).encode()))
        return comparable(json.loads(result.payload))

    try:
        yield invoke
    finally:
        runner.run(engine.__aexit__(None, None, None))
