"""The safety policy: what each camera, zone and shift requires. One validated YAML file.

Every scalar is read as text and converted by the field it belongs to. So `from: 22:00` is a time
and not YAML 1.1's sexagesimal 1320, `no` is a name and not false, and nothing but text, lists and
mappings is ever constructed.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from functions.detection.judging.dwelling import DwellRules
from functions.detection.judging.equipment import Item
from functions.detection.judging.polygons import is_simple
from functions.detection.judging.verdicts import Area, DecidingPoint, FrameRules
from functions.detection.policy_errors import explain
from hearth.errors import HearthError, InvalidInput, TooLarge

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 12
MINUTES_A_DAY: Final = 24 * 60
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MIN_REGION: Final = 0.05
"""Of an image's width and height: less shows nobody."""

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"


def _parse_minute(value: object) -> int:
    """`HH:MM` → minute of the day, 0..1440 (24:00 is the end of the day)."""
    text = str(value)
    hours, _, minutes = text.partition(":")
    if not (len(text) == 5 and hours.isdecimal() and minutes.isdecimal() and text.isascii()):
        raise ValueError(f"{text!r} is not a time of day; write HH:MM")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > MINUTES_A_DAY:
        raise ValueError(f"{text!r} is not a time of day; 00:00 to 24:00 exist")
    return minute


