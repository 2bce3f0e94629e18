"""LocalEmu's Lambda: it starts the image as it is, by its `/var/runtime/bootstrap`.

LocalEmu needs Python 3.12, so it runs in a container of its own image, with the Docker socket: for
tests alone.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.engine.functions import FunctionSpec
from tests.image.build import docker, tag
from tests.image.places import lambda_api
from tests.image.places.backing import Backing, provisioned, reachable
from tests.support.daemons import answers, until

IMAGE = "hearth-test-localemu"
_FOLDER = Path(__file__).with_name("localemu")
_PORT = 4566


@contextlib.contextmanager
def around(folder: Path, database_url: str, **parameters: str) -> Iterator[Backing]:
    """A LocalEmu of its own for S3, SQS and Lambda, and the template's resources on it."""
    docker("build", "--quiet", f"--tag={IMAGE}", str(_FOLDER))
    name = f"hearth-localemu-{uuid.uuid4().hex[:8]}"
    variables = {
        "MAIN_CONTAINER_NAME": name,
        "GATEWAY_LISTEN": f"0.0.0.0:{_PORT}",
        "LAMBDA_DOCKER_NETWORK": "bridge",
        "SERVICES": "s3,sqs,lambda,iam,sts,logs",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "LAMBDA_LIMITS_MAX_FUNCTION_ENVVAR_SIZE_BYTES": "8192",  # credentials count here
    }
    docker(
        "run",
        "--detach",
        f"--name={name}",
        "--volume=/var/run/docker.sock:/var/run/docker.sock",
        *(f"--env={key}={value}" for key, value in variables.items()),
        IMAGE,
    )
    try:
        with reachable(database_url) as database:
            inspected = docker("inspect", "--format={{.NetworkSettings.IPAddress}}", name)
            url = f"http://{inspected.stdout.strip()}:{_PORT}"
            ready = answers(f"{url}/_localemu/health")
            until(ready, 120, lambda: docker("logs", name).stdout[-3000:])
            yield provisioned(AwsEndpoint.local(url, {}), database, folder, **parameters)
    finally:
        # The functions' containers carry its name.
        left = docker("ps", "--all", "--quiet", f"--filter=name={name}").stdout.split()
        docker("rm", "--force", *left, check=False)


def image_of(spec: FunctionSpec) -> str:
    """The image that LocalEmu starts for a function."""
    return tag(spec.handler.split(".")[1])


functions = lambda_api.place(image_of)
