"""Starts a whole stack in the right order, keeps it running, and ends it without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hearth_runtime.aws.cloudwatch import MetricsPublisher
from hearth_runtime.aws.emulator import Emulator
from hearth_runtime.aws.endpoint import AwsEndpoint, SqsClient
from hearth_runtime.aws.lifecycle import Lifecycle
from hearth_runtime.aws.provision import provision
from hearth_runtime.cameras.rows import FUNCTION as CAMERAS_FUNCTION
from hearth_runtime.cameras.service import Cameras, RemoteCameras, cameras_of
from hearth_runtime.cameras.supervisor import Destination
from hearth_runtime.clock import log_clock_steps
from hearth_runtime.engine.background import BackgroundTasks
from hearth_runtime.engine.engine import Engine
from hearth_runtime.engine.functions import FunctionStatus
from hearth_runtime.engine.memory_limits import limited
from hearth_runtime.engine.reload import NO_BYTECODE, Reload, sources
from hearth_runtime.http.control import ControlServer
from hearth_runtime.http.gateway import Gateway
from hearth_runtime.http.loopback import require_authorizers
from hearth_runtime.http.owner import make_owner_key
from hearth_runtime.launchers.compose_containers import (
    AttachedLauncher,
    listening_address,
    seen_from,
    split_address,
)
from hearth_runtime.launchers.container_images import check_images, images
from hearth_runtime.launchers.docker import ContainerLauncher
from hearth_runtime.launchers.process import Launcher, ProcessLauncher
from hearth_runtime.observe.library_logs import library_logs
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.observe.metrics import Metrics
from hearth_runtime.sources.custom_resources import Answers, CustomResources
from hearth_runtime.sources.schedules import Schedules
from hearth_runtime.sources.sqs_poller import MappingMetrics, QueuePoller
from hearth_runtime.template.model import Template
from hearth_runtime.template.reader import Identity, Place, TemplateSource

from .config import (
    DATABASE_PARAMETER,
    MODEL_PARAMETER,
    REGISTRY,
    SETUP_TOKEN_PARAMETER,
    RuntimeConfig,
    home_parameters,
)
from .preflight import refuse_contradictions, refuse_too_many_connections
from .records import JsonRecords
from .stack_state import UNFINISHED_RESTORE, SetupError, StackLock, StackState, write_state

EMULATOR_PORT = 4566  # for containers and cameras, which find S3 there
LOG_FILE = "runtime.log"
USUAL_PORT = 8080
_GRACE_S = 10.0


async def serve(
    config: RuntimeConfig, *, ready: Callable[[StackState], None], stop: asyncio.Event
) -> None:
    """Run the stack until `stop` is set; `ready` is called once everything answers.

    Raises SetupError (stack_state.py) with one sentence when the stack cannot start as asked.
    """
    # A setting that is wrong is reported before anything is started.
    source = TemplateSource.read(config.template, config.plugins)
    config = replace(config, data=config.data.resolve(), parameters=home_parameters(source, config))
    planned = source.resolve(config.parameters, Place(config.stack))
    require_authorizers(config.host, planned.api)
    # Leaving the stack ends what was entered last first: doors, then functions, then the emulator.
    async with AsyncExitStack() as closing:
        try:
            closing.enter_context(StackLock(config.data))
            if config.parameters.get(MODEL_PARAMETER) == str(config.data / REGISTRY):
                (config.data / REGISTRY).mkdir(exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"{config.data} cannot be written ({error.strerror}): make room, change its owner,"
                " or give another folder with --data."
            ) from error
        if (config.data / UNFINISHED_RESTORE).exists():
            raise SetupError(
                f"A restore into {config.data} was cut off: run `hearth restore --force` again."
            )
        stack = _Stack(config, source, closing)
        starting = asyncio.create_task(stack.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                ready(starting.result())
                await stopping
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)


class _Stack:
    """The parts of one stack and the order in which they come up."""

    def __init__(
        self, config: RuntimeConfig, source: TemplateSource, closing: AsyncExitStack
    ) -> None:
        self._config = config
        self._source = source
        self._closing = closing
        console = None if config.log_format == "none" else sys.stderr
        self._logs = LogStream(
            config.data / LOG_FILE,
            console=console,
            console_format="human" if config.log_format == "text" else "json",
        )
        closing.callback(self._logs.close)
        closing.enter_context(library_logs(self._logs))
        self._metrics = Metrics()
        self._known: Mapping[str, Identity] = {}
        self._emulator: Emulator | None = None
        self._endpoint: AwsEndpoint | None = None
        self._pollers: list[QueuePoller] = []
        self._started_at = datetime.now(UTC)

    async def start(self) -> StackState:
        if self._config.containers:
            await check_images(self._images().values())
        check = asyncio.create_task(refuse_contradictions(self._root))
        self._closing.callback(check.cancel)
        self._endpoint = endpoint = await self._find_endpoint()
        await check
        template = await self._provision()
        refuse_too_many_connections(
            self._source, template, self._config.parameters, self._config.replicas
        )
        engine = self._engine(template, endpoint, await self._launcher(template, endpoint))
        await engine.start()
        self._closing.push_async_callback(engine.stop, _GRACE_S)
        place = self._place()
        sqs = await self._closing.enter_async_context(SqsClient(endpoint))
        remote = RemoteCameras() if self._config.attached is not None else None
        cameras = self._cameras(template, engine, endpoint, remote)
        gateway = Gateway(
            template.api,
            engine,
            self._logs,
            self._metrics.registry,
            region=place.region,
            account=place.account,
            written=None if cameras is None else cameras.note_write,
            owner_key=make_owner_key(self._config.data),
            owner_needs_key=bool(self._config.parameters.get(SETUP_TOKEN_PARAMETER)),
            trusted_proxies=self._config.trusted_proxies,
            probes={"/health": lambda: control.health(), "/ready": lambda: control.readiness()},
        )
        schedules = Schedules(
            template.schedules,
            engine,
            self._logs,
            JsonRecords(self._config.data / "schedules.json"),
            region=place.region,
            account=place.account,
        )
        background = BackgroundTasks(self._logs)
        answers = Answers()
        control = ControlServer(
            engine=engine,
            metrics=self._metrics,
            answers=answers,
            status=lambda: self._status(engine, schedules, template, gateway, control, cameras),
            failures=background.failures,
            remote_cameras=remote,
        )
        await _listen(
            "control_port",
            self._config.control_port,
            lambda port: control.start(port, self._listening),
        )
        self._closing.push_async_callback(control.stop)
        await self._set_up(template, engine, answers, self._for_functions(control.url), place)
        self._open_queues(template, engine, sqs, endpoint)
        self._closing.push_async_callback(background.stop)
        schedules.start(background)
        tls = self._config.tls
        await _listen(
            "port",
            self._config.port,
            lambda port: gateway.start(
                self._config.host, port, None if tls is None else tls.context
            ),
        )
        self._closing.push_async_callback(gateway.stop)
        if self._config.attached is not None or tls is not None:
            await gateway.start_for_owner()
        if tls is not None:
            background.start("certificate", partial(tls.reload, self._logs))
        lifecycle = Lifecycle(
            template.buckets,
            endpoint,
            self._logs,
            self._metrics.registry,
            disk=None if self._emulator is None else self._config.data,
        )
        background.start("object lifecycle", lifecycle.run)
        names = {spec.short_name: spec.name for spec in template.functions}
        publisher = MetricsPublisher(
            {names[short]: activity for short, activity in self._metrics.activities.items()},
            endpoint,
            self._logs,
        )
        background.start("metrics", publisher.run)
        background.start("clock", partial(log_clock_steps, self._logs))
        if self._config.reload:
            background.start("reload", Reload(self._root, engine, self._logs).run)
        if cameras is not None:
            self._closing.push_async_callback(cameras.stop)
            background.start("cameras", cameras.run)
        # Once more, so that it comes first: nothing is begun while the rest ends.
        self._closing.push_async_callback(background.stop)
        state = self._state(template, gateway, control)
        write_state(self._config.data, state)
        control.set_ready(True)
        self._closing.callback(control.set_ready, False)
        self._logs.write("INFO", "stack is ready", **asdict(state))
        return state

    async def _find_endpoint(self) -> AwsEndpoint:
        if self._config.endpoint_url is not None:
            return AwsEndpoint.local(self._config.endpoint_url)
        emulator = Emulator(
            self._config.data,
            self._logs,
            restarted=self._restore,
            host=self._listening,
            port=0 if self._config.attached is None else EMULATOR_PORT,
            name=self._host_name,
        )
        self._closing.push_async_callback(emulator.stop)
        await emulator.start()
        self._emulator = emulator
        return AwsEndpoint.local(emulator.endpoint_url)

    @property
    def _listening(self) -> str:
        """Where functions reach us: on loopback, unless they run in containers of their own."""
        attached = self._config.attached
        return "127.0.0.1" if attached is None else listening_address(split_address(attached)[0])

    @property
    def _host_name(self) -> str | None:
        """Our name in the network of the functions' containers; None where all is on loopback."""
        attached = self._config.attached
        return None if attached is None else split_address(attached)[0]

    def _for_functions(self, url: str) -> str:
        """A URL of ours as the functions' containers know it."""
        attached = self._config.attached
        return url if attached is None else seen_from(split_address(attached)[0], url)

    async def _restore(self) -> None:
        """After a crash of the emulator: its queues were in memory and are made anew."""
        await self._provision()
        for poller in self._pollers:
            poller.resume()

    async def _provision(self) -> Template:
        if self._endpoint is None:
            raise RuntimeError("there is no endpoint yet")
        planned = self._source.resolve(self._config.parameters, self._place())
        self._known = await asyncio.to_thread(provision, planned, self._endpoint)
        return self._source.resolve(self._config.parameters, self._place(), self._known)

    def _place(self) -> Place:
        """Region and account, the latter as the endpoint's own ARNs tell it."""
        region = self._endpoint.region if self._endpoint is not None else Place().region
        for identity in self._known.values():
            account = identity.attributes["Arn"].split(":")[4]
            if account:
                return Place(self._config.stack, region, account)
        return Place(self._config.stack, region)

    @property
    def _root(self) -> Path:
        return self._config.template.resolve().parent

    def _images(self) -> dict[str, str]:
        return images(self._config.template, self._config.image_tag)

    async def _launcher(self, template: Template, endpoint: AwsEndpoint) -> Launcher:
        environment = endpoint.environment() | (NO_BYTECODE if self._config.reload else {})
        if self._config.attached is not None:
            return await self._attach(self._config.attached, template, environment)
        if not self._config.containers:
            return ProcessLauncher(self._root, environment, self._config.plugins)
        launcher = ContainerLauncher(
            self._images(),
            data=self._config.data,
            environment=environment,
            sources=sources(self._root) if self._config.reload else {},
        )
        self._closing.push_async_callback(launcher.close)
        await launcher.open()
        return launcher

    async def _attach(
        self, address: str, template: Template, environment: Mapping[str, str]
    ) -> Launcher:
        host, port = split_address(address)
        functions = [spec.short_name for spec in template.functions]
        launcher = AttachedLauncher(host, functions, environment, logs=self._logs)
        self._closing.push_async_callback(launcher.stop)
        await _listen("runtime-api", port, launcher.start)
        return launcher

    def _engine(self, template: Template, endpoint: AwsEndpoint, launcher: Launcher) -> Engine:
        functions, memory_mb = template.functions, self._config.memory_mb
        try:
            if memory_mb is not None:
                functions = limited(functions, memory_mb)
            return Engine(
                functions,
                launcher=launcher,
                logs=self._logs,
                metrics=self._metrics,
                replicas=self._config.replicas,
                memory_mb=memory_mb,
                idle_s=self._config.idle_s,
                region=endpoint.region,
            )
        except ValueError as error:
            raise SetupError(str(error)) from error

    def _cameras(
        self,
        template: Template,
        engine: Engine,
        endpoint: AwsEndpoint,
        remote: RemoteCameras | None,
    ) -> Cameras | None:
        known = any(spec.short_name == CAMERAS_FUNCTION for spec in template.functions)
        if not (known and template.buckets and self._config.cameras):
            return None
        destination = Destination(template.buckets[0].name, endpoint.url, self._config.data)
        return cameras_of(engine, self._logs, destination, remote=remote)

    async def _set_up(
        self, template: Template, engine: Engine, answers: Answers, url: str, place: Place
    ) -> None:
        prefix = f"arn:aws:lambda:{place.region}:{place.account}:function:"
        resources = CustomResources(
            engine,
            answers,
            JsonRecords(self._config.data / "custom_resources.json"),
            control_url=url,
            stack_id=f"arn:aws:cloudformation:{place.region}:{place.account}"
            f":stack/{place.stack}/local",
            arns={spec.name: prefix + spec.name for spec in template.functions},
        )
        for resource in template.custom_resources:
            await resources.set_up(resource)

    def _open_queues(
        self, template: Template, engine: Engine, sqs: SqsClient, endpoint: AwsEndpoint
    ) -> None:
        metrics = MappingMetrics(self._metrics.registry)
        for mapping in template.mappings:
            poller = QueuePoller(
                mapping,
                lambda queue_id=mapping.queue_id: self._known[queue_id],  # type: ignore[misc]
                sqs=sqs,
                engine=engine,
                logs=self._logs,
                metrics=metrics,
                region=endpoint.region,
            )
            poller.start()
            self._pollers.append(poller)
        self._closing.push_async_callback(self._close_queues)

    async def _close_queues(self) -> None:
        await asyncio.gather(*(poller.stop(_GRACE_S) for poller in self._pollers))

    def _state(self, template: Template, gateway: Gateway, control: ControlServer) -> StackState:
        queues = {queue.logical_id: self._known[queue.logical_id].ref for queue in template.queues}
        return StackState(
            pid=os.getpid(),
            started_at=self._started_at.isoformat().replace("+00:00", "Z"),
            # The address inside of a container is of no use outside of it.
            gateway_url=gateway.url if self._config.attached is None else gateway.owner_url,
            control_url=control.url,
            endpoint_url=self._endpoint.url if self._endpoint is not None else "",
            bucket=template.buckets[0].name if template.buckets else "",
            queues=queues,
            stack=self._config.stack,
            log_path=str(self._config.data / LOG_FILE),
            database=re.split("[:+]", self._config.parameters.get(DATABASE_PARAMETER, ""))[0],
            owner_url=gateway.owner_url,
        )

    def _status(
        self,
        engine: Engine,
        schedules: Schedules,
        template: Template,
        gateway: Gateway,
        control: ControlServer,
        cameras: Cameras | None,
    ) -> dict[str, Any]:
        return {
            **asdict(self._state(template, gateway, control)),
            **({"cameras": []} if cameras is None else cameras.status()),
            "functions": [_shallow(function) for function in engine.status()],
            "mappings": [poller.status() for poller in self._pollers],
            "schedules": schedules.status(),
            "containers": self._config.image_tag if self._config.containers else None,
            "ignored_resources": template.ignored,
            "emulator": None
            if self._emulator is None
            else {"pid": self._emulator.pid, "restarts": self._emulator.restarts},
        }


def _shallow(status: FunctionStatus) -> dict[str, Any]:
    """Its fields as they are: `asdict` would try to rebuild the counters among them."""
    return {field.name: getattr(status, field.name) for field in fields(status)}


async def _listen(setting: str, port: int | None, start: Callable[[int], Any]) -> None:
    if port is None:
        with contextlib.suppress(OSError):
            await start(USUAL_PORT)
            return
    try:
        await start(port or 0)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on port {port}: {error.strerror}; give another {setting}, or 0 for a"
            " free one."
        ) from error
