"""Container mode where the Docker engine is missing, or answers that it cannot."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from hearth_runtime.cli import app
from hearth_runtime.launchers.container_images import EngineError, check_images
from hearth_runtime.launchers.docker import ContainerLauncher
from tests.support.engines import spec, started

TEMPLATE = """
Resources:
  Function:
    Type: AWS::Serverless::Function
    Metadata: { Dockerfile: functions/probe/Dockerfile }
    Properties: { ImageConfig: { Command: [functions.probe.main.lambda_handler] } }
"""
VERSION = {"Version": "20.10", "ApiVersion": "1.41", "Arch": "amd64"}
Answer = tuple[int, Any]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


@asynccontextmanager
async def engine(
    monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer]
) -> AsyncIterator[None]:
    """A stand-in for the engine: (status, JSON) by "METHOD path"; no container is left behind."""
    known: dict[str, Answer] = {
        "GET /version": (200, VERSION),
        "GET /v1.41/version": (200, VERSION),
        "GET /v1.41/containers/json": (200, []),
        **answers,
    }

    async def answer(request: web.Request) -> web.Response:
        status, body = known.get(f"{request.method} {request.path}", (404, {"message": "no"}))
        # Without a charset, as the engine answers.
        text = json.dumps(body).encode()
        return web.Response(body=text, status=status, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is at most 107 bytes long
        await web.UnixSite(runner, f"{folder}/docker.sock").start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        try:
            yield
        finally:
            await runner.cleanup()


def test_without_an_engine_up_says_what_to_do_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, template: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///not/there.sock")
    data = tmp_path / "data"
    arguments = ["up", "--containers", "--template", str(template), "--data", str(data), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    message = json.loads(result.stderr.splitlines()[-1])["error"]["message"]
    assert message.startswith("No Docker engine answers (")
    assert "/not/there.sock" in message
    assert "leave out --containers" in message
    assert not (data / "objects").exists()


def test_doctor_finds_that_there_is_no_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, template: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///not/there.sock")
    arguments = ["doctor", "--json", "--data", str(tmp_path), "--template", str(template)]
    result = CliRunner().invoke(app, [*arguments, "--containers"])
    found = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert found["containers"]["state"] == "wrong"
    assert "No Docker engine answers" in found["containers"]["message"]
    assert result.exit_code == 1
    assert "containers" not in CliRunner().invoke(app, arguments).stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {"message": "No such image"}), "Not on this machine: hearth-probe:latest; build"),
        ((200, {"Architecture": "arm64"}), r"hearth-probe:latest \(arm64\); build here with"),
        ((500, {"message": "layer is corrupt"}), "Image hearth-probe:latest: layer is corrupt"),
    ],
)
def test_an_image_that_cannot_run_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str
) -> None:
    async def scenario() -> None:
        path = "GET /v1.41/images/hearth-probe:latest/json"
        async with engine(monkeypatch, {path: answer}):
            with pytest.raises(EngineError, match=said):
                await check_images(["hearth-probe:latest"])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "engine_says", "said"),
    [
        (500, "write /var/lib/docker/x: no space left on device", "docker system df"),
        (404, "No such image: hearth-probe:latest", "build with `scripts/build probe`"),
        (500, "OCI runtime create failed", "image hearth-probe:latest: OCI runtime create failed"),
        (409, "the name is in use", "the name is in use"),
    ],
)
def test_a_container_that_the_engine_refuses_is_that_functions_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, engine_says: str, said: str
) -> None:
    create = {"POST /v1.41/containers/create": (status, {"message": engine_says})}

    async def scenario() -> None:
        async with engine(monkeypatch, create):
            launcher = ContainerLauncher({spec().handler: "hearth-probe:latest"}, data=tmp_path)
            await launcher.open()
            async with started(spec(), launcher=launcher) as harness:
                error = await harness.error()
                assert error["errorType"] == "Runtime.LaunchError"
                assert said in error["errorMessage"]
            await launcher.close()

    asyncio.run(scenario())


def test_an_engine_that_goes_away_is_that_functions_error_and_stopping_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def scenario() -> None:
        launcher = ContainerLauncher({spec().handler: "hearth-probe:latest"}, data=tmp_path)
        async with engine(monkeypatch, {}):
            await launcher.open()
        async with started(spec(), launcher=launcher) as harness:
            error = await harness.error()
            assert error["errorType"] == "Runtime.LaunchError"
            assert "Cannot connect to Docker Engine" in error["errorMessage"]
        await launcher.close()

    asyncio.run(scenario())


def test_an_engine_that_is_gone_at_the_start_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///not/there.sock")
    launcher = ContainerLauncher({}, data=tmp_path)

    async def scenario() -> None:
        with pytest.raises(EngineError, match="No Docker engine answers"):
            await launcher.open()
        await launcher.close()

    asyncio.run(scenario())
