"""Names: of a camera, and of its frames in the bucket.

The contract with `detection`: `frames/{camera_id}/{YYYYmmddTHHMMSS.ffffffZ}.jpg`, and `.end` when a
source that can end has ended. Fields have fixed widths, so keys sort in the order of capture.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.errors import SourceError

_CAMERA = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_CLOCK_STEP_US = 2_000_000  # less is jitter, or NTP that slews
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_camera(camera: str) -> str:
    """Return `camera` when it is a camera id.

    Raises:
        SourceError: It is not.
    """
    if public_source(camera) != camera or "://" in camera:
        # Not quoted: it may hold the password.
        raise SourceError(
            "The camera id is an address.", "Give the id first, then the address: gate rtsp://…"
        )
    if not _CAMERA.fullmatch(camera):
        raise SourceError(
            f"{camera[:100]!r} is not a camera id.",
            "Use 1 to 63 lower-case letters, digits, '_' and '-', starting with a letter or digit; "
            f"{camera_slug(camera)!r} would do.",
        )
    return camera


def camera_slug(name: str) -> str:
    """The camera id nearest to a name; `camera` where it has neither letters nor digits.

    Letters that have no Latin form are told apart by a hash: 正門 and 裏口 are two cameras.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    slug = re.sub(r"[^a-z0-9_-]+", "-", plain.encode("ascii", "ignore").decode()).strip("-_")
    if not any(sign.isalnum() and not sign.isascii() for sign in plain):
        return slug[:63].rstrip("-_") or "camera"
    digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug[:54].rstrip('-_') or 'camera'}-{digest}"


def default_camera(source: str) -> str:
    """The camera id of a source that was given none: from its file name, address or number.

    User name, password and query of an address are left out: they may be secrets.
    """
    if source.isdecimal():
        return f"device-{int(source)}"[:63]
    shown = public_source(source)
    try:
        parts = urlsplit(shown)
    except ValueError:
        return "camera"  # who opens the source says what is wrong with it
    if parts.scheme and parts.netloc:
        return camera_slug(f"{parts.hostname or ''}{posixpath.splitext(parts.path)[0]}")
    if shown != source:
        return "camera"
    # A folder may be given as "." or "..": its real name counts.
    return camera_slug(Path(source).resolve().stem)


def frame_key(camera: str, captured_at: int) -> str:
    """The key of the image that `camera` took at `captured_at` (microseconds since 1970, UTC)."""
    return f"frames/{camera}/{_stamp(captured_at)}.jpg"


def end_key(camera: str, captured_at: int) -> str:
    """The key of the marker that ends a stream; `captured_at` as for `frame_key`."""
    return f"frames/{camera}/{_stamp(captured_at)}.end"


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 (UTC) of a timezone-aware time, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _stamp(captured_at: int) -> str:
    # isoformat and not strftime: glibc's %Y does not pad years before 1000 to four digits.
    moment = (_EPOCH + timedelta(microseconds=captured_at)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds").replace("-", "").replace(":", "") + "Z"


class CaptureClock:
    """Makes the capture times of one camera distinct, and increasing while its clock is not set.

    Two images with one time would have one key; the second gets the microsecond after the first. A
    clock that was set back is followed: an hour of frames squeezed into one instant would be
    nobody's.
    """

    def __init__(self) -> None:
        self.last: int | None = None

    def __call__(self, captured_at: int) -> int:
        if self.last is not None and -_CLOCK_STEP_US < captured_at - self.last <= 0:
            captured_at = self.last + 1
        self.last = captured_at
        return captured_at
