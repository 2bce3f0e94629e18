"""`sam local`: invoke, start-lambda and start-api, on the images that `docker build` made.

SAM reads the template of the product. Only what `sam build` would add (the images) and what a
person would set (addresses of S3, SQS and the database) is written into a copy of it: `--env-vars`
reaches no variable that the template does not name, and none names the endpoint.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.template.intrinsics import load_yaml
from tests.image.build import ROOT, docker
from tests.image.places import lambda_api
from tests.image.places.answers import comparable, http_answer
from tests.image.places.backing import Backing, client
from tests.image.places.contract import Case
from tests.image.places.images import tag_of
from tests.image.places.place import Invoke
from tests.support.daemons import free_port, running
from tests.support.events import load_event
from tests.support.tools import program_folder

_KEPT = ("AWS::Serverless::", "AWS::SQS::Queue", "AWS::S3::Bucket")
_ENVIRONMENT = {
    "SAM_CLI_TELEMETRY": "0",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


@contextlib.contextmanager
def invoke(backing: Backing) -> Iterator[Invoke]:
    """`sam local invoke`: a new container for every event."""
    template, ids = _template(backing)

    def ask(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
        file = backing.folder / "event.json"
        file.write_text(json.dumps(event))
        command = [*_sam("invoke", template), ids[spec.handler], f"--event={file}"]
        done = subprocess.run(
            command, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True
        )
        assert done.stdout.strip(), f"sam local invoke {spec.short_name}: {done.stderr[-3000:]}"
        return comparable(json.loads(done.stdout.strip().splitlines()[-1]))

    yield ask


@contextlib.contextmanager
def start_lambda(backing: Backing) -> Iterator[Invoke]:
    """`sam local start-lambda`, asked by boto3."""
    template, ids = _template(backing)
    with _server("start-lambda", template) as port:
        api = client("lambda", backing.endpoint, f"http://127.0.0.1:{port}")

        def ask(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
            return lambda_api.ask(api, ids[spec.handler], event)

        yield ask


@contextlib.contextmanager
def start_api(backing: Backing) -> Iterator[Invoke]:
    """`sam local start-api`, asked over HTTP, with a token that its authorizer lets in."""
    template, _ = _template(backing)
    with _server("start-api", template) as port:
        tokens: list[str] = []

        def ask(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
            headers = dict(event["headers"])
            if "lambda" in event["requestContext"].get("authorizer", {}):
                # The table's first user, once it is registered.
                tokens[:] = tokens or [_token(port)]
                headers["authorization"] = f"Bearer {tokens[0]}"
            return http_answer(*_over_http(port, {**event, "headers": headers}))

        yield ask


def _token(port: int) -> str:
    status, _, body = _over_http(port, load_event("auth/http_api_login"))
    assert status == 200, body
    return str(json.loads(body)["access_token"])


def _over_http(port: int, event: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    """Send the request that API Gateway made the event of."""
    target = urllib.parse.quote(event["rawPath"]) + "?" + event.get("rawQueryString", "")
    own = {"host", "content-length"}
    headers = {name: value for name, value in event["headers"].items() if name not in own}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        method = event["requestContext"]["http"]["method"]
        connection.request(method, target.removesuffix("?"), event.get("body"), headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def is_http(case: Case, event: Mapping[str, Any], asked: Sequence[Case]) -> bool:
    """Whether start-api can be asked. It asks the authorizer by itself."""
    return "rawPath" in event and case.function != "authorizer"


def is_first_of_its_function(case: Case, event: Mapping[str, Any], asked: Sequence[Case]) -> bool:
    """Whether invoke is asked: it takes eight seconds each time."""
    return case.function not in {before.function for before in asked}


@contextlib.contextmanager
def _server(command: str, template: Path) -> Iterator[int]:
    port = free_port()
    arguments = [*_sam(command, template), f"--port={port}", "--warm-containers=LAZY"]
    before = _containers()
    try:
        with running(
            arguments, ready=lambda: _listens(port), env=dict(_ENVIRONMENT), timeout_s=120
        ):
            yield port
    finally:
        # A server that is stopped early leaves its containers.
        left = _containers() - before
        if left:
            docker("rm", "--force", *left, check=False)


def _containers() -> set[str]:
    """Containers that `sam local` runs now."""
    found = docker("ps", "--quiet", "--filter=label=sam.cli.container.type=lambda")
    return set(found.stdout.split())


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.connect()
        connection.close()
        return True
    return False


def _sam(command: str, template: Path) -> list[str]:
    program = str(program_folder("sam") / "sam")
    return [program, "local", command, f"--template={template}", "--skip-pull-image"]


def _template(backing: Backing) -> tuple[Path, dict[str, str]]:
    """The template with images and addresses; and logical ids by handler."""
    document = load_yaml((ROOT / "template.yaml").read_text(), "template.yaml")
    specs = {spec.handler: spec for spec in backing.template.functions}
    ids: dict[str, str] = {}
    resources: dict[str, Any] = {}
    for logical_id, resource in document["Resources"].items():
        if not resource["Type"].startswith(_KEPT):
            continue
        resources[logical_id] = resource
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        handler = properties["ImageConfig"]["Command"][0]
        ids[handler] = logical_id
        properties["ImageUri"] = tag_of(handler.split(".")[1], "runtime")
        properties["Environment"] = {"Variables": backing.environment(specs[handler])}
        resource.pop("Metadata", None)
        resource.pop("DependsOn", None)
    api = resources["Api"]["Properties"]
    # Without a body, which may say nothing, SAM's local API overlooks the authorizers.
    api["DefinitionBody"] = {"openapi": "3.0.1", "info": {"title": "hearth"}, "paths": {}}
    for authorizer in api["Auth"]["Authorizers"].values():
        # It reads a name out of a text, and resolves nothing.
        function = authorizer["FunctionArn"]["Ref"].removesuffix(".Alias")
        authorizer["FunctionArn"] = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
    document["Resources"] = resources
    document["Globals"]["Function"].pop("Environment")
    file = backing.folder / "template.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file, ids
