"""PostgreSQL, moto server and MiniStack: one of each for a whole test run.

The process that pytest was started in starts a server when a test first asks for it, and ends all
of them at the end of the run. pytest-xdist's workers ask it over a Unix socket, so that a worker
that dies takes no server with it.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import pytest

from tests.support.ministack import ministack
from tests.support.moto_server import moto_server
from tests.support.postgres import Missing, postgres_server

Start = Callable[[], AbstractContextManager[str]]
_ADDRESS = pytest.StashKey[str]()
_SERVERS = pytest.StashKey["SharedServers"]()


@contextlib.contextmanager
def _ministack() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="hearth-ministack-") as folder,
        ministack(Path(folder)) as url,
    ):
        yield url


STARTS: Mapping[str, Start] = {
    "postgresql": postgres_server,
    "moto": moto_server,
    "ministack": _ministack,
}


class SharedServers:
    """Starts each server once and tells its URL to every process that asks.

    One thread does it all: the kernel ends a server together with the thread that started it
    (tests/support/daemons.py), and two workers that ask at once get the same server.
    """

    def __init__(self, starts: Mapping[str, Start] = STARTS) -> None:
        self._starts = starts
        self._listener = Listener(family="AF_UNIX", backlog=64)
        self.address = str(self._listener.address)
        self._thread = threading.Thread(target=self._serve, name="shared-servers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every server."""
        with Client(self.address) as connection:
            connection.send(None)
        self._thread.join()

    def _serve(self) -> None:
        with self._listener, ExitStack() as started:
            urls: dict[str, str] = {}
            while True:
                # A worker may die while it asks.
                with (
                    contextlib.suppress(OSError, EOFError),
                    self._listener.accept() as connection,
                ):
                    name = connection.recv()
                    if name is None:
                        return
                    connection.send(self._url_of(name, urls, started))

    def _url_of(self, name: str, urls: dict[str, str], started: ExitStack) -> str | Exception:
        try:
            if name not in urls:
                urls[name] = started.enter_context(self._starts[name]())
        except Missing as error:
            return error
        except Exception as error:
            return RuntimeError(f"{name} did not start: {error!r}")
        return urls[name]


def shared_server(config: pytest.Config, name: str) -> str:
    """The URL of the test run's server of that name (`STARTS`); the test is skipped without one."""
    with Client(config.stash[_ADDRESS]) as connection:
        connection.send(name)
        answer = connection.recv()
    if isinstance(answer, Missing):
        pytest.skip(str(answer))
    if isinstance(answer, Exception):
        raise answer
    url: str = answer
    return url


@pytest.fixture(scope="session")
def moto_endpoint(request: pytest.FixtureRequest) -> str:
    """The URL of the test run's moto server; its buckets and queues need names of their own."""
    return shared_server(request.config, "moto")


@pytest.fixture(scope="session")
def ministack_endpoint(request: pytest.FixtureRequest) -> str:
    """The URL of the test run's MiniStack; its buckets and queues need names of their own."""
    return shared_server(request.config, "ministack")


def pytest_configure(config: pytest.Config) -> None:
    """Be ready to start servers; in a worker, learn whom to ask."""
    if hasattr(config, "workerinput"):
        config.stash[_ADDRESS] = config.workerinput["shared_servers"]
    else:
        config.stash[_SERVERS] = SharedServers()
        config.stash[_ADDRESS] = config.stash[_SERVERS].address


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    node.workerinput["shared_servers"] = node.config.stash[_ADDRESS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    if (servers := config.stash.get(_SERVERS, None)) is not None:
        servers.close()
