"""Functions in containers that Docker Compose starts.

A program that starts containers holds the engine's socket, which is root on the machine. So Compose
starts one container a function, in which `layers/core/image/leash` waits on a connection to us.
`launch` takes one that waits, sends it the function's environment, and from then on its connection
is the process: what the function prints comes over it, its exit status last; closing it kills the
function, and Docker starts a fresh container that waits again. The script tells the protocol.

Who calls is believed by its address: Compose's name service knows each function's containers under
the function's name, and no container can take another's address (they have no capabilities). So
what parses strangers' images cannot ask for the environment of what holds the keys.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.http.loopback import is_loopback
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.stack_state import SetupError

from .leash import Leash
from .process import Process

DEFAULT_ADDRESS = "runtime:9001"  # the runtime's service in compose.yaml
PATIENCE_S = 20.0  # for a container that Docker starts again; its pauses double from 0.1 s
_GREETING_S = 5.0


class AttachedLauncher:
    """Starts functions in containers that wait for it."""

    def __init__(
        self,
        host: str,
        functions: Iterable[str],
        environment: Mapping[str, str],
        *,
        logs: LogStream,
    ) -> None:
        """
        Args:
            host: Our name in the network of the functions' containers. A loopback name or
                address listens there alone, any other one on all addresses.
            functions: Short names; containers of others are refused.
            environment: Credentials, AWS_ENDPOINT_URL and what else every function gets.
        """
        self.host = host
        self.port = 0
        self._environment = {
            name: seen_from(host, value) if name == "AWS_ENDPOINT_URL" else value
            for name, value in environment.items()
        }
        self._logs = logs
        self._known = frozenset(functions)
        self._socket: socket.socket | None = None
        self._later: asyncio.TimerHandle | None = None
        self._greeting: set[asyncio.Task[None]] = set()
        self._waiting: defaultdict[str, list[Leash]] = defaultdict(list)
        self._came = asyncio.Condition()

    @property
    def runtime_api_host(self) -> str:
        """Where the Runtime API of an instance has to listen."""
        return listening_address(self.host)

    async def start(self, port: int) -> None:
        """Listen on a port; 0 takes a free one. Raises OSError."""
        self._socket = socket.create_server((self.runtime_api_host, port), backlog=128)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._listen(self._socket)

    async def stop(self) -> None:
        """Drop the containers that wait; they look for the next runtime."""
        if self._later is not None:
            self._later.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        greeting = list(self._greeting)
        for task in greeting:
            task.cancel()
        await asyncio.gather(*greeting, return_exceptions=True)
        for leash in [leash for waiting in self._waiting.values() for leash in waiting]:
            leash.close()

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        """Take a container that waits for this function, or the next that comes."""
        waiting = self._waiting[spec.short_name]
        try:
            async with asyncio.timeout(PATIENCE_S), self._came:
                await self._came.wait_for(lambda: bool(waiting))
                leash = waiting.pop()
        except TimeoutError:
            raise OSError(
                f"no container of {spec.short_name} waits for work; see `docker compose ps` and"
                f" `docker compose logs {spec.short_name}`, start it with `docker compose up`"
            ) from None
        port = runtime_api.rpartition(":")[2]
        variables = {**self._environment, **env, "AWS_LAMBDA_RUNTIME_API": f"{self.host}:{port}"}
        pairs = (f"{name}={value}\0".encode() for name, value in variables.items())
        await leash.begin(b"".join(pairs) + b"\0", output)
        return leash

    # ---- containers that come ----

    def _listen(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        # Not `sock_accept` in a task: one that is cancelled loses the connection it just took.
        loop = asyncio.get_running_loop()
        try:
            client, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # it has left again
        except OSError as error:  # out of descriptors: those who wait in the backlog come later
            self._logs.write("ERROR", f"cannot take a function's container: {error}")
            loop.remove_reader(listener)
            self._later = loop.call_later(1, self._listen, listener)
            return
        leash = Leash(client, address[0])
        task = loop.create_task(self._greet(leash, address[0]))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)
        # It may be cancelled before its first step.
        task.add_done_callback(lambda task: leash.close() if task.cancelled() else None)

    async def _greet(self, leash: Leash, address: str) -> None:
        try:
            async with asyncio.timeout(_GREETING_S):
                function = await leash.name()
                problem = await self._problem(function, address)
        except (OSError, TimeoutError, ValueError) as error:
            problem = f"it does not say which function it runs ({error or 'silence'})"
        if problem is not None:
            leash.close()
            self._logs.write("WARNING", f"a container was refused: {problem}", source_ip=address)
            return
        waiting = self._waiting[function]
        async with self._came:
            waiting.append(leash)
            leash.hold(lambda: waiting.remove(leash))
            self._came.notify_all()

    async def _problem(self, function: str, address: str) -> str | None:
        if function not in self._known:
            return (
                f"the template has no function {function!r}: run `hearth compose` and start again"
            )
        if await is_address_of(function, address):
            return None
        return f"it says it is {function}, but the network knows no {function} at its address"


async def is_address_of(name: str, address: str) -> bool:
    """Whether the network knows `address` as that of the service `name`; programs of this machine
    are trusted everywhere here."""
    if is_loopback(address):
        return True
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return address in {sockaddr[0] for *_, sockaddr in found}


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port". Raises SetupError."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise SetupError(f"{address!r} is not NAME:PORT, such as {DEFAULT_ADDRESS}.")
    return host, int(port)


def listening_address(host: str) -> str:
    """Where to listen so that others reach it under `host`."""
    return "127.0.0.1" if is_loopback(host) else "0.0.0.0"


def seen_from(host: str, url: str) -> str:
    """A URL of this machine's loopback as those see it who call us `host`; any other unchanged."""
    parts = urlsplit(url)
    if parts.hostname is None or not is_loopback(parts.hostname):
        return url
    port = f":{parts.port}" if parts.port is not None else ""
    return parts._replace(netloc=host + port).geturl()
