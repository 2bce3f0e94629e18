"""How an instance of a function is started; here as a process, in containers.py as a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hearth_runtime.engine.functions import FunctionSpec

EXEC_GUARD = Path(__file__).with_name("exec_guard.py")
READ_SIZE = 65_536  # bytes, what a Linux pipe holds
# Of the runtime's own environment a function sees only these: a machine's locale, time zone and
# proxies are not Lambda's to know, but a certificate bundle decides whether HTTPS works at all.
INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes (2**20 bytes): now, and the most so far."""

    now_mb: float
    peak_mb: float


class Process(Protocol):
    """One running instance of a function."""

    @property
    def pid(self) -> int:
        """Process id on this machine; 0 where it has none."""
        ...

    @property
    def address(self) -> str | None:
        """IP address that it calls the Runtime API from, None where that isn't known."""
        ...

    def drain(self) -> None:
        """Pass what it has written so far to the launcher's `output`, without waiting."""
        ...

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended it for the memory it took; known once it has ended."""
        ...

    async def wait(self) -> int:
        """Exit status, negative for a signal; everything it wrote has been passed on by then."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it now, and all that it started."""
        ...

    def memory(self) -> Memory | None:
        """What it takes, or None where that can't be known."""
        ...


class Launcher(Protocol):
    """The seam between the supervisor and the place where functions run."""

    @property
    def runtime_api_host(self) -> str:
        """Address on which the Runtime API of an instance has to listen."""
        ...

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        """Start one instance.

        Args:
            spec: The function.
            runtime_api: "host:port" that it polls for work.
            env: What Lambda gives it and its own variables; a launcher adds what its place needs.
            output: Called in the event loop with pieces of what it writes, in order.

        Raises:
            OSError: It could not be started.
        """
        ...


class ProcessLauncher:
    """Starts functions as `python -m awslambdaric <handler>` of this virtual environment."""

    runtime_api_host = "127.0.0.1"

    def __init__(
        self,
        project_root: Path,
        environment: Mapping[str, str] | None = None,
        plugins: Path | None = None,
    ) -> None:
        """
        Args:
            project_root: Working directory; `functions.*` is found from it, and its own layers,
                though the virtual environment may know those of another copy.
            environment: Credentials, AWS_ENDPOINT_URL and what else every function gets.
            plugins: Folder of functions that lie outside of the project.
        """
        self._root = project_root.resolve()
        self._path = [self._root, *sorted(self._root.glob("layers/*/python"))]
        self._path += [plugins.resolve()] if plugins is not None else []
        self._environment = dict(environment or {})

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        program = [sys.executable, "-m", "awslambdaric", spec.handler]
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {
            **inherited,
            "PYTHONPATH": os.pathsep.join(map(str, self._path)),
            # As in the images: pydantic would read the entry points of every package at a start.
            "PYDANTIC_DISABLE_PLUGINS": "1",
            **self._environment,
            **env,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "LAMBDA_TASK_ROOT": str(self._root),
        }
        return LocalProcess(program, environment, self._root, output)


def guarded(program: Sequence[str]) -> list[str]:
    """`program` (absolute path first), made to die with this process, `kill -9` included."""
    return [sys.executable, "-I", "-S", str(EXEC_GUARD), str(os.getpid()), *program]


def memory_of(pid: int) -> Memory | None:
    """What a process of this machine takes with all that it has started, as its kernel counts it;
    None where it can't be known: it has ended, or this is not Linux."""
    own = _memory_alone(pid)
    if own is None or not (started := _descendants(pid)):
        return own
    # Each page once, as Lambda counts: a forked child shares most of its parent's.
    together = sum(map(_proportional_mb, [pid, *started]))
    return Memory(together, max(own.peak_mb, together))


def _memory_alone(pid: int) -> Memory | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    kilobytes = {
        name: int(value.split()[0])
        for name, _, value in (line.partition(":") for line in status.splitlines())
        if name in ("VmRSS", "VmHWM")
    }
    if len(kilobytes) < 2:  # a zombie has none
        return None
    return Memory(kilobytes["VmRSS"] / 1024, kilobytes["VmHWM"] / 1024)


def _descendants(pid: int) -> list[int]:
    # Asked twice a second of every instance: a glob takes longer.
    found: list[int] = []
    waiting = [pid]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{waiting.pop()}/task") as threads:
            for thread in threads:
                # One that has ended meanwhile started nothing.
                with contextlib.suppress(OSError):
                    children = Path(thread.path, "children").read_text().split()
                    waiting += map(int, children)
                    found += map(int, children)
    return found


def _proportional_mb(pid: int) -> float:
    """Resident megabytes, a page that several share counted in parts; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


class LocalProcess:
    """A process in a session of its own whose output is read through one pipe.

    The pipe is ours and not asyncio's, so that `drain` can read it at the very moment an answer
    arrives: what a function wrote before it answered belongs to that invocation.
    """

    address = "127.0.0.1"
    out_of_memory = False  # it has no limit of its own: the supervisor looks at what it takes

    def __init__(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        output: Callable[[bytes], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._output = output
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._popen = subprocess.Popen(  # noqa: S603  a list, no shell
                guarded(program),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,  # Ctrl-C in the terminal is the runtime's to handle
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(theirs)
        self._loop.add_reader(self._pipe, self.drain)
        try:
            self._watch()
        except OSError:  # out of descriptors
            self._reap()
            raise

    @property
    def pid(self) -> int:
        return self._popen.pid

    def drain(self) -> None:
        while self._pipe >= 0:
            try:
                data = os.read(self._pipe, READ_SIZE)
            except BlockingIOError:
                return
            if not data:
                self._close_pipe()
                return
            self._output(data)
            if len(data) < READ_SIZE:
                return

    async def wait(self) -> int:
        return await asyncio.shield(self._exited)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def memory(self) -> Memory | None:
        return memory_of(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _watch(self) -> None:
        """Learn of the exit: through a pidfd on Linux, from a thread elsewhere."""
        if hasattr(os, "pidfd_open"):
            pidfd = os.pidfd_open(self.pid)

            def readable() -> None:
                self._loop.remove_reader(pidfd)
                os.close(pidfd)
                self._reap()

            self._loop.add_reader(pidfd, readable)
        else:
            waiting = self._loop.run_in_executor(None, self._popen.wait)
            waiting.add_done_callback(lambda _: self._reap())

    def _reap(self) -> None:
        # Not reaped yet, so the number of its group can't have been given to anybody else.
        self.kill()
        status = self._popen.wait()
        self.drain()
        self._close_pipe()
        if not self._exited.done():
            self._exited.set_result(status)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
