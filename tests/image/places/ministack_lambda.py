"""MiniStack's Lambda: it starts the image, which must hold the Runtime Interface Emulator."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from hearth_runtime.functions import FunctionSpec
from tests.image.containers import docker
from tests.image.places import lambda_api
from tests.image.places.backing import Backing
from tests.image.places.images import tag_of
from tests.image.places.place import Invoke


@contextlib.contextmanager
def functions(backing: Backing) -> Iterator[Invoke]:
    """Each function is created when it is first asked for; queues are mapped by `map_queues`."""
    api = backing.client("lambda")
    created: set[str] = set()

    def invoke(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
        if spec.name not in created:
            create(backing, api, spec)
            created.add(spec.name)
        return lambda_api.ask(api, spec.name, event)

    try:
        yield invoke
    finally:
        remove_containers(backing)


def create(backing: Backing, api: Any, spec: FunctionSpec) -> None:
    """Make one function."""
    image = tag_of(spec.handler.split(".")[1], "with-rie")
    lambda_api.create(api, spec, image, backing.environment(spec))


def remove_containers(backing: Backing) -> None:
    """MiniStack keeps containers warm, and leaves them when it ends."""
    label = f"ministack.instance={socket.gethostname()}:{urlsplit(backing.endpoint.url).port}"
    left = docker("ps", "--all", "--quiet", f"--filter=label={label}").stdout.split()
    if left:
        docker("rm", "--force", *left, check=False)
