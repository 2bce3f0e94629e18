"""Who has been in a zone for long enough: inertia and loitering, a pure function of stored frames.

A sighting follows the nearest one of a like size in the latest frame, not more than `GONE_AFTER`
earlier, that shows somebody in the zone within reach. So whether it counts depends on the frames of
a bounded time before it only, and late frames change a bounded time after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from functions.detection.judging.tracks import (
    GONE_AFTER,
    Sighting,
    read_sightings,
    relative_distance,
)


@dataclass(frozen=True)
class DwellRules:
    """From when somebody in a zone counts.

    Attributes:
        inertia: Frames that must have shown the person in the zone.
        loitering_s: Seconds for which the person must have been there.
    """

    inertia: int = 1
    loitering_s: float = 0.0

    @property
    def lookback(self) -> timedelta:
        """How long before a sighting the frames reach that decide about it."""
        return max(timedelta(seconds=self.loitering_s), self.inertia * GONE_AFTER) + GONE_AFTER


def in_zone(result: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """The stored result of a frame, with those people only who are in a zone."""
    return {"persons": [one for one in result["persons"] if zone in one["zones"]]}


def find_dwellers(
    frames: Iterable[tuple[str, datetime, Mapping[str, Any]]], zone: str, rules: DwellRules
) -> set[tuple[str, int]]:
    """Frame key and number of everybody who counts.

    Args:
        frames: Key, time and stored result of a camera's frames with people, in any order.
    """
    seen = sorted(
        one
        for key, captured_at, result in frames
        for one in read_sightings(key, captured_at, in_zone(result, zone))
    )
    since: dict[tuple[str, int], tuple[datetime, int]] = {}
    recent: list[list[Sighting]] = []
    for _, frame in groupby(seen, key=lambda one: (one.captured_at, one.frame_key)):
        people = list(frame)
        now = people[0].captured_at
        recent = [old for old in recent if now - old[0].captured_at <= GONE_AFTER]
        for one in people:
            before = _find_previous(one, recent)
            began, frames_seen = (
                since[before.frame_key, before.index] if before else (one.captured_at, 0)
            )
            since[one.frame_key, one.index] = began, frames_seen + 1
        recent.append(people)
    times = {(one.frame_key, one.index): one.captured_at for one in seen}
    return {
        person
        for person, (began, frames_seen) in since.items()
        if frames_seen >= rules.inertia
        and (times[person] - began).total_seconds() >= rules.loitering_s
    }


def _find_previous(one: Sighting, recent: list[list[Sighting]]) -> Sighting | None:
    for people in reversed(recent):
        near = [
            (away, old.index, old)
            for old in people
            if (away := relative_distance(old, one)) is not None
        ]
        if near:
            return min(near, key=lambda pair: pair[:2])[2]
    return None
