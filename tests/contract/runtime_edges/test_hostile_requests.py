"""Bytes that no honest client sends, straight to the sockets of a real stack.

Each gets an answer that blames the caller, or a closed connection; the stack goes on as before.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.contract.runtime_edges.conftest import Stack
from tests.contract.runtime_edges.http_client import request

HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
INVOKE = b"/2015-03-31/functions/echo/invocations"


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of `usual` in three cases of four: a request that is wrong all over is refused early."""
    return st.sampled_from([*usual * (1 + 3 * len(odd) // len(usual)), *odd])


METHODS = mostly([b"GET", b"POST"], [b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b"\0"])
SEGMENTS = mostly(
    [b"a", b"..", b"%2e%2e", b"%2F", b"%00", b"%ff", b"%zz", b"%ed%a0%80", b"%25", b";x", b"*"],
    [b"", b"\xff", b"#", b"a" * 8000, b"a" * 20_000, b"{item_id}"],
)
PLACES = [b"/items/", b"/echo/", b"/echo/a/", b"/", b"/2015-03-31/functions/"]
TARGETS = st.one_of(
    st.builds(bytes.__add__, st.sampled_from(PLACES), SEGMENTS),
    mostly(
        [INVOKE, INVOKE + b"?Qualifier=%ff", b"/items/../status", b"//items//a", b"/upload"],
        [b"http://127.0.0.1/items/a", b"*", b"a:1", b"/status", b"/custom-resources/x", b""],
    ),
)
QUERIES = mostly(
    [b"", b"?q=%00", b"?q=%ff&q=%ed%a0%80", b"?=&&=", b"?" + b"a=1&" * 1500],
    [b"?", b"?" + b"x" * 9000, b"?\xff"],
)
VERSIONS = mostly([b"HTTP/1.1"], [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""])
HEADERS = mostly(
    [
        *(b"X: \xff\xfe\r\n", b"Cookie: \xff=\xfe;;\r\n", b"X-Forwarded-For: \xff\r\n"),
        *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Expect: x\r\n"),
        *(b"Content-Encoding: deflate\r\n", b"Content-Type: \xff/;;=\r\n", b"Upgrade: x\r\n"),
        *(b"X-Amzn-Trace-Id: \xff\r\n", b"X-Amzn-Trace-Id: a\tb\r\n", b"X-Amz-Log-Type: Tail\r\n"),
        *(b"X-Amz-Client-Context: bnVsbA==\r\n", b"X-Amz-Client-Context: \xff\r\n"),
        *(b"X-Amz-Invocation-Type: \xff\r\n", b"X-Amz-Invocation-Type: Event\r\n"),
        *(b"Expect: 100-continue\r\n", b"Connection: \xff\r\n"),
    ],
    [
        *(b"Host: evil.example\r\n", b"X : a\r\n", b" folded\r\n", b"X: a\r\n b\r\n", b"\r\n"),
        *(b"X: " + b"a" * 9000 + b"\r\n", b"".join(b"X%d: a\r\n" % n for n in range(500))),
        *(b"Sec-Fetch-Site: cross-site\r\n", b"Origin: null\r\n", b"X: \0\r\n", b"Host: \xff\r\n"),
    ],
)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
BODIES = mostly(
    [
        *(b"\r\n", b"Content-Length: 2\r\n\r\n{}", b"Content-Length: 5\r\n\r\nhello"),
        *(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"Content-Length: 2\r\n\r\n\xff\xfe"),
        *(b"Content-Length: 50000\r\n\r\n" + b"[" * 50_000, b"Content-Length: 5\r\n\r\n99999"),
        *(b"Content-Length: 4\r\n\r\nnull", CHUNKED + b"0\r\nX: y\r\n\r\n"),
    ],
    [
        *(CHUNKED + b"zz\r\nab\r\n", CHUNKED + b"5\r\nab\r\n", CHUNKED + b"f" * 20 + b"\r\n"),
        *(CHUNKED + b"-1\r\n", CHUNKED + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", b""),
        *(b"Content-Length: -1\r\n\r\n", b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
        *(b"Content-Length: 20000000\r\n\r\nx", b"Content-Length: 9\r\n\r\nshort"),
        *(b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"Content-Length: 2\r\n" + CHUNKED),
    ],
)
REQUESTS = st.builds(
    lambda method, target, query, version, headers, body: (
        b"%b %b%b %b\r\n%b%b%b" % (method, target, query, version, HOST, b"".join(headers), body)
    ),
    *(METHODS, TARGETS, QUERIES, VERSIONS, st.lists(HEADERS, max_size=2), BODIES),
)


def post(target: bytes, headers: bytes, body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\n%b%b\r\n%b" % (target, HOST, headers, body)


def converse(url: str, data: bytes, patience_s: float = 5) -> bytes:
    """What is answered to `data`, until the connection ends or nothing comes for `patience_s`.

    Then our side is closed, and the other must follow: TimeoutError if it hangs.
    """
    address = urlsplit(url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(patience_s)
            with contextlib.suppress(TimeoutError):
                while piece := connection.recv(65536):
                    received += piece
            connection.settimeout(10)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            # A server may answer and close before all of it was sent.
    return received


@pytest.fixture(scope="module")
def unharmed(stack: Stack) -> Iterator[None]:
    """After all of it: the same process, no failure of its own, and functions that answer."""
    written = (stack.data / "runtime.log").stat().st_size
    yield
    assert request(f"{stack.state.gateway_url}/items/a").json() == {"item_id": "a", "q": None}
    echo = f"{stack.state.control_url}{INVOKE.decode()}"
    assert request(echo, "POST", b'{"rawPath": "/"}').status == 200
    assert request(f"{stack.state.control_url}/status").json()["pid"] == stack.state.pid
    with (stack.data / "runtime.log").open("rb") as log:
        log.seek(written)
        since = log.read().decode()
    assert "gateway failed" not in since
    assert "Runtime exited" not in since
    assert '"logger": "aiohttp.server", "exception"' not in since


@pytest.mark.usefixtures("unharmed")
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=REQUESTS)
@example(data=b"\r\n")
@example(data=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the beginning of TLS
@example(data=post(INVOKE, b"X-Amzn-Trace-Id: \xff\r\nContent-Length: 2\r\n", b"{}"))
@example(data=post(INVOKE, b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"hello"))
@example(data=post(b"/echo/a", b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"hello"))
@example(data=post(b"/echo/a", b"Content-Length: 50\r\n", b"cut off"))
@example(data=b"GET /items/a HTTP/1.1\r\n%bX: \xff\r\nCookie: \xff=\xfe\r\n\r\n" % HOST)
def test_no_bytes_make_the_stack_fail_hang_or_die(stack: Stack, data: bytes) -> None:
    for url in (stack.state.gateway_url, stack.state.control_url):
        answer = converse(url, data, 0.1)
        statuses = re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)
        assert not [status for status in statuses if status >= b"500"], answer[:500]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (b"Content-Length: 20000000\r\n", b"x", 413),
        (
            b"Transfer-Encoding: chunked\r\n",
            b"a00001\r\n" + bytes(0xA00001) + b"\r\n0\r\n\r\n",
            413,
        ),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n", 400),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"ab", 400),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", 400),
        (b"Host: evil.example\r\n", b"", 400),
        (b"X: " + b"a" * 10_300 + b"\r\n", b"", 400),
        (b"X: " + b"a" * 6_000 + b"\r\nY: " + b"a" * 6_000 + b"\r\n", b"", 431),
        (b"X: " + b"a" * 10_000 + b"\r\n", b"", 200),
    ],
)
def test_what_is_wrong_with_a_request_has_its_status(
    stack: Stack, headers: bytes, body: bytes, status: int
) -> None:
    answer = converse(stack.state.gateway_url, post(b"/echo/a", headers, body), 1)
    assert answer.split(b" ", 2)[1] == str(status).encode()


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(stack: Stack) -> None:
    """curl does so from 1 MB on, and otherwise waits for a second."""
    host, port = stack.state.gateway_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(
            b"POST /echo/a HTTP/1.1\r\n%bContent-Length: 5\r\nExpect: 100-continue\r\n\r\n" % HOST
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert b'"body": "hello"' in client.makefile("rb").read()


def test_a_body_that_is_not_wanted_is_not_asked_for(stack: Stack) -> None:
    headers = b"Content-Length: 20000000\r\nExpect: 100-continue\r\n"
    answer = converse(stack.state.gateway_url, post(b"/echo/a", headers, b""), 1)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_the_target_of_a_request_may_be_a_whole_url(stack: Stack) -> None:
    for target in (b"http://127.0.0.1/items/a?q=1", b"HTTP://127.0.0.1:80/items/a?q=1"):
        answer = converse(stack.state.gateway_url, b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST))
        assert b'"q": "1"' in answer or b'"q":"1"' in answer, answer


def test_a_path_is_never_a_path_of_this_machine(stack: Stack) -> None:
    for target in (b"/../etc/passwd", b"/%2e%2e/etc/passwd", b"//etc/passwd", b"/items/../status"):
        answer = converse(stack.state.gateway_url, b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST))
        assert answer.startswith(b"HTTP/1.1 404 "), target


def test_bytes_that_are_no_utf8_reach_the_function_as_latin1(stack: Stack) -> None:
    answer = converse(
        stack.state.gateway_url,
        b"GET /echo/a HTTP/1.1\r\n%bConnection: close\r\nX: caf\xe9\r\nY: caf\xc3\xa9\r\n\r\n"
        % HOST,
    )
    assert answer.count(rb'"caf\u00e9"') == 2


def test_a_compressed_body_is_the_functions_to_read(stack: Stack) -> None:
    headers = b"Content-Encoding: gzip\r\nContent-Length: 5\r\n"
    answer = converse(stack.state.gateway_url, post(b"/echo/a", headers, b"hello"))
    assert b'"content-encoding": "gzip"' in answer
    assert b'"body": "hello"' in answer
