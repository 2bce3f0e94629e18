"""Parses channels: `NOTIFICATION_CHANNELS` holds addresses separated by spaces.

    mailto:ops@example.org                            needs SMTP_URL and EMAIL_FROM
    mqtt://user:password@broker.lan/hearth/alerts     mqtts:// for TLS; the path is the topic
    slack+https://hooks.slack.com/services/T0/B0/XX   also compatible ones (Mattermost, …)
    discord+https://discord.com/api/webhooks/1/XX
    https://example.org/hook?secret=whsec_…           signed (Standard Webhooks) with a secret

`http://` is accepted for hosts of the private network only. Five query parameters are ours and are
removed from the address: `events=safety.*,task.due` (globs of the events to send; default all),
`urgent=safety.*` (those that wait for nothing; default none), `name=ops` (the channel's name),
`image=no` (no evidence image in e-mails and Discord) and `secret`. They are percent-encoded like
the rest.

The operator writes the addresses, so they may point into the private network. An address is secret;
only a channel's `name`, `kind` and `host` are ever shown or stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
import socket
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from hearth.mail import checked_address

Kind = Literal["mail", "mqtt", "slack", "discord", "webhook"]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
_GLOB = re.compile(r"[a-z_.*?]{1,100}", re.ASCII)
_OURS: Final = ("events", "urgent", "name", "secret", "image")
_HOOKS: Final[dict[str, Kind]] = {
    "http": "webhook",
    "https": "webhook",
    "slack+http": "slack",
    "slack+https": "slack",
    "discord+http": "discord",
    "discord+https": "discord",
}
_MQTT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_PRIVATE_NAMES: Final = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localhost")
_SECRET_BYTES: Final = range(24, 65)
"""https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker and topic of an MQTT channel."""

    host: str
    port: int
    topic: str
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Hook:
    """The address of a webhook; `key` signs the requests of the generic kind."""

    url: str = field(repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where notifications are sent.

    Attributes:
        name: Unique among the channels; holds no secret.
        host: The server's name; for e-mail the domain of the address.
        target: The full address, which is secret.
        events: Globs of the event types that are sent here.
        urgent: Globs of the event types that wait for nothing.
        image: Whether e-mails and Discord get the evidence image, whose faces are blurred.
    """

    name: str
    kind: Kind
    host: str
    target: str | Broker | Hook = field(repr=False)
    events: tuple[str, ...] = ("*",)
    urgent: tuple[str, ...] = ()
    image: bool = True

    def wants(self, event_type: str) -> bool:
        return any(fnmatchcase(event_type, glob) for glob in self.events)

    def is_urgent(self, event_type: str) -> bool:
        return any(fnmatchcase(event_type, glob) for glob in self.urgent)


def parse_channels(text: str) -> tuple[Channel, ...]:
    """Parse the channels of `NOTIFICATION_CHANNELS`.

    Raises:
        ValueError: A channel is not valid; the message names it by its number and holds no secret.
    """
    channels = []
    for number, address in enumerate(text.split(), 1):
        try:
            channels.append(parse_channel(address))
        except ValueError as error:
            raise ValueError(f"channel {number} of NOTIFICATION_CHANNELS: {error}") from None
    names = [channel.name for channel in channels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"two channels of NOTIFICATION_CHANNELS are called {twice[0]!r}; "
            "give one of them another name (?name=…)"
        )
    return tuple(channels)


def parse_channel(address: str) -> Channel:
    """Parse the address of one channel.

    Raises:
        ValueError: The address is not valid; the message holds no secret.
    """
    try:
        parts = urlsplit(address)
        port = parts.port if parts.scheme != "mailto" else None
    except ValueError:
        raise ValueError("it is not a URL") from None
    query, ours = _query(parts.query)
    channel = _channel(parts, port, query, ours)
    if ours.get("image", "yes") not in ("yes", "no"):
        raise ValueError("image must be yes or no")
    return replace(channel, image=ours.get("image") != "no")


