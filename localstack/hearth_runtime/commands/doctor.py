"""`hearth doctor`: whether this machine can run Hearth, and what to fix when it cannot."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from hearth_runtime.aws.disk_history import DiskHistory
from hearth_runtime.commands import options
from hearth_runtime.commands.output import FAILED, CommandError, output_of
from hearth_runtime.commands.stack_client import api_of, request
from hearth_runtime.launchers.container_images import BUILT_TAG, check_images, images
from hearth_runtime.stack_state import SetupError, read_state

_MODULES = (
    *("aiohttp", "alembic", "awslambdaric", "boto3", "cv2", "fastapi", "mangum", "ministack"),
    *("numpy", "onnxruntime", "openvino", "PIL", "psycopg", "pydantic_settings", "reportlab"),
    *("rich", "sqlalchemy", "typer", "ulid", "yaml"),
)
_DEFAULT_MODELS = ("pedestrian-ssdlite.onnx", "centerface.onnx")
_LEAST_PYTHON = (3, 11)
_LEAST_DISK = 1024**3
_LOOK_AHEAD_DAYS = 7
_EARLIEST = 1_767_225_600  # 2026-01-01: a machine that lost its clock battery wakes up before


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` says what to do where it is not ok."""

    name: str
    state: Literal["ok", "warning", "wrong"]
    message: str
    mend: str = ""


def doctor(
    ctx: typer.Context,
    data: options.Data = options.DEFAULT_DATA,
    template: options.Template = None,
    model: options.Model = None,
    endpoint_url: options.EndpointUrl = None,
    port: Annotated[int, typer.Option(help="Port you mean to use; 0: any.")] = 0,
    containers: Annotated[
        bool, typer.Option("--containers", help="Look at the Docker engine and the images too.")
    ] = False,
    image_tag: options.ImageTag = BUILT_TAG,
    json_: options.JsonFlag = False,
) -> None:
    """Check this machine: each line says ok, or what is wrong and how to fix it."""
    output = output_of(ctx)
    checks: list[Callable[[], Finding]] = [
        _python,
        _imports,
        lambda: _template(template),
        lambda: _data(data),
        lambda: _disk(data),
        lambda: _port(port),
        _clock,
        lambda: _stack(data),
        lambda: _model(model, template, data),
    ]
    if containers:
        checks.append(lambda: _containers(template, image_tag))
    if endpoint_url is not None:
        checks.append(lambda: _endpoint(endpoint_url))
    findings = [check() for check in checks]
    if output.json:
        output.answer({"checks": [asdict(finding) for finding in findings]})
    else:
        styles = {"ok": "green", "warning": "yellow", "wrong": "bold red"}
        for found in findings:
            mend = f" [dim]→ {escape(found.mend)}[/]" if found.mend else ""
            output.out.print(
                f"[{styles[found.state]}]{found.state:<8}[/]{found.name:<10} "
                f"{escape(found.message)}{mend}"
            )
    if any(found.state == "wrong" for found in findings):
        raise typer.Exit(FAILED)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if tuple(sys.version_info[:2]) < _LEAST_PYTHON:
        return Finding("python", "wrong", f"Python {version} is too old.", "Install 3.11 or newer.")
    return Finding("python", "ok", f"Python {version} in {sys.prefix}")


def _imports() -> Finding:
    broken: list[str] = []
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:  # an import may fail in any way; each is a finding
            broken.append(f"{name} ({type(error).__name__}: {str(error)[:100]})")
    if broken:
        return Finding(
            "packages", "wrong", f"Cannot be imported: {'; '.join(broken)}.", "Run scripts/setup."
        )
    return Finding("packages", "ok", f"{len(_MODULES)} packages can be imported")


def _template(given: Path | None) -> Finding:
    try:
        return Finding("template", "ok", str(options.template_path(given)))
    except CommandError as error:
        return Finding("template", "wrong", error.message, error.remedy)


def _data(data: Path) -> Finding:
    folder = data if data.is_dir() else _existing(data)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(
            "data",
            "wrong",
            f"{folder} cannot be written: {error.strerror}.",
            "Make room, change its owner, or give another folder with --data.",
        )
    return Finding("data", "ok", f"{data.resolve()} can be written")


def _disk(data: Path) -> Finding:
    free = shutil.disk_usage(_existing(data)).free
    amount = f"{free / 1024**3:.1f} GiB free"
    if free < _LEAST_DISK:
        return Finding(
            "disk", "wrong", f"Only {amount}.", "Make room, or keep frames for fewer days."
        )
    days = DiskHistory(data).days_left(datetime.now(UTC), free)
    if days is not None and days < _LOOK_AHEAD_DAYS:
        return Finding(
            "disk",
            "warning",
            f"{amount}, full in {days:.1f} days at the rate of late; the oldest frames go then.",
            "Keep frames for fewer days (--param FrameRetentionDays=N), send fewer (`hearth watch"
            " --fps`, --quality), or get a larger disk.",
        )
    return Finding("disk", "ok", amount)


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding(
                "port",
                "wrong",
                f"Port {port} cannot be had: {error.strerror}.",
                "Stop what uses it, or choose another with --port.",
            )
        return Finding("port", "ok", f"port {probe.getsockname()[1]} of the loopback is free")


