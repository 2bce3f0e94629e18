"""Why an RTSP camera does not show anything, told apart."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hearth_runtime.watch.errors import AccessRefused, SourceError
from hearth_runtime.watch.probe import probe_source

SECRET = "s3cret-horse"
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\na=control:track1\r\n"
)


class RtspCamera(socketserver.ThreadingTCPServer):
    """Answers DESCRIBE with a status, or with one stream that never sends a packet."""

    daemon_threads = True

    def __init__(self, status: str, codec: str) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.status = status
        self.codec = codec
        self.tried: list[str] = []


class _Requests(socketserver.StreamRequestHandler):
    server: RtspCamera

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # FFmpeg hangs up without a word
            while line := self.rfile.readline().decode():
                headers = {}
                while header := self.rfile.readline().decode().strip():
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                self._answer(line.split(" ")[0], headers)

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        status, body, extra = "200 OK", "", ""
        if method == "DESCRIBE":
            status = self.server.status
            if "authorization" in headers:
                self.server.tried.append(headers["authorization"])
            if status.startswith("401"):
                extra = 'WWW-Authenticate: Digest realm="camera", nonce="abc"\r\n'
            elif status.startswith("200"):
                body = SDP.format(codec=self.server.codec)
                extra = "Content-Type: application/sdp\r\n"
        elif method == "SETUP":
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        self.wfile.write(
            f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', '1')}\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )


@contextmanager
def rtsp_camera(status: str, codec: str = "H264") -> Iterator[tuple[str, RtspCamera]]:
    with RtspCamera(status, codec) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"rtsp://admin:{SECRET}@127.0.0.1:{server.server_address[1]}/live", server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ("401 Unauthorized", AccessRefused, r"refuses access \(401\)"),
        ("403 Forbidden", AccessRefused, r"refuses access \(403\)"),
        ("404 Not Found", SourceError, r"does not exist at the camera \(404\)"),
    ],
)
def test_a_refusal_names_its_reason_and_no_secret(
    status: str, kind: type[SourceError], said: str
) -> None:
    with rtsp_camera(status) as (address, server), pytest.raises(SourceError, match=said) as error:
        probe_source(address, stall_s=5)
    assert type(error.value) is kind
    # A camera may lock an account that tries more.
    assert len(server.tried) == status.startswith("401")
    assert SECRET not in error.value.message + error.value.remedy


def test_a_camera_that_is_switched_off_is_told_from_one_that_refuses() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"rtsp://admin:{SECRET}@127.0.0.1:{reserved.getsockname()[1]}/live"
        with pytest.raises(SourceError, match="the connection is refused") as error:
            probe_source(address, stall_s=5)
    assert type(error.value) is SourceError
    assert SECRET not in error.value.message


def test_a_codec_that_nothing_here_decodes_is_named() -> None:
    with (
        rtsp_camera("200 OK", codec="X-FOO") as (address, _),
        pytest.raises(SourceError, match="a codec that is not known here") as error,
    ):
        probe_source(address, stall_s=1)
    assert SECRET not in error.value.message
