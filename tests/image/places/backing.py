"""What functions need around them, at addresses that containers and this machine reach alike."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.aws.provision import provision
from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.template.model import Template
from hearth_runtime.template.reader import TemplateSource
from tests.image.build import ROOT, docker
from tests.support.ministack import ministack

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SOURCE = TemplateSource.read(ROOT / "template.yaml")
PARAMETERS: Mapping[str, str] = {
    "SiteName": "North Yard",
    "SetupToken": "a-token-for-the-setup",  # as in events/auth
}
"""What a site would set."""


@cache
def functions() -> tuple[FunctionSpec, ...]:
    """The functions of the template, before anything exists."""
    return SOURCE.resolve({**PARAMETERS, "DatabaseUrl": "sqlite:////tmp/none.db"}).functions


@dataclass(frozen=True)
class Backing:
    """S3, SQS and a database, with the template's queues and bucket in place.

    Attributes:
        endpoint: Where S3 and SQS answer.
        template: The template, resolved with what really exists.
        folder: For files of the place.
    """

    endpoint: AwsEndpoint
    template: Template
    folder: Path

    @property
    def bucket(self) -> str:
        return self.template.buckets[0].name

    def environment(self, spec: FunctionSpec) -> dict[str, str]:
        """All that AWS or a person would set for a function."""
        return {**self.endpoint.environment(), **spec.environment}

    def client(self, service: str) -> Any:
        """A boto3 client of the endpoint."""
        return client(service, self.endpoint)

    def answer_url(self) -> str:
        """Where CloudFormation would wait for a custom resource's answer."""
        s3: S3Client = self.client("s3")
        return s3.generate_presigned_url(
            "put_object", Params={"Bucket": self.bucket, "Key": "answers/custom_resource.json"}
        )


def client(service: str, endpoint: AwsEndpoint, url: str | None = None) -> Any:
    """A boto3 client; `url` is another address with the same credentials."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=url or endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
    )


@contextlib.contextmanager
def backing(
    folder: Path, database_url: str, *, lambdas: bool = False, **parameters: str
) -> Iterator[Backing]:
    """MiniStack and the template's resources on it, around an empty PostgreSQL.

    Args:
        folder: For MiniStack's files.
        database_url: An empty database on the loopback.
        lambdas: Whether MiniStack's Lambda may start containers.
        parameters: Of the template.
    """
    with (
        ministack(folder / "ministack", host=gateway(), lambdas=lambdas) as url,
        reachable(database_url) as database,
    ):
        yield provisioned(AwsEndpoint.local(url, {}), database, folder, **parameters)


def provisioned(
    endpoint: AwsEndpoint, database_url: str, folder: Path, **parameters: str
) -> Backing:
    """The template's queues and bucket on an endpoint that answers."""
    given = {**PARAMETERS, "DatabaseUrl": database_url, **parameters}
    known = provision(SOURCE.resolve(given), endpoint)
    return Backing(endpoint, SOURCE.resolve(given, known=known), folder)


def gateway() -> str:
    """The address of this machine that containers of the default network reach."""
    shown = "--format={{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}"
    network = docker("network", "inspect", shown, "bridge", check=False).stdout.split()
    if not network:
        return "127.0.0.1"
    # An engine that made its bridge at this start does not tell its own address: it is the first.
    return network[1] if len(network) > 1 else str(ipaddress.ip_network(network[0])[1])


@contextlib.contextmanager
def reachable(database_url: str) -> Iterator[str]:
    """A URL of the same database that containers reach too.

    PostgreSQL trusts the loopback alone, as it should: its port is relayed.
    """
    port = urlsplit(database_url).port or 5432
    host = gateway()
    if host == "127.0.0.1":
        yield database_url
        return
    with _Relay((host, port), _Connection) as relay:
        thread = threading.Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        try:
            yield database_url.replace("127.0.0.1", host)
        finally:
            relay.shutdown()
            thread.join()


class _Relay(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Connection(socketserver.BaseRequestHandler):
    """Passes bytes on between a client and the same port of the loopback."""

    def handle(self) -> None:
        _, port = self.request.getsockname()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as target:
            back = threading.Thread(target=_pass_on, args=(target, self.request), daemon=True)
            back.start()
            _pass_on(self.request, target)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
