"""Where people want to be told: `NOTIFICATION_CHANNELS`, addresses separated by spaces.

    mailto:ops@example.org                            needs SMTP_URL and EMAIL_FROM
    mqtt://user:password@broker.lan/hearth/alerts     mqtts:// for TLS; the path is the topic
    slack+https://hooks.slack.com/services/T0/B0/XX   and those that speak the same (Mattermost, …)
    discord+https://discord.com/api/webhooks/1/XX
    https://example.org/hook?secret=whsec_…           signed (Standard Webhooks) with a secret

`http://` is taken for a host of the private network only. Four words of the query are ours and are
taken off the address: `events=safety.*,task.due` (which to tell, by glob; default all),
`urgent=safety.*` (which do not wait for the end of quiet hours; default none), `name=ops` (how the
channel is called) and `secret`. They are percent-encoded like the rest.

Whoever writes the address is the operator, so it may lie in the private network. What it holds is
secret; only a channel's `name`, `kind` and `host` are ever shown or stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from hearth.mail import checked_address

Kind = Literal["mail", "mqtt", "slack", "discord", "webhook"]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
_GLOB = re.compile(r"[a-z_.*?]{1,100}", re.ASCII)
_OURS: Final = ("events", "urgent", "name", "secret")
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
    """Where an MQTT channel publishes; the defaults are those of no log-in."""

    host: str
    port: int
    topic: str
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that takes a POST; `key` signs the generic kind."""

    url: str = field(repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where people are told.

    Attributes:
        name: Of this channel among all; holds nothing secret.
        kind: What is spoken there.
        host: Who is spoken to; for e-mail the domain.
        target: The address in full: secret.
        events: Globs of the types that are told here.
        urgent: Globs of those that do not wait.
    """

    name: str
    kind: Kind
    host: str
    target: str | Broker | Hook = field(repr=False)
    events: tuple[str, ...] = ("*",)
    urgent: tuple[str, ...] = ()

    def wants(self, event_type: str) -> bool:
        return any(fnmatchcase(event_type, glob) for glob in self.events)

    def hurries(self, event_type: str) -> bool:
        return any(fnmatchcase(event_type, glob) for glob in self.urgent)


def parse_channels(text: str) -> tuple[Channel, ...]:
    """The channels of `NOTIFICATION_CHANNELS`.

    Raises:
        ValueError: Something is wrong with one; the message tells which by its number and never
            holds what may be secret.
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
    """One channel.

    Raises:
        ValueError: Not an address that is known; the message holds nothing secret.
    """
    try:
        parts = urlsplit(address)
        port = parts.port if parts.scheme != "mailto" else None
    except ValueError:
        raise ValueError("it is not a URL") from None
    query, ours = _query(parts.query)
    name, events, urgent = _options(ours)
    if "secret" in ours and parts.scheme not in ("http", "https"):
        raise ValueError("a secret signs https:// webhooks only")
    if parts.scheme == "mailto":
        to = checked_address(unquote(parts.path))
        host, kind, target = to.rpartition("@")[2], "mail", to
        known_by = to
        return Channel(name or _name("mail", host, known_by), "mail", host, target, events, urgent)
    if not parts.hostname or port == 0:
        raise ValueError(f"it has no host; {parts.scheme[:20]!r} is followed by ://host/…")
    host = parts.hostname
    if parts.scheme in _MQTT_PORTS:
        broker = _broker(parts, host, port or _MQTT_PORTS[parts.scheme])
        # A password may change without making another channel of it, and hashes can be guessed at.
        known_by = f"{broker.user}@{host}:{broker.port}/{broker.topic}"
        return Channel(name or _name("mqtt", host, known_by), "mqtt", host, broker, events, urgent)
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
    """The query without our words, and our words."""
    # Not parse_qsl: it reads "+" as a space, and Base64 is full of them.
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


def _name(kind: str, host: str, known_by: str) -> str:
    digest = hashlib.sha256(known_by.encode()).hexdigest()[:6]
    return f"{kind}-{host}-{digest}".lower()


def _is_private(host: str) -> bool:
    """Whether the host is this machine or one of the private network, by its address or name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local
