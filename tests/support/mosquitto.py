"""A real MQTT broker for tests: Mosquitto, and a subscriber that hears what is published."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.daemons import free_port, running

USER, PASSWORD = "hearth", "b@c/d?"
"""With an ACL: this user may write below `hearth/` only."""


@dataclass
class Mosquitto:
    """A running broker, and what it passed on."""

    port: int
    heard: queue.Queue[tuple[str, bytes]] = field(default_factory=queue.Queue)

    def next(self) -> tuple[str, bytes]:
        """Topic and payload of the next message."""
        return self.heard.get(timeout=20)


@contextlib.contextmanager
def mosquitto(
    folder: Path, *, password: bool = False, certificate: Path | None = None
) -> Iterator[Mosquitto]:
    """A broker on a free loopback port.

    Args:
        folder: For its configuration.
        password: Demands a log-in as USER.
        certificate: PEM of certificate and key; speaks TLS.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    program = shutil.which("mosquitto", path=path)
    if program is None:
        pytest.skip("no Mosquitto here; on Debian: apt-get install mosquitto")
    # A listener for the subscriber, which needs neither a password nor TLS, and the one to test.
    port, inside = free_port(), free_port()
    lines = ["per_listener_settings true", "persistence false", "log_dest stderr", "user root"]
    lines += [f"listener {inside} 127.0.0.1", "allow_anonymous true"]
    lines += [f"listener {port} 127.0.0.1", f"allow_anonymous {str(not password).lower()}"]
    if password:
        (folder / "acl").write_text(f"user {USER}\ntopic write hearth/#\n")
        (folder / "passwords").write_text(f"{USER}:{PASSWORD}\n")
        subprocess.run(["mosquitto_passwd", "-U", folder / "passwords"], check=True)
        lines += [f"password_file {folder / 'passwords'}", f"acl_file {folder / 'acl'}"]
    if certificate is not None:
        lines += [f"certfile {certificate}", f"keyfile {certificate}"]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    with running(
        [program, "-c", str(config)], ready=lambda: _listens(inside) and _listens(port), env={}
    ):
        broker = Mosquitto(port)
        with _subscriber(inside, broker):
            yield broker


@contextlib.contextmanager
def _subscriber(port: int, broker: Mosquitto) -> Iterator[None]:
    ready = queue.Queue[None]()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)

    def on_message(client: Any, data: Any, message: mqtt.MQTTMessage) -> None:
        broker.heard.put((message.topic, message.payload))

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.put(None)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.subscribe("#", qos=1)
        ready.get(timeout=20)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
