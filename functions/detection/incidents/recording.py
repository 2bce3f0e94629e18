"""Records judged frames: counters, observations and incidents change in one transaction.

Everything here runs inside one transaction of the caller and locks the camera's row, so that two
workers never recompute one camera at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.detection.incidents.episodes import ChainLink, ClassSummary, Episode, episodes
from functions.detection.incidents.frame_rows import add_to_counters, frame_row, is_stored
from functions.detection.incidents.settle_jobs import (
    Horizon,
    alert_job,
    alerts_of,
    settle_jobs,
    watch_job,
)
from functions.detection.judging.assessment import FrameResult
from functions.detection.judging.dwelling import DwellRules, find_dwellers, in_zone
from functions.detection.observations import Observation
from functions.detection.policy import EpisodeRules
from functions.detection.repository.cameras import lock_camera, update_camera
from functions.detection.repository.frames import (
    delete_observations,
    get_frames,
    insert_model,
    insert_observations,
    list_frames_with_people,
    list_observations,
    upsert_frames,
)
from functions.detection.repository.incident_rows import (
    delete_incident,
    get_chain_link,
    get_episode_before,
    get_incident,
    insert_incident,
    list_episodes_from,
    update_incident,
)
from functions.detection.repository.old_rows import list_pruned_spans
from functions.detection.repository.tables import CANDIDATE, ENDED, OPEN, SUPERSEDED
from functions.detection.schemas import DropReason
from hearth.frames import frame_key
from hearth.ids import format_time, new_ulid, parse_time
from hearth.ledger.ledger import NewJob

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


_DROPPED: Final[Mapping[DropReason, str]] = {"lag": "dropped", "rate": "over_rate"}


MAX_DWELL_FRAMES: Final = 20_000
"""Frames that are read for one zone: longer than an episode and what comes before it."""


@dataclass(frozen=True)
class Span:
    """The time in which observations of a zone changed.

    What counts only after a while may change for as long after them.
    """

    first: datetime
    changed_until: datetime
    dwell: DwellRules | None = None

    @property
    def last(self) -> datetime:
        after = self.dwell.lookback if self.dwell else timedelta(0)
        return self.changed_until + after


@dataclass(frozen=True)
class ModelRecord:
    """The model that made some results, as it is stored: one row for each distinct description."""

    id: str
    body: Mapping[str, Any]


def record_frames(
    tx: Connection,
    camera_id: str,
    results: Sequence[FrameResult],
    model: ModelRecord,
    rules: EpisodeRules,
    now: datetime,
    dwell: Mapping[str, DwellRules] | None = None,
) -> list[NewJob]:
    """Store judged frames of one camera and bring its incidents up to date.

    A repeat of what is stored changes nothing.

    Args:
        dwell: The zones in which somebody counts only after a while.

    Returns:
        Jobs that settle incidents.
    """
    camera = lock_camera(tx, camera_id)
    known = get_frames(tx, [result.key for result in results])
    fresh = [
        result
        for result in results
        if _may_be_pruned(camera, result.captured_at)
        or not is_stored(known.get(result.key), result, model.id)
    ]
    jobs: list[NewJob] = []
    touched: set[str] = set()
    if fresh:
        insert_model(tx, model.id, dict(model.body))
        upsert_frames(tx, [frame_row(result, model.id, now) for result in fresh])
        replaced = {one.key: known[one.key] for one in fresh if one.key in known}
        update_camera(tx, camera_id, add_to_counters(camera, fresh, replaced, model.id))
        spans = _replace_observations(tx, fresh, replaced, dwell or {})
        for zone, (first, last) in spans.items():
            span = Span(first, last, (dwell or {}).get(zone))
            changed, watch = _recompute(tx, camera, zone, span, rules, now)
            touched |= changed
            jobs += watch
    latest = max(result.captured_at for result in results)
    before = Horizon(camera.last_frame_at, camera.ended_at)
    after = Horizon(_latest(camera.last_frame_at, latest), camera.ended_at)
    times = [result.captured_at for result in results]
    return jobs + settle_jobs(
        tx, camera_id, rules, before, after, times, touched, format_time(latest)
    )


def record_failures(
    tx: Connection, camera_id: str, errors: Mapping[str, tuple[datetime, str]], now: datetime
) -> None:
    """Store frames that cannot be judged: key → (captured at, reason)."""
    camera = lock_camera(tx, camera_id)
    known = get_frames(tx, list(errors))
    new = {key: error for key, error in errors.items() if key not in known}
    if not new:
        return
    blank = dict.fromkeys(
        ("width", "height", "persons", "compliant", "violation", "indeterminate"), 0
    )
    upsert_frames(
        tx,
        [
            {
                **blank,
                "frame_key": key,
                "camera_id": camera_id,
                "captured_at": captured_at,
                "result": None,
                "model_id": None,
                "error": reason[:2000],
                "processed_at": now,
            }
            for key, (captured_at, reason) in new.items()
        ],
    )
    update_camera(tx, camera_id, {"failed": camera.failed + len(new)})


def record_dropped(tx: Connection, camera_id: str, reason: DropReason) -> None:
    """Count one frame that was dropped."""
    camera = lock_camera(tx, camera_id)
    column = _DROPPED[reason]
    update_camera(tx, camera_id, {column: (getattr(camera, column) or 0) + 1})


def record_end(
    tx: Connection, camera_id: str, ended_at: datetime, rules: EpisodeRules
) -> list[NewJob]:
    """Note that the camera's stream ended.

    Returns:
        Jobs that settle the incidents which this ends.
    """
    camera = lock_camera(tx, camera_id)
    update_camera(tx, camera_id, {"ended_at": _latest(camera.ended_at, ended_at)})
    before = Horizon(camera.last_frame_at, camera.ended_at)
    after = Horizon(camera.last_frame_at, _latest(camera.ended_at, ended_at))
    return settle_jobs(
        tx, camera_id, rules, before, after, [ended_at], set(), f"{format_time(ended_at)}.end"
    )


# ---- incidents ----


def _recompute(
    tx: Connection,
    camera: Row[Any],
    zone: str,
    span: Span,
    rules: EpisodeRules,
    now: datetime,
) -> tuple[set[str], list[NewJob]]:
    """Bring the episodes around changed observations up to date.

    From the episode that reaches up to the first change (cuts before it are unaffected, see
    `episodes`) to the end of the chain.
    """
    camera_id = camera.camera_id
    first, last = span.first, span.last
    gap = timedelta(seconds=rules.gap_s)
    before = get_episode_before(tx, camera_id, zone, first)
    start = before.first_seen if before and first - before.last_seen <= gap else first
    following = list_episodes_from(tx, camera_id, zone, start)
    end = last
    old: dict[str, Any] = {}
    for row in following:
        if row.first_seen > end + gap:
            break
        end = max(end, row.last_seen)
        old[row.id] = row
    seen = list_observations(
        tx, camera_id, zone, frame_key(camera_id, start), frame_key(camera_id, end)
    )
    if span.dwell is not None:
        seen = _only_dwellers(tx, camera_id, zone, seen, span.dwell)
    current: list[Episode] = []
    for number, part in enumerate(_split_at_final(tx, camera, zone, start, end, seen)):
        since = start if number == 0 else part[0].captured_at
        link = _chain_link(tx, camera_id, zone, since, only_pruned=number > 0)
        current += episodes(camera_id, zone or None, part, rules, link)
    changed: set[str] = set()
    jobs: list[NewJob] = []
    for episode in current:
        row = old.pop(episode.incident_id, None)
        stored = _upsert_episode(tx, row, episode, now)
        if stored.changed:
            changed.add(episode.incident_id)
        if stored.opened:
            quiet = now + timedelta(seconds=rules.idle_after_s)
            jobs.append(watch_job(stored.opened, episode.incident_id, quiet))
        if stored.closed:
            jobs.append(watch_job(stored.closed, episode.incident_id, now))
        jobs += [alert_job(episode.incident_id, change) for change in stored.alerts]
    for row in old.values():
        _supersede(tx, row, current, now)
        if row.state == OPEN:
            jobs.append(watch_job(row.watch_key, row.id, now))
    return changed, jobs


def _only_dwellers(
    tx: Connection, camera_id: str, zone: str, seen: Sequence[Observation], rules: DwellRules
) -> list[Observation]:
    """Observations of those who have been in the zone for long enough."""
    if not seen:
        return []
    times = [one.captured_at for one in seen]
    found = list_frames_with_people(
        tx,
        camera_id,
        frame_key(camera_id, min(times) - rules.lookback),
        frame_key(camera_id, max(times)),
        MAX_DWELL_FRAMES,
    )
    frames = [(row.frame_key, row.captured_at, row.result) for row in found]
    counted = find_dwellers(frames, zone, rules)
    return [one for one in seen if (one.frame_key, one.person) in counted]


def _chain_link(
    tx: Connection, camera_id: str, zone: str, before: datetime, *, only_pruned: bool
) -> ChainLink | None:
    row = get_chain_link(tx, camera_id, zone, before, only_pruned=only_pruned)
    if row is None:
        return None
    return ChainLink(row.last_seen, row.continuation_of or (row.id if row.classes else None))


def _split_at_final(
    tx: Connection,
    camera: Row[Any],
    zone: str,
    start: datetime,
    end: datetime,
    seen: Sequence[Observation],
) -> list[list[Observation]]:
    """Observations before, between and after incidents that are final.

    Their observations are deleted. A frame of their time that comes only now, or once more,
    changes them no more, and no other episode reaches over them.
    """
    if not _may_be_pruned(camera, start):
        return [list(seen)]
    spans = list_pruned_spans(tx, camera.camera_id, zone, start, end)
    parts: defaultdict[int, list[Observation]] = defaultdict(list)
    for one in seen:
        if not any(first <= one.captured_at <= last for first, last in spans):
            parts[sum(last < one.captured_at for _, last in spans)].append(one)
    return [parts[index] for index in sorted(parts)]


@dataclass(frozen=True)
class _Stored:
    """The change of a row; `opened` and `closed` are the keys of watches that begin or end,
    `alerts` what people are told of."""

    changed: bool
    opened: str | None = None
    closed: str | None = None
    alerts: Sequence[str] = ()


def _upsert_episode(
    tx: Connection, known: Row[Any] | None, episode: Episode, now: datetime
) -> _Stored:
    """Insert or update one episode."""
    content = episode_row(episode)
    state = OPEN if episode.confirmed else CANDIDATE
    # A watch is done when its incident closes; each opening has one of its own.
    watch = f"settle:{episode.incident_id}:watch:{new_ulid()}"
    # A superseded episode can come back when frames arrive in yet another order.
    row = known or get_incident(tx, episode.incident_id)
    if row is None:
        life = {"state": state, "revision": 1, "watch_key": watch, "updated_at": now}
        insert_incident(tx, {"id": episode.incident_id, **content, **life})
        opened = watch if episode.confirmed else None
        return _Stored(True, opened=opened, alerts=alerts_of(None, episode))
    same = all(getattr(row, name) == value for name, value in content.items())
    if same and row.state != SUPERSEDED:
        return _Stored(False)
    reported = row.state in (ENDED, SUPERSEDED)
    was_open, is_open = row.state == OPEN, state == OPEN
    update_incident(
        tx,
        row.id,
        content
        | {
            "state": state,
            "revision": row.revision + 1 if reported else row.revision,
            "watch_key": watch if is_open and not was_open else row.watch_key,
            "superseded_by": None,
            "end_reason": None,
            "evidence": None,
            "updated_at": now,
        },
    )
    return _Stored(
        True,
        opened=watch if is_open and not was_open else None,
        closed=row.watch_key if was_open and not is_open else None,
        alerts=alerts_of(row, episode),
    )


def _supersede(tx: Connection, row: Row[Any], current: Sequence[Episode], now: datetime) -> None:
    """Delete or supersede an episode whose beginning is now part of another one."""
    if row.state != ENDED and row.revision == 1:
        delete_incident(tx, row.id)
        return
    successor_id = next(
        (
            episode.incident_id
            for episode in current
            if episode.confirmed
            and episode.first_seen <= row.last_seen
            and episode.last_seen >= row.first_seen
        ),
        None,
    )
    changes = {"state": SUPERSEDED, "superseded_by": successor_id, "updated_at": now}
    update_incident(tx, row.id, changes)


def episode_row(episode: Episode) -> dict[str, Any]:
    """The columns of an episode, without its life cycle (state, revision, evidence)."""
    return {
        "camera_id": episode.camera_id,
        "zone": episode.zone or "",
        "first_seen": episode.first_seen,
        "last_seen": episode.last_seen,
        "first_frame_key": episode.first_frame_key,
        "last_frame_key": episode.last_frame_key,
        "frames": episode.frames,
        "persons_max": episode.persons_max,
        "classes": [
            {
                "class_name": one.class_name,
                "confidence": one.confidence,
                "peak_confidence": one.peak_confidence,
                "observations": one.observations,
                "first_seen": format_time(one.first_seen),
                "last_seen": format_time(one.last_seen),
            }
            for one in episode.classes
        ],
        "peak_frame_key": episode.peak_frame_key,
        "continues": episode.continues,
        "continuation_of": episode.continuation_of,
    }


def class_summaries(stored: Iterable[Mapping[str, Any]]) -> list[ClassSummary]:
    """Stored classes of an episode; the inverse of `episode_row`."""
    return [
        ClassSummary(
            **{
                **one,
                "first_seen": parse_time(one["first_seen"]),
                "last_seen": parse_time(one["last_seen"]),
            }
        )
        for one in stored
    ]


# ---- rows ----


def _may_be_pruned(camera: Row[Any], time: datetime) -> bool:
    """Whether observations of that time may be deleted, also those of a peak frame that is kept."""
    return camera.pruned_until is not None and time <= camera.pruned_until


def _replace_observations(
    tx: Connection,
    fresh: Sequence[FrameResult],
    replaced: Mapping[str, Row[Any]],
    dwell: Mapping[str, DwellRules],
) -> dict[str, tuple[datetime, datetime]]:
    """Replace observations; the answer is the first and last changed time of each zone.

    Where people count only after a while, everybody in the zone is a change.
    """
    touched = delete_observations(tx, list(replaced))
    for zone in dwell:
        shown = [(one.captured_at, one.result) for one in fresh]
        shown += [(row.captured_at, row.result) for row in replaced.values() if row.result]
        touched |= {(zone, at) for at, result in shown if in_zone(result, zone)["persons"]}
    seen = [
        (zone or "", one)
        for result in fresh
        for zone, members in result.observations.items()
        for one in members
    ]
    insert_observations(tx, seen)
    touched |= {(zone, one.captured_at) for zone, one in seen}
    spans: dict[str, tuple[datetime, datetime]] = {}
    for zone, time in sorted(touched):
        first, last = spans.get(zone, (time, time))
        spans[zone] = min(first, time), max(last, time)
    return spans


def _latest(a: datetime | None, b: datetime) -> datetime:
    return b if a is None else max(a, b)
