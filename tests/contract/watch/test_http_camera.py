"""A real HTTP server that behaves like a camera, well and badly."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import cv2
import pytest

from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.watcher import WatchConfig, WatchSummary, watch
from tests.contract.watch.conftest import S3, scene

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Camera(http.server.ThreadingHTTPServer):
    """Answers each request with the next of its answers, and with the last one from then on."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: list[Answer], port: int = 0) -> None:
        self.answers = answers
        self.requests = 0
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/video"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Camera
    protocol_version: ClassVar[str] = "HTTP/1.0"

    def do_GET(self) -> None:
        number = self.server.requests
        self.server.requests += 1
        self.server.answers[min(number, len(self.server.answers) - 1)](self)

    def log_message(self, *args: Any) -> None:
        """The test's output is not for access logs."""


@contextmanager
def camera(*answers: Answer) -> Iterator[Camera]:
    server = Camera(list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def jpeg(index: int) -> bytes:
    return cv2.imencode(".jpg", scene(index))[1].tobytes()


def stream(
    parts: list[bytes],
    *,
    length: bool = True,
    boundary: str = "frame",
    named: str = "frame",
    pause_s: float = 0.0,
) -> Answer:
    """An MJPEG stream that ends after its parts."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        kind = f"multipart/x-mixed-replace; boundary={named}"
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        try:
            for part in parts:
                head = f"--{boundary}\r\nContent-Type: image/jpeg\r\n"
                head += f"Content-Length: {len(part)}\r\n" if length else ""
                handler.wfile.write(head.encode() + b"\r\n" + part + b"\r\n")
                handler.wfile.flush()
                time.sleep(pause_s)
            handler.wfile.write(f"--{boundary}--\r\n".encode())
        except OSError:
            pass  # the watcher has gone, as it may

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def silence(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(3)


def snapshot(handler: http.server.BaseHTTPRequestHandler) -> None:
    data = jpeg(int(time.time() * 20) % 60)
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def config(s3: S3, url: str, tmp_path: Path, **options: Any) -> WatchConfig:
    return WatchConfig(
        url,
        s3.bucket,
        tmp_path / "spool",
        camera="gate",
        endpoint_url=s3.endpoint,
        **{"fps": None, "motion": False, "reconnect": False, "stall_s": 1.0, **options},
    )


def watch_until(settings: WatchConfig, s3: S3, frames: int, within_s: float = 60.0) -> WatchSummary:
    """Watch until so many frames are in the bucket; fails the test when they are not in time."""
    stop = threading.Event()
    late = threading.Event()

    def look() -> None:
        deadline = time.monotonic() + within_s
        while sum(key.endswith(".jpg") for key in s3.listing("frames/gate/")) < frames:
            if stop.wait(0.05):
                return
            if time.monotonic() > deadline:
                late.set()
                break
        stop.set()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        summary = watch(settings, stop=stop)
    finally:
        stop.set()
        looker.join()
    assert not late.is_set(), f"not {frames} frames within {within_s} s; {summary}"
    return summary


@pytest.mark.parametrize("length", [True, False], ids=["Content-Length", "boundary only"])
@pytest.mark.parametrize(
    ("named", "boundary"), [("frame", "frame"), ("--frame", "frame"), ("--frame", "--frame")]
)
def test_a_stream_is_stored_byte_for_byte(
    s3: S3, tmp_path: Path, length: bool, named: str, boundary: str
) -> None:
    parts = [jpeg(index) for index in range(6)]
    answer = stream(parts, length=length, boundary=boundary, named=named)
    with camera(status(503), answer) as server:  # the first request only asks what it is
        summary = watch(config(s3, server.url, tmp_path))
    frames = [key for key in s3.listing("frames/gate/") if key.endswith(".jpg")]
    assert [s3.get(key) for key in frames] == parts
    assert summary.end_key in s3.listing()
    assert "ended its stream" in summary.warnings[-1]


def test_a_stream_is_sampled_and_gated_by_the_wall_clock(s3: S3, tmp_path: Path) -> None:
    still = [jpeg(0)] * 40
    with camera(stream([]), stream(still, pause_s=0.05)) as server:
        settings = config(s3, server.url, tmp_path, fps=10.0, motion=True, keep_alive_s=100)
        begun = time.monotonic()
        summary = watch(settings)
        seconds = time.monotonic() - begun
    assert summary.frames_read == 40
    assert summary.frames_sent == 1
    assert 10 <= summary.frames_gated <= 10 * seconds + 1


def test_a_stream_that_breaks_off_is_taken_up_again(s3: S3, tmp_path: Path) -> None:
    answers = [stream([]), stream([jpeg(0)] * 3), status(500), stream([jpeg(1)] * 4, pause_s=0.2)]
    with camera(*answers) as server:
        summary = watch_until(config(s3, server.url, tmp_path, reconnect=True), s3, 7)
    assert summary.frames_sent >= 7
    assert summary.reconnects >= 2
    assert any("answers 500" in message for message in summary.warnings)
    assert summary.end_key in s3.listing()


def test_a_silent_stream_counts_as_lost(s3: S3, tmp_path: Path) -> None:
    with camera(stream([]), silence, stream([jpeg(0)] * 3)) as server:
        summary = watch_until(config(s3, server.url, tmp_path, reconnect=True), s3, 3)
    assert any("sent nothing" in message for message in summary.warnings)
    assert summary.frames_sent >= 3


def test_a_trickle_counts_as_lost(s3: S3, tmp_path: Path) -> None:
    def trickle(handler: http.server.BaseHTTPRequestHandler) -> None:
        silence_head = b"--frame\r\nContent-Length: 100\r\n\r\n"
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        handler.wfile.write(silence_head)
        for _ in range(20):
            time.sleep(0.2)
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return

    with camera(stream([]), trickle, stream([jpeg(0)] * 3)) as server:
        summary = watch_until(config(s3, server.url, tmp_path, reconnect=True), s3, 1)
    assert any("no whole image" in message for message in summary.warnings)


def test_an_endless_part_is_cut_off(s3: S3, tmp_path: Path) -> None:
    with camera(stream([]), stream([bytes(40 * 1024 * 1024)])) as server:
        settings = config(s3, server.url, tmp_path)
        with pytest.raises(SourceError, match="limit"):
            watch(settings)
    assert s3.listing() == []


def test_a_snapshot_address_is_asked_again_and_again(s3: S3, tmp_path: Path) -> None:
    with camera(snapshot) as server:
        settings = config(s3, server.url, tmp_path, fps=10.0, paced=True)
        begun = time.monotonic()
        summary = watch_until(settings, s3, 5)
        assert 5 <= summary.frames_sent <= 10 * (time.monotonic() - begun) + 1
        assert server.requests >= summary.frames_sent
    frames = [key for key in s3.listing("frames/gate/") if key.endswith(".jpg")]
    assert len(frames) == summary.frames_sent


@pytest.mark.parametrize(("code", "hint"), [(401, "user:password"), (404, "address")])
def test_a_camera_that_refuses_is_an_error_at_once(
    s3: S3, tmp_path: Path, code: int, hint: str
) -> None:
    with camera(status(code)) as server:
        with pytest.raises(SourceError, match=str(code)) as refused:
            watch(config(s3, server.url, tmp_path, reconnect=True))
        assert hint in refused.value.remedy


def test_what_is_no_camera_is_an_error(s3: S3, tmp_path: Path) -> None:
    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()

    with camera(page) as server, pytest.raises(SourceError, match="text/html"):
        watch(config(s3, server.url, tmp_path))


def test_the_password_is_sent_and_never_shown(s3: S3, tmp_path: Path) -> None:
    seen: list[str | None] = []
    inner = stream([jpeg(0)] * 2)

    def guarded(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("Authorization"))
        if seen[-1] is None:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.end_headers()
        else:
            inner(handler)

    events: list[dict[str, Any]] = []
    with camera(guarded) as server:
        url = server.url.replace("http://", "http://admin:s3cret@")
        settings = config(s3, url, tmp_path)
        summary = watch(settings, lambda event: events.append(dict(event)))
    assert summary.frames_sent == 2
    assert f"Basic {base64.b64encode(b'admin:s3cret').decode()}" in seen
    assert "s3cret" not in str(events) + str(summary)


def test_a_camera_that_is_not_there_is_waited_for(s3: S3, tmp_path: Path, port: int) -> None:
    server = None
    events: list[dict[str, Any]] = []
    stop = threading.Event()
    settings = config(s3, f"http://127.0.0.1:{port}/video", tmp_path, reconnect=True)
    done: list[WatchSummary] = []
    watcher = threading.Thread(
        target=lambda: done.append(watch(settings, lambda e: events.append(dict(e)), stop))
    )
    watcher.start()
    try:
        while not any(event["event"] == "warning" for event in events):
            time.sleep(0.05)
        server = Camera([stream([jpeg(0)] * 5)], port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        while not [key for key in s3.listing() if key.endswith(".jpg")]:
            time.sleep(0.1)
    finally:
        stop.set()
        watcher.join()
        if server is not None:
            server.shutdown()
            thread.join()
            server.server_close()
    assert "cannot be reached" in str(events)
    assert done[0].end_key in s3.listing()
