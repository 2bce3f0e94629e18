"""Who may fetch the cameras of a stack under Compose."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from hearth_runtime.launchers.compose_containers import is_address_of


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("172.18.0.5", True),
        ("172.18.0.6", False),
        ("127.0.0.1", True),
        ("", False),
    ],
)
def test_only_the_address_of_the_service_and_this_machine_are_believed(
    monkeypatch: pytest.MonkeyPatch, address: str, expected: bool
) -> None:
    def getaddrinfo(name: str, *_: Any, **__: Any) -> list[Any]:
        assert name == "cameras"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("172.18.0.5", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert asyncio.run(is_address_of("cameras", address)) is expected


def test_a_service_that_the_network_does_not_know_has_no_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert not asyncio.run(is_address_of("cameras", "172.18.0.5"))
