"""Functions in containers of the images that the tests build."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hearth_runtime.launchers import docker as containers
from hearth_runtime.launchers.container_images import images
from tests.image.build import ROOT, TAG, docker, tag

HARDENED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=256",
)


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