def _clock() -> Finding:
    now = time.time()
    if now < _EARLIEST:
        return Finding(
            "clock",
            "wrong",
            f"It says {time.strftime('%Y-%m-%d', time.gmtime(now))}.",
            "Set it (NTP): frames are named after the time of capture.",
        )
    return Finding("clock", "ok", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _stack(data: Path) -> Finding:
    state = read_state(data)
    if state is None:
        return Finding("stack", "ok", f"none is running on {data}")
    try:
        answer = request(f"{state.control_url}/ready", timeout_s=5)
    except CommandError as error:
        return Finding("stack", "wrong", error.message, error.remedy)
    if answer.status >= 400:
        return Finding(
            "stack",
            "warning",
            f"process {state.pid} is not ready ({answer.status}).",
            "See `hearth logs --level warning`.",
        )
    status = request(f"{state.control_url}/status", timeout_s=5).json()
    troubled = [
        f"camera {camera['name']} is {camera['state']}: {camera['reason']}"
        for camera in status.get("cameras", [])
        if camera["state"] == "waiting" and camera["reason"]
    ]
    troubled += [
        f"function {function['short_name']} failed {function['errors']} times, at last with "
        f"{function['last_error']}"
        for function in status.get("functions", [])
        if function["last_error"]
    ]
    if troubled:
        return Finding(
            "stack",
            "warning",
            f"{state.stack} answers at {state.gateway_url}, but {'; '.join(troubled)}",
            "See `hearth status` and `hearth logs --level warning`.",
        )
    return Finding("stack", "ok", f"{state.stack} answers at {state.gateway_url}")


def _model(model: Path | None, template: Path | None, data: Path) -> Finding:
    if model is None:
        return _model_of_stack(data) or _default_model(template)
    if not model.is_file():
        return Finding("model", "wrong", f"{model} does not exist.", "Check --model.")
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = model.stat().st_size
    if size == 0:
        return Finding("model", "wrong", f"{model} is empty.", "Copy it again.")
    return Finding("model", "ok", f"{model} ({size / 1e6:.1f} MB, sha256 {digest})")


def _model_of_stack(data: Path) -> Finding | None:
    """What judges in the stack that runs; None without a stack, or before it has judged."""
    state = read_state(data)
    if state is None:
        return None
    try:
        cameras = api_of(None, data).get("/cameras")["cameras"]
    except CommandError as error:
        return Finding("model", "warning", f"The stack does not say: {error.message}", error.remedy)
    judged: dict[str, list[str]] = {}
    notes: dict[str, None] = {}  # in order, each once
    fallback = False
    for camera in cameras:
        if model := camera.get("model"):
            said = f"{model['name']} on {model['backend']}"
            judged.setdefault(said, []).append(camera["camera_id"])
            notes |= dict.fromkeys(model["notes"])
            fallback = fallback or model["fallback"]
    if not judged:
        return None
    named = "; ".join(f"{name} last judged {', '.join(ids)}" for name, ids in judged.items())
    message = ". ".join([named, *notes]) + "."
    if fallback:
        return Finding(
            "model",
            "warning",
            message,
            "Start the stack with an ONNX file, --model (and its --classes).",
        )
    return Finding("model", "warning" if notes else "ok", message)


def _default_model(template: Path | None) -> Finding:
    try:
        folder = options.template_path(template).parent / "models"
    except CommandError as error:
        return Finding("model", "wrong", error.message, error.remedy)
    missing = [name for name in _DEFAULT_MODELS if not (folder / name).is_file()]
    if missing:
        return Finding(
            "model",
            "warning",
            f"None named, and {folder} lacks {' and '.join(missing)}: OpenCV's detectors of people "
            f"and faces stand in, which miss most.",
            "Run scripts/models.",
        )
    return Finding(
        "model",
        "warning",
        "None named: the person detector that Hearth brings is used, equipment stays "
        "indeterminate.",
        "Name an ONNX file with --model (and its --classes).",
    )


def _containers(template: Path | None, tag: str) -> Finding:
    try:
        wanted = set(images(options.template_path(template), tag).values())
        version = asyncio.run(check_images(wanted))
    except (CommandError, SetupError) as error:
        return Finding("containers", "wrong", str(error), getattr(error, "remedy", ""))
    return Finding("containers", "ok", f"Docker {version} has the {len(wanted)} images ({tag})")


def _endpoint(url: str) -> Finding:
    try:
        answer: Any = request(url, timeout_s=5)
    except CommandError as error:
        return Finding("endpoint", "wrong", error.message, "Start it, or check --endpoint-url.")
    except ValueError as error:
        return Finding("endpoint", "wrong", f"{url}: {error}.", "Write http://host:port.")
    return Finding("endpoint", "ok", f"{url} answers ({answer.status})")


def _existing(path: Path) -> Path:
    """The nearest folder above that exists: what is not there yet will be made in it."""
    for folder in (path.resolve(), *path.resolve().parents):
        if folder.is_dir():
            return folder
    return Path("/")
