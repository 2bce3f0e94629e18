"""Cameras that speak HTTP: a stream of JPEGs (`multipart/x-mixed-replace`) or one at a time."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hearth_runtime.watch.errors import AccessRefused, SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, ImageLimits, Wanted
from hearth_runtime.watch.http_authentication import CameraAuthentication
from hearth_runtime.watch.image_files import decode_image

_MAX_HEADER = 8 * 1024
_CHUNK = 64 * 1024
_SNIFFED = 512
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*[ \t]*:")
# Answers that may heal without anybody doing anything.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Found:
    """What an address answers with.

    Attributes:
        kind: Media type, lower case, without parameters.
        is_film: Whether it is a video file with an end, by its first bytes: some servers send one
            as plain bytes.
        changed_at: When it was last changed, as the server says: microseconds since 1970.
    """

    kind: str
    is_film: bool
    changed_at: int | None


class HttpCamera:
    """One address that answers with a stream of images, or with the image of this moment."""

    live = True
    still = False
    started_at = 0
    time_source = "clock"
    total = None
    damaged = 0

    def __init__(
        self, url: str, shown: str, limits: ImageLimits, stall_s: float, interval_s: float
    ) -> None:
        """`shown` is the address without its password; `interval_s` is between two snapshots."""
        self._url, self._opener = _authenticated(url)
        self._shown = shown
        self._limits = limits
        self._stall_s = stall_s
        self._interval_s = interval_s
        self._closed = threading.Event()
        self._index = 0

    def peek(self) -> Found:
        """What the address answers with.

        Raises:
            SourceError: It answers that it will not.
            SourceLost: It does not answer now.
        """
        with self._request() as response:
            headers = response.headers
            try:
                first = response.read1(_SNIFFED)
            except (OSError, HTTPException) as error:
                raise SourceLost(f"{self._shown} broke off: {error}") from None
            return Found(
                headers.get_content_type(),
                response.length is not None and _is_film(first),
                _moment(headers["last-modified"]),
            )

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        while not self._closed.is_set():
            with self._request() as response:
                kind = response.headers.get_content_type()
                if kind.startswith("multipart/"):
                    parts = _Parts(response, self._shown, self._limits.max_bytes, self._stall_s)
                    yield from self._stream(parts, wanted)
                elif kind.startswith("image/") or kind == "application/octet-stream":
                    data = _Body(response, self._shown, self._stall_s).take_all(
                        self._limits.max_bytes
                    )
                    if wanted(elapsed := _elapsed()):
                        yield self._frame(data, elapsed)
                    self._index += 1
                else:
                    raise SourceError(
                        f"{self._shown} answers with {kind}, which is neither an image nor a "
                        "stream of them.",
                        "Look in the camera's manual for its MJPEG or snapshot address.",
                    )
            self._closed.wait(self._interval_s)

    def close(self) -> None:
        self._closed.set()

    def _stream(self, parts: _Parts, wanted: Wanted) -> Iterator[Frame]:
        for data in parts:
            if self._closed.is_set():
                return
            if wanted(elapsed := _elapsed()):
                yield self._frame(data, elapsed)
            self._index += 1
        raise SourceLost(f"{self._shown} ended its stream")

    def _frame(self, data: bytes, elapsed: int) -> Frame:
        frame = decode_image(data, self._limits, self._index, time.time_ns() // 1000)
        frame.elapsed = elapsed
        if frame.problem:
            frame.problem = f"{self._shown}, image {self._index}: {frame.problem}"
        return frame

    def _request(self) -> HTTPResponse:
        try:
            response: HTTPResponse = self._opener.open(self._url, timeout=self._stall_s)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _PASSING:
                    raise SourceLost(f"{self._shown} answers {error.code}") from None
                said = f"{self._shown} answers {error.code} {error.reason}."
                if error.code in {401, 403}:
                    raise AccessRefused(
                        said,
                        "Check the user name and password in the address: "
                        "http://user:password@host/path.",
                    ) from None
                raise SourceError(said, "Check the address.") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise SourceLost(f"{self._shown} cannot be reached: {reason}") from None
        return response


def _elapsed() -> int:
    return time.monotonic_ns() // 1000


def _is_film(data: bytes) -> bool:
    """Whether data begins as MP4, MOV, Matroska, WebM, AVI, MPEG-TS, MPEG-PS or FLV does."""
    return (
        data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}
        or data.startswith((b"\x1a\x45\xdf\xa3", b"\0\0\x01\xba", b"FLV\x01"))
        or (data[:4] == b"RIFF" and data[8:12] == b"AVI ")
        or (data[:1] == b"G" and data[188:189] == b"G")
    )


def _moment(header: str | None) -> int | None:
    """Microseconds since 1970 of an HTTP date; None where there is none or it is malformed."""
    try:
        return round(parsedate_to_datetime(header or "").timestamp() * 1_000_000)
    except ValueError:
        return None


class _Body:
    """Reads a response in pieces, bounded in bytes and in time."""

    def __init__(self, response: HTTPResponse, shown: str, stall_s: float) -> None:
        self._response = response
        self._shown = shown
        self._stall_s = stall_s
        self._deadline = time.monotonic() + stall_s
        self._held = bytearray()

    def take_all(self, limit: int) -> bytes:
        """Everything up to the end of the response."""
        while self._fill():
            self._check(len(self._held), limit)
        return self._take(len(self._held))

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        while len(self._held) < count:
            self._need()
        return self._take(count)

    def take_until(self, mark: bytes, limit: int, *, keep: bool = False) -> bytes:
        """What comes before `mark`, which is read over, or kept for the next reader."""
        start = 0
        while (found := self._held.find(mark, start)) < 0:
            self._check(len(self._held), limit)
            start = max(0, len(self._held) - len(mark) + 1)
            self._need()
        data = self._take(found)
        if not keep:
            del self._held[: len(mark)]
        return data

    def refresh(self) -> None:
        """An image has arrived whole: the time-out starts again."""
        self._deadline = time.monotonic() + self._stall_s

    def _take(self, count: int) -> bytes:
        data = bytes(self._held[:count])
        del self._held[:count]
        return data

    def _check(self, size: int, limit: int) -> None:
        if size > limit:
            raise SourceLost(f"{self._shown} sent more than {limit} bytes for one image")

    def _need(self) -> None:
        if not self._fill():
            raise SourceLost(f"{self._shown} ended its stream")

    def _fill(self) -> bool:
        # The socket's own time-out restarts with every byte: a trickle would never end.
        if time.monotonic() > self._deadline:
            raise SourceLost(f"{self._shown} sent no whole image in {self._stall_s:g} s")
        try:
            data = self._response.read1(_CHUNK)
        except TimeoutError:
            raise SourceLost(f"{self._shown} sent nothing for {self._stall_s:g} s") from None
        except (OSError, HTTPException, ValueError) as error:
            raise SourceLost(f"{self._shown} broke off: {error}") from None
        self._held += data
        return bool(data)


class _Parts:
    """The bodies of a multipart stream, with or without Content-Length.

    Cameras write the boundary with and without quotes and dashes, name none or another than they
    send, or begin with the first image's headers: what stands between two images is skipped up to a
    line of headers.
    """

    def __init__(self, response: HTTPResponse, shown: str, max_bytes: int, stall_s: float) -> None:
        self._body = _Body(response, shown, stall_s)
        self._shown = shown
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        boundary = b""
        while True:
            first = self._next_header()
            if first is None:
                return
            boundary, line = first[0] or boundary, first[1]
            headers = self._headers(line)
            length = headers.get("Content-Length", "")
            if length.strip().isdecimal():
                size = int(length)
                if size > self._max_bytes:
                    raise SourceLost(
                        f"{self._shown} announces an image of {size} bytes; the limit is "
                        f"{self._max_bytes}"
                    )
                data = self._body.take(size)
            elif boundary:
                data = self._body.take_until(b"\n" + boundary, self._max_bytes, keep=True)
                data = data.rstrip(b"\r\n")
            else:
                raise SourceError(f"{self._shown} names neither boundaries nor lengths of images.")
            self._body.refresh()
            yield data

    def _next_header(self) -> tuple[bytes, bytes] | None:
        """The boundary line before an image, empty where there is none, and its first header.

        None where the stream says that it ends.
        """
        boundary, used = b"", 0
        while used <= _MAX_HEADER:
            line = self._body.take_until(b"\n", _MAX_HEADER).rstrip(b"\r")
            used += len(line) + 1
            if line.startswith(b"--"):
                if boundary and line == boundary + b"--":
                    return None
                boundary = line
            elif _HEADER.match(line):
                return boundary, line
            elif boundary and not line:
                return boundary, b""  # an image without headers
        raise SourceLost(f"{self._shown} sent more than {_MAX_HEADER} bytes between two images")

    def _headers(self, line: bytes) -> Message:
        message = Message()
        used = 0
        while line:
            used += len(line)
            if used > _MAX_HEADER:
                raise SourceLost(f"{self._shown} sent more than {_MAX_HEADER} bytes of headers")
            name, _, value = line.decode("latin-1").partition(":")
            message[name.strip() or "-"] = value.strip()
            line = self._body.take_until(b"\n", _MAX_HEADER).rstrip(b"\r")
        return message


def _authenticated(url: str) -> tuple[str, urllib.request.OpenerDirector]:
    """The address without user name and password, and an opener that knows them."""
    parts = urlsplit(url)
    # Cameras stand in the local network: a proxy of the environment, which no handler here asks
    # for, could not reach them.
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ]
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
    if parts.username is not None:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        name, password = unquote(parts.username), unquote(parts.password or "")
        passwords.add_password(None, bare, name, password)
        handlers.append(CameraAuthentication(passwords))
    # Not build_opener, which adds file, FTP and data: a camera may send us to another web address
    # and nowhere else.
    opener = urllib.request.OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler)
    return bare, opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in {"http", "https"}:
            raise urllib.error.HTTPError(req.full_url, code, "and leads away", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
