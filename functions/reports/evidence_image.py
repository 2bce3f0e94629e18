"""Fetches the evidence image and verifies its hash; an image that cannot be shown says why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from functions.reports.schemas import Evidence
from hearth.errors import Forbidden, InvalidInput, NotFound, TooLarge

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_IMAGE_PIXELS = 100_000_000
# Start-of-frame markers that PDF's DCTDecode accepts: baseline, extended, progressive (ITU T.81).
_FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2})
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})


class ImageStore(Protocol):
    """Holds images; `hearth.storage.ObjectStore` is one."""

    def get(self, key: str, max_bytes: int) -> bytes: ...


@dataclass(frozen=True)
class EvidenceImage:
    """The evidence image of a report, and the statement that the report prints about it.

    `data` is a JPEG, or None where no image may be shown; `size` is (width, height) in pixels;
    `sha256` is the hash of the bytes that were read.
    """

    statement: str
    data: bytes | None = None
    size: tuple[int, int] = (0, 0)
    sha256: str | None = None


def fetch_image(store: ImageStore, bucket: str, evidence: Evidence | None) -> EvidenceImage:
    """Fetch the evidence of an incident from our own bucket.

    Raises:
        Unavailable: The store does not answer; a retry may help.
    """
    if evidence is None:
        return EvidenceImage("No evidence picture: the message names none.")
    where = f"s3://{evidence.bucket}/{evidence.key}"
    if evidence.bucket != bucket:
        return EvidenceImage(
            f"Evidence picture not fetched: {where} is not in this system's bucket."
        )
    try:
        data = store.get(evidence.key, MAX_IMAGE_BYTES)
    except NotFound:
        return EvidenceImage(f"Evidence picture missing: {where} does not exist (any more).")
    except TooLarge:
        return EvidenceImage(
            f"Evidence picture not shown: {where} is larger than "
            f"{MAX_IMAGE_BYTES // 1024 // 1024} MB."
        )
    except (Forbidden, InvalidInput) as error:
        return EvidenceImage(f"Evidence picture not fetched: {error.message}")
    actual = hashlib.sha256(data).hexdigest()
    if evidence.sha256 is not None and actual != evidence.sha256:
        return EvidenceImage(
            f"Evidence picture withheld: {where} has been changed. Its SHA-256 is {actual}, the "
            f"incident recorded {evidence.sha256}.",
            sha256=actual,
        )
    size = jpeg_size(data)
    if size is None:
        return EvidenceImage(
            f"Evidence picture not shown: {where} is not a complete grey or colour JPEG.",
            sha256=actual,
        )
    if evidence.sha256 is None:
        return EvidenceImage(
            f"Evidence picture {where}, not verified: the message carried no hash.",
            data=data,
            size=size,
            sha256=actual,
        )
    return EvidenceImage(
        f"Evidence picture {where}, verified against the hash recorded with the incident.",
        data=data,
        size=size,
        sha256=actual,
    )


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels of a JPEG that a PDF can contain unchanged, else None.

    Reads the header alone. Refuses CMYK (viewers disagree about its inversion), 12-bit, lossless
    and arithmetic coding, a missing end marker, and more than 100 megapixels.
    """
    if not data.startswith(b"\xff\xd8") or b"\xff\xd9" not in data[-64:]:
        return None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAME_MARKERS:
            header = data[position + 4 : position + 10]
            if len(header) < 6 or header[0] != 8 or header[5] not in (1, 3):
                return None
            height, width = (
                int.from_bytes(header[1:3], "big"),
                int.from_bytes(header[3:5], "big"),
            )
            return (width, height) if 0 < width * height <= MAX_IMAGE_PIXELS else None
        if marker == 0xDA or length < 2:
            return None
        position += 2 + length
    return None