def _check_items(value: object) -> object:
    known = ", ".join(Item)
    for name in value if isinstance(value, list) else []:
        if name not in list(Item):
            raise ValueError(f"unknown equipment {name!r}; known are {known}")
    return value


Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
FramesPerSecond = Annotated[float, Field(ge=0.01, le=120, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Polygon = tuple[tuple[Fraction, Fraction], ...]
Minute = Annotated[int, BeforeValidator(_parse_minute)]
Items = Annotated[tuple[Item, ...], BeforeValidator(_check_items)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class EpisodeRules(_Strict):
    """When observations belong to one incident, and when an incident is believed.

    The defaults are those of network video recorders: Frigate takes the median score over at least
    three observations, and keeps five seconds before and after.
    """

    gap_s: Seconds = 5.0
    max_s: Seconds = 600.0
    min_observations: Annotated[int, Field(ge=1, le=1000)] = 3
    min_score: Score = 0.5
    idle_after_s: Seconds = 60.0

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.max_s < self.gap_s:
            raise ValueError(f"max_s {self.max_s:g} is shorter than gap_s {self.gap_s:g}")
        return self


class Shift(_Strict):
    """A span of local wall-clock time; `to` before `from` runs past midnight into the next day.

    `days` are the days on which it starts. Wall time decides, so on the nights of a clock change a
    shift is an hour longer or shorter, as the people's is.
    """

    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    start: Minute = Field(alias="from")
    end: Minute = Field(alias="to")

    @model_validator(mode="after")
    def _check_span(self) -> Self:
        if self.start == self.end:
            raise ValueError("from and to are equal; a whole day is from 00:00 to 24:00")
        return self

    def covers(self, local: datetime) -> bool:
        """Whether the wall-clock time `local` lies in the shift; the start counts, the end not."""
        minute = local.hour * 60 + local.minute
        today = DAYS[local.weekday()] in self.days
        if self.start < self.end:
            return today and self.start <= minute < self.end
        yesterday = DAYS[(local - timedelta(days=1)).weekday()] in self.days
        return (today and minute >= self.start) or (yesterday and minute < self.end)


def _check_polygon(name: str, polygon: Sequence[tuple[float, float]]) -> None:
    if len(polygon) < 3:
        raise ValueError(f"{name} has {len(polygon)} corners; a polygon needs 3")
    if not is_simple(polygon):
        raise ValueError(
            f"{name}: the edges of the polygon cross or it has no area; "
            "list the corners in order along the outline"
        )


class Zone(_Strict):
    """A part of the image with rules of its own.

    Corners are fractions of width and height, so that a camera's resolution can change. No polygon
    means the whole image. `required` replaces the camera's list inside the zone; without it the
    camera's list goes on applying. `free` takes away all of the camera's own rules inside.

    `point` of a person's box decides where the person is: the middle of its lower edge (`foot`), of
    its upper one (`head`), or of the box (`centre`). Who is lower than `min_height` (of the image's
    height) or whose point is in one of the `masks` is not in the zone. Somebody counts once
    `inertia` frames have shown them in the zone, and once they have been there for `loitering_s`.
    """

    name: str = Field(pattern=NAME)
    polygon: Polygon | None = Field(default=None, max_length=100)
    restricted: bool = False
    required: Items | None = None
    free: bool = False
    shifts: tuple[Shift, ...] = ()
    point: DecidingPoint = "foot"
    min_height: Fraction = 0.0
    masks: tuple[Annotated[Polygon, Field(max_length=100)], ...] = Field((), max_length=20)
    inertia: Annotated[int, Field(ge=1, le=100)] = 1
    loitering_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _check_zone(self) -> Self:
        if self.free and (self.restricted or self.required):
            raise ValueError(f"zone {self.name!r} is free; it cannot be restricted or require")
        if not self.free and not self.restricted and self.required is None:
            raise ValueError(
                f"zone {self.name!r} has no rule; give it restricted, required or free"
            )
        if self.polygon is not None:
            _check_polygon(f"zone {self.name!r}", self.polygon)
        for number, mask in enumerate(self.masks, 1):
            _check_polygon(f"mask {number} of zone {self.name!r}", mask)
        return self

    @property
    def dwell(self) -> DwellRules:
        return DwellRules(self.inertia, self.loitering_s)

    def active(self, local: datetime) -> bool:
        return not self.shifts or any(shift.covers(local) for shift in self.shifts)


class Defaults(_Strict):
    """What applies where a camera has no setting of its own.

    `min_score` is the confidence from which a person is judged; 0 leaves that to the detector's
    own threshold. `max_lag_s` is how long after its capture a frame is still worth judging (less,
    of a camera that sends more than its share); without it every frame is, however late. `max_fps`
    is the rate limit: how many frames a second (of capture) a camera may have judged; frames over
    it are dropped. `silent_after_s` is how long no frame may come in before people are told;
    without it, two minutes of cameras that the stack watches by itself.
    """

    required: Items = (Item.HELMET, Item.VEST)
    restricted: bool = False
    min_score: Score = 0.0
    max_lag_s: Seconds | None = None
    max_fps: FramesPerSecond | None = None
    silent_after_s: Seconds | None = None
    episode: EpisodeRules = EpisodeRules()


Region = tuple[Fraction, Fraction, Fraction, Fraction]
"""left, top, right, bottom, as fractions of width and height."""


class Camera(_Strict):
    """Rules of one camera; what is left out comes from the defaults.

    `region` is the part of the image that the detector sees, enlarged. Zones stay fractions of the
    whole image.
    """

    required: Items | None = None
    restricted: bool | None = None
    min_score: Score | None = None
    max_lag_s: Seconds | None = None
    max_fps: FramesPerSecond | None = None
    silent_after_s: Seconds | None = None
    episode: EpisodeRules | None = None
    region: Region | None = None
    zones: tuple[Zone, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _check_region(self) -> Self:
        if self.region is not None:
            left, top, right, bottom = self.region
            if right - left < MIN_REGION or bottom - top < MIN_REGION:
                raise ValueError(
                    f"region {list(self.region)} is not left, top, right, bottom with "
                    f"{MIN_REGION:g} of the picture between them at least"
                )
        return self

    @model_validator(mode="after")
    def _check_zone_names(self) -> Self:
        names = [zone.name for zone in self.zones]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"zone {name!r} is named twice; names must differ")
        return self


class CameraRules(BaseModel):
    """The rules of one camera with all defaults filled in."""

    model_config = ConfigDict(frozen=True)

    required: tuple[Item, ...]
    restricted: bool
    min_score: float
    max_lag_s: float | None
    max_fps: float | None
    silent_after_s: float | None
    episode: EpisodeRules
    region: Region | None
    zones: tuple[Zone, ...]

    @property
    def required_anywhere(self) -> tuple[Item, ...]:
        """Equipment that the whole image or one of its zones asks for."""
        asked = {*self.required, *(item for zone in self.zones for item in zone.required or ())}
        return tuple(item for item in Item if item in asked)

    @property
    def dwell(self) -> dict[str, DwellRules]:
        """The zones in which somebody counts only after a while."""
        return {zone.name: zone.dwell for zone in self.zones if zone.dwell != DwellRules()}

    def view(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The region in an image of (width, height): x1, y1, x2, y2 in whole pixels."""
        width, height = size
        left, top, right, bottom = self.region or (0.0, 0.0, 1.0, 1.0)
        x1, y1 = int(left * width), int(top * height)
        return x1, y1, max(x1 + 1, ceil(right * width)), max(y1 + 1, ceil(bottom * height))

    def on_frame(self, captured_at: datetime, site: ZoneInfo, size: tuple[int, int]) -> FrameRules:
        """What applies to one frame: when it was captured (aware), and its width and height."""
        return FrameRules(self.areas(captured_at, site), self.min_score, self.view(size))

    def areas(self, captured_at: datetime, site: ZoneInfo) -> list[Area]:
        """What applies at `captured_at` (aware): the whole image first, then active zones."""
        local = captured_at.astimezone(site)
        whole = Area(name=None, polygon=None, restricted=self.restricted, required=self.required)
        return [whole] + [
            Area(
                name=zone.name,
                polygon=zone.polygon,
                restricted=zone.restricted,
                required=zone.required,
                free=zone.free,
                point=zone.point,
                min_height=zone.min_height,
                masks=zone.masks,
            )
            for zone in self.zones
            if zone.active(local)
        ]


class SiteProfile(StrEnum):
    """What a site without a policy requires: a home nothing, a worksite helmet and vest."""

    HOME = "home"
    WORKSITE = "worksite"

    def policy(self) -> Policy:
        return Policy() if self is SiteProfile.WORKSITE else Policy(defaults=Defaults(required=()))


class Policy(_Strict):
    version: Literal[1] = 1
    defaults: Defaults = Defaults()
    cameras: dict[Annotated[str, Field(pattern=NAME)], Camera] = Field(
        default_factory=dict, max_length=1000
    )
    unknown_cameras: Literal["default", "reject"] = "default"

    @model_validator(mode="before")
    @classmethod
    def _version_number(cls, data: Any) -> Any:
        # Scalars arrive as text, and Literal[1] does not convert.
        if isinstance(data, dict) and data.get("version") == "1":
            return {**data, "version": 1}
        return data

    def with_entries(self, entries: Mapping[str, str]) -> Policy:
        """The policy in which cameras also have the entry of another name; one of their own goes
        before."""
        named = {
            name: self.cameras[entry] for name, entry in entries.items() if entry in self.cameras
        }
        return self.model_copy(update={"cameras": named | self.cameras}) if named else self

    def rules(self, camera_id: str) -> CameraRules:
        """The rules of `camera_id`.

        Raises:
            InvalidInput: the policy rejects cameras that it does not name.
        """
        camera = self.cameras.get(camera_id)
        if camera is None:
            if self.unknown_cameras == "reject":
                raise InvalidInput(
                    f"camera {camera_id!r} is not in the policy; name it under cameras, "
                    "or set unknown_cameras: default"
                )
            camera = Camera()
        defaults = self.defaults
        return CameraRules(
            required=defaults.required if camera.required is None else camera.required,
            restricted=defaults.restricted if camera.restricted is None else camera.restricted,
            min_score=defaults.min_score if camera.min_score is None else camera.min_score,
            max_lag_s=defaults.max_lag_s if camera.max_lag_s is None else camera.max_lag_s,
            max_fps=defaults.max_fps if camera.max_fps is None else camera.max_fps,
            silent_after_s=camera.silent_after_s or defaults.silent_after_s,
            episode=camera.episode or defaults.episode,
            region=camera.region,
            zones=camera.zones,
        )


class _TextLoader(yaml.BaseLoader):
    """YAML → text, lists and mappings only; no aliases, no repeated keys, bounded depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise InvalidInput(f"policy line {mark.line + 1}: aliases (*name) are not allowed")
        if self.depth >= MAX_DEPTH:
            raise InvalidInput(f"policy: nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                line = key.start_mark.line + 1
                raise InvalidInput(f"policy line {line}: {key.value!r} is given twice")
        return super().construct_mapping(node, deep)


def parse_policy(data: bytes, source: str = "policy") -> Policy:
    """Read and check a policy file.

    Args:
        data: YAML, at most 256 kB of UTF-8.
        source: How messages name the file.

    Raises:
        TooLarge, InvalidInput: with the offending value and where it stands.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{source} has {len(data)} bytes; a policy may have {MAX_BYTES}")
    try:
        loader = _TextLoader(data.decode("utf-8-sig"))
        try:
            root = loader.get_single_node()
            tree = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source} is not UTF-8 text (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InvalidInput(f"{source} line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source} is not YAML: {str(error)[:200]}") from None
    if tree is None or tree == "":
        return Policy()
    if not isinstance(tree, dict):
        raise InvalidInput(f"{source} must be a mapping, not {type(tree).__name__}")
    try:
        return Policy.model_validate(tree)
    except ValidationError as error:
        raise explain(source, error, root, Policy) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a policy file: `python -m functions.detection.policy FILE`; the exit status."""
    [name] = sys.argv[1:] if arguments is None else arguments
    try:
        parse_policy(Path(name).read_bytes(), f"policy {name}")
    except (HearthError, OSError) as error:
        sys.stderr.write(f"{getattr(error, 'message', error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
