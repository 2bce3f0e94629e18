"""Slack, Discord and webhooks against a server that answers well, badly and not at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.notifications.channels import Channel, parse_channel
from functions.notifications.schemas import EventSummary, MessageContent
from functions.notifications.senders import ChannelRefused, Message, SlowDown
from functions.notifications.senders.webhook import WebhookSender
from hearth.errors import Unavailable
from tests.support.fakes import Clock
from tests.support.hook_server import Answer, Hooks, hook_server

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
WHEN = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
TOLD = EventSummary(
    type="task.created",
    id="1:1",
    subject="1",
    time=WHEN,
    title="New task: <!channel> @everyone & *bold*",
    lines=("Priority: high",),
    details={"task_id": "1"},
)
MESSAGE = Message(
    "01KASVZEBRY4C1W9T6P0X2K8M1",
    MessageContent(title=TOLD.title, total=1, events=(TOLD,)),
    WHEN,
)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with hook_server() as server:
        yield server


@pytest.fixture
def sender() -> WebhookSender:
    return WebhookSender(Clock(WHEN), timeout_s=1)


def channel(hooks: Hooks, kind: str = "", rest: str = "/hook?token=t") -> Channel:
    return parse_channel(f"{kind}http://{hooks.host}{rest}")


def test_a_webhook_receives_json_and_an_id_for_dropping_repeats(
    hooks: Hooks, sender: WebhookSender
) -> None:
    said = sender.send(channel(hooks), MESSAGE)
    sender.send(channel(hooks), MESSAGE)
    first, again = hooks.taken
    assert said == "127.0.0.1 answered 200: ok"
    assert first.path == "/hook?token=t"
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == f"msg_{MESSAGE.id}"
    assert first.body == again.body
    assert first.json["type"] == "task.created"
    assert first.json["data"]["events"][0]["details"] == {"task_id": "1"}
    assert "webhook-signature" not in first.headers


def test_a_secret_signs_the_webhook_as_the_standard_says(
    hooks: Hooks, sender: WebhookSender
) -> None:
    sender.send(channel(hooks, rest=f"/hook?token=t&secret={SECRET}"), MESSAGE)
    [taken] = hooks.taken
    assert taken.path == "/hook?token=t"
    signed = f"msg_{MESSAGE.id}.{int(WHEN.timestamp())}.".encode() + taken.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert taken.headers["webhook-signature"] == f"v1,{expected}"
    assert taken.headers["webhook-timestamp"] == str(int(WHEN.timestamp()))


def test_a_title_mentions_nobody_on_slack(hooks: Hooks, sender: WebhookSender) -> None:
    sender.send(channel(hooks, "slack+"), MESSAGE)
    text = hooks.taken[0].json["text"]
    assert text == "New task: &lt;!channel&gt; @everyone &amp; *bold*\nPriority: high"


def test_a_title_mentions_nobody_on_discord(hooks: Hooks, sender: WebhookSender) -> None:
    hooks.answers = [Answer(204, body=b"")]
    assert sender.send(channel(hooks, "discord+"), MESSAGE) == "127.0.0.1 answered 204"
    body = hooks.taken[0].json
    assert body["allowed_mentions"] == {"parse": []}
    assert r"\*bold\*" in body["content"]


@pytest.mark.parametrize("kind", ["slack+", "discord+"])
def test_a_long_digest_is_cut_to_the_service_s_limit(
    hooks: Hooks, sender: WebhookSender, kind: str
) -> None:
    long = TOLD.model_copy(update={"lines": ("*" * 500,) * 12})
    content = MessageContent(title="50 notifications", total=50, events=(long,) * 50)
    sender.send(channel(hooks, kind), Message("1", content, WHEN))
    [text] = [value for value in hooks.taken[0].json.values() if isinstance(value, str)]
    assert len(text) <= (3_000 if kind == "slack+" else 2_000)
    assert text.endswith("…")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_temporary_error_is_retried(hooks: Hooks, sender: WebhookSender, status: int) -> None:
    hooks.answers = [Answer(status)]
    with pytest.raises(Unavailable, match=f"answered {status}"):
        sender.send(channel(hooks), MESSAGE)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
def test_a_permanent_error_is_not_retried(hooks: Hooks, sender: WebhookSender, status: int) -> None:
    hooks.answers = [Answer(status, body=b"no_service\nat all")]
    with pytest.raises(ChannelRefused, match=f"answered {status}: no_service at all"):
        sender.send(channel(hooks), MESSAGE)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("0", 1),
        ("7", 7),
        ("0.4", 1),
        ("120.5", 120.5),
        ("999999", 3600),
        ("Mon, 02 Nov 2026 07:31:30 GMT", 90),
        ("Mon, 02 Nov 2020 07:31:30 GMT", 1),
    ],
)
def test_retry_after_is_kept_within_bounds(
    hooks: Hooks, sender: WebhookSender, retry_after: str, seconds: float
) -> None:
    hooks.answers = [Answer(429, (("Retry-After", retry_after),))]
    with pytest.raises(SlowDown) as raised:
        sender.send(channel(hooks), MESSAGE)
    assert raised.value.wait == timedelta(seconds=seconds)


@pytest.mark.parametrize("nonsense", ["soon", "-5", "", "1e9", "nan", "٣"])
def test_an_invalid_retry_after_gives_the_usual_back_off(
    hooks: Hooks, sender: WebhookSender, nonsense: str
) -> None:
    hooks.answers = [Answer(503, (("Retry-After", nonsense.encode().decode("latin-1")),))]
    with pytest.raises(Unavailable) as raised:
        sender.send(channel(hooks), MESSAGE)
    assert not isinstance(raised.value, SlowDown)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(hooks: Hooks, sender: WebhookSender, status: int) -> None:
    with hook_server() as elsewhere:
        hooks.answers = [Answer(status, (("Location", f"http://{elsewhere.host}/"),))]
        with pytest.raises(ChannelRefused, match="redirects are not followed"):
            sender.send(channel(hooks), MESSAGE)
        assert elsewhere.taken == []


@pytest.mark.parametrize("manner", ["drip", "silence"])
def test_an_attempt_ends_in_time_however_slowly_the_answer_arrives(
    hooks: Hooks, sender: WebhookSender, manner: str
) -> None:
    hooks.answers = [Answer(manner=manner)]
    with pytest.raises(Unavailable, match="did not answer within 1 s"):
        sender.send(channel(hooks), MESSAGE)


def test_an_endless_answer_is_not_read_to_its_end(hooks: Hooks, sender: WebhookSender) -> None:
    hooks.answers = [Answer(manner="endless")]
    assert len(sender.send(channel(hooks), MESSAGE)) < 300


@pytest.mark.parametrize("manner", ["garbage", "hang up"])
def test_an_answer_that_is_not_http_is_retried(
    hooks: Hooks, sender: WebhookSender, manner: str
) -> None:
    hooks.answers = [Answer(manner=manner)]
    with pytest.raises(Unavailable, match="does not answer"):
        sender.send(channel(hooks), MESSAGE)


def test_an_unavailable_server_is_retried(sender: WebhookSender) -> None:
    with hook_server() as gone:
        port = gone.port
    with pytest.raises(Unavailable, match="does not answer"):
        sender.send(parse_channel(f"http://127.0.0.1:{port}/"), MESSAGE)


def test_a_proxy_of_the_environment_is_not_used(
    hooks: Hooks, sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    sender.send(channel(hooks), MESSAGE)
    assert len(hooks.taken) == 1


def test_no_error_and_no_answer_contains_a_secret(hooks: Hooks, sender: WebhookSender) -> None:
    place = channel(hooks, rest=f"/T0/B0/hush?token=hush&secret={SECRET}")
    hooks.answers = [Answer(500), Answer(404), Answer(manner="garbage"), Answer(302)]
    texts: list[Any] = [repr(place)]
    for _ in range(4):
        with pytest.raises((ChannelRefused, Unavailable)) as raised:
            sender.send(place, MESSAGE)
        texts.append(f"{raised.value} {raised.value!r}")
    texts.append(sender.send(place, MESSAGE))
    assert not any("hush" in text or SECRET in text for text in texts)


def test_an_untrusted_certificate_is_reported_and_not_retried(
    sender: WebhookSender, tmp_path: Any
) -> None:
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from tests.support.smtp_server import self_signed

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        port = server.server_address[1]
        with pytest.raises(ChannelRefused, match=r"certificate .* is not trusted"):
            sender.send(parse_channel(f"https://127.0.0.1:{port}/"), MESSAGE)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_signing_key_is_one_of_the_standard_s_own_examples() -> None:
    # https://github.com/standard-webhooks/standard-webhooks: the libraries' shared test vector.
    from functions.notifications.senders.webhook import signature

    now = datetime.fromtimestamp(1614265330, UTC)
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature("p5jXN8AQM9LWM0D4loKWxJek", now, b'{"test": 2432232314}', key)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
