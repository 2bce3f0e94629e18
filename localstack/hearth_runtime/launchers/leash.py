"""The runtime's end of `layers/core/image/leash`: a function's container as a connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import Callable

from .process import READ_SIZE, Memory

KILL_GRACE_S = 2.0  # for a killed leash to say so; then it counts as gone
_LONGEST_NAME = 256  # bytes
_SILENCE_S = 15  # without a sign from the other side, after which the kernel asks for one
_MEMORY = re.compile(rb"memory (\d{1,15}) (\d{1,15})")  # kilobytes
_EXIT = re.compile(rb"exit (\d{1,3})( out-of-memory)?")
_LONGEST_FRAME = 64  # bytes


class Frames:
    """Takes what the leash says out of what its function prints: NUL, words, LF.

    A function that prints such a line itself deceives us about itself alone.
    """

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.status = -signal.SIGKILL.value  # what a connection that just ends means
        self.out_of_memory = False
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What of `data` the function printed; no data means that no more will come."""
        text, self._held = self._held + data, b""
        said = []
        while True:
            before, nul, rest = text.partition(b"\0")
            said.append(before)
            if not nul:
                break
            frame, end, after = rest.partition(b"\n")
            if not end and data and len(rest) < _LONGEST_FRAME:
                self._held = nul + rest
                break
            if end and self._understood(frame):
                text = after
            else:
                said.append(nul)
                text = rest
        return b"".join(said)

    def _understood(self, frame: bytes) -> bool:
        if (match := _MEMORY.fullmatch(frame)) is not None:
            self.memory = Memory(int(match[1]) / 1024, int(match[2]) / 1024)
        elif (match := _EXIT.fullmatch(frame)) is not None:
            status = int(match[1])
            # A shell's way to say that a signal ended it.
            self.status = 128 - status if 128 < status <= 192 else status
            self.out_of_memory = match[2] is not None
        else:
            return False
        return True


class Leash:
    """One connection; a `Process` from `begin` on."""

    pid = 0  # in another namespace, so of no use on this machine

    def __init__(self, client: socket.socket, address: str) -> None:
        self.address = address
        self._loop = asyncio.get_running_loop()
        self._socket = client
        self._gone: Callable[[], None] = lambda: None
        self._output: Callable[[bytes], None] = lambda data: None
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._frames = Frames()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):  # not on every system
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENCE_S // 3)

    async def name(self) -> str:
        """The function that it says it runs. Raises OSError, ValueError."""
        line = b""
        while not line.endswith(b"\n"):
            data = await self._loop.sock_recv(self._socket, _LONGEST_NAME)
            if not data:
                raise ConnectionError("it left")
            line += data
            if len(line) > _LONGEST_NAME:
                raise ValueError("a name that is too long")
        return line.decode("ascii").rstrip("\n")

    def hold(self, gone: Callable[[], None]) -> None:
        """Wait for work; `gone` is called when the container ends before."""
        self._gone = gone
        # It has nothing to say, so readable means that it has left.
        self._loop.add_reader(self._socket, self._left)

    def _left(self) -> None:
        self.close()
        self._gone()

    async def begin(self, environment: bytes, output: Callable[[bytes], None]) -> None:
        """Start the function. Raises OSError when the container has gone."""
        self._loop.remove_reader(self._socket)
        self._output = output
        try:
            await self._loop.sock_sendall(self._socket, environment)
        except OSError:
            self.close()
            raise
        self._loop.add_reader(self._socket, self.drain)

    def close(self) -> None:
        """Drop the connection; the container ends whatever it runs."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if not self._exited.done():
            self._exited.set_result(self._frames.status)

    # ---- Process ----

    @property
    def out_of_memory(self) -> bool:
        return self._frames.out_of_memory

    def drain(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                data = self._socket.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError:  # reset: its container was killed
                data = b""
            if said := self._frames.feed(data):
                self._output(said)
            if not data:
                self.close()
            elif len(data) < READ_SIZE:
                return

    async def wait(self) -> int:
        return await asyncio.shield(self._exited)

    def terminate(self) -> None:
        self._order(b"terminate\n")

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._loop.call_later(KILL_GRACE_S, self.close)

    def memory(self) -> Memory | None:
        """As reported since the last call; what is asked now comes with what it prints next."""
        self._order(b"memory\n")
        return self._frames.memory

    def _order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # full or gone: `drain` or the next order will see
            self._socket.send(order)
