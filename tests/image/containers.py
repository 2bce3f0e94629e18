"""The images as the tests build them, and functions in containers of them."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hearth_runtime import containers
from hearth_runtime.container_images import images
from hearth_runtime.functions import FunctionSpec
from hearth_runtime.launchers import LocalProcess, Process

ROOT = Path(__file__).resolve().parents[2]
BASE = "public.ecr.aws/docker/library/python:3.13-slim"
TAG = "test"
IMAGES = tuple(sorted(path.parent.name for path in ROOT.glob("functions/*/Dockerfile")))

HARDENED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=256",
)


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the Docker client; what it printed is in the error when it fails."""
    result = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {result.stderr[-3000:]}")
    return result


def missing() -> str | None:
    """Why no image can be built or run here; None where it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    if docker("info", check=False).returncode != 0:
        return "no Docker engine answers"
    here = docker("image", "inspect", BASE, check=False).returncode == 0
    if not here and docker("pull", "--quiet", BASE, check=False).returncode != 0:
        return f"{BASE} is not here and cannot be pulled"
    return None


def tag(name: str) -> str:
    """The image of a capability, as the tests build it."""
    return f"hearth-{name}:{TAG}"


def run(name: str, *command: str, image: str | None = None, network: str = "none") -> str:
    """Run a command in a fresh container of an image instead of its function; its output."""
    return docker(
        "run",
        "--rm",
        f"--network={network}",
        f"--entrypoint={command[0]}",
        image or tag(name),
        *command[1:],
    ).stdout


@asynccontextmanager
async def launcher(
    data: Path, functions: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[containers.ContainerLauncher]:
    """The product's launcher, for the template's functions or for these (image by handler)."""
    if functions is None:
        functions = images(ROOT / "template.yaml", TAG)
    opened = containers.ContainerLauncher(functions, data=data, **options)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def left(data: Path) -> list[str]:
    """Containers of a stack that exist, whatever their state."""
    label = f"--filter=label=hearth.data={data.resolve()}"
    return docker("ps", "--all", "--quiet", "--no-trunc", label).stdout.split()


@dataclass(frozen=True)
class ContainerLauncher:
    """Starts `hearth-<capability>:test` for a function.

    The host's network, because the Runtime API and MiniStack listen on the loopback alone.

    Attributes:
        folder: Where the database lies; the same path inside.
        environment: What every function gets.
        mounts: Further `--volume` values.
        label: Marks the containers, so that none is left behind.
    """

    folder: Path
    environment: Mapping[str, str]
    mounts: tuple[str, ...] = ()
    label: str = field(default_factory=lambda: f"hearth.test={uuid.uuid4().hex}")
    runtime_api_host: str = "127.0.0.1"

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        client = shutil.which("docker")
        assert client is not None
        variables = {**self.environment, **env, "AWS_LAMBDA_RUNTIME_API": runtime_api}
        options = [
            "run",
            "--rm",
            "--network=host",
            *HARDENED,
            f"--memory={spec.memory_mb}m",
            f"--volume={self.folder}:{self.folder}",
            *(f"--volume={mount}" for mount in self.mounts),
            f"--label={self.label}",
            *(f"--env={name}={value}" for name, value in variables.items()),
        ]
        program = [client, *options, tag(spec.handler.split(".")[1]), spec.handler]
        # The client needs its own environment, not the function's.
        return LocalProcess(program, {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}, ROOT, output)

    def remove(self) -> None:
        """End what is left: a killed client does not take its container with it."""
        left = docker("ps", "--all", "--quiet", f"--filter=label={self.label}").stdout.split()
        if left:
            docker("rm", "--force", *left, check=False)
