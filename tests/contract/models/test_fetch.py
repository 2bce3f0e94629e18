"""Fetching from real servers on the loopback, which --allow-private admits."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hearth.errors import HearthError, InvalidInput, TooLarge, Unavailable
from hearth_models.fetch import FetchRules, fetch
from tests.contract.models.conftest import Call

HOME = FetchRules(private=True)


class _Server(BaseHTTPRequestHandler):
    """What each path answers."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/loop":
            self._redirect("/loop")
        elif path == "/moved.onnx":
            self._redirect("/m.onnx")
        elif path == "/away":
            self._redirect("ftp://127.0.0.1/m.onnx")
        elif path == "/huge":
            self.send_response(200)
            self.send_header("Content-Length", "2000000000")
            self.end_headers()
        elif path == "/endless":
            self.send_response(200)
            self.end_headers()
            piece = bytes(1 << 16)
            while True:
                try:
                    self.wfile.write(piece)
                except OSError:
                    return
        elif path == "/m.onnx":
            body = self.server.body  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(model: Path) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        running.daemon_threads = True
        running.body = model.read_bytes()  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def address(server: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def test_a_file_is_fetched_over_a_redirect_with_its_hash(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    found = fetch(address(server, "/moved.onnx"), tmp_path / "m", HOME)
    body = (tmp_path / "m").read_bytes()
    assert found == hashlib.sha256(body).hexdigest()
    assert body == server.body  # type: ignore[attr-defined]


def test_every_hop_is_checked_not_only_the_first(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """The first name is public; what it redirects to is not."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with pytest.raises(InvalidInput, match="ftp://"):
        fetch(address(server, "/away"), tmp_path / "m", HOME, resolver=resolver)
    with pytest.raises(Unavailable, match="redirects more than 5 times"):
        fetch(address(server, "/loop"), tmp_path / "m", HOME, resolver=resolver)
    assert len(asked) == 1 + 6


@pytest.mark.parametrize(
    ("path", "rules", "error", "said"),
    [
        ("/huge", HOME, TooLarge, "has 2000000000 bytes; at most 1000000000"),
        ("/endless", FetchRules(private=True, max_bytes=1_000_000), TooLarge, "more than 1000000"),
        ("/endless", FetchRules(private=True, total_s=0.0), Unavailable, "takes longer than 0 s"),
        ("/none", HOME, Unavailable, "answers 404"),
    ],
)
def test_downloads_that_are_too_large_too_slow_or_missing_are_one_line_errors(
    server: ThreadingHTTPServer,
    tmp_path: Path,
    path: str,
    rules: FetchRules,
    error: type[HearthError],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        fetch(address(server, path), tmp_path / "m", rules)


def test_an_unreachable_server_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be fetched"):
        fetch("http://127.0.0.1:1/m.onnx", tmp_path / "m", HOME)


def test_an_address_is_trusted_on_first_use(
    server: ThreadingHTTPServer, hearth_models: Call, model: Path, tmp_path: Path
) -> None:
    from tests.contract.models.conftest import LICENSED
    from tests.contract.vision.graphs import BrightCells

    data = ("--data", tmp_path / "data")
    url = address(server, "/m.onnx?token=secret")
    refused = hearth_models("add", url, *data)
    assert refused.exit_code == 2
    assert "--allow-private" in refused.stderr
    assert "secret" not in refused.stderr
    added = hearth_models("add", url, "--allow-private", *data)
    assert added.exit_code == 0, added.stderr
    assert "secret" not in (tmp_path / "data/models").joinpath("m").as_posix()
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(tmp_path / "other.onnx")
    server.body = other.read_bytes()  # type: ignore[attr-defined]
    changed = hearth_models("add", url, "--allow-private", *data)
    assert changed.exit_code == 2
    assert "gave other bytes when m@" in changed.stderr
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    meant = hearth_models("add", url, "--allow-private", "--sha256", digest, *data)
    assert meant.exit_code == 0, meant.stderr
