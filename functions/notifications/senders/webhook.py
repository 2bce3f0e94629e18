"""Messages as HTTP POSTs: Slack's and Discord's webhooks, and the generic kind.

Redirects are not followed: where the operator's address leads is the operator's to say. Of an
answer only the status and a few bytes are read, and all of an attempt takes ten seconds at most,
however slowly its bytes come in.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from functions.notifications.channels import Channel, Hook
from functions.notifications.render import machine, plain
from functions.notifications.senders import (
    TIMEOUT_S,
    ChannelRefused,
    Message,
    SlowDown,
)
from hearth.errors import Unavailable
from hearth.ids import utc_now
from hearth.text import clean

MAX_ANSWER_BYTES: Final = 2_048
SLACK_CHARS: Final = 3_000
DISCORD_CHARS: Final = 2_000
"""https://discord.com/developers/docs/resources/webhook#execute-webhook"""
SHORTEST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(hours=1)
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_AGAIN: Final = frozenset({408, 425, 429})
_MARKDOWN: Final = re.compile(r"([\\`*_~|>#\[\]()-])")


class WebhookSender:
    """Posts messages; one connection a message.

    Args:
        now: The present, for signatures and for times to wait until.
        timeout_s: Most seconds for one attempt.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, timeout_s: float = TIMEOUT_S) -> None:
        self._now = now
        self._timeout_s = timeout_s
        # OpenSSL's own: the system's authorities, or those of SSL_CERT_FILE.
        self._tls = ssl.create_default_context()

    def send(self, channel: Channel, message: Message) -> str:
        hook = channel.target
        assert isinstance(hook, Hook)  # noqa: S101  # what its kind means
        body = json.dumps(_body(channel, message), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Hearth"}
        if channel.kind == "webhook":
            headers |= signature(message.id, self._now(), body, hook.key)
        status, retry_after, said = asyncio.run(self._post(channel, hook.url, headers, body))
        return self._judged(channel, status, retry_after, said)

    async def _post(
        self, channel: Channel, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None, str]:
        try:
            async with asyncio.timeout(self._timeout_s):
                async with (
                    # What the environment says about proxies is not meant for the site's network.
                    httpx.AsyncClient(
                        verify=self._tls, timeout=self._timeout_s, trust_env=False
                    ) as client,
                    client.stream("POST", url, headers=headers, content=body) as answer,
                ):
                    said = await _beginning(answer)
                    return answer.status_code, answer.headers.get("retry-after"), said
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Unavailable(
                f"{channel.host} did not answer within {self._timeout_s:g} s"
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ChannelRefused(f"the address of channel {channel.name} is not a URL") from error
        except httpx.HTTPError as error:
            distrust = _distrust(error)
            if distrust is not None:
                raise ChannelRefused(
                    f"the certificate of {channel.host} is not trusted: {distrust.verify_message}; "
                    "SSL_CERT_FILE may name the authority that signed it"
                ) from error
            raise Unavailable(f"{channel.host} does not answer ({type(error).__name__})") from error

    def _judged(self, channel: Channel, status: int, retry_after: str | None, said: str) -> str:
        words = f"{channel.host} answered {status}" + (f": {said}" if said else "")
        if 200 <= status < 300:
            return words
        if status in _AGAIN or status >= 500:
            wait = waiting_time(retry_after, self._now())
            raise Unavailable(words) if wait is None else SlowDown(words, wait)
        if 300 <= status < 400:
            words += "; redirects are not followed: set the address that it leads to"
        raise ChannelRefused(words)


def signature(message_id: str, now: datetime, body: bytes, key: bytes | None) -> dict[str, str]:
    """The headers of Standard Webhooks; without a key those that need none.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    webhook_id, timestamp = f"msg_{message_id}", str(int(now.timestamp()))
    headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp}
    if key is not None:
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        mac = hmac.new(key, signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
    return headers


def waiting_time(retry_after: str | None, now: datetime) -> timedelta | None:
    """What `Retry-After` says (RFC 9110, 10.2.3), between a second and an hour; None: nothing."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=float(text))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)


def _body(channel: Channel, message: Message) -> dict[str, Any]:
    if channel.kind == "slack":
        return {"text": _slack(plain(message.content, SLACK_CHARS))}
    if channel.kind == "discord":
        # Whoever is named in a title is not called: no @everyone from a task.
        text = _MARKDOWN.sub(r"\\\1", plain(message.content, DISCORD_CHARS // 2))
        return {"content": text, "allowed_mentions": {"parse": []}}
    return machine(message.content, message.id, message.created_at)


def _slack(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text/#escaping
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _distrust(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The reason behind a connection that failed, if it is the other side's certificate."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


async def _beginning(answer: httpx.Response) -> str:
    """The first bytes of an answer, as one line."""
    data = b""
    # Raw: what is compressed could be far larger than it looks.
    async for chunk in answer.aiter_raw(MAX_ANSWER_BYTES):
        data += chunk
        if len(data) >= MAX_ANSWER_BYTES:
            break
    return clean(data[:200].decode("utf-8", "replace")).strip()
