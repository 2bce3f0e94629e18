"""The images as the tests build them, and functions in containers of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hearth_runtime.launchers import docker as containers
from hearth_runtime.launchers.container_images import images

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
