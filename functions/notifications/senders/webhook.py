"""Sends messages as HTTP POSTs: Slack's and Discord's webhooks, and the generic kind.

Redirects are not followed: the operator decides where messages go. Only the status and a few bytes
of an answer are read, and an attempt takes ten seconds at most, however slowly bytes arrive.
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
from functions.notifications.render import render_json, render_text
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
SUPPRESS_NOTIFICATIONS: Final = 1 << 12
"""https://discord.com/developers/docs/resources/message#message-object-message-flags"""
MIN_WAIT: Final = timedelta(seconds=1)
MAX_WAIT: Final = timedelta(hours=1)
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_RETRYABLE: Final = frozenset({408, 425, 429})
_MARKDOWN: Final = re.compile(r"([\\`*_~|>#\[\]()-])")


class WebhookSender:
    """Posts messages, with one connection a message.

    Args:
        timeout_s: Most seconds for one attempt.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, timeout_s: float = TIMEOUT_S) -> None:
        self._now = now
        self._timeout_s = timeout_s
        # OpenSSL's default: the system's certificate authorities, or those of SSL_CERT_FILE.
        self._tls = ssl.create_default_context()

    def send(self, channel: Channel, message: Message) -> str:
        hook = channel.target
        assert isinstance(hook, Hook)  # noqa: S101  # what its kind means
        body = json.dumps(_body(channel, message), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Hearth"}
        if channel.kind == "discord" and message.image is not None:
            headers["Content-Type"], body = _with_image(message.id, body, message.image)
        if channel.kind == "webhook":
            headers |= signature(message.id, self._now(), body, hook.key)
        status, retry_after, text = asyncio.run(self._post(channel, hook.url, headers, body))
        return self._check_status(channel, status, retry_after, text)

    async def _post(
        self, channel: Channel, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None, str]:
        try:
            async with asyncio.timeout(self._timeout_s):
                async with (
                    # Proxies of the environment are not meant for the site's network.
                    httpx.AsyncClient(
                        verify=self._tls, timeout=self._timeout_s, trust_env=False
                    ) as client,
                    client.stream("POST", url, headers=headers, content=body) as answer,
                ):
                    text = await _first_bytes(answer)
                    return answer.status_code, answer.headers.get("retry-after"), text
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Unavailable(
                f"{channel.host} did not answer within {self._timeout_s:g} s"
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ChannelRefused(f"the address of channel {channel.name} is not a URL") from error
        except httpx.HTTPError as error:
            untrusted = _certificate_error(error)
            if untrusted is not None:
                raise ChannelRefused(
                    f"the certificate of {channel.host} is not trusted: "
                    f"{untrusted.verify_message}; "
                    "SSL_CERT_FILE may name the authority that signed it"
                ) from error
            raise Unavailable(f"{channel.host} does not answer ({type(error).__name__})") from error

    def _check_status(
        self, channel: Channel, status: int, retry_after: str | None, text: str
    ) -> str:
        answer = f"{channel.host} answered {status}" + (f": {text}" if text else "")
        if 200 <= status < 300:
            return answer
        if status in _RETRYABLE or status >= 500:
            wait = parse_retry_after(retry_after, self._now())
            raise Unavailable(answer) if wait is None else SlowDown(answer, wait)
        if 300 <= status < 400:
            answer += "; redirects are not followed: set the address that it leads to"
        raise ChannelRefused(answer)


def signature(message_id: str, now: datetime, body: bytes, key: bytes | None) -> dict[str, str]:
    """Return the headers of Standard Webhooks; without a key those that need none.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    webhook_id, timestamp = f"msg_{message_id}", str(int(now.timestamp()))
    headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp}
    if key is not None:
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        mac = hmac.new(key, signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
    return headers


def parse_retry_after(retry_after: str | None, now: datetime) -> timedelta | None:
    """Parse `Retry-After` (RFC 9110, 10.2.3), bounded to between a second and an hour."""
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
    return min(max(wait, MIN_WAIT), MAX_WAIT)


def _body(channel: Channel, message: Message) -> dict[str, Any]:
    if channel.kind == "slack":
        return {"text": _slack(render_text(message.content, SLACK_CHARS))}
    if channel.kind == "discord":
        # A title must not mention anybody: no @everyone from a task.
        text = _MARKDOWN.sub(r"\\\1", render_text(message.content, DISCORD_CHARS // 2))
        quiet = {"flags": SUPPRESS_NOTIFICATIONS} if message.content.quiet else {}
        return {"content": text, "allowed_mentions": {"parse": []}, **quiet}
    return render_json(message.content, message.id, message.created_at)


def _with_image(message_id: str, body: bytes, jpeg: bytes) -> tuple[str, bytes]:
    """A form of the message and its image: content type and bytes.

    https://discord.com/developers/docs/reference#uploading-files
    """
    # Not random, so that attempts are identical.
    boundary = hashlib.sha256(message_id.encode()).hexdigest()
    disposition = b"Content-Disposition: form-data; name="
    parts = [
        disposition + b'"payload_json"\r\nContent-Type: application/json\r\n\r\n' + body,
        disposition
        + b'"files[0]"; filename="evidence.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + jpeg,
    ]
    mark = f"--{boundary}".encode()
    form = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", form


def _slack(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text/#escaping
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Find the certificate error that a connection failed with, if it is one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


async def _first_bytes(answer: httpx.Response) -> str:
    """Read the first bytes of an answer as one line."""
    data = b""
    # Raw bytes, against decompression bombs.
    async for chunk in answer.aiter_raw(MAX_ANSWER_BYTES):
        data += chunk
        if len(data) >= MAX_ANSWER_BYTES:
            break
    return clean(data[:200].decode("utf-8", "replace")).strip()
