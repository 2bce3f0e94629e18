"""Settles incidents: checks that all frames were judged, draws evidence and emits the event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.detection.incidents.clip import (
    MAX_FRAMES,
    list_clip_rows,
    load_clip_frames,
    make_clip,
)
from functions.detection.incidents.drawing import Caption
from functions.detection.incidents.event import domain_event, ended_event, incident_event
from functions.detection.incidents.evidence import FaceFinder, render
from functions.detection.incidents.settle_jobs import prompt_job, watch_job
from functions.detection.incidents.whole_incident import merge_parts
from functions.detection.judging.tracks import GONE_AFTER, count_people, read_sightings
from functions.detection.policy import CameraRules, EpisodeRules, Policy
from functions.detection.repository.cameras import lock_camera
from functions.detection.repository.frames import get_frame_with_model, list_frames_with_people
from functions.detection.repository.incident_rows import (
    find_settled_start,
    get_incident,
    list_chain,
    update_incident,
)
from functions.detection.repository.reviews import list_reviews
from functions.detection.repository.tables import ENDED, OPEN, SUPERSEDED
from functions.detection.schemas import EndReason, Evidence, SafetyViolationDetected, Site
from hearth.errors import HearthError, InvalidInput, NotFound
from hearth.frames import FrameKind, camera_prefix, frame_job, frame_key, parse_frame_key
from hearth.ids import CLOCK_TOLERANCE, format_time, utc_now
from hearth.ledger.consumer import Deadline, Done, Outcome, Postpone, each
from hearth.ledger.ledger import Job, JobState, Ledger, UnitOfWork
from hearth.logging import logger
from hearth.storage import ObjectStore
from hearth_vision.images import ImageLimits, decode_image

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

RECHECK_INTERVAL: Final = timedelta(seconds=2)
"""How soon an incident is checked again whose frames are not all judged."""
MAX_TRACKED_FRAMES: Final = 20_000
"""Frames with people that are read to count them: over two hours at 2 a second."""
HAAR: Final = "opencv-haar"
"""The face detector that takes ten times as long as the default one."""
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Closing:
    """Whether an incident is over: `reason` is set, or `recheck_at` is when to check again."""

    reason: EndReason | None
    recheck_at: datetime | None = None


@dataclass(frozen=True)
class EvidenceSettings:
    """How evidence is drawn; without `faces` none are blurred, for the reason in `faces_note`.

    A clip shows `clip_seconds` before the peak frame and as many after it; 0 makes none.
    """

    bucket: str
    site: Site
    timezone: ZoneInfo
    limits: ImageLimits
    faces: FaceFinder | None
    faces_note: str | None
    clip_seconds: float = 0.0


class SettleService:
    """Settles one incident a job.

    Args:
        policy: The policy in force.
        settings: Called on first use: it may load a face detector.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        policy: Callable[[], Policy],
        settings: Callable[[], EvidenceSettings],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._db = ledger.db
        self._store = store
        self._policy = policy
        self._settings = settings
        self._now = now

    def work(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`: each incident once, however many jobs ask for it in one batch."""
        first_jobs: dict[str, Job] = {}
        # The watch comes first: only a watch can be postponed.
        for job in sorted(jobs, key=lambda job: not job.payload.get("watch")):
            incident_id = job.payload["incident_id"]
            if first_jobs.setdefault(incident_id, job) is not job and not job.payload.get("watch"):
                yield job, Done()
        first_ids = {job.id for job in first_jobs.values()}
        watches = [job for job in jobs if job.payload.get("watch") and job.id not in first_ids]
        yield from each(self.settle, self._now)([*first_jobs.values(), *watches], deadline)

    def settle(self, job: Job) -> Outcome:
        """End the incident if all of its frames are judged and no more can come.

        A prompt that comes too early moves the watch forward and is done; a watch is postponed.
        """
        row = self._db.read(lambda tx: get_incident(tx, job.payload["incident_id"]))
        if row is None or row.state != OPEN:
            return Done()
        rules = self._policy().rules(row.camera_id)
        closing = self._check_closing(row, rules.episode)
        if closing.reason is None:
            at = closing.recheck_at or self._now() + RECHECK_INTERVAL
            if job.payload.get("watch") and job.dedupe_key == row.watch_key:
                return Postpone(at)
            return Done(lambda work: self._wake_watch(work, row, at))
        return self._end(row, rules, closing.reason)

    def tell_of_review(self, job: Job) -> Outcome:
        """Publish an ended incident anew, with its review; an open one tells of it at its end."""
        row = self._db.read(lambda tx: get_incident(tx, job.payload["incident_id"]))
        if row is None or row.state != ENDED:
            return Done()
        rules = self._policy().rules(row.camera_id).episode
        chain = self._db.read(lambda tx: list_chain(tx, row.id))
        last = max(chain, key=lambda part: part.last_seen)
        persons_seen = self._db.read(lambda tx: self._count_people(tx, last, rules))

        def write(work: UnitOfWork) -> None:
            event = whole_event(work.tx, row.id, rules, self._settings().site, persons_seen)
            if event is not None:
                work.emit(domain_event(event))

        return Done(write)

    # ---- whether it is over ----

    def _check_closing(self, row: Row[Any], rules: EpisodeRules) -> Closing:
        """Compare the bucket's listing with the ledger.

        Frames of a camera arrive in order, so whatever lies behind the incident proves that
        nothing inside it is still to come.
        """
        gap = timedelta(seconds=rules.gap_s)
        floor = self._db.read(
            lambda tx: find_settled_start(tx, row.camera_id, row.zone, row.first_seen, gap)
        )
        upper = row.last_seen + gap
        inside: list[str] = []
        marked_at: datetime | None = None
        last_at = row.last_seen
        passed = False
        newest = row.updated_at
        prefix = camera_prefix(row.camera_id)
        start = frame_key(row.camera_id, floor - gap - _TICK)
        for item in self._store.list(prefix, start_after=start):
            try:
                ref = parse_frame_key(item.key)
            except InvalidInput:
                continue
            newest = max(newest, item.last_modified)
            if ref.captured_at > upper and ref.kind is FrameKind.FRAME:
                passed = True
                break
            if ref.kind is FrameKind.END:
                marked_at = ref.captured_at
                # A marker just behind the window ends the stream as well as one inside.
                if ref.captured_at > upper:
                    passed = True
                    break
                continue
            inside.append(item.key)
            last_at = max(last_at, ref.captured_at)
        if not self._are_all_judged(inside):
            return Closing(None)
        if row.continues:
            return Closing("max_duration")
        if marked_at is not None and marked_at > last_at:
            return Closing("stream_end")
        if passed:
            return Closing("gap")
        silent_at = newest + timedelta(seconds=rules.idle_after_s)
        # What was stored before the clock was set back is followed by nothing: later frames have
        # earlier times.
        now = self._now()
        is_silent = now >= silent_at or newest > now + CLOCK_TOLERANCE
        return Closing("silence") if is_silent else Closing(None, silent_at)

    def _are_all_judged(self, keys: Sequence[str]) -> bool:
        jobs = {job.dedupe_key: job for job in map(frame_job, keys)}
        states = self._ledger.states(jobs)
        missing = [job for key, job in jobs.items() if key not in states]
        if missing:
            # Their notification is lost or late; the bucket's listing decides.
            self._ledger.transact(lambda work: work.add(*missing))
        judged = {JobState.DONE, JobState.FAILED}
        return not missing and all(state in judged for state in states.values())

    def _wake_watch(self, work: UnitOfWork, row: Row[Any], at: datetime) -> None:
        self._ledger.hasten(work.tx, [row.watch_key], at)
        work.add(watch_job(row.watch_key, row.id, at))

    # ---- the end ----

    def _end(self, row: Row[Any], rules: CameraRules, reason: EndReason) -> Outcome:
        peak = self._db.read(lambda tx: get_peak(tx, row))
        evidence = store_evidence(
            self._store, row, peak, rules, self._settings(), f"evidence/{row.id}.jpg"
        )
        evidence = evidence.model_copy(update=self._store_clip(row, peak))
        persons_seen = self._db.read(lambda tx: self._count_people(tx, row, rules.episode))

        def write(work: UnitOfWork) -> None:
            tx, now = work.tx, self._now()
            lock_camera(tx, row.camera_id)
            current = get_incident(tx, row.id)
            if current is None or current.state != OPEN:
                return
            if not _have_same_content(current, row):
                # A frame came in while the evidence was drawn: draw it again.
                work.add(prompt_job(row.id, current.revision, f"after:{format_time(now)}"))
                return
            changes = {
                "state": ENDED,
                "end_reason": reason,
                "evidence": evidence.model_dump(mode="json"),
                "updated_at": now,
            }
            update_incident(tx, row.id, changes)
            self._emit_whole(work, row.continuation_of or row.id, rules.episode, persons_seen)
            self._wake_watch(work, row, now)

        logger.info("incident settled", incident_id=row.id, camera_id=row.camera_id, reason=reason)
        return Done(write)

    def _store_clip(self, row: Row[Any], peak: Row[Any]) -> dict[str, str]:
        """Store the clip beside the evidence image, and return its fields; there may be none."""
        settings = self._settings()
        if not settings.clip_seconds:
            return {}
        slow = settings.faces is not None and settings.faces.method == HAAR
        most = MAX_FRAMES // 3 if slow else MAX_FRAMES
        rows = self._db.read(lambda tx: list_clip_rows(tx, peak, settings.clip_seconds, most))
        frames = load_clip_frames(self._store, rows, settings.limits)
        clip = make_clip(frames, settings.faces)
        if clip is None:
            return {}
        key = f"evidence/{row.id}.gif"
        return {"clip_key": key, "clip_sha256": self._store.put(key, clip, "image/gif")}

    def _emit_whole(
        self, work: UnitOfWork, root_id: str, rules: EpisodeRules, persons_seen: int
    ) -> None:
        """Publish the incident with all of its parts that have ended, if its first one has."""
        event = whole_event(work.tx, root_id, rules, self._settings().site, persons_seen)
        if event is None:
            return
        work.emit(domain_event(event))
        if event.end_reason != "max_duration":
            work.emit(ended_event(event))

    def _count_people(self, tx: Connection, row: Row[Any], rules: EpisodeRules) -> int:
        """How many different people broke the rules, since the first part of the incident."""
        root = get_incident(tx, row.continuation_of or row.id) or row
        first = frame_key(row.camera_id, root.first_seen)
        last = frame_key(row.camera_id, row.last_seen)
        found = list_frames_with_people(tx, row.camera_id, first, last, MAX_TRACKED_FRAMES)
        seen = [
            one
            for frame in found
            for one in read_sightings(frame.frame_key, frame.captured_at, frame.result, row.zone)
        ]
        at_once = max(row.persons_max, root.persons_max)
        gap = max(GONE_AFTER, timedelta(seconds=rules.gap_s))
        return count_people(row.camera_id, seen, at_once, gap)


def get_peak(tx: Connection, row: Row[Any]) -> Row[Any]:
    """The peak frame of an incident, with its model.

    Raises:
        NotFound: it is not stored (any more).
    """
    peak = get_frame_with_model(tx, row.peak_frame_key)
    if peak is None or peak.result is None or peak.model is None:
        raise NotFound(f"the peak frame {row.peak_frame_key} of incident {row.id} is not stored")
    return peak


def whole_event(
    tx: Connection, root_id: str, rules: EpisodeRules, site: Site, persons_seen: int | None
) -> SafetyViolationDetected | None:
    """The event of an incident with its continuations; None while its first part goes on."""
    rows = list_chain(tx, root_id)
    root = next((row for row in rows if row.id == root_id), None)
    if root is None or root.state != ENDED:
        return None
    ended = [row for row in rows if row.state == ENDED]
    ended.sort(key=lambda row: (row.id != root_id, row.first_seen))
    gone = [row for row in rows if row.state == SUPERSEDED]
    reasons = {row.id: row.end_reason for row in ended}
    reviews = list_reviews(tx, root_id)
    return incident_event(
        merge_parts(ended, gone, reasons, len(reviews)),
        get_peak(tx, root),
        rules,
        Evidence.model_validate(root.evidence),
        site,
        persons_seen,
        reviews[-1] if reviews else None,
    )


def store_evidence(
    store: ObjectStore,
    row: Row[Any],
    peak: Row[Any],
    rules: CameraRules,
    settings: EvidenceSettings,
    key: str,
) -> Evidence:
    """Draw an incident's peak frame and store it under `key`."""
    data = store.get(row.peak_frame_key, settings.limits.max_bytes)
    image = decode_image(data, settings.limits)
    model = peak.model
    stand_in = "the default model " if model["fallback"] else ""
    local = peak.captured_at.astimezone(settings.timezone)
    caption = Caption(
        camera_id=row.camera_id,
        zone=row.zone or None,
        time=local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        incident_id=row.id,
        model=f"{stand_in}{model['name']} ({model['method']}, {model['backend']})",
        classes=tuple(one["class_name"] for one in row.classes),
        note=settings.faces_note,
    )
    polygon = next((z.polygon for z in rules.zones if z.name == row.zone), None)
    drawn = render(image, peak.result, polygon, caption, settings.faces)
    sha256 = store.put(key, drawn.jpeg, "image/jpeg")
    return Evidence(
        bucket=settings.bucket,
        key=key,
        sha256=sha256,
        faces_blurred=drawn.faces_blurred,
        blur_method=settings.faces.method if settings.faces is not None else None,
        note=settings.faces_note,
    )


def _have_same_content(a: Row[Any], b: Row[Any]) -> bool:
    names = ("revision", "last_frame_key", "frames", "persons_max", "classes", "peak_frame_key")
    return all(getattr(a, name) == getattr(b, name) for name in names)


def face_settings(
    blur: bool, *loaders: Callable[[], FaceFinder]
) -> tuple[FaceFinder | None, str | None]:
    """The first face detector that can be loaded and None, or None and why none is blurred."""
    if not blur:
        return None, "Faces are not blurred: BLUR_FACES is off"
    for load in loaders:
        try:
            return load(), None
        except HearthError as error:
            logger.warning("a face detector is not used", reason=error.message)
    return None, "Faces are not blurred: no face detector is at hand"
