"""Starts a server for a test, waits until it answers, and stops it for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A TCP port of the loopback that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str],
    timeout_s: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a session of its own while the block runs.

    The whole session is killed on the way out. Should this process be killed outright, the kernel
    kills the server (PR_SET_PDEATHSIG), so that no test run leaves one behind.

    Raises:
        RuntimeError: It ended, or did not get ready in time; the message holds what it printed.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        try:
            deadline = time.monotonic() + timeout_s
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    output = log.read()[-4000:].decode(errors="replace")
                    state = "ended" if process.poll() is not None else "is not ready"
                    raise RuntimeError(f"{Path(command[0]).name} {state}: {output}")
                time.sleep(0.05)
            yield process
        finally:
            _stop(process)


def until(ready: Callable[[], bool], timeout_s: float, why: Callable[[], str]) -> None:
    """Wait for a server that somebody else started. Raises TimeoutError with `why()`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready within {timeout_s} s: {why()}")
        time.sleep(0.05)


def answers(url: str) -> Callable[[], bool]:
    """A readiness probe: whether a GET of `url` is answered with a status below 400."""

    def probe() -> bool:
        try:
            with _NO_PROXY.open(url, timeout=2) as response:
                return bool(response.status < 400)
        except (urllib.error.URLError, OSError):
            return False

    return probe


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    # The group outlives its leader while any child of the server is left.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
