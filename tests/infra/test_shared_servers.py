"""The servers that all workers of a test run share are started once and end with the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from multiprocessing.connection import Client
from typing import Any

import pytest

from tests.support.postgres import Missing
from tests.support.servers import SharedServers


class Log:
    """Servers that note when they start and end."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def server(self) -> Iterator[str]:
        self.lines.append("starts")
        yield "http://there"
        self.lines.append("ends")

    @contextlib.contextmanager
    def missing(self) -> Iterator[str]:
        raise Missing("not installed")
        yield

    @contextlib.contextmanager
    def broken(self) -> Iterator[str]:
        raise TimeoutError("not ready")
        yield


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def servers(log: Log) -> Iterator[SharedServers]:
    servers = SharedServers({"a": log.server, "b": log.missing, "c": log.broken})
    yield servers
    servers.close()


def ask(servers: SharedServers, name: str) -> Any:
    with Client(servers.address) as connection:
        connection.send(name)
        return connection.recv()


def test_a_server_starts_when_it_is_first_asked_for_and_once(
    servers: SharedServers, log: Log
) -> None:
    assert log.lines == []
    assert [ask(servers, "a") for _ in range(3)] == ["http://there"] * 3
    assert log.lines == ["starts"]


def test_all_servers_end_with_the_run(log: Log) -> None:
    servers = SharedServers({"a": log.server})
    ask(servers, "a")
    servers.close()
    assert log.lines == ["starts", "ends"]


def test_a_server_that_is_not_installed_or_does_not_start_is_an_error_for_who_asked(
    servers: SharedServers,
) -> None:
    assert isinstance(ask(servers, "b"), Missing)
    assert "not ready" in str(ask(servers, "c"))
    assert ask(servers, "a") == "http://there"


def test_a_worker_that_dies_while_it_asks_disturbs_no_other(servers: SharedServers) -> None:
    for sent in ([], ["a"]):
        connection = Client(servers.address)
        for name in sent:
            connection.send(name)
        connection.close()
    assert ask(servers, "a") == "http://there"
