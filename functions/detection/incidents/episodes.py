"""Incident episodes: a pure function of the set of observations of one camera and zone.

Nothing here depends on the order in which observations arrived or on how often one did, so
shuffled and repeated frames give the same incidents with the same ids.

A *chain* is a run of observations with no gap longer than `gap_s`. A chain is cut into *episodes*,
each no longer than `max_s` from its first observation. Cutting goes from the start of the chain
onward, so an episode depends on what is earlier only through the start of its predecessor, and
new observations change nothing in earlier episodes of the chain. That is what lets the repository
recompute from the touched episode on (`restart_at`) and get the same as from scratch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from functions.detection.observations import Observation
from functions.detection.policy import EpisodeRules
from hearth.ids import ulid_from


@dataclass(frozen=True)
class ClassSummary:
    """One confirmed class of an episode. `confidence` is the median of the frames' best scores."""

    class_name: str
    confidence: float
    peak_confidence: float
    observations: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class ChainLink:
    """What an episode follows: when the one before was last seen, and the chain's first confirmed
    episode up to there."""

    last_seen: datetime
    root: str | None


@dataclass(frozen=True)
class Episode:
    """What happened between the first and the last observation.

    Attributes:
        incident_id: Made from camera, zone and first frame.
        classes: The confirmed ones, by name; none means that the episode is not confirmed (yet).
        peak_frame_key: The frame of the highest confirmed score; the earliest of equals.
        continues: Whether the chain goes on after `max_s` was reached.
        continuation_of: The first confirmed episode of the chain, unless it is this one.
    """

    incident_id: str
    camera_id: str
    zone: str | None
    first_seen: datetime
    last_seen: datetime
    first_frame_key: str
    last_frame_key: str
    frames: int
    persons_max: int
    classes: tuple[ClassSummary, ...]
    peak_frame_key: str
    continues: bool
    continuation_of: str | None = None

    @property
    def confirmed(self) -> bool:
        return bool(self.classes)


def incident_id(camera_id: str, zone: str | None, first_seen: datetime, frame_key: str) -> str:
    """The id of the episode that begins with this frame."""
    return ulid_from(first_seen, camera_id, zone or "", frame_key)


def episodes(
    camera_id: str,
    zone: str | None,
    observations: Iterable[Observation],
    rules: EpisodeRules,
    before: ChainLink | None = None,
) -> list[Episode]:
    """All episodes, in order of time. Repeated observations count once.

    Args:
        before: The episode before the first one, whatever lies between them.
    """
    runs = list(_runs(sorted(set(observations)), rules))
    gap = timedelta(seconds=rules.gap_s)
    result: list[Episode] = []
    last_seen, root = (before.last_seen, before.root) if before else (None, None)
    for index, run in enumerate(runs):
        following = runs[index + 1][0] if index + 1 < len(runs) else None
        continues = following is not None and following.captured_at - run[-1].captured_at <= gap
        if last_seen is None or run[0].captured_at - last_seen > gap:
            root = None
        episode = replace(_summary(camera_id, zone, run, rules, continues), continuation_of=root)
        result.append(episode)
        last_seen = episode.last_seen
        root = root or (episode.incident_id if episode.confirmed else None)
    return result


def _runs(ordered: Sequence[Observation], rules: EpisodeRules) -> Iterable[list[Observation]]:
    gap, longest = timedelta(seconds=rules.gap_s), timedelta(seconds=rules.max_s)
    run: list[Observation] = []
    for seen in ordered:
        if run and (
            seen.captured_at - run[-1].captured_at > gap
            or seen.captured_at - run[0].captured_at > longest
        ):
            yield run
            run = []
        run.append(seen)
    if run:
        yield run


def _summary(
    camera_id: str,
    zone: str | None,
    run: Sequence[Observation],
    rules: EpisodeRules,
    continues: bool,
) -> Episode:
    first, last = run[0], run[-1]
    best: defaultdict[str, dict[str, Observation]] = defaultdict(dict)
    persons: defaultdict[str, set[int]] = defaultdict(set)
    for seen in run:
        persons[seen.frame_key].add(seen.person)
        frames = best[seen.class_name]
        known = frames.get(seen.frame_key)
        if known is None or seen.score > known.score:
            frames[seen.frame_key] = seen
    classes = []
    # Without a confirmed class there is no peak; the first frame takes its place.
    peak: Observation = first
    peak_score = -1.0
    for name in sorted(best):
        # Dictionaries keep the order of insertion, and the run is in order of time.
        seen_frames = list(best[name].values())
        scores = [seen.score for seen in seen_frames]
        middle = median(scores)
        if len(scores) < rules.min_observations or middle < rules.min_score:
            continue
        classes.append(
            ClassSummary(
                class_name=name,
                confidence=round(middle, 4),
                peak_confidence=max(scores),
                observations=len(scores),
                first_seen=seen_frames[0].captured_at,
                last_seen=seen_frames[-1].captured_at,
            )
        )
        for seen in seen_frames:
            if seen.score > peak_score or (
                seen.score == peak_score and seen.frame_key < peak.frame_key
            ):
                peak, peak_score = seen, seen.score
    return Episode(
        incident_id=incident_id(camera_id, zone, first.captured_at, first.frame_key),
        camera_id=camera_id,
        zone=zone,
        first_seen=first.captured_at,
        last_seen=last.captured_at,
        first_frame_key=first.frame_key,
        last_frame_key=last.frame_key,
        frames=len(persons),
        persons_max=max(len(numbers) for numbers in persons.values()),
        classes=tuple(classes),
        peak_frame_key=peak.frame_key,
        continues=continues,
    )
