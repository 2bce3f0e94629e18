"""Cameras that mean harm, and addresses that hold secrets."""

from __future__ import annotations

import http.server
from pathlib import Path

import pytest

from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import ImageLimits
from hearth_runtime.watch.keys import default_camera
from hearth_runtime.watch.sources import open_source
from tests.contract.watch.test_http_camera import Answer, camera, jpeg


def raw(*pieces: bytes) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        try:
            for piece in pieces:
                handler.wfile.write(piece)
        except OSError:
            return  # it was enough for the other side

    return answer


def redirect(location: str) -> Answer:
    return raw(f"HTTP/1.0 302 Found\r\nLocation: {location}\r\n\r\n".encode())


def first_frame(url: str, limits: ImageLimits | None = None) -> object:
    # Nothing here is about time: on a busy machine a second can pass before an answer.
    source = open_source(url, limits or ImageLimits(), lambda message: None, stall_s=30.0)
    try:
        return next(iter(source.frames(lambda at: True)))
    finally:
        source.close()


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1:1/x", "data:image/jpeg,x", "gopher://x/", "//", ":"],
)
def test_a_camera_cannot_lead_away_from_the_web(location: str) -> None:
    with camera(redirect(location)) as server, pytest.raises((SourceError, SourceLost)) as refused:
        first_frame(server.url)
    assert "root:" not in str(refused.value)
    if ":" in location[1:]:
        assert isinstance(refused.value, SourceError), "trying again does not help"


def test_a_password_does_not_follow_a_redirect_to_another_host() -> None:
    seen: list[str | None] = []

    def thief(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("Authorization"))
        handler.wfile.write(b'HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n')

    with (
        camera(thief) as other,
        camera(redirect(other.url)) as server,
        pytest.raises(SourceError) as refused,
    ):
        first_frame(server.url.replace("//", "//admin:s3cret@"))
    assert set(seen) == {None}
    assert "s3cret" not in str(refused.value)


def test_redirects_in_a_circle_end() -> None:
    with camera(redirect("/video")) as server, pytest.raises(SourceError):
        first_frame(server.url)


@pytest.mark.parametrize(
    "head",
    [b"".join(b"X%d: a\r\n" % n for n in range(5000)), b"X: " + b"a" * 200_000 + b"\r\n"],
    ids=["many headers", "one long header"],
)
def test_a_header_bomb_is_a_source_that_is_lost(head: bytes) -> None:
    answer = raw(b"HTTP/1.0 200 OK\r\n", head, b"\r\n")
    with camera(answer) as server, pytest.raises(SourceLost, match="cannot be reached"):
        first_frame(server.url)


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/x-mixed-replace; boundary=x"])
def test_an_endless_body_is_cut_off(kind: str) -> None:
    head = f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
    limits = ImageLimits(max_bytes=1_000_000)
    with camera(raw(head, *[bytes(100_000)] * 500)) as server, pytest.raises(SourceLost):
        first_frame(server.url, limits)


def test_what_a_camera_says_cannot_command_the_terminal() -> None:
    answer = raw(b"HTTP/1.0 418 \x1b[2Jred\x07\r\n\r\n")
    with camera(answer) as server, pytest.raises(SourceError) as refused:
        first_frame(server.url)
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "http://admin:s3cret@[::1/video",
        "http://admin:s3cret@host:port/video",
        "http://admin:s3cret@host:99999/video",
        "http://admin:s3cret@\u2100/video",  # NFKC makes a/c of it
        "http://admin:s3cret@",
        "http://admin:p/s3cret@host/video",
        "rtsp://admin:s3cret@[x/video",
    ],
)
def test_a_malformed_address_is_refused_without_its_password(address: str) -> None:
    assert "s3cret" not in default_camera(address)
    with pytest.raises(SourceError, match="malformed") as refused:
        open_source(address, ImageLimits(), lambda message: None)
    assert "s3cret" not in f"{refused.value.message} {refused.value.remedy}"


@pytest.mark.parametrize(
    "address",
    ["rtsp://admin:s3cret@host/x", "http://admin:p@s3cret@h/x", "http://h/x?token=s3cret"],
)
def test_an_address_is_shown_without_its_secrets(address: str) -> None:
    assert "s3cret" not in public_source(address) + default_camera(address)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.jpg").write_bytes(jpeg(1))
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "2.jpg").symlink_to(tmp_path / "real" / "1.jpg")
    (folder / "3.jpg").symlink_to(tmp_path / "gone.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "up").symlink_to(tmp_path)
    return folder


def test_links_to_pictures_are_followed_and_no_others(album: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(album)
    warnings: list[str] = []
    source = open_source(str(tmp_path / "link"), ImageLimits(), warnings.append)
    assert len(list(source.frames(lambda at: True))) == 1
    assert default_camera(str(tmp_path / "link")) == "album"


def test_a_link_to_itself_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "loop"), ImageLimits(), lambda message: None)
