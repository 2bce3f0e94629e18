"""A camera as its row describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MIN_RATE, MAX_RATE = 0.001, 1000.0  # frames a second
DEFAULT_RATE = 5.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)

Region = tuple[float, float, float, float]


class InvalidCamera(ValueError):
    """A camera cannot be watched as it is described; the message is one clause."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What to watch and how.

    Attributes:
        name: Camera id, as in the keys of its frames.
        source: Path, address or number, with user name and password: never shown.
        rate: Frames kept a second; None keeps the rate of images in files.
        regions: Parts of the image in which motion counts; none means everywhere.
        enabled: Whether it is watched.
        problem: Why it cannot be watched, where the row is wrong.
    """

    name: str
    source: str
    rate: float | None = None
    regions: tuple[Region, ...] = ()
    enabled: bool = True
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `parse_camera` reads it."""
        return asdict(self)


def parse_camera(row: Mapping[str, Any]) -> Camera:
    """A row as a camera; a row that is wrong becomes one with a `problem`, so that others go on.

    Raises:
        InvalidCamera: The row has no usable name, so nothing can be said about it.
    """
    name = row.get("name")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise InvalidCamera(f"camera id {str(name)[:100]!r} must be lower-case letters and digits")
    source = row.get("source")
    enabled = bool(row.get("enabled", True))
    try:
        if not (isinstance(source, str) and source.strip()):
            raise InvalidCamera("source must not be empty")
        rate = _rate(row.get("rate"))
        regions = tuple(map(_region, row.get("regions") or ()))
    except InvalidCamera as error:
        return Camera(name, str(source or ""), enabled=enabled, problem=str(error))
    problem = row.get("problem")
    return Camera(name, source, rate, regions, enabled, None if problem is None else str(problem))


def _rate(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not MIN_RATE <= value <= MAX_RATE:
        raise InvalidCamera(f"rate must be {MIN_RATE:g} to {MAX_RATE:g} frames a second")
    return float(value)


def _region(value: Any) -> Region:
    try:
        left, top, right, bottom = map(float, value)
    except (TypeError, ValueError):
        left = top = right = bottom = 0.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InvalidCamera("region must be left, top, right, bottom between 0 and 1")
    return left, top, right, bottom
