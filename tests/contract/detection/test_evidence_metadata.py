"""What a camera or a phone wrote beside its picture stays out of the evidence."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.contract.detection.harness import DetectionHarness

SECRET = b"OWNER-AND-PLACE"


def tagged() -> bytes:
    """A frame with a person (as the script sees it), with EXIF, GPS, XMP, ICC and a comment."""
    picture = Image.fromarray(np.full((240, 400, 3), 18, np.uint8))
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()  # maker
    exif.get_ifd(0x8825)[0x001D] = SECRET.decode()  # GPS date
    buffer = io.BytesIO()
    picture.save(
        buffer,
        "JPEG",
        exif=exif.tobytes(),
        xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>",
        icc_profile=SECRET,
        comment=SECRET,
    )
    return buffer.getvalue()


def test_metadata_of_a_frame_is_not_in_its_evidence(harness: DetectionHarness) -> None:
    assert tagged().count(SECRET) >= 4
    for n in range(6):
        harness.upload(n / 5, tagged())
    harness.end(1)
    harness.drain()
    [incident] = harness.incidents()
    evidence = harness.store.get(incident.evidence["key"], 10_000_000)
    assert SECRET not in evidence
    with Image.open(io.BytesIO(evidence)) as picture:
        assert not picture.getexif()
        assert not {"xmp", "icc_profile", "comment", "exif"} & picture.info.keys()
