"""Which image each function runs in, and whether this machine's engine can run it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from aiodocker import Docker, DockerError

from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.intrinsics import load_yaml

BUILT_TAG = "latest"  # scripts/build gives it to what it built last


class EngineError(SetupError):
    """There is no Docker engine to run containers, or it cannot run these."""


def images(template: Path, tag: str) -> dict[str, str]:
    """The image of each function of a template, by its handler: "hearth-<folder>:<tag>".

    The folder is that of the Dockerfile (`Metadata`), as scripts/build names what it builds.

    Raises:
        SetupError: A function names no Dockerfile, or none in a folder.
    """
    found: dict[str, str] = {}
    resources: Mapping[str, Any] = load_yaml(template.read_text("utf-8"), str(template)).get(
        "Resources", {}
    )
    for logical_id, resource in resources.items():
        if resource.get("Type") != "AWS::Serverless::Function":
            continue
        dockerfile = str((resource.get("Metadata") or {}).get("Dockerfile", ""))
        folder = PurePosixPath(dockerfile).parent.name
        if not folder:
            raise SetupError(
                f"{logical_id} cannot run in a container: its Metadata names no Dockerfile in a"
                " folder; add one, or leave out --containers."
            )
        properties = resource.get("Properties") or {}
        command = (properties.get("ImageConfig") or {}).get("Command") or []
        found[str(command[0] if command else properties.get("Handler"))] = f"hearth-{folder}:{tag}"
    return found


async def connect(**options: Any) -> Docker:
    """A client of the engine that DOCKER_HOST, the chosen context or the usual socket names.

    Raises:
        EngineError: There is no such name or socket, or the engine is another machine's.
    """
    try:
        docker = Docker(**options)
    except (AssertionError, ValueError, OSError, DockerError) as error:
        raise no_engine(str(error) or "there is no /var/run/docker.sock") from error
    if not docker.docker_host.startswith("unix://"):
        await docker.close()
        raise EngineError(
            f"The Docker engine at {docker.docker_host} may be another machine's; containers share"
            " this machine's network and files: unset DOCKER_HOST, or leave out --containers."
        )
    return docker


def no_engine(reason: str) -> EngineError:
    return EngineError(
        f"No Docker engine answers ({reason.rstrip('.')}): install or start it (systemctl start"
        " docker), put this user in the group docker, or leave out --containers and functions run"
        " as processes."
    )


async def check_images(wanted: Iterable[str]) -> str:
    """See that the engine answers and can run these images; its version.

    Raises:
        EngineError: It does not, an image is not there, or is for other processors.
    """
    async with await connect() as docker:
        try:
            version = await docker.version()
        except (DockerError, OSError) as error:
            raise no_engine(getattr(error, "message", str(error))) from error
        missing, foreign = [], []
        for image in sorted(set(wanted)):
            try:
                architecture = (await docker.images.inspect(image)).get("Architecture")
            except DockerError as error:
                if error.status != 404:
                    raise EngineError(f"Image {image}: {error.message}") from error
                missing.append(image)
                continue
            if architecture != version["Arch"]:
                foreign.append(f"{image} ({architecture})")
    if missing:
        raise missing_images(missing)
    if foreign:
        raise EngineError(
            f"Built for other processors than this machine's ({version['Arch']}):"
            f" {', '.join(foreign)}; build here with {_build(foreign)}."
        )
    return str(version["Version"])


def missing_images(names: Iterable[str]) -> EngineError:
    """What to do about images that are not there."""
    names = list(names)
    return EngineError(
        f"Not on this machine: {', '.join(names)}; build with {_build(names)}, or name the tag of"
        " images that are here with --image-tag."
    )


def _build(names: Iterable[str]) -> str:
    folders = (name.partition(":")[0].removeprefix("hearth-") for name in names)
    return f"`scripts/build {' '.join(folders)}`"