def _channel(parts: SplitResult, port: int | None, query: str, ours: dict[str, str]) -> Channel:
    name, events, urgent = _options(ours)
    if "secret" in ours and parts.scheme not in ("http", "https"):
        raise ValueError("a secret signs https:// webhooks only")
    if parts.scheme == "mailto":
        to = checked_address(unquote(parts.path))
        host, kind, target = to.rpartition("@")[2], "mail", to
        identity = to
        return Channel(name or _name("mail", host, identity), "mail", host, target, events, urgent)
    if not parts.hostname or port == 0:
        raise ValueError(f"it has no host; {parts.scheme[:20]!r} is followed by ://host/…")
    host = parts.hostname
    if parts.scheme in _MQTT_PORTS:
        broker = _broker(parts, host, port or _MQTT_PORTS[parts.scheme])
        # Without the password: it may change, and the name must not be a hash of it.
        identity = f"{broker.user}@{host}:{broker.port}/{broker.topic}"
        return Channel(name or _name("mqtt", host, identity), "mqtt", host, broker, events, urgent)
    if parts.scheme not in _HOOKS:
        raise ValueError(
            f"{parts.scheme[:20]!r} is not a kind that is known; use mailto:, mqtt://, mqtts://, "
            "slack+https://, discord+https:// or https://"
        )
    kind = _HOOKS[parts.scheme]
    scheme = parts.scheme.rpartition("+")[2]
    if scheme == "http" and not _is_private(host):
        raise ValueError(f"http:// is for the private network, and {host!r} is not in it")
    url = urlunsplit((scheme, parts.netloc, parts.path or "/", query, ""))
    hook = Hook(url, _key(ours["secret"]) if "secret" in ours else None)
    return Channel(name or _name(kind, host, url), kind, host, hook, events, urgent)


def _query(text: str) -> tuple[str, dict[str, str]]:
    """Split off the parameters that are ours."""
    # Not parse_qsl, which reads "+" as a space: Base64 contains it.
    kept, ours = [], {}
    for pair in text.split("&"):
        word, _, value = pair.partition("=")
        if word in _OURS:
            ours[word] = unquote(value)
        elif pair:
            kept.append(pair)
    return "&".join(kept), ours


def _options(ours: dict[str, str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    name = ours.get("name", "")
    if name and not _NAME.fullmatch(name):
        raise ValueError(f"its name is {name[:40]!r}; use a-z, 0-9, '.', '_' and '-'")
    return name, _globs(ours, "events") or ("*",), _globs(ours, "urgent")


def _globs(ours: dict[str, str], word: str) -> tuple[str, ...]:
    globs = tuple(part for part in ours.get(word, "").split(",") if part)
    wrong = next((glob for glob in globs if not _GLOB.fullmatch(glob)), None)
    if wrong is not None or (word in ours and not globs):
        raise ValueError(
            f"{word}={(wrong or '')[:40]} names no events; use types such as safety.*,task.due"
        )
    return globs


def _broker(parts: SplitResult, host: str, port: int) -> Broker:
    topic = unquote(parts.path.removeprefix("/"))
    if not topic or any(sign in topic for sign in "+#\x00") or topic.startswith("$"):
        raise ValueError(
            f"its topic is {topic[:80]!r}; the path names one to publish to, without +, # and $"
        )
    if len(topic.encode()) > 1_000:
        raise ValueError("its topic is over 1,000 bytes long")
    return Broker(
        host,
        port,
        topic,
        parts.scheme == "mqtts",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or len(key) not in _SECRET_BYTES:
        raise ValueError("its secret is not whsec_ and 24 to 64 bytes in Base64")
    return key


def _name(kind: str, host: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode()).hexdigest()[:6]
    return f"{kind}-{host}-{digest}".lower()


def _is_private(host: str) -> bool:
    """Whether an address or name belongs to this machine or the private network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local


def is_own_machine(host: str) -> bool:
    """Whether the host is this machine or a link-local one, such as a cloud's metadata service.

    By its address or name, without looking the name up.
    """
    try:
        # As the resolver reads it: "127.1" and "2130706433" are this machine too.
        address = ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.rstrip(".").rpartition(".")[2] == "localhost"
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified
