"""Functions as containers of their images, hardened, on this machine's Docker engine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream

from hearth_runtime.engine.functions import FunctionSpec

from .container_cleanup import Reaper, remove
from .container_images import EngineError, connect, missing_images, no_engine
from .process import Memory, Process, memory_of

NOBODY = 65532  # the user and group of the images' last stage
# Lambda gives a processor to 1769 MB. Here that is a share: it counts when all are wanted.
_SHARES_PER_MB = 1024 / 1769
_HARDENED: Mapping[str, Any] = {
    "CapDrop": ["ALL"],
    "LogConfig": {"Type": "none"},  # the runtime's log has it, and rotates
    "NetworkMode": "host",  # see the README
    "PidsLimit": 256,
    "ReadonlyRootfs": True,
    "SecurityOpt": ["no-new-privileges"],
    "Tmpfs": {"/tmp": "size=512m,mode=1777"},  # noqa: S108  Lambda's size; it counts as memory
}
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<file>[^?]+)(?:\?.*)?")
_PATIENCE = aiohttp.ClientTimeout(total=60)  # of one request; an engine on a busy disk is slow
_AGAIN_S = 1.0
_Failed = (DockerError, EngineError, aiohttp.ClientError, OSError, TimeoutError)


class ContainerError(OSError):
    """A container could not be started. The message says what to do."""


class ContainerLauncher:
    """Starts each function in a container of its image.

    Use it from `open` to `close`, by one runtime at a time on a data folder: what an earlier one
    left there is removed.
    """

    runtime_api_host = "127.0.0.1"

    def __init__(
        self,
        images: Mapping[str, str],
        *,
        data: Path,
        environment: Mapping[str, str] | None = None,
        sources: Mapping[str, Path] | None = None,
    ) -> None:
        """
        Args:
            images: The image of each function, by its handler.
            data: Folder of the stack. It becomes the containers' user's where this is root.
            environment: Credentials, AWS_ENDPOINT_URL and what else every function gets.
            sources: Folders of this machine to put over folders of the image (hot reload).
        """
        self._images = images
        self._data = data.resolve()
        self._environment = dict(environment or {})
        self._sources = dict(sources or {})
        self._run = f"hearth.run={uuid.uuid4().hex}"
        self._docker: Docker | None = None
        self._reaper: Reaper | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, and remove what an earlier runtime left. Raises EngineError."""
        self._docker = await connect(timeout=_PATIENCE)
        try:
            await remove(self._docker, self._stack)
        except _Failed as error:
            raise no_engine(_message(error)) from error
        self._reaper = Reaper(self._run)

    async def close(self) -> None:
        """Remove what is left; safe to call twice and after a failed `open`."""
        if self._docker is None:
            return
        docker, self._docker = self._docker, None
        async with docker:
            if self._reaper is None:
                return
            await asyncio.gather(*self._tasks, return_exceptions=True)
            clean = False
            with suppress(*_Failed):
                await remove(docker, self._run)
                clean = True
        await asyncio.to_thread(self._reaper.dismiss, clean=clean)

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        """Raises ContainerError."""
        if self._docker is None:
            raise ContainerError("the launcher is not open")
        image = self._images[spec.handler]
        variables = {**self._environment, **env, "AWS_LAMBDA_RUNTIME_API": runtime_api}
        user = container_user()
        config: dict[str, Any] = {
            "Image": image,
            "Cmd": [spec.handler],
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Labels": dict(label.split("=", 1) for label in (self._stack, self._run)),
            "User": f"{user[0]}:{user[1]}",
            "HostConfig": {
                **_HARDENED,
                "CpuShares": max(2, round(spec.memory_mb * _SHARES_PER_MB)),
                "Memory": spec.memory_mb * 2**20,
                "MemorySwap": spec.memory_mb * 2**20,  # memory and swap together: no swap
                "Mounts": [
                    *(_mount(path, target) for target, path in self._sources.items()),
                    *mounts(variables, self._data),
                ],
            },
        }
        name = f"{spec.name}-{uuid.uuid4().hex[:8]}"
        try:
            container = await self._docker.containers.create(config, name=name)
        except DockerError as error:
            if error.status == 404 and "image" in error.message.lower():
                raise ContainerError(str(missing_images([image]))) from error
            raise ContainerError(_start_failed(image, error)) from error
        except _Failed as error:
            raise ContainerError(_start_failed(image, error)) from error
        process = Container(container, output, self._keep)
        try:
            await process.start()
        except BaseException as error:
            self._keep(_forget(container))
            if isinstance(error, _Failed):
                raise ContainerError(_start_failed(image, error)) from error
            raise
        return process

    @property
    def _stack(self) -> str:
        return f"hearth.data={self._data}"

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside everything else; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Container:
    """One container, as the `Process` of a function. It is removed once it has ended."""

    def __init__(
        self,
        container: DockerContainer,
        output: Callable[[bytes], None],
        keep: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.pid = 0
        self.address = "127.0.0.1"  # the host's network
        self.out_of_memory = False
        self._container = container
        self._output = output
        self._keep = keep
        self._visible = False
        self._killing = False
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Raises DockerError, aiohttp.ClientError, TimeoutError, OSError."""
        # A connection of its own: a client's are limited, and this one lasts.
        client = await connect()
        attached = client.containers.container(self._container.id)
        stream = attached.attach(stdout=True, stderr=True)
        try:
            await stream.__aenter__()  # before it starts: its first words count
            await self._container.start()
            state = (await self._container.show())["State"]
        except BaseException:
            await _hang_up(client, stream)
            raise
        self.pid = int(state["Pid"])
        self._visible = _is_here(self.pid, self._container.id)
        self._keep(self._follow(client, stream))

    def drain(self) -> None:
        """What it writes comes by itself, up to a millisecond late."""

    async def wait(self) -> int:
        return await asyncio.shield(self._exited)

    def terminate(self) -> None:
        # As Lambda ends a function: process 1 of a container would not hear SIGTERM.
        self.kill()

    def kill(self) -> None:
        if not self._killing:
            self._killing = True
            self._keep(self._kill())

    def memory(self) -> Memory | None:
        return memory_of(self.pid) if self._visible else None

    async def _kill(self) -> None:
        while not self._exited.done():
            with suppress(*_Failed):
                await self._container.kill()
            # The engine may be busy, or gone for a moment: a time-out must end the function.
            await asyncio.wait((self._exited,), timeout=_AGAIN_S)

    async def _follow(self, client: Docker, stream: Stream) -> None:
        with suppress(*_Failed):
            while (message := await stream.read_out()) is not None:
                self._output(message.data)
        await _hang_up(client, stream)
        status = -signal.SIGKILL  # of a container that was removed by somebody
        with suppress(*_Failed):
            await self._container.wait(timeout=None)
            state = (await self._container.show())["State"]
            self.out_of_memory = bool(state["OOMKilled"])
            status = int(state["ExitCode"])
        # A container's status is a shell's: above 128 it is a signal's number.
        self._exited.set_result(128 - status if status > 128 else status)
        await _forget(self._container)


def container_user() -> tuple[int, int]:
    """User and group that functions run as: ours, so that the data stay ours, but never root."""
    return (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


_REGISTRY = "MODEL_PATH"  # a folder of models, too; no other variable lends a folder


def mounts(environment: Mapping[str, str], data: Path) -> list[dict[str, Any]]:
    """What of this machine a function sees: files that its environment names and the registry of
    models, to be read, and the folder of its SQLite database, all under their own names.

    Where we are root the database becomes the containers' user's, if its folder is `data`.

    Raises:
        ContainerError: The database has a relative path, or lies where functions may not write.
    """
    found: list[dict[str, Any]] = []
    for name, value in environment.items():
        if (database := _SQLITE.fullmatch(value)) is not None:
            file = Path(database["file"])
            if not file.is_absolute():
                raise ContainerError(
                    f"{name}={value} is relative to a folder of the container: give the whole path,"
                    " as in sqlite:////var/lib/hearth/hearth.db"
                )
            _lend(file, data)
            found.append(_mount(file.parent, str(file.parent), writable=True))
        elif value.startswith("/") and (
            Path(value).is_file() or (name == _REGISTRY and Path(value).is_dir())
        ):
            found.append(_mount(Path(value), value))
    return found


def _lend(database: Path, data: Path) -> None:
    """Let the containers' user write a database where that is not ours already."""
    user, group = container_user()
    if user == os.geteuid():
        return
    folder = database.parent
    if folder.resolve() == data:
        # The folder stays closed to everybody else (0700), and root goes through anyway.
        os.chown(folder, user, group)
        for path in folder.glob(f"{database.name}*"):  # and its -wal and -shm
            os.chown(path, user, group)
    elif folder.stat().st_uid != user and not folder.stat().st_mode & 0o002:
        raise ContainerError(
            f"functions run as user {user} and may not write to {folder}: chown {user} {folder}"
        )


def _mount(source: Path, target: str, *, writable: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": not writable}


def _is_here(pid: int, container: str) -> bool:
    """Whether a process id that the engine tells is one of this machine's and not of a virtual
    machine inside it, as with Docker Desktop."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


async def _hang_up(client: Docker, stream: Stream) -> None:
    with suppress(AssertionError, *_Failed):  # aiodocker's: the engine was first
        await stream.close()
    await client.close()


async def _forget(container: DockerContainer) -> None:
    with suppress(*_Failed):  # or the reaper does it
        await container.delete(force=True, v=True)


def _start_failed(image: str, error: BaseException) -> str:
    said = _message(error)
    if "exec format error" in said:
        said += f"; it was built for other processors: {missing_images([image])}"
    elif "no space left" in said:
        said += "; make room where the engine keeps its data (docker system df)"
    return f"image {image}: {said}"


def _message(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error or type(error).__name__)
