"""What a web page can have a browser on this machine send to the local servers of a stack."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from hearth_runtime.engine.runtime_api import Answer, RuntimeApi
from tests.contract.runtime_edges.conftest import Stack
from tests.contract.runtime_edges.http_client import Reply, request

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20261201/us-east-1/s3/aws4_request"}
ATTACKS = {
    "a page of another site": {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
    "a page of another port": {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "same-site"},
    "an old browser": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "an image of a page": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    "a name that is pointed here": {"Host": "evil.example"},
    "a name that is pointed here, with a port": {"Host": "evil.example:8080"},
    "a name that begins like ours": {"Host": "127.0.0.1.evil.example"},
    "no name": {"Host": ""},
}


def urls(stack: Stack) -> list[tuple[str, str, bytes | None]]:
    """Method, URL and body of what each server does for programs of the machine."""
    storage, control = stack.state.endpoint_url, stack.state.control_url
    bucket = f"{storage}/{stack.state.bucket}"
    return [
        ("GET", f"{storage}/", None),
        ("GET", f"{bucket}?list-type=2", None),
        ("PUT", f"{bucket}/planted", b"x"),
        ("DELETE", bucket, None),
        ("POST", f"{storage}/?Action=PurgeQueue", b""),
        ("GET", f"{control}/status", None),
        ("GET", f"{control}/metrics", None),
        ("POST", f"{control}/2015-03-31/functions/echo/invocations", b"{}"),
        ("GET", f"{stack.state.gateway_url}/items/a", None),
    ]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_server_answers_a_web_page(stack: Stack, attack: str) -> None:
    headers = ATTACKS[attack] | SIGNED
    tried = {
        (method, urlsplit(url).path): request(url, method, body, **headers)
        for method, url, body in urls(stack)
    }
    # The gateway's API allows any origin, so that only the name tells there.
    if "Host" not in ATTACKS[attack]:
        tried.pop(("GET", "/items/a"))
    assert {call: reply.status for call, reply in tried.items()} == dict.fromkeys(tried, 403)
    assert not any("Access-Control-Allow-Origin" in reply.headers for reply in tried.values())


def test_preflights_are_refused_and_nothing_allows_other_origins(stack: Stack) -> None:
    storage, control = stack.state.endpoint_url, stack.state.control_url
    page = {"Origin": "https://evil.example", "Access_Control_Request_Method": "DELETE"}
    replies = [request(f"{url}/x", "OPTIONS", **page) for url in (storage, control)]
    replies += [request(f"{storage}/x", "OPTIONS", **SIGNED)]
    assert [reply.status for reply in replies] == [403, 403, 403]
    listed = request(f"{storage}/{stack.state.bucket}?list-type=2", **SIGNED)
    assert listed.status == 200
    assert [n for n in listed.headers if n.lower().startswith("access-control-")] == []


def test_the_stand_in_wants_a_signature_and_has_no_routes_of_its_own(stack: Stack) -> None:
    storage = stack.state.endpoint_url

    def refused(reply: Reply) -> str:
        assert reply.status == 403
        assert b"<Code>AccessDenied</Code>" in reply.body
        return reply.body.decode()

    assert "has no AWS signature" in refused(request(f"{storage}/{stack.state.bucket}"))
    basic = request(f"{storage}/{stack.state.bucket}", Authorization="Basic eDp5")
    assert "has no AWS signature" in refused(basic)
    for method, path in [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_localstack/health"),
        ("POST", "/_ministack/health"),
    ]:
        reply = request(f"{storage}{path}", method, b"" if method == "POST" else None, **SIGNED)
        assert "own routes are not served" in refused(reply)
    assert request(f"{storage}/_ministack/health").status == 200
    stack.client("s3").list_objects_v2(Bucket=stack.state.bucket)
    presigned = stack.client("s3").generate_presigned_url(
        "list_objects_v2", {"Bucket": stack.state.bucket}
    )
    assert request(presigned).status == 200


class NoFunction:
    """Fails when a request reaches it."""

    def polled(self) -> None:
        raise AssertionError("an event was asked for")

    def responded(self, request_id: str, body: bytes | None) -> Answer:
        raise AssertionError("an answer was taken")

    failed = responded

    def init_failed(self, body: bytes | None) -> Answer:
        raise AssertionError("an error was taken")


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_runtime_api_answers_no_web_page(attack: str) -> None:
    def ask(address: str, method: str, path: str) -> tuple[int, str]:
        reply = request(f"http://{address}/2018-06-01/runtime/{path}", method, **ATTACKS[attack])
        return reply.status, reply.json()["errorMessage"]

    async def ask_all() -> list[tuple[int, str]]:
        api = RuntimeApi(NoFunction())
        address = await api.start()
        try:
            return [
                await asyncio.to_thread(ask, address, "GET", "invocation/next"),
                await asyncio.to_thread(ask, address, "POST", "invocation/x/response"),
            ]
        finally:
            api.close()

    for status, message in asyncio.run(ask_all()):
        assert status == 403
        assert "web page" in message or "loopback" in message
