"""MiniStack as a child of the runtime: S3 and SQS on loopback, nothing else to install.

Objects are kept on disk as they are written. Queues live in memory only: they carry hints, and
what a lost hint stood for is found again by the sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from hearth_runtime.launchers.process import guarded
from hearth_runtime.observe.logs import LineSplitter, LogStream
from hearth_runtime.stack_state import SetupError

from .browser_guard import HEALTH_PATH

START_S = 30.0  # a cold page cache on a small machine; about one second is usual
_STOP_S = 3.0
_READ_BYTES = 65536
_BACK_OFF_S = (0.1, 10.0)
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TZ", "VIRTUAL_ENV")


class Emulator:
    """Keeps one MiniStack alive.

    The runtime owns the listening socket and lends it to each process in turn. So the port never
    changes, cannot be taken by another program, and a request made during a restart waits.
    """

    def __init__(
        self,
        data: Path,
        logs: LogStream,
        *,
        restarted: Callable[[], Awaitable[None]],
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
    ) -> None:
        """
        Args:
            restarted: Is awaited after a crash, once the new process answers.
            host: Address to listen on: loopback, or all of them.
            port: 0 takes a free one.
            name: The host name by which other containers reach it; without one only loopback
                names are answered.
        """
        self._names = [] if name is None else [name]
        self._listen = (host, port)
        self._data = data
        self._logs = logs
        self._restarted = restarted
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self.endpoint_url = ""
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start and wait until it answers. Raises SetupError when it does not."""
        try:
            self._socket = socket.create_server(self._listen, backlog=256)
        except OSError as error:
            raise SetupError(
                f"MiniStack cannot listen on port {self._listen[1]}: {error.strerror}."
            ) from error
        self.endpoint_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it for certain; safe to call twice and after a failed start."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._end()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _launch(self) -> None:
        if self._socket is None:
            raise RuntimeError("the emulator was stopped")
        state = self._data / "emulator"
        shutil.rmtree(state, ignore_errors=True)  # a hint of an earlier run is of no use
        (state / "tmp").mkdir(parents=True)
        objects = self._data / "objects"
        objects.mkdir(exist_ok=True)
        port = self._socket.getsockname()[1]
        descriptor = self._socket.fileno()
        program = [
            sys.executable,
            "-m",
            f"{__package__}.ministack_process",
            str(descriptor),
            str(objects),
        ]
        self._process = await asyncio.create_subprocess_exec(
            *guarded([*program, str(descriptor), str(objects), *self._names]),
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            | {
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(objects),
                "STATE_DIR": str(state / "state"),
                "TMPDIR": str(state / "tmp"),
                "IOT_MTLS_ENABLED": "0",  # or it listens on 0.0.0.0:8883
                "SFTP_ENABLED": "0",
                "DOCKER_HOST": "unix:///nonexistent",  # or it removes containers at its start
                "LOG_LEVEL": "WARNING",
                "PYTHONUNBUFFERED": "1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,  # Ctrl-C is for the runtime, which ends it in order
        )
        self._reader = asyncio.create_task(self._read(self._process))
        await self._wait_until_ready(self._process)

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while loop.time() < deadline:
                if process.returncode is not None:
                    raise SetupError(
                        f"MiniStack ended at its start with status {process.returncode}:"
                        " see the log for what it printed."
                    )
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.endpoint_url}{HEALTH_PATH}") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)
        raise SetupError(f"MiniStack does not answer within {START_S:.0f} s.")

    async def _keep(self) -> None:
        """Start it again whenever it ends by itself."""
        back_off_s = _BACK_OFF_S[0]
        while True:
            process = self._process
            if process is None:
                return
            status = await process.wait()
            self._logs.write("ERROR", "MiniStack ended, starting it again", status=status)
            await self._end()
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2, _BACK_OFF_S[1])
            try:
                await self._launch()
                await self._restarted()
            except Exception as error:  # whatever it was, the next attempt may succeed
                self._logs.write("ERROR", "MiniStack did not restart", error=str(error))
                await self._end()
                continue
            self.restarts += 1
            back_off_s = _BACK_OFF_S[0]

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_S)
        # The group outlives its leader while any process of it is left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        # Not `readline`: it raises at a long line, and a full pipe would stop MiniStack.
        lines = LineSplitter(self._log)
        while data := await process.stdout.read(_READ_BYTES):
            lines.feed(data)
        lines.flush()

    def _log(self, line: bytes) -> None:
        self._logs.write("WARNING", line.decode(errors="replace").rstrip(), source="ministack")
