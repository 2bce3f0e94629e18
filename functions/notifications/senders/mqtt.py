"""Sends messages over MQTT 5, for Home Assistant, Node-RED and similar programs.

Version 5, because only its acknowledgement tells that a message was not authorized; with 3.1.1 a
broker drops it silently. Quality of service 1: the broker may receive a message twice; its `id`
identifies the repeat.
"""

from __future__ import annotations

import json
import math
import ssl
import threading
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from functions.notifications.channels import Broker, Channel
from functions.notifications.render import render_json, render_text
from functions.notifications.senders import TIMEOUT_S, ChannelRefused, Message
from hearth.errors import Unavailable

TEXT_CHARS: Final = 500
_RETRYABLE: Final = frozenset({0x80, 0x83, 0x88, 0x89, 0x96, 0x97, 0x9F})
"""Unspecified, implementation specific, unavailable, busy, rate or quota exceeded
(https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html, 2.4)."""


class MqttSender:
    """Publishes messages, with one connection a message.

    Args:
        timeout_s: Most seconds for each of connecting, log-in and publishing.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S / 2) -> None:
        self._timeout_s = timeout_s

    def send(self, channel: Channel, message: Message) -> str:
        broker = channel.target
        assert isinstance(broker, Broker)  # noqa: S101  # what its kind means
        conversation = _Conversation(broker, self._timeout_s)
        return conversation.publish(payload(message))


def payload(message: Message) -> bytes:
    """Build a short text for a display, and ids for automations; no line appears twice."""
    body = render_json(message.content, message.id, message.created_at)
    events = [{k: v for k, v in one.items() if k != "lines"} for one in body["data"]["events"]]
    return json.dumps(
        {
            "id": message.id,
            "type": body["type"],
            "time": body["timestamp"],
            "title": message.content.title,
            "text": render_text(message.content, TEXT_CHARS),
            "events": events,
        },
        separators=(",", ":"),
    ).encode()


class _Conversation:
    """One connection; the library's thread records the broker's answers."""

    def __init__(self, broker: Broker, timeout_s: float) -> None:
        self._broker = broker
        self._timeout_s = timeout_s
        self._address = f"{broker.host}:{broker.port}"
        self._reason_code: ReasonCode | None = None
        self._answered = threading.Event()
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = timeout_s
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect

    def publish(self, body: bytes) -> str:
        """Log in, publish, wait for the acknowledgement, disconnect.

        Raises:
            ChannelRefused: The broker refuses, or its certificate is not trusted.
            Unavailable: The broker does not answer in time.
        """
        broker = self._broker
        try:
            # The library uses the keep-alive as time-out of the TLS handshake as well; it is longer
            # than ours, so that our time-out reports a silent broker.
            keepalive = 2 * math.ceil(self._timeout_s)
            self._client.connect(broker.host, broker.port, keepalive=keepalive)
        except ssl.SSLCertVerificationError as error:
            raise ChannelRefused(
                f"the certificate of {self._address} is not trusted: {error.verify_message}; "
                "SSL_CERT_FILE may name the authority that signed it"
            ) from error
        except (OSError, ValueError) as error:
            raise self._no_answer(type(error).__name__) from error
        self._client.loop_start()
        try:
            self._await_answer("let us in")
            self._client.publish(broker.topic, body, qos=1)
            self._await_answer("take the message")
        finally:
            self._client.disconnect()
            self._client.loop_stop()
        return f"{self._address} took it for {broker.topic}"

    def _await_answer(self, what: str) -> None:
        """Wait for the broker's next answer, and raise unless it is a success."""
        if not self._answered.wait(self._timeout_s):
            raise Unavailable(f"{self._address} did not {what} within {self._timeout_s:g} s")
        self._answered.clear()
        code = self._reason_code
        if code is None:
            raise self._no_answer("the connection was lost")
        if code.is_failure:
            reason = f"{self._address} did not {what}: {code}"
            raise Unavailable(reason) if code.value in _RETRYABLE else ChannelRefused(reason)

    def _no_answer(self, why: str) -> Unavailable:
        return Unavailable(f"MQTT broker {self._address} does not answer ({why})")

    # ---- called on the library's thread ----

    def _on_connect(
        self, client: mqtt.Client, data: Any, flags: Any, code: ReasonCode, more: Properties | None
    ) -> None:
        self._record_answer(code)

    def _on_publish(
        self, client: mqtt.Client, data: Any, number: int, code: ReasonCode, more: Properties
    ) -> None:
        self._record_answer(code)

    def _on_disconnect(
        self, client: mqtt.Client, data: Any, flags: Any, code: ReasonCode, more: Properties | None
    ) -> None:
        if not self._answered.is_set():
            self._record_answer(None)

    def _record_answer(self, code: ReasonCode | None) -> None:
        self._reason_code = code
        self._answered.set()
