"""When an incident may be over, and the jobs that check it.

Two kinds of job settle an incident. A *prompt* is made when a frame or an end marker comes in that
may be the last thing an incident waited for; it settles at once or ends without effect. A *watch*
is made when an incident opens and stays in the ledger until it is settled, so that a camera which
falls silent, or a prompt that came too early, leaves nothing open for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.detection.incidents.episodes import Episode
from functions.detection.policy import EpisodeRules
from functions.detection.repository.incident_rows import list_open_incidents
from functions.detection.repository.tables import OPEN
from hearth.frames import QUEUE
from hearth.ledger.ledger import NewJob

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

SETTLE: Final = "detection.settle"
ALERT: Final = "detection.alert"
STARTED: Final = "started"
CONTINUED: Final = "continued"
CROWDS: Final = (2, 4, 8, 16, 32)
"""People at once of whom an incident that goes on is told anew."""


@dataclass(frozen=True)
class Horizon:
    """A camera's watermark: its latest judged frame, and its latest end marker."""

    last_frame_at: datetime | None
    ended_at: datetime | None

    def passes(self, last_seen: datetime, gap: timedelta) -> bool:
        """Whether an episode that was last seen then can be over."""
        beyond = self.last_frame_at is not None and self.last_frame_at > last_seen + gap
        return beyond or (self.ended_at is not None and self.ended_at > last_seen)


def alerts_of(row: Row[Any] | None, episode: Episode) -> list[str]:
    """What people are told when an episode takes the place of its stored row.

    Its start, and of what goes on only that it broke another rule, or that a multiple of the people
    is there: a bounded number of alerts for each incident.
    """
    if not episode.confirmed:
        return []
    if row is None or row.state != OPEN:
        return [CONTINUED if episode.continuation_of else STARTED]
    known = {one["class_name"] for one in row.classes}
    new = [one.class_name for one in episode.classes if one.class_name not in known]
    reached = [number for number in CROWDS if row.persons_max < number <= episode.persons_max]
    return [f"class-{name}" for name in new] + [f"persons-{number}" for number in reached[-1:]]


def alert_job(incident_id: str, change: str) -> NewJob:
    """The job that tells people of an incident that begins or changes; one for each change."""
    return NewJob(
        kind=ALERT,
        queue=QUEUE,
        dedupe_key=f"alert:{incident_id}:{change}",
        payload={"incident_id": incident_id, "change": change},
    )


def watch_job(key: str, incident_id: str, at: datetime) -> NewJob:
    """The job that settles an incident however silent its camera becomes.

    Args:
        key: The incident's `watch_key`; one for each time that it is opened.
        at: When to check; now for a watch that has nothing left to wait for.
    """
    return NewJob(
        kind=SETTLE,
        queue=QUEUE,
        dedupe_key=key,
        payload={"incident_id": incident_id, "watch": True},
        available_at=at,
    )


def prompt_job(incident_id: str, revision: int, trigger: str) -> NewJob:
    """A job that settles an incident at once if it can, and otherwise leaves it to the watch.

    `trigger` names the cause, so that the same cause makes the same job.
    """
    return NewJob(
        kind=SETTLE,
        queue=QUEUE,
        dedupe_key=f"settle:{incident_id}:{revision}:{trigger}",
        payload={"incident_id": incident_id, "watch": False},
    )


def settle_jobs(
    tx: Connection,
    camera_id: str,
    rules: EpisodeRules,
    before: Horizon,
    after: Horizon,
    times: Sequence[datetime],
    touched: set[str],
    trigger: str,
) -> list[NewJob]:
    """Jobs for the open incidents that what just came in may have completed.

    One for a batch at most, and none while the camera is still on the incident: an incident that
    can be over is named when that became so, when it changed itself, or when a frame of its time
    came in (the one that was still missing, perhaps).
    """
    gap = timedelta(seconds=rules.gap_s)
    jobs = []
    for row in list_open_incidents(tx, camera_id):
        if not after.passes(row.last_seen, gap):
            continue
        just_passed = not before.passes(row.last_seen, gap)
        around = any(row.first_seen - gap <= time <= row.last_seen + gap for time in times)
        if just_passed or around or row.id in touched:
            jobs.append(prompt_job(row.id, row.revision, trigger))
    return jobs


def due_watches(jobs: Sequence[NewJob], now: datetime) -> list[str]:
    """Keys of the watches among `jobs` that are to run at once."""
    return [
        job.dedupe_key
        for job in jobs
        if job.payload.get("watch") and job.available_at is not None and job.available_at <= now
    ]
