"""Cameras as rows: what to watch, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field

from functions.detection.policy import NAME
from hearth.errors import InvalidInput
from hearth.resource.declaration import Boolean, Json, Number, Resource, Secret, Text
from hearth.resource.rows import Rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.resource.service import ResourceService

Fraction = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[list[Fraction], Field(min_length=4, max_length=4)]
# `rtsp://host/user=admin&password=…&channel=1`
_NAMED_SECRET: Final = re.compile(
    r"\b(user(?:name)?|usr|login|pass(?:word|wd)?|pwd|psw|token|auth|key|secret)=([^&/?#]*)", re.I
)
MIN_PART: Final = 0.05  # of width and height, as in a policy: less shows nobody

CAMERAS: Final = Resource(
    "camera_source",
    table="detection_camera_sources",
    path="/api/v1/cameras",
    read="cameras:read",
    write="cameras:write",
    scope="shared",
    max_rows=200,
    fields=(
        Text("name", pattern=NAME, max_length=63, unique=True, fixed=True),
        Secret("source", description="Path, address or number, with its user name and password."),
        Text("address", derived=True, max_length=2_000, description="The source without secrets."),
        Number("rate", nullable=True, minimum=0.001, maximum=1_000, description="Frames a second."),
        Json("region", model=Annotated[list[Part], Field(max_length=50)], nullable=True),
        Text("policy", nullable=True, pattern=NAME, description="Camera entry of the policy."),
        Boolean("enabled", default=True),
    ),
    description="Cameras that the stack watches by itself.",
)


def prepare_camera(values: dict[str, Any], before: Mapping[str, Any] | None) -> None:
    """The rules of a camera.

    Raises:
        InvalidInput: The source or a part of the image is not usable.
    """
    if (source := values.get("source")) is not None:
        values["address"] = public_address(source)
    for left, top, right, bottom in values["region"] or ():
        if not (right - left >= MIN_PART and bottom - top >= MIN_PART):
            raise InvalidInput(
                f"region must be left, top, right, bottom with {MIN_PART:g} between them at least"
            )


def public_address(source: str) -> str:
    """The source without user name, password, query and what recorders take in the path.

    Nothing of the address is shown where the last "@" may belong to a query or a fragment: a
    password may hold unescaped characters (`hearth_runtime.watch.addresses` does the same).

    Raises:
        InvalidInput: The source is no path, address or number.
    """
    scheme, is_address, rest = source.partition("://")
    credentials, _, address = rest.rpartition("@")
    try:
        _ = urlsplit(source).port
        parts = urlsplit(f"{scheme}://{address}")
    except ValueError:
        # Not quoted: it may hold the password.
        raise InvalidInput("source must have a host and a port that can be read") from None
    if not source.strip() or not source.isprintable():
        raise InvalidInput("source must be a path, an address or the number of a camera")
    if not is_address and re.search(":.*@", source):
        # Not quoted either: `admin:password@10.0.0.7/stream`.
        raise InvalidInput("source must begin with rtsp:// or http:// where it is an address")
    if not is_address or scheme.lower() == "file":
        return source
    if re.search("[?#=]", credentials) or not (parts.scheme and parts.netloc):
        return f"{scheme}://***"
    path = _NAMED_SECRET.sub(r"\1=***", parts.path)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def cameras_with_secrets(service: ResourceService) -> dict[str, Any]:
    """All cameras for the supervisor of watchers; never for an HTTP client."""
    cameras = [
        {
            "name": row["name"],
            "source": row.get("source"),
            "rate": row["rate"],
            "regions": row["region"],
            "enabled": row["enabled"],
        }
        for row in service.every()
    ]
    return {"cameras": cameras}


def make_cameras_handler(service: ResourceService) -> Callable[[object, object], dict[str, Any]]:
    """The Lambda handler that answers them."""
    return lambda event, context: cameras_with_secrets(service)


def is_watched(tx: Connection, camera_id: str) -> bool:
    """Whether the stack watches a camera by itself."""
    rows = Rows(CAMERAS).every(tx)
    return any(row["name"] == camera_id and row["enabled"] for row in rows)


def list_policy_entries(tx: Connection) -> dict[str, str]:
    """Camera → entry of the policy, of the cameras whose row names one."""
    return {row["name"]: row["policy"] for row in Rows(CAMERAS).every(tx) if row["policy"]}
