"""How a camera frame is named in the bucket, and which job its key stands for.

    frames/{camera_id}/{time}.jpg    one image
    frames/{camera_id}/{time}.end    the source has ended: no later image follows

`time` is the UTC instant of capture as `YYYYmmddTHHMMSS.ffffffZ`. Every field has a fixed width, so
the lexicographic order of one camera's keys, which is the order S3 lists them in, is the order of
capture. The notification of an upload (detection) and the listing of the bucket (sweep) must make
the very same job of a key, or a frame would be worked twice: both call `frame_job`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from hearth.errors import InvalidInput
from hearth.ledger.ledger import NewJob

FRAMES_PREFIX = "frames/"
QUEUE = "detection"

_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
# A DNS label plus the underscore: safe in keys, URLs, file names and metric dimensions.
_CAMERA = r"frames/(?P<camera>[a-z0-9][a-z0-9_-]{0,62})/"
_FOLDER = re.compile(_CAMERA)
# [0-9] and not \d, which would also admit the digits of other scripts.
_KEY = re.compile(_CAMERA + r"(?P<time>[0-9]{8}T[0-9]{6}\.[0-9]{6}Z)\.(?P<suffix>jpg|end)")


class FrameKind(StrEnum):
    """What an object under `frames/` is; the value is the kind of the job that works on it."""

    FRAME = "detection.frame"
    END = "detection.end"


_KIND_OF_SUFFIX = {"jpg": FrameKind.FRAME, "end": FrameKind.END}
_SUFFIX_OF_KIND = {kind: suffix for suffix, kind in _KIND_OF_SUFFIX.items()}
_DEDUPE_OF_KIND = {FrameKind.FRAME: "frame", FrameKind.END: "end"}


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One object under `frames/`, as its key describes it.

    Attributes:
        camera_id: `[a-z0-9][a-z0-9_-]{0,62}`.
        captured_at: UTC, timezone-aware, microseconds.
        kind: An image, or the marker that ends a stream.
    """

    camera_id: str
    captured_at: datetime
    kind: FrameKind


def parse_frame_key(key: str) -> FrameRef:
    """Read what a key says.

    Args:
        key: The object's key, already URL-decoded (S3 events carry it encoded).

    Raises:
        InvalidInput: The key does not name a frame or an end marker.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise InvalidInput(
            f"{_shown(key)} is not the key of a frame: expected "
            "frames/{camera_id}/{YYYYmmddTHHMMSS.ffffffZ}.jpg (or .end), with a camera id of 1 to "
            "63 lower-case letters, digits, '_' and '-'"
        )
    try:
        captured_at = datetime.strptime(match["time"], _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(
            f"{_shown(key)} is not the key of a frame: {match['time']} is no date and time"
        ) from None
    return FrameRef(match["camera"], captured_at, _KIND_OF_SUFFIX[match["suffix"]])


def frame_key(camera_id: str, captured_at: datetime, kind: FrameKind = FrameKind.FRAME) -> str:
    """The inverse of `parse_frame_key`; `captured_at` is timezone-aware.

    Also gives the bounds of a listing: every frame of a camera captured before `t` sorts before
    `frame_key(camera_id, t)`.
    """
    # isoformat and not strftime: glibc's %Y does not pad years before 1000 to four digits.
    time = captured_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    digits = time.replace("-", "").replace(":", "")
    return f"{camera_prefix(camera_id)}{digits}Z.{_SUFFIX_OF_KIND[kind]}"


def camera_prefix(camera_id: str) -> str:
    """The prefix under which a camera's frames lie, and no other camera's."""
    return f"{FRAMES_PREFIX}{camera_id}/"


def camera_of(key: str) -> str | None:
    """The camera in whose folder `key` lies, whatever the rest of it is; None when in no one's."""
    match = _FOLDER.match(key)
    return None if match is None else match["camera"]


def frame_job(key: str) -> NewJob:
    """The job that a frame's key stands for.

    Raises:
        InvalidInput: The key does not name a frame or an end marker.
    """
    kind = parse_frame_key(key).kind
    return NewJob(
        kind=kind.value,
        queue=QUEUE,
        dedupe_key=f"{_DEDUPE_OF_KIND[kind]}:{key}",
        payload={"key": key},
    )


def _shown(key: str) -> str:
    """The key as a message shows it: quoted, control characters escaped, at most 200 characters."""
    return repr(key if len(key) <= 200 else f"{key[:200]}…")
