"""No part of a password is in what is shown, stored or named after a source."""

from __future__ import annotations

import contextlib
from string import ascii_letters, digits
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.detection.cameras import public_address
from hearth.errors import InvalidInput
from hearth_runtime.cameras.model import InvalidCamera
from hearth_runtime.cameras.remote import cameras_of_environment
from hearth_runtime.commands.run_plan import Watched, check_files, describe_failure
from hearth_runtime.watch.addresses import public_source, without_secrets
from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.keys import check_camera, default_camera

SECRETS = st.text(ascii_letters + digits + "@/#?:%&=+ äß!$", min_size=4, max_size=16)
SCHEMES = st.sampled_from(["rtsp", "rtsps", "http", "https", "RTSP"])
FORMS = [
    "{scheme}://user9:{secret}@cam.lan:554/live",
    "{scheme}://user9:{secret}@[fe80::1]/live",
    "{scheme}://cam.lan/live?user=user9&pwd={secret}",
    "{scheme}://cam.lan/user=user9&password={secret}&channel=1/stream",
    "{scheme}://{secret}@cam.lan/live",
    "{scheme}:/user9:{secret}@cam.lan/live",
    "user9:{secret}@cam.lan/live",
]


@given(SCHEMES, SECRETS, st.sampled_from(FORMS), st.booleans())
def test_no_part_of_a_secret_is_shown(scheme: str, secret: str, form: str, escaped: bool) -> None:
    written = quote(secret, safe="") if escaped else secret
    if "password=" in form and not escaped:
        written = "".join(sign for sign in secret if sign.isalnum()).ljust(4, "x")
    source = form.format(scheme=scheme, secret=written)
    said = f"it cannot be opened: {source} (host {source.partition('://')[2]})"
    stored = ""  # what the API keeps and answers
    with contextlib.suppress(InvalidInput):
        stored = public_address(source)
    for shown in (
        *(public_source(source), default_camera(source), without_secrets(said, source)),
        stored,
    ):
        for length in range(4, len(written) + 1):
            for begin in range(len(written) - length + 1):
                part = written[begin : begin + length]
                # "camera" is what a source without a name is called.
                known = form.format(scheme=scheme, secret="") + " camera"
                if part.strip("@/#?:&= ") == part and part not in known:
                    assert part not in shown


@pytest.mark.parametrize(
    ("source", "shown", "camera"),
    [
        ("rtsp://admin:12/34@cam/x", "rtsp://cam/x", "cam-x"),
        ("rtsp://admin:123#4@cam/x", "rtsp://***", "camera"),
        ("rtsp://cam/x?pwd=p@ss", "rtsp://***", "camera"),
        ("rtsp://admin:p@ss@cam:554/x", "rtsp://cam:554/x", "cam-x"),
        ("http://cam/video?user=a&pwd=b#c", "http://cam/video", "cam-video"),
        (
            "rtsp://10.0.0.7:554/user=admin&password=tlJwpbo6&channel=1",
            "rtsp://10.0.0.7:554/user=***&password=***&channel=1",
            "10-0-0-7-user-password-channel-1",
        ),
        ("clip.mp4", "clip.mp4", "clip"),
        ("a@b.mp4", "a@b.mp4", "a-b"),
        ("admin:pass@10.0.0.7/live", "***", "camera"),
        ("file:///films/clip.mp4", "file:///films/clip.mp4", "clip"),
    ],
)
def test_an_address_and_the_id_made_of_it(source: str, shown: str, camera: str) -> None:
    assert public_source(source) == shown
    with contextlib.suppress(InvalidInput):
        assert public_address(source) == shown
    assert default_camera(source) == camera


@pytest.mark.parametrize(
    "source", ["rtsp://admin:s3cret@cam/x", "admin:s3cret@cam/x", "rtsp:/admin:s3cret@cam/x"]
)
def test_an_address_in_the_wrong_place_is_not_quoted(source: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_camera(source)
    said = refused.value.message + refused.value.remedy
    with pytest.raises(InvalidCamera) as unnamed:
        list(cameras_of_environment(f"{source}?a=b"))
    said += str(unnamed.value)
    said += describe_failure(source, f"{source} is malformed")
    if "://" not in source:
        with pytest.raises(SourceError) as missing:
            check_files([Watched(source, "gate")])
        said += missing.value.message + missing.value.remedy
    assert "s3cret" not in said
