"""Behind the bare Runtime Interface Emulator, as AWS's own base images start it.

The emulator's program is part of the SAM CLI. It takes one call at a time.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hearth_runtime.engine.functions import FunctionSpec
from tests.image.build import docker, tag
from tests.image.containers import HARDENED
from tests.image.places.answers import comparable
from tests.image.places.backing import Backing
from tests.image.places.place import Invoke
from tests.support.daemons import free_port
from tests.support.tools import program_folder

IN_THE_IMAGE = "/usr/local/bin/aws-lambda-rie"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def emulator() -> Path:
    """The emulator's program for this machine."""
    packages = next((program_folder("sam").parent / "lib").glob("python*/site-packages"))
    return packages / "samcli/local/rapid/aws-lambda-rie-x86_64"


@contextlib.contextmanager
def emulated(backing: Backing) -> Iterator[Invoke]:
    """One container a function, kept until the end."""
    ports: dict[str, int] = {}
    names: list[str] = []

    def start(spec: FunctionSpec) -> int:
        port = free_port()
        variables = {
            **backing.environment(spec),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{spec.timeout_s:.0f}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        }
        container = docker(
            "run",
            "--detach",
            *HARDENED,
            f"--memory={spec.memory_mb}m",
            f"--publish=127.0.0.1:{port}:8080",
            f"--volume={emulator()}:{IN_THE_IMAGE}:ro",
            *(f"--env={name}={value}" for name, value in variables.items()),
            tag(spec.handler.split(".")[1]),
            spec.handler,
        )
        names.append(container.stdout.strip())
        return port

    def invoke(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
        if spec.name not in ports:
            ports[spec.name] = start(spec)
        return comparable(_ask(ports[spec.name], event, spec.timeout_s))

    try:
        yield invoke
    finally:
        if names:
            docker("rm", "--force", *names, check=False)


def _ask(port: int, event: Mapping[str, Any], timeout_s: float) -> Any:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    deadline = time.monotonic() + 60
    while True:
        try:
            with _DIRECT.open(url, json.dumps(event).encode(), timeout_s + 30) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, ConnectionError) as error:
            # Docker accepts connections for a container before anything listens in it.
            if time.monotonic() > deadline:
                raise AssertionError(f"the emulator does not answer at {url}") from error
            time.sleep(0.1)
