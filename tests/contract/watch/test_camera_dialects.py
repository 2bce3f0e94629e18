"""Cameras as their makers build them: several offers of authentication, odd multipart streams."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
from collections.abc import Callable

import pytest

from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, ImageLimits
from hearth_runtime.watch.sources import open_source
from tests.contract.watch.test_http_camera import camera, jpeg

USER, PASSWORD = "admin", "pässwörd"
SHA256 = 'Digest realm="cam", nonce="n1", qop="auth,auth-int", algorithm=SHA-256'
MD5 = 'Digest realm="cam", nonce="n2", qop="auth", algorithm=md5'
OLD = 'Digest realm="cam", nonce="n3"'
BASIC = 'Basic realm="cam"'
UNKNOWN = 'Digest realm="cam", nonce="n4", algorithm=SHA3-256'
Handler = http.server.BaseHTTPRequestHandler


def is_right(header: str, method: str) -> bool:
    """Whether a Digest is the one of RFC 7616 for our user."""
    fields = {k: q or p for k, q, p in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
    name = {"SHA-256": "sha256"}.get(fields.get("algorithm", ""), "md5")

    def digest(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    secret = digest(f"{USER}:cam:{PASSWORD}")
    request = digest(f"{method}:{fields['uri']}")
    middle = ":".join(fields[key] for key in ("nonce", "nc", "cnonce", "qop") if key in fields)
    return fields["response"] == digest(f"{secret}:{middle}:{request}")


@pytest.mark.parametrize(
    ("offers", "taken"),
    [
        ([BASIC, MD5, SHA256], "n1"),
        ([SHA256], "n1"),
        ([f"{MD5}, {BASIC}"], "n2"),
        ([UNKNOWN, OLD], "n3"),
        ([UNKNOWN, BASIC], "Basic"),
        ([BASIC], "Basic"),
    ],
)
def test_the_strongest_offer_is_taken(offers: list[str], taken: str) -> None:
    heard: list[str] = []

    def answer(handler: Handler) -> None:
        said = handler.headers.get("Authorization")
        if said is None:
            handler.send_response(401)
            for offer in offers:
                handler.send_header("WWW-Authenticate", offer)
            handler.end_headers()
            return
        heard.append(said)
        right = said.startswith("Basic ") or is_right(said, "GET")
        handler.send_response(200 if right else 401)
        handler.send_header("Content-Type", "image/jpeg")
        handler.end_headers()
        if right:
            handler.wfile.write(jpeg(0))

    with camera(answer) as server:
        url = server.url.replace("//", "//admin:p%C3%A4ssw%C3%B6rd@")
        frame = next(iter(open_source(url, ImageLimits(), print).frames(lambda at: True)))
    assert frame.problem is None
    assert all(taken in said for said in heard)


def test_a_wrong_password_is_sent_once() -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", MD5)
        handler.end_headers()

    with camera(answer) as server:
        url = server.url.replace("//", "//admin:wrong-one@")
        with pytest.raises(SourceError, match="401") as refused:
            open_source(url, ImageLimits(), print)
        assert server.requests == 2
    assert "wrong-one" not in str(refused.value)


def images(content_type: str, body: bytes) -> list[Frame]:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.end_headers()
        handler.wfile.write(body)

    frames: list[Frame] = []
    with camera(answer) as server:
        source = open_source(server.url, ImageLimits(), print)
        with contextlib.suppress(SourceLost):
            frames.extend(source.frames(lambda at: True))
    return frames


HEADERS = b"Content-Type: image/jpeg\r\n"


def part(data: bytes, *, length: bool) -> bytes:
    announced = b"Content-Length: %d\r\n" % len(data) if length else b""
    return HEADERS + announced + b"\r\n" + data


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize(
    ("named", "write"),
    [
        ("boundary=frame", lambda n, p: b"--frame\r\n" + p + b"\r\n"),
        ('boundary="--frame"', lambda n, p: b"--frame\r\n" + p + b"\r\n"),
        ("boundary=--frame", lambda n, p: b"----frame\r\n" + p + b"\r\n"),
        ("boundary=other", lambda n, p: b"\r\n--frame\r\n" + p + b"\r\n"),
        ("", lambda n, p: b"--frame\n" + p.replace(b"\r\n", b"\n", 3) + b"\r\n"),
        ("boundary=frame", lambda n, p: (b"--frame\r\n" if n else b"") + p + b"\r\n"),
    ],
    ids=["plain", "quoted", "dashes", "another", "none", "not before the first"],
)
def test_boundaries_as_cameras_write_them(
    named: str, write: Callable[[int, bytes], bytes], length: bool, request: pytest.FixtureRequest
) -> None:
    if "not before" in request.node.callspec.id and not length:
        pytest.skip("without a boundary and a length nothing tells where the image ends")
    parts = [jpeg(0), jpeg(5), jpeg(9)]
    body = b"".join(write(n, part(data, length=length)) for n, data in enumerate(parts))
    found = images(f"multipart/x-mixed-replace; {named}", body + b"--frame--\r\n")
    assert [frame.encoded for frame in found][: len(parts)] == parts[: len(found)]
    assert len(found) >= 2 + length
    assert all(frame.problem is None for frame in found)


def test_a_camera_that_answers_with_a_page_is_told_so() -> None:
    with pytest.raises(SourceError, match="text/html, which is neither"):
        images("text/html", b"<html>log in</html>")
