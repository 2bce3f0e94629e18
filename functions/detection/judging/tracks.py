"""Multi-object tracking: links people over a camera's frames, a pure function of the stored frames.

Nothing is kept but the frames themselves, so frames that come late, twice or in another order give
the same people with the same ids. Sightings are linked in order of capture: each goes to the person
whose last place it is nearest to, of a like size, within what somebody can walk in between.

What a person wears is accepted when at least three sightings show it, 60 % of them agree, and
those score 0.8 in the mean; a person is believed when the median of the scores, padded with zeros
to three, reaches 0.7. These are Frigate's numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from statistics import fmean, median
from typing import Any, Final, Literal

from hearth.ids import ulid_from

GONE_AFTER: Final = timedelta(seconds=5)
"""A track ends after this: 25 frames at 5 a second. Who comes back later is a new person."""
REACH: Final = 0.35
"""How far a box may jump between two frames, in heights of the person; detectors jitter."""
WALK: Final = 1.2
"""Heights of a person that a fast walker (2 m/s) covers in a second."""
MAX_REACH: Final = 2.0
SIZE_RATIO: Final = 0.5
"""Of the smaller to the larger height: a crouching person keeps more than half."""

MIN_SCORE: Final = 0.7
PADDED: Final = 3
ATTEMPTS: Final = 3
AGREEMENT: Final = 0.6
ACCEPTED: Final = 0.8

State = Literal["worn", "missing", "indeterminate"]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in source pixels."""


@dataclass(frozen=True, order=True)
class Sighting:
    """One person on one frame.

    Attributes:
        index: The person's number on the frame.
        findings: (item, state, score) of each item that was required there.
        violations: Class names.
    """

    captured_at: datetime
    frame_key: str
    index: int
    box: Box
    score: float
    findings: tuple[tuple[str, str, float], ...] = ()
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """Consensus of several sightings on one item of one person.

    Attributes:
        state: worn or missing where it is accepted, otherwise indeterminate.
        score: Mean of the sightings that agree, 0..1.
        attempts: Sightings with the item worn or missing.
        agreement: The part of them that agrees, 0..1.
        reason: Why it is not accepted.
    """

    item: str
    state: State
    score: float
    attempts: int
    agreement: float
    reason: str | None


@dataclass
class Track:
    """One person's sightings, in order of time."""

    camera_id: str
    sightings: list[Sighting] = field(default_factory=list)

    @property
    def person_id(self) -> str:
        first = self.sightings[0]
        return ulid_from(first.captured_at, self.camera_id, first.frame_key, str(first.index))

    @property
    def score(self) -> float:
        """The median of the scores; fewer than three are padded with zeros."""
        scores = [one.score for one in self.sightings]
        return median(scores + [0.0] * (PADDED - len(scores)))

    @property
    def confirmed(self) -> bool:
        return self.score >= MIN_SCORE

    def violations(self) -> dict[str, int]:
        """Class name → sightings."""
        counts = Counter(name for one in self.sightings for name in set(one.violations))
        return dict(sorted(counts.items()))

    def attributes(self) -> list[Attribute]:
        """The consensus on each item, by name."""
        history: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
        for one in self.sightings:
            for item, state, score in one.findings:
                history[item].append((state, score))
        return [weigh_attribute(item, history[item]) for item in sorted(history)]


