"""MiniStack's Lambda: it starts the image, which must hold the Runtime Interface Emulator."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from hearth_runtime.engine.functions import FunctionSpec
from tests.image.build import docker
from tests.image.places import lambda_api
from tests.image.places.backing import Backing, backing
from tests.image.places.images import tag_of


@contextlib.contextmanager
def around(folder: Path, database_url: str, **parameters: str) -> Iterator[Backing]:
    """A MiniStack whose Lambda may start containers, and the template's resources on it."""
    with backing(folder, database_url, lambdas=True, **parameters) as it:
        try:
            yield it
        finally:
            _remove_containers(it)


def image_of(spec: FunctionSpec) -> str:
    """The image that MiniStack starts for a function."""
    return tag_of(spec.handler.split(".")[1], "with-rie")


functions = lambda_api.place(image_of)


def _remove_containers(around: Backing) -> None:
    """MiniStack keeps containers warm, and leaves them when it ends."""
    label = f"ministack.instance={socket.gethostname()}:{urlsplit(around.endpoint.url).port}"
    left = docker("ps", "--all", "--quiet", f"--filter=label={label}").stdout.split()
    if left:
        docker("rm", "--force", *left, check=False)