def weigh_attribute(item: str, history: Sequence[tuple[str, float]]) -> Attribute:
    """Weigh the (state, score) of an item over all sightings."""
    states: tuple[State, ...] = ("worn", "missing")
    decided = [(known, score) for name, score in history for known in states if name == known]
    if not decided:
        return Attribute(item, "indeterminate", 0.0, 0, 0.0, "no frame could tell")
    counts = Counter(state for state, _ in decided)
    # Of as many for as against, neither reaches the agreement; the name decides which is shown.
    state: State = max(sorted(counts), key=counts.__getitem__)
    agreement = counts[state] / len(decided)
    # A sum in order of size: a mean must not depend on the order in which frames came.
    mean = fmean(sorted(score for name, score in decided if name == state))
    reason = None
    if len(decided) < ATTEMPTS:
        reason = f"{len(decided)} of the {ATTEMPTS} frames that are needed could tell"
    elif agreement < AGREEMENT:
        reason = f"{agreement:.0%} of {len(decided)} frames agree, {AGREEMENT:.0%} are needed"
    elif mean < ACCEPTED:
        reason = f"{state} in {counts[state]} frames, but at {mean:.2f}, below {ACCEPTED}"
    return Attribute(
        item,
        "indeterminate" if reason else state,
        round(mean, 4),
        len(decided),
        round(agreement, 4),
        reason,
    )


def read_sightings(
    frame_key: str, captured_at: datetime, result: Mapping[str, Any], zone: str | None = None
) -> list[Sighting]:
    """The people of one stored frame.

    Args:
        zone: Only those who break a rule of this zone ("": of the whole image); None is everybody.
    """
    return [
        Sighting(
            captured_at,
            frame_key,
            person["index"],
            tuple(person["bbox"]),
            person["confidence"],
            tuple(
                (finding["item"], finding["state"], finding["confidence"])
                for finding in person["findings"]
            ),
            tuple(sorted({violation["class_name"] for violation in person["violations"]})),
        )
        for person in result["persons"]
        if zone is None or any((one["zone"] or "") == zone for one in person["violations"])
    ]


def count_people(
    camera_id: str, seen: Iterable[Sighting], at_once: int, gone_after: timedelta = GONE_AFTER
) -> int:
    """How many different people there were: tracks of some length, and as many as were there at
    once."""
    tracks = track(camera_id, seen, gone_after)
    return max(at_once, sum(len(one.sightings) >= ATTEMPTS for one in tracks))


def track(
    camera_id: str, seen: Iterable[Sighting], gone_after: timedelta = GONE_AFTER
) -> list[Track]:
    """Tracks in the order in which they begin. Repeated sightings count once.

    Args:
        gone_after: Whoever is not seen for so long is another person afterwards.
    """
    tracks: list[Track] = []
    present: list[Track] = []
    ordered = sorted(set(seen))
    for _, frame in groupby(ordered, key=lambda one: (one.captured_at, one.frame_key)):
        new = list(frame)
        now = new[0].captured_at
        present = [one for one in present if now - one.sightings[-1].captured_at <= gone_after]
        pairs = [
            (away, place, number)
            for place, known in enumerate(present)
            for number, one in enumerate(new)
            if (away := relative_distance(known.sightings[-1], one)) is not None
        ]
        matched: set[int] = set()
        taken: set[int] = set()
        # The nearest first; of equals who was seen first, then who stands farther left.
        for _, place, number in sorted(pairs):
            if place not in taken and number not in matched:
                taken.add(place)
                matched.add(number)
                present[place].sightings.append(new[number])
        for number, one in enumerate(new):
            if number not in matched:
                present.append(Track(camera_id, [one]))
                tracks.append(present[-1])
    return tracks


def relative_distance(last: Sighting, now: Sighting) -> float | None:
    """How far somebody would have moved, as a part of how far they can; None when too far.

    Feet and heads are compared apart and the nearer counts: of a person who walks behind a table
    only the upper part goes on.
    """
    heights = last.box[3] - last.box[1], now.box[3] - now.box[1]
    if min(heights) <= 0 or min(heights) < SIZE_RATIO * max(heights):
        return None
    height = (heights[0] + heights[1]) / 2
    across = (last.box[0] + last.box[2] - now.box[0] - now.box[2]) / 2
    along = min(abs(last.box[1] - now.box[1]), abs(last.box[3] - now.box[3]))
    seconds = (now.captured_at - last.captured_at).total_seconds()
    reach = min(MAX_REACH, REACH + WALK * seconds) * height
    away = float((across**2 + along**2) ** 0.5)
    return away / reach if away <= reach else None
